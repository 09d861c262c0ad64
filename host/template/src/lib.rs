//! Go templates, as the peers use them in annotations, labels and messages.
//!
//! The language of Go's `text/template` with its built-in functions, the function sets of Prometheus and Alertmanager, and
//! an escaping mode that knows where in an HTML document a value stands, as `html/template` does. Written here, because the
//! crates there are (`gtmpl`, last released in 2021; `gotmpl`) have no values with methods (`.StartsAt.Format "15:04"`,
//! `.CommonLabels.Remove …`), no positions in errors and no bound on the work a template may do.
//!
//! Start at [`Template`]. A text is parsed once, against the [`Functions`] it may call, and expanded often, within
//! [`Limits`]: the output, the steps, the depth and the size of every value on the way are bounded, so that a template
//! from outside costs little however it is written. There is no clock in here; `now` is what the function set says.
//!
//! What this crate does not know: what an alert is, and where queries go.

mod alertmanager;
mod ast;
mod builtins;
mod exec;
mod format;
mod functions;
mod gotime;
mod html;
mod humanize;
mod json;
mod lex;
mod methods;
mod parse;
mod prometheus;
mod template;
mod text;
mod value;

pub use alertmanager::AlertmanagerFunctions;
pub use exec::Call;
pub use functions::Functions;
pub use prometheus::{PrometheusFunctions, QuerySample};
pub use template::{Limits, Mode, Template, TemplateError};
pub use value::{Field, List, Map, MapKind, Safe, Struct, Value};
