use crate::LabelSet;

/// Targets that share labels, as discovery names them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TargetGroup {
    /// Names the group within its configuration; a later group of the same source replaces it.
    pub source: String,
    /// `host:port` each; becomes `__address__`.
    pub targets: Vec<String>,
    /// Labels of all of them: `__meta_*` for relabelling, or what a static configuration says.
    pub labels: LabelSet,
}
