mod builder;
mod names;
mod pack;
mod text;

use std::cell::Cell;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, OnceLock};

pub use builder::LabelSetBuilder;
pub use names::{is_classic_label_name, is_classic_metric_name};
pub use pack::{LabelSetPacker, PackedLabelSets};
use serde::ser::{Serialize, SerializeMap, Serializer};
use text::{escape_into, place, push_part, split_part};

/// The label that holds a metric's name.
pub const METRIC_NAME: &str = "__name__";

/// Longest label name or value that a [`LabelSet`] takes, in bytes.
pub const LABEL_NAME_BYTES_MAX: usize = 1 << 30;

thread_local! {
    /// What label sets are put together in.
    static TEXT: Cell<String> = const { Cell::new(String::new()) };
}

/// A longer one is not kept.
const TEXT_BYTES_MAX: usize = 64 << 10;

/// Labels of a series, a target or an alert: names with values, sorted by name, each name once, no empty value.
///
/// An empty value means that the label is absent, as in Prometheus, so it is never stored.
///
/// A part of a shared allocation, mostly all of it: cloning copies a pointer. Many sets that are made together share one of some
/// kilobytes ([`LabelSetPacker`]). The text holds, for each label, the length of the name, the name, the length of the value, the
/// value. Lengths are base-64 digits, least significant first, in bytes below 0x80, so that the whole stays valid UTF-8 and can be
/// sliced.
#[derive(Clone)]
pub struct LabelSet {
    shared: Arc<str>,
    /// Where this one's text begins and ends.
    start: u32,
    end: u32,
}

impl LabelSet {
    /// The set without labels.
    #[must_use]
    pub fn empty() -> Self {
        static EMPTY: OnceLock<LabelSet> = OnceLock::new();
        EMPTY.get_or_init(|| Self::of(Arc::from(""))).clone()
    }

    /// A set that shares its memory with no other.
    fn of(text: Arc<str>) -> Self {
        let end = place(text.len());
        Self { shared: text, start: 0, end }
    }

    fn text(&self) -> &str {
        &self.shared[self.start as usize..self.end as usize]
    }

    /// Sorts the pairs. Of a name that comes twice the last value counts; an empty value removes the label.
    pub fn from_pairs<N: AsRef<str>, V: AsRef<str>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        let pairs: Vec<(N, V)> = pairs.into_iter().collect();
        let mut refs: Vec<(&str, &str)> = pairs.iter().map(|(n, v)| (n.as_ref(), v.as_ref())).collect();
        Self::from_unsorted(&mut refs)
    }

    /// Like [`LabelSet::from_pairs`], sorting in place. For hot paths that keep the buffer.
    #[must_use]
    pub fn from_unsorted(pairs: &mut [(&str, &str)]) -> Self {
        // Stable, so that the last of equal names stays last.
        pairs.sort_by(|a, b| a.0.cmp(b.0));
        // The text is copied into its shared allocation in any case, so what it is put together in is kept.
        let mut text = TEXT.take();
        text.clear();
        for (at, (name, value)) in pairs.iter().enumerate() {
            let shadowed = pairs.get(at + 1).is_some_and(|next| next.0 == *name);
            if !shadowed && !value.is_empty() {
                push_part(&mut text, name);
                push_part(&mut text, value);
            }
        }
        let labels = Self::of(Arc::from(text.as_str()));
        if text.capacity() <= TEXT_BYTES_MAX {
            TEXT.set(text);
        }
        labels
    }

    /// Like [`LabelSet::from_pairs`], of pairs that are sorted by name, each name once, no value empty.
    #[must_use]
    pub fn from_sorted<'p>(pairs: impl Iterator<Item = (&'p str, &'p str)>) -> Self {
        let mut text = TEXT.take();
        text.clear();
        for (name, value) in pairs {
            push_part(&mut text, name);
            push_part(&mut text, value);
        }
        let labels = Self::of(Arc::from(text.as_str()));
        if text.capacity() <= TEXT_BYTES_MAX {
            TEXT.set(text);
        }
        labels
    }

    /// The value of `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(n, _)| *n >= name).filter(|(n, _)| *n == name).map(|(_, value)| value)
    }

    /// The metric's name, from `__name__`.
    #[must_use]
    pub fn metric_name(&self) -> Option<&str> {
        self.get(METRIC_NAME)
    }

    /// The labels by name.
    #[must_use]
    pub fn iter(&self) -> Iter<'_> {
        Iter { rest: self.text() }
    }

    /// The number of labels.
    #[must_use]
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether there is no label.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Bytes of memory that its text takes; with the counts of owners, if it has an allocation of its own. Clones share it.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let text = self.text().len();
        if text == self.shared.len() { 2 * size_of::<usize>() + text } else { text }
    }

    /// The labels whose name `keep` accepts.
    #[must_use]
    pub fn filter(&self, mut keep: impl FnMut(&str) -> bool) -> Self {
        let mut text = TEXT.take();
        text.clear();
        for (name, value) in self.iter().filter(|(name, _)| keep(name)) {
            push_part(&mut text, name);
            push_part(&mut text, value);
        }
        let labels = if text.len() == self.text().len() { self.clone() } else { Self::of(Arc::from(text.as_str())) };
        if text.capacity() <= TEXT_BYTES_MAX {
            TEXT.set(text);
        }
        labels
    }

    /// The labels with one more, or one replaced. An empty value removes it.
    #[must_use]
    pub fn with(&self, name: &str, value: &str) -> Self {
        Self::from_sorted(self.pairs_with(name, value))
    }

    fn pairs_with<'p>(&'p self, name: &'p str, value: &'p str) -> impl Iterator<Item = (&'p str, &'p str)> {
        let own = [(name, value)].into_iter().filter(|(_, value)| !value.is_empty());
        let before = self.iter().take_while(move |(other, _)| *other < name);
        before.chain(own).chain(self.iter().skip_while(move |(other, _)| *other <= name))
    }

    /// The labels without this one.
    #[must_use]
    pub fn without(&self, name: &str) -> Self {
        self.filter(|n| n != name)
    }

    /// A builder that begins with these labels.
    #[must_use]
    pub fn to_builder(&self) -> LabelSetBuilder {
        LabelSetBuilder { labels: self.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect() }
    }

    /// The fingerprint Prometheus and Alertmanager give a label set: 64-bit FNV-1a over each name and value, each followed
    /// by the byte 0xFF. Stable over versions and machines.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        let mut add = |bytes: &[u8]| {
            for byte in bytes.iter().chain(&[0xFF]) {
                hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
            }
        };
        for (name, value) in self {
            add(name.as_bytes());
            add(value.as_bytes());
        }
        hash
    }

    /// Appends the labels as a JSON object of strings, `__name__` included: what [`Serialize`] gives, in half the time.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        out.reserve(self.text().len() + 8 * 8);
        out.push(b'{');
        for (at, (name, value)) in self.iter().enumerate() {
            out.extend_from_slice(if at == 0 { b"\"" } else { b",\"" });
            escape_into(name, out);
            out.extend_from_slice(b"\":\"");
            escape_into(value, out);
            out.push(b'"');
        }
        out.push(b'}');
    }

    /// The inner text, for storage formats and hashing. [`LabelSet::from_encoded`] reads it back.
    #[must_use]
    pub fn encoded(&self) -> &str {
        self.text()
    }

    /// Reads what [`LabelSet::encoded`] gave. None if the text is not a well-formed, sorted label set.
    #[must_use]
    pub fn from_encoded(text: &str) -> Option<Self> {
        let mut rest = text;
        let mut last: Option<&str> = None;
        while !rest.is_empty() {
            let name = split_part(&mut rest)?;
            let value = split_part(&mut rest)?;
            if value.is_empty() || last.is_some_and(|l| l >= name) {
                return None;
            }
            last = Some(name);
        }
        Some(Self::of(Arc::from(text)))
    }
}

impl PartialEq for LabelSet {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl Eq for LabelSet {}

impl Hash for LabelSet {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text().hash(state);
    }
}

impl Default for LabelSet {
    fn default() -> Self {
        Self::empty()
    }
}

impl<'a> IntoIterator for &'a LabelSet {
    type Item = (&'a str, &'a str);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

impl<N: AsRef<str>, V: AsRef<str>> FromIterator<(N, V)> for LabelSet {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        Self::from_pairs(pairs)
    }
}

/// By the first label that differs, its name before its value, as upstream sorts results.
impl Ord for LabelSet {
    fn cmp(&self, other: &Self) -> Ordering {
        self.iter().cmp(other.iter())
    }
}

impl PartialOrd for LabelSet {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// As a selector reads: `up{job="node"}`. Names outside the classic characters are quoted.
impl fmt::Display for LabelSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.metric_name();
        let classic = name.filter(|n| is_classic_metric_name(n));
        if let Some(name) = classic {
            f.write_str(name)?;
            if self.len() == 1 {
                return Ok(());
            }
        }
        f.write_str("{")?;
        let mut first = true;
        let quoted_name = name.filter(|_| classic.is_none());
        if let Some(name) = quoted_name {
            write!(f, "{name:?}")?;
            first = false;
        }
        for (name, value) in self.iter().filter(|(n, _)| *n != METRIC_NAME) {
            if !first {
                f.write_str(", ")?;
            }
            first = false;
            if is_classic_label_name(name) {
                write!(f, "{name}={value:?}")?;
            } else {
                write!(f, "{name:?}={value:?}")?;
            }
        }
        f.write_str("}")
    }
}

impl fmt::Debug for LabelSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// As a JSON object of strings, `__name__` included.
impl Serialize for LabelSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.len()))?;
        for (name, value) in self {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// Walks a [`LabelSet`] by name.
#[derive(Clone)]
pub struct Iter<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        // Only a constructor of `LabelSet` makes the text, so both parts are there or the text has ended.
        Some((split_part(&mut self.rest)?, split_part(&mut self.rest)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorts_drops_empty_values_and_keeps_the_last_of_a_name() {
        let set = LabelSet::from_pairs([("z", "1"), ("a", "2"), ("m", ""), ("a", "3")]);
        assert_eq!(set.iter().collect::<Vec<_>>(), [("a", "3"), ("z", "1")]);
        assert_eq!(LabelSet::from_pairs([("a", "1"), ("a", "")]), LabelSet::empty());
    }

    #[test]
    fn long_and_foreign_values_come_back() {
        let long = "값".repeat(5000);
        let set = LabelSet::from_pairs([("k", long.as_str()), ("\0name", "\u{7f}")]);
        assert_eq!(set.get("k"), Some(long.as_str()));
        assert_eq!(set.get("\0name"), Some("\u{7f}"));
        assert_eq!(LabelSet::from_encoded(set.encoded()), Some(set));
    }

    #[test]
    fn a_damaged_encoding_is_refused() {
        let text = LabelSet::from_pairs([("a", "1"), ("b", "2")]).encoded().to_owned();
        for end in 1..text.len() {
            // Cut between two labels it is a smaller set; anywhere else it is damage.
            assert_eq!(LabelSet::from_encoded(&text[..end]).is_some(), end == text.len() / 2, "cut at {end}");
        }
        assert!(LabelSet::from_encoded("\u{1}b\u{1}1\u{1}a\u{1}1").is_none(), "not sorted");
    }

    #[test]
    fn json_of_any_text() {
        let every: String = (0..=0x7F_u8).map(char::from).chain("é값😀".chars()).collect();
        let mut sets = vec![LabelSet::empty(), LabelSet::from_pairs([("a", every.as_str()), (&every, "\\n\n"), ("plain", "x")])];
        // Each character at each place of short and long texts, and of what stands behind them.
        for (character, place) in every.chars().flat_map(|character| (0..40).map(move |place| (character, place))) {
            let text: String = (0..40).map(|at| if at == place { character } else { 'x' }).collect();
            let parts = [0, 3, 8, 16, 17].map(|end| text.char_indices().nth(end).map_or("", |(end, _)| &text[..end]));
            sets.push(LabelSet::from_pairs(["a", "b", "c", "d", "e"].into_iter().zip(parts)));
            sets.push(LabelSet::from_pairs([(text.as_str(), text.as_str())]));
        }
        for set in sets {
            let mut out = Vec::new();
            set.write_json(&mut out);
            assert_eq!(String::from_utf8(out).expect("UTF-8"), serde_json::to_string(&set).expect("it serializes"));
        }
    }

    #[test]
    fn prints_like_a_selector() {
        assert_eq!(LabelSet::from_pairs([(METRIC_NAME, "up")]).to_string(), "up");
        assert_eq!(LabelSet::from_pairs([(METRIC_NAME, "up"), ("job", "a\"b")]).to_string(), r#"up{job="a\"b"}"#);
        assert_eq!(LabelSet::from_pairs([(METRIC_NAME, "a.b"), ("c.d", "e")]).to_string(), r#"{"a.b", "c.d"="e"}"#);
    }

    #[test]
    fn orders_by_the_first_difference() {
        let set = |pairs: &[(&str, &str)]| LabelSet::from_pairs(pairs.iter().copied());
        assert!(set(&[("a", "1")]) < set(&[("a", "1"), ("b", "1")]));
        assert!(set(&[("a", "1"), ("b", "1")]) < set(&[("a", "2")]));
        assert!(set(&[("a", "9")]) < set(&[("b", "1")]));
    }
}
