//! The block `otlp` of the configuration.

/// How OTLP becomes series. [`OtlpOptions::default`] is what upstream does without a block `otlp`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OtlpOptions {
    /// `translation_strategy`
    pub strategy: Translation,
    /// `promote_resource_attributes`: resource attributes that become labels of each series.
    pub promoted: Vec<String>,
    /// `promote_all_resource_attributes`: all do, but for those of `ignored`.
    pub promote_all: bool,
    /// `ignore_resource_attributes`
    pub ignored: Vec<String>,
    /// `keep_identifying_resource_attributes`: `target_info` has `service.name`, `service.namespace` and `service.instance.id` too.
    pub keep_identifying: bool,
    /// `convert_histograms_to_nhcb`: histograms become native ones with custom buckets.
    pub custom_buckets: bool,
    /// `promote_scope_metadata`: `otel_scope_…` become labels.
    pub promote_scope: bool,
    /// `label_name_underscore_sanitization: false`: a label that begins with one underscore gets no `key` before it.
    pub keep_leading_underscore: bool,
    /// `label_name_preserve_multiple_underscores: false`: neighbouring underscores of a label's name become one.
    pub join_underscores: bool,
}

/// How names are translated, as upstream's `translation_strategy` names it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Translation {
    /// Classic characters only, unit and type as suffixes.
    #[default]
    UnderscoreEscapingWithSuffixes,
    /// Classic characters only, no suffixes.
    UnderscoreEscapingWithoutSuffixes,
    /// Names as they are, unit and type as suffixes.
    NoUtf8EscapingWithSuffixes,
    /// Names as they are.
    NoTranslation,
}

impl Translation {
    /// From the configuration's word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "" | "UnderscoreEscapingWithSuffixes" => Self::UnderscoreEscapingWithSuffixes,
            "UnderscoreEscapingWithoutSuffixes" => Self::UnderscoreEscapingWithoutSuffixes,
            "NoUTF8EscapingWithSuffixes" => Self::NoUtf8EscapingWithSuffixes,
            "NoTranslation" => Self::NoTranslation,
            _ => return None,
        })
    }

    pub(crate) fn escapes(self) -> bool {
        matches!(self, Self::UnderscoreEscapingWithSuffixes | Self::UnderscoreEscapingWithoutSuffixes)
    }

    pub(crate) fn adds_suffixes(self) -> bool {
        matches!(self, Self::UnderscoreEscapingWithSuffixes | Self::NoUtf8EscapingWithSuffixes)
    }
}
