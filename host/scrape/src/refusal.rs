//! Why storage takes no new series of a target, which label makes them so many, and a rule that leaves them out.
//!
//! Values and series are counted by sketches (HyperLogLog, Flajolet et al. 2007; 256 registers, within about 7 %), so that a target
//! whose series explode does not take memory for each of them. A target that storage refuses nothing takes none at all.

use model::{LabelSet, METRIC_NAME};

use crate::layout::KeyHasher;

/// Labels that are looked at.
const LABELS_MAX: usize = 48;

/// Series of one body from which on their number alone says that something explodes; of fewer only when further ones keep coming.
const MANY_IN_A_BODY: u64 = 500;

/// Bytes of an example that are kept.
const EXAMPLE_BYTES_MAX: usize = 120;

/// Series of a target that storage did not take, told to whoever runs it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RefusedSeries {
    /// How many of the last scrape.
    pub series: u64,
    /// What storage said.
    pub reason: String,
    /// The limit's name: a flag, where the reason names one.
    pub limit: String,
    /// The label whose values are many among them; empty if none stands out. `__name__` if it is names of metrics.
    pub label: String,
    /// About how many different values it had in all series that were refused so far; it may be more than `series`.
    pub label_values: u64,
    /// One of these.
    pub example: String,
    /// A block of YAML for the job that leaves them out; empty if no label stands out.
    pub rule: String,
}

impl RefusedSeries {
    /// All of it as one line, for the log.
    #[must_use]
    pub fn sentence(&self) -> String {
        let Self { series, reason, label, label_values, example, .. } = self;
        let rest = "known series go on";
        if label.is_empty() {
            return format!("{series} series of this target are not stored, {rest}: {reason}; no label of theirs stands out");
        }
        let what = if label == METRIC_NAME { "names of metrics".to_owned() } else { format!("values of the label {label}") };
        let rule = self.rule.lines().map(str::trim).collect::<Vec<_>>().join(" ");
        format!(
            "{series} series of this target are not stored, {rest}: {reason}; among them are about {label_values} {what}, such as {example:?}. To leave them out: {rule}"
        )
    }
}

/// What is learnt from series that were refused.
pub(crate) struct Exploding {
    hasher: KeyHasher,
    series: Sketch,
    labels: Vec<Label>,
    /// Names of metrics with their digits left out.
    patterns: Sketch,
    /// In this scrape, and in the one that had most.
    in_scrape: u64,
    most_in_scrape: u64,
    prefix: Option<String>,
}

struct Label {
    name: String,
    example: String,
    values: Sketch,
    /// The series without this label.
    rests: Sketch,
}

impl Exploding {
    pub(crate) fn new(hasher: KeyHasher) -> Self {
        Self {
            hasher,
            series: Sketch::default(),
            labels: Vec::new(),
            patterns: Sketch::default(),
            in_scrape: 0,
            most_in_scrape: 0,
            prefix: None,
        }
    }

    /// A new scrape begins.
    pub(crate) fn begin(&mut self) {
        self.in_scrape = 0;
    }

    /// Looks at a series that was refused.
    pub(crate) fn take(&mut self, labels: &LabelSet) {
        self.in_scrape += 1;
        self.most_in_scrape = self.most_in_scrape.max(self.in_scrape);
        let hashes: Vec<u64> = labels
            .iter()
            .map(|(name, value)| self.hasher.pair(self.hasher.hash(name.as_bytes()), self.hasher.hash(value.as_bytes())))
            .collect();
        // A sum has no order, and a label is taken out of it by subtraction.
        let all = hashes.iter().fold(0_u64, |sum, hash| sum.wrapping_add(*hash));
        self.series.add(self.hasher.pair(all, 0));
        for ((name, value), hash) in labels.iter().zip(hashes) {
            if name == METRIC_NAME {
                self.patterns.add(self.hasher.hash(pattern(value).as_bytes()));
                self.prefix = Some(self.prefix.take().map_or_else(|| value.to_owned(), |prefix| common(&prefix, value)));
            }
            let at = self.labels.iter().position(|label| label.name == name);
            let at = match at {
                Some(at) => at,
                None if self.labels.len() >= LABELS_MAX => continue,
                None => {
                    let (values, rests) = (Sketch::default(), Sketch::default());
                    self.labels.push(Label { name: name.to_owned(), example: String::new(), values, rests });
                    self.labels.len() - 1
                }
            };
            let label = &mut self.labels[at];
            if label.example.is_empty() {
                label.example = shortened(value);
            }
            label.values.add(hash);
            label.rests.add(self.hasher.pair(all.wrapping_sub(hash), 0));
        }
    }

    /// What can be said of them: of `series` that the last scrape had, refused for `reason`.
    pub(crate) fn conclude(&self, series: u64, reason: &str) -> RefusedSeries {
        let plain = RefusedSeries { series, reason: reason.to_owned(), limit: limit_name(reason), ..RefusedSeries::default() };
        let all = self.series.count();
        // The few series of a target that came when there was no room left are not the cause.
        if all < self.most_in_scrape.saturating_mul(2) && self.most_in_scrape < MANY_IN_A_BODY {
            return plain;
        }
        let stands_out = |label: &&Label| {
            // What a kind of family brings along is not what explodes.
            if matches!(label.name.as_str(), "le" | "quantile") {
                return false;
            }
            let values = label.values.count();
            if label.name == METRIC_NAME {
                // Numbers in the names: many metrics alone are what a new target has.
                return values >= 4 && values >= self.patterns.count().saturating_mul(4);
            }
            values >= 2 && (values.saturating_mul(2) >= all || label.rests.count().saturating_mul(2) <= all)
        };
        // Of several with as many values, the one without which the fewest series remain.
        let key = |label: &&Label| (label.values.count(), u64::MAX - label.rests.count());
        let Some(label) = self.labels.iter().filter(stands_out).max_by_key(key) else { return plain };
        let rule = if label.name == METRIC_NAME { self.rule_of_names(&label.example) } else { self.rule_of(label, all) };
        let label_values = label.values.count();
        RefusedSeries { label: label.name.clone(), label_values, example: label.example.clone(), rule, ..plain }
    }

    fn rule_of(&self, label: &Label, all: u64) -> String {
        let rests = label.rests.count();
        let several = |values: u64| values > 1;
        if self.most_in_scrape > rests.saturating_mul(2) {
            // Without the label, one body would have a series many times over: they are left out as a whole.
            let names = self.labels.iter().find(|label| label.name == METRIC_NAME);
            return match names.filter(|names| !several(names.values.count())) {
                Some(name) => block("drop", Some(&[METRIC_NAME, &label.name]), &format!("{};.+", escaped(&name.example))),
                None => block("drop", Some(&[&label.name]), ".+"),
            };
        }
        let mut names = vec![escaped(&label.name)];
        if rests.saturating_mul(2) > all {
            // Others change together with it.
            let most = label.values.count();
            let others = self.labels.iter().filter(|other| other.name != label.name && other.name != METRIC_NAME);
            names.extend(others.filter(|other| other.values.count().saturating_mul(2) >= most).map(|other| escaped(&other.name)));
        }
        block("labeldrop", None, &names.join("|"))
    }

    fn rule_of_names(&self, example: &str) -> String {
        let of_digits = escaped(&pattern(example)).replace(DIGITS, "[0-9]+");
        let regex = match &self.prefix {
            _ if self.patterns.count() <= 1 => of_digits,
            Some(prefix) if prefix.len() >= 3 => format!("{}.*[0-9].*", escaped(prefix.trim_end_matches(|c: char| c.is_ascii_digit()))),
            _ => of_digits,
        };
        block("drop", Some(&[METRIC_NAME]), &regex)
    }
}

fn block(action: &str, source: Option<&[&str]>, regex: &str) -> String {
    let quoted = |text: &str| {
        let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if plain { text.to_owned() } else { format!("'{}'", text.replace('\'', "''")) }
    };
    let source = source.map_or(String::new(), |labels| {
        let labels: Vec<String> = labels.iter().map(|label| quoted(label)).collect();
        format!("source_labels: [{}], ", labels.join(", "))
    });
    format!("metric_relabel_configs:\n  - {{action: {action}, {source}regex: {}}}\n", quoted(regex))
}

/// Stands for digits; no name has it.
const DIGITS: char = '\u{1}';

/// A name with one mark for each run of digits.
fn pattern(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        if !c.is_ascii_digit() {
            out.push(c);
        } else if !out.ends_with(DIGITS) {
            out.push(DIGITS);
        }
    }
    out
}

/// A text as a regular expression that matches it alone.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if r"\.+*?()|[]{}^$".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

fn common(a: &str, b: &str) -> String {
    a.chars().zip(b.chars()).take_while(|(a, b)| a == b).map(|(a, _)| a).collect()
}

fn shortened(text: &str) -> String {
    let mut end = text.len().min(EXAMPLE_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

/// The flag that a reason names, or its last word in parentheses.
fn limit_name(reason: &str) -> String {
    let trim = |word: &str| word.trim_matches(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))).to_owned();
    let flag = reason.split(|c: char| c.is_whitespace() || c == '=').map(trim).find(|word| word.starts_with("--"));
    let inside = || reason.rsplit_once('(').map(|(_, rest)| trim(rest.split(')').next().unwrap_or_default()));
    flag.or_else(inside)
        .map(|name| name.trim_end_matches('.').to_owned())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "storage".to_owned())
}

const REGISTERS: usize = 256;

struct Sketch(Box<[u8; REGISTERS]>);

impl Default for Sketch {
    fn default() -> Self {
        Self(Box::new([0; REGISTERS]))
    }
}

impl Sketch {
    fn add(&mut self, hash: u64) {
        let register = &mut self.0[(hash >> 56) as usize];
        let rank = (hash << 8 | 1 << 7).leading_zeros() as u8 + 1;
        *register = (*register).max(rank);
    }

    fn count(&self) -> u64 {
        let m = REGISTERS as f64;
        let raw = 0.7213 / (1.0 + 1.079 / m) * m * m / self.0.iter().map(|rank| 2_f64.powi(-i32::from(*rank))).sum::<f64>();
        let empty = self.0.iter().filter(|rank| **rank == 0).count();
        let count = if raw <= 2.5 * m && empty > 0 { m * (m / empty as f64).ln() } else { raw };
        count.round() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn concluded(series: impl IntoIterator<Item = Vec<(&'static str, String)>>, each_in_a_scrape: bool) -> RefusedSeries {
        let mut exploding = Exploding::new(KeyHasher::new(5));
        let mut count = 0;
        for labels in series {
            if each_in_a_scrape {
                exploding.begin();
            }
            exploding.take(&LabelSet::from_pairs(labels));
            count += 1;
        }
        exploding.conclude(count, "the memory budget of 100 MiB (--storage.memory-budget) is used up")
    }

    fn pairs<const N: usize>(pairs: [(&'static str, &str); N]) -> Vec<(&'static str, String)> {
        [("job", "j"), ("instance", "h:1")].into_iter().chain(pairs).map(|(name, value)| (name, value.to_owned())).collect()
    }

    #[test]
    fn sketches_count() {
        let hasher = KeyHasher::new(9);
        for n in [0_u64, 1, 5, 100, 1000, 50_000, 1_000_000] {
            let mut sketch = Sketch::default();
            (0..n).for_each(|at| sketch.add(hasher.pair(at, 7)));
            let off = sketch.count().abs_diff(n);
            assert!(off * 4 <= n, "{n} counted as {}", sketch.count());
        }
    }

    #[test]
    fn the_label_that_explodes_and_what_leaves_it_out() {
        // One series in each scrape, with a label that changes.
        let id = |n: usize| format!("u{n}");
        let found = concluded((0..50).map(|n| pairs([("__name__", "req_total"), ("user_id", &id(n)), ("code", "200")])), true);
        assert_eq!((found.label.as_str(), found.example.as_str(), found.limit.as_str()), ("user_id", "u0", "--storage.memory-budget"));
        assert_eq!(found.rule, "metric_relabel_configs:\n  - {action: labeldrop, regex: user_id}\n");
        assert!((45..56).contains(&found.label_values), "{found:?}");
        let sentence = found.sentence();
        assert!(sentence.ends_with("To leave them out: metric_relabel_configs: - {action: labeldrop, regex: user_id}"), "{sentence}");
        // All in one body: without the label they would all be one series.
        let found = concluded((0..5000).map(|n| pairs([("__name__", "req_total"), ("user_id", &id(n))])), false);
        assert_eq!(found.rule, "metric_relabel_configs:\n  - {action: drop, source_labels: [__name__, user_id], regex: 'req_total;.+'}\n");
        let names = ["a", "b", "c"];
        let found = concluded((0..5000).map(|n| pairs([("__name__", names[n % 3]), ("user.id", &id(n))])), false);
        assert_eq!(found.rule, "metric_relabel_configs:\n  - {action: drop, source_labels: ['user.id'], regex: '.+'}\n");
        // Two labels that change together.
        let found = concluded((0..50).map(|n| pairs([("__name__", "m"), ("id", &id(n)), ("mail", &format!("{n}@x"))])), true);
        assert_eq!(found.rule, "metric_relabel_configs:\n  - {action: labeldrop, regex: 'id|mail'}\n");
        // Names of metrics.
        let found = concluded((0..5000).map(|n| pairs([("__name__", &format!("user_{n}_seen"))])), false);
        assert_eq!(found.rule, "metric_relabel_configs:\n  - {action: drop, source_labels: [__name__], regex: 'user_[0-9]+_seen'}\n");
        assert_eq!(found.label, "__name__");
    }

    #[test]
    fn a_new_target_of_the_usual_kind_is_not_blamed() {
        let series = (0..300).flat_map(|metric| {
            let name: &'static str = Box::leak(format!("m_{}", ["a", "b", "c", "d"][metric % 4].repeat(metric / 4 + 1)).into_boxed_str());
            (0..4).map(move |device| pairs([("__name__", name), ("device", &format!("eth{device}"))]))
        });
        let mut found = concluded(series.take(600), false);
        assert!(found.label != "__name__", "{found:?}");
        found = concluded([pairs([("__name__", "one")])], false);
        assert_eq!((found.label.as_str(), found.rule.as_str()), ("", ""));
        assert!(found.sentence().contains("no label of theirs stands out"));
    }

    #[test]
    fn a_small_target_that_came_when_there_was_no_room_is_not_blamed() {
        let mut exploding = Exploding::new(KeyHasher::new(9));
        for _ in 0..20 {
            exploding.begin();
            (0..50).for_each(|n| exploding.take(&LabelSet::from_pairs([("__name__", "req_total"), ("path", &format!("/{n}"))])));
        }
        let found = exploding.conclude(50, "--storage.memory-budget=1 bytes is used up");
        assert_eq!((found.label.as_str(), found.rule.as_str(), found.series), ("", "", 50));
    }

    #[test]
    fn limits_have_names() {
        for (reason, name) in [
            ("head and index take 90 MiB: the limit (--storage.memory-budget) is 80 MiB", "--storage.memory-budget"),
            ("--storage.memory-budget=100 bytes is used up: 5 series take about 200 bytes", "--storage.memory-budget"),
            ("storage holds 5 series, its limit (series_max)", "series_max"),
            ("no more", "storage"),
        ] {
            assert_eq!(limit_name(reason), name);
        }
    }
}
