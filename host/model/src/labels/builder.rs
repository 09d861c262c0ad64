use super::LabelSet;

/// Collects labels in any order; later values replace earlier ones.
#[derive(Clone, Debug, Default)]
pub struct LabelSetBuilder {
    pub(super) labels: Vec<(String, String)>,
}

impl LabelSetBuilder {
    /// Sets a label; an empty value removes it.
    pub fn set(&mut self, name: &str, value: &str) -> &mut Self {
        match self.labels.iter().position(|(n, _)| n == name) {
            Some(at) if value.is_empty() => {
                self.labels.swap_remove(at);
            }
            Some(at) => value.clone_into(&mut self.labels[at].1),
            None if value.is_empty() => {}
            None => self.labels.push((name.to_owned(), value.to_owned())),
        }
        self
    }

    /// Removes a label if it is there.
    pub fn remove(&mut self, name: &str) -> &mut Self {
        self.set(name, "")
    }

    /// The value set so far.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// Names and values so far, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.labels.iter().map(|(n, v)| (n.as_str(), v.as_str()))
    }

    /// Keeps the labels whose name `keep` accepts.
    pub fn retain(&mut self, mut keep: impl FnMut(&str) -> bool) {
        self.labels.retain(|(name, _)| keep(name));
    }

    /// The label set.
    #[must_use]
    pub fn build(&self) -> LabelSet {
        LabelSet::from_pairs(self.iter())
    }
}
