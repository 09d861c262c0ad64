//! Which formats targets are asked for, in which order.

use std::fmt::Write;

use exposition::Format;

/// A name of `scrape_protocols`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// `PrometheusProto`
    Protobuf,
    /// `OpenMetricsText1.0.0`
    OpenMetrics1,
    /// `OpenMetricsText0.0.1`
    OpenMetrics0,
    /// `PrometheusText1.0.0`
    Text1,
    /// `PrometheusText0.0.4`
    Text0,
}

/// What is asked for unless the configuration says otherwise, as upstream.
pub const DEFAULT: [Protocol; 4] = [Protocol::OpenMetrics1, Protocol::OpenMetrics0, Protocol::Text1, Protocol::Text0];

/// Likewise, with `scrape_native_histograms`: the text formats cannot carry them.
pub const DEFAULT_NATIVE: [Protocol; 5] =
    [Protocol::Protobuf, Protocol::OpenMetrics1, Protocol::OpenMetrics0, Protocol::Text1, Protocol::Text0];

/// The weight of the first entry, in tenths. Upstream counts from the number of protocols that it knows.
const FIRST_WEIGHT: usize = 6;

impl Protocol {
    /// By its name in the configuration.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "PrometheusProto" => Some(Self::Protobuf),
            "OpenMetricsText1.0.0" => Some(Self::OpenMetrics1),
            "OpenMetricsText0.0.1" => Some(Self::OpenMetrics0),
            "PrometheusText1.0.0" => Some(Self::Text1),
            "PrometheusText0.0.4" => Some(Self::Text0),
            _ => None,
        }
    }

    /// How its bodies are read.
    #[must_use]
    pub fn format(self) -> Format {
        match self {
            Self::Protobuf => Format::Protobuf,
            Self::OpenMetrics1 | Self::OpenMetrics0 => Format::OpenMetrics,
            Self::Text1 | Self::Text0 => Format::Text,
        }
    }

    fn media_type(self) -> &'static str {
        match self {
            Self::Protobuf => "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
            Self::OpenMetrics1 => "application/openmetrics-text;version=1.0.0",
            Self::OpenMetrics0 => "application/openmetrics-text;version=0.0.1",
            Self::Text1 => "text/plain;version=1.0.0",
            Self::Text0 => "text/plain;version=0.0.4",
        }
    }
}

/// How a target is to write names that the classic formats do not have: `metric_name_escaping_scheme`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Escaping {
    /// As they are, in quotes.
    #[default]
    AllowUtf8,
    /// With underscores for all other characters.
    Underscores,
    /// With dots and underscores told apart.
    Dots,
    /// With the characters' numbers.
    Values,
}

impl Escaping {
    /// By its name in the configuration.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "allow-utf-8" => Some(Self::AllowUtf8),
            "underscores" => Some(Self::Underscores),
            "dots" => Some(Self::Dots),
            "values" => Some(Self::Values),
            _ => None,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::AllowUtf8 => "allow-utf-8",
            Self::Underscores => "underscores",
            Self::Dots => "dots",
            Self::Values => "values",
        }
    }
}

/// The `Accept` header: the protocols in order with falling weights, then anything. The newer versions alone know how names
/// are escaped; protobuf needs no escaping.
pub(crate) fn accept(protocols: &[Protocol], escaping: Escaping) -> String {
    let mut out = String::new();
    for (at, protocol) in protocols.iter().enumerate() {
        out.push_str(protocol.media_type());
        if matches!(protocol, Protocol::OpenMetrics1 | Protocol::Text1) {
            out.push_str(";escaping=");
            out.push_str(escaping.as_str());
        }
        // Writing to a string cannot fail.
        let _ = write!(out, ";q=0.{},", FIRST_WEIGHT - at.min(FIRST_WEIGHT - 1));
    }
    let _ = write!(out, "*/*;q=0.{}", FIRST_WEIGHT - protocols.len().min(FIRST_WEIGHT - 1));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accept_is_upstreams() {
        assert_eq!(
            accept(&DEFAULT, Escaping::AllowUtf8),
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,\
             text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
        );
        assert_eq!(
            accept(&DEFAULT_NATIVE, Escaping::AllowUtf8),
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,\
             application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,\
             text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
        );
        assert_eq!(
            accept(&[Protocol::Text0, Protocol::Text1], Escaping::Underscores),
            "text/plain;version=0.0.4;q=0.6,text/plain;version=1.0.0;escaping=underscores;q=0.5,*/*;q=0.4"
        );
    }
}
