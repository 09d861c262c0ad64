//! `--enable-feature`: upstream's names, and what each does here.

/// What a feature is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Here {
    /// On if it is asked for.
    Switched,
    /// On anyway.
    Always,
    /// Does not exist.
    Missing,
    /// Is switched on somewhere else.
    Elsewhere(&'static str),
}

const FEATURES: [(&str, Here); 30] = [
    ("auto-reload-config", Here::Always),
    ("concurrent-rule-eval", Here::Missing),
    ("created-timestamp-zero-ingestion", Here::Missing),
    ("delayed-compaction", Here::Missing),
    ("exemplar-storage", Here::Always),
    ("extra-scrape-metrics", Here::Elsewhere("this --enable-feature changes nothing: set extra_scrape_metrics in the configuration")),
    ("fast-startup", Here::Always),
    ("histograms-st-encoding", Here::Always),
    ("memory-snapshot-on-shutdown", Here::Always),
    ("metadata-wal-records", Here::Missing),
    ("native-histograms", Here::Always),
    ("old-ui", Here::Missing),
    ("ooo-native-histograms", Here::Always),
    ("otlp-deltatocumulative", Here::Missing),
    ("otlp-native-delta-ingestion", Here::Missing),
    ("promql-at-modifier", Here::Always),
    ("promql-binop-fill-modifiers", Here::Switched),
    ("promql-delayed-name-removal", Here::Switched),
    ("promql-duration-expr", Here::Always),
    ("promql-experimental-functions", Here::Switched),
    ("promql-extended-range-selectors", Here::Switched),
    ("promql-negative-offset", Here::Always),
    ("promql-per-step-stats", Here::Switched),
    ("search-api", Here::Missing),
    ("st-storage", Here::Always),
    ("st-synthesis", Here::Missing),
    ("type-and-unit-labels", Here::Missing),
    ("use-start-timestamps", Here::Switched),
    ("use-uncached-io", Here::Missing),
    ("xor2-encoding", Here::Always),
];

/// What is to be said of a feature that was asked for: nothing if asking for it is what switches it on.
pub(crate) fn remark(name: &str) -> Option<&'static str> {
    match FEATURES.iter().find(|(known, _)| *known == name).map(|(_, here)| here) {
        Some(Here::Switched) => None,
        Some(Here::Always) => Some("this --enable-feature changes nothing: what it is for is on without it"),
        Some(Here::Missing) => Some("this --enable-feature changes nothing: Skopos has no such feature"),
        Some(Here::Elsewhere(remark)) => Some(remark),
        // Upstream's words.
        None => Some("Unknown option for --enable-feature"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_has_one_place_and_what_is_of_promql_is_switched() {
        assert!(FEATURES.windows(2).all(|pair| pair[0].0 < pair[1].0), "in order, each once");
        for name in ["promql-experimental-functions", "promql-extended-range-selectors", "promql-binop-fill-modifiers"] {
            assert_eq!(remark(name), None);
            assert_ne!(promql::Features::named([name]), promql::Features::default(), "{name}");
        }
        assert_eq!(remark("promql-everything"), Some("Unknown option for --enable-feature"));
        assert!(remark("promql-duration-expr").is_some_and(|text| text.contains("on without it")));
        assert!(remark("old-ui").is_some_and(|text| text.contains("no such feature")));
    }
}
