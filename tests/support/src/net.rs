use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// An answer over HTTP.
#[derive(Clone, Debug)]
pub struct HttpAnswer {
    /// The status code, 0 if there was no answer.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, or why there was no answer.
    pub body: String,
}

impl HttpAnswer {
    /// The body as JSON; null if it is none.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    /// The first header of that name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

/// A port of 127.0.0.1 that is free, for a program that is yet to be started.
///
/// Below those that the system itself hands out (from 32768 on Linux), and each but once in a process: else a server or a connection of
/// another test could be given it in between.
#[must_use]
pub fn free_port() -> u16 {
    const FIRST: u32 = 20_000;
    const COUNT: u32 = 12_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let mut candidates = (0..COUNT).map(|_| {
        // Test programs that run at the same time begin at different places.
        let turn = std::process::id().wrapping_mul(97).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        u16::try_from(FIRST + turn % COUNT).expect("below 65536")
    });
    candidates.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).expect("loopback has free ports")
}

/// GET.
#[must_use]
pub fn get(url: &str) -> HttpAnswer {
    request("GET", url, &[], "")
}

/// POST of a form or JSON text.
#[must_use]
pub fn post(url: &str, content_type: &str, body: &str) -> HttpAnswer {
    request("POST", url, &[("content-type", content_type)], body)
}

/// POST without a body.
#[must_use]
pub fn post_text(url: &str) -> HttpAnswer {
    request("POST", url, &[], "")
}

/// Any request. Redirects are not followed.
#[must_use]
pub fn request(method: &str, url: &str, headers: &[(&str, &str)], body: &str) -> HttpAnswer {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .timeout_global(Some(Duration::from_secs(60)))
        .build()
        .into();
    let mut builder = ureq::http::Request::builder().method(method).uri(url);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    let sent = builder.body(body.to_owned()).map_err(ureq::Error::from).and_then(|request| agent.run(request));
    match sent {
        Ok(mut response) => HttpAnswer {
            status: response.status().as_u16(),
            headers: response
                .headers()
                .iter()
                .map(|(n, v)| (n.as_str().to_owned(), String::from_utf8_lossy(v.as_bytes()).into_owned()))
                .collect(),
            body: response.body_mut().with_config().limit(256 << 20).read_to_string().unwrap_or_else(|e| format!("unreadable: {e}")),
        },
        Err(error) => HttpAnswer { status: 0, headers: Vec::new(), body: error.to_string() },
    }
}
