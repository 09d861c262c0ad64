//! HTTP by WASI's own interface, which runtimes of some languages bring along. Linked, so that their components load, and
//! refused: `skopos:plugin/http` is the way out.

use std::future::Future;
use std::sync::Arc;

use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use crate::loaded::Loaded;

/// Refuses every request.
pub(crate) struct RefusedHttp {
    pub(crate) plugin: Arc<Loaded>,
}

type Done = Box<dyn Future<Output = Result<(), Error>> + Send>;
type Sent = Box<dyn Future<Output = Result<(http::Response<WasiBody>, Done), Error>> + Send>;

impl WasiHttpHooks for RefusedHttp {
    fn send_request(&mut self, request: http::Request<WasiBody>, _: Option<RequestOptions>, _: Done) -> Sent {
        let host = request.uri().host().unwrap_or_default();
        let what = format!("a request to {} through wasi:http", crate::text::one_line(&crate::text::shortened(host, 300)));
        self.plugin.standing.refuse(&what, "none: wasi:http is not served yet, use skopos:plugin/http");
        Box::new(async { Err(Error::HttpRequestDenied) })
    }
}
