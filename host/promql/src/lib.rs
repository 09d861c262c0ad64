//! Parses and evaluates queries over anything that can select series.
mod ast; mod check; mod error; mod lex; mod parse; mod position; mod print; mod signatures; mod text;
pub use parse::parse;
pub use error::ParseError;
