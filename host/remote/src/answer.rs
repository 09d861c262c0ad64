/// What a request is answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status: 204, 400 (the request is wrong, in part or as a whole: do not repeat it), 415, 429 (later), 500.
    pub status: u16,
    /// Why, for people; empty on success.
    pub text: String,
    /// For `X-Prometheus-Remote-Write-Samples-Written`.
    pub samples: u64,
    /// For `X-Prometheus-Remote-Write-Histograms-Written`.
    pub histograms: u64,
    /// For `X-Prometheus-Remote-Write-Exemplars-Written`.
    pub exemplars: u64,
    /// For `Retry-After`, in seconds.
    pub retry_after_s: Option<u32>,
}

impl Answer {
    pub(crate) fn refused(status: u16, text: impl Into<String>) -> Self {
        Self { status, text: text.into(), samples: 0, histograms: 0, exemplars: 0, retry_after_s: None }
    }

    /// Too much is going on: come again.
    #[must_use]
    pub fn later(text: impl Into<String>, seconds: u32) -> Self {
        Self { retry_after_s: Some(seconds), ..Self::refused(429, text) }
    }
}
