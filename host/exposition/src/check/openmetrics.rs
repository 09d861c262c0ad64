//! What the OpenMetrics 1.0 specification says beyond the grammar: which lines a family of each kind has, in which order,
//! with which values. <https://prometheus.io/docs/specs/om/open_metrics_spec/>

use std::collections::HashSet;

use model::{FamilyKind, TimestampMs};

use crate::number::parse_float;
use crate::reader::{Line, Sample};

/// Most characters of an exemplar's names and values together.
const EXEMPLAR_CHARS_MAX: usize = 128;

/// What is wrong, and at which offset of the body.
pub(super) type Fault = (usize, String);

/// Follows the lines of a body.
#[derive(Default)]
pub(super) struct Strict {
    family: Option<Family>,
    /// Names that families above have taken, with what their samples add to them.
    taken: HashSet<String>,
}

/// The family that the lines at hand belong to.
struct Family {
    name: String,
    at: usize,
    kind: Option<FamilyKind>,
    has_help: bool,
    unit: Option<String>,
    has_samples: bool,
    /// Sets of labels whose lines are over.
    past: HashSet<Vec<(String, String)>>,
    group: Option<Group>,
}

/// Lines of a family with the same labels, apart from those that the kind gives a meaning.
struct Group {
    labels: Vec<(String, String)>,
    timestamp: Option<TimestampMs>,
    /// Lines without a time so far: each comes once.
    series: HashSet<(String, Vec<(String, String)>)>,
    buckets: Buckets,
}

/// What a histogram has had at one time.
#[derive(Default)]
struct Buckets {
    at: usize,
    bound: Option<f64>,
    value: f64,
    count: Option<f64>,
    has_sum: bool,
    has_gsum: bool,
    negative_bounds: bool,
    negative_gsum: bool,
}

/// What the samples of a kind add to the family's name.
fn suffixes(kind: FamilyKind) -> &'static [&'static str] {
    match kind {
        FamilyKind::Counter => &["_total", "_created"],
        FamilyKind::Summary => &["", "_count", "_sum", "_created"],
        FamilyKind::Histogram => &["_bucket", "_count", "_sum", "_created"],
        FamilyKind::GaugeHistogram => &["_bucket", "_gcount", "_gsum"],
        FamilyKind::Info => &["_info"],
        FamilyKind::Unknown | FamilyKind::Gauge | FamilyKind::StateSet => &[""],
    }
}

impl Strict {
    /// Takes the next line, which begins at `at`.
    pub(super) fn line(&mut self, line: &Line<'_>, body: &[u8], at: usize) -> Result<(), Fault> {
        let fault = |message: String| (at, message);
        match line {
            Line::Help(name, _) => {
                let family = self.metadata(name, at)?;
                (!std::mem::replace(&mut family.has_help, true))
                    .then_some(())
                    .ok_or_else(|| fault(format!("a second HELP line for {name:?}")))
            }
            Line::Type(name, kind) => {
                let family = self.metadata(name, at)?;
                family.kind.replace(*kind).is_none().then_some(()).ok_or_else(|| fault(format!("a second TYPE line for {name:?}")))
            }
            Line::Unit(name, unit) => {
                let family = self.metadata(name, at)?;
                let first = family.unit.replace(unit.to_string()).is_none();
                first.then_some(()).ok_or_else(|| fault(format!("a second UNIT line for {name:?}")))
            }
            Line::Sample(sample) => {
                let name = sample.name();
                if self.family.as_ref().is_none_or(|family| family.suffix(&name).is_none()) {
                    self.finish()?;
                    self.family = Some(Family::new(&name, at));
                }
                match &mut self.family {
                    Some(family) => family.sample(sample, body, at),
                    None => Ok(()),
                }
            }
        }
    }

    /// The family that a line of metadata is about.
    fn metadata(&mut self, name: &str, at: usize) -> Result<&mut Family, Fault> {
        match &self.family {
            Some(family) if family.name == name && family.has_samples => {
                return Err((at, format!("metadata of {name:?} after its samples: it stands before them")));
            }
            Some(family) if family.name == name => {}
            _ => self.finish()?,
        }
        Ok(self.family.get_or_insert_with(|| Family::new(name, at)))
    }

    /// The family at hand is over.
    pub(super) fn finish(&mut self) -> Result<(), Fault> {
        let Some(mut family) = self.family.take() else { return Ok(()) };
        family.end_group()?;
        let kind = family.kind();
        if family.unit.as_ref().is_some_and(|unit| !unit.is_empty()) && matches!(kind, FamilyKind::Info | FamilyKind::StateSet) {
            return Err((family.at, format!("{:?} has a unit, which a family of type {} cannot have", family.name, kind.as_str())));
        }
        let mut names: Vec<String> = suffixes(kind).iter().map(|suffix| format!("{}{suffix}", family.name)).collect();
        if !names.contains(&family.name) {
            names.push(family.name.clone());
        }
        for name in names {
            if let Some(name) = self.taken.replace(name) {
                let message = format!(
                    "the family {:?} comes twice, or its name clashes with that of another: {name:?} is taken. The lines of a family stand together",
                    family.name
                );
                return Err((family.at, message));
            }
        }
        Ok(())
    }
}

impl Family {
    fn new(name: &str, at: usize) -> Self {
        Self { name: name.to_owned(), at, kind: None, has_help: false, unit: None, has_samples: false, past: HashSet::new(), group: None }
    }

    fn kind(&self) -> FamilyKind {
        self.kind.unwrap_or(FamilyKind::Unknown)
    }

    /// What a sample of the family adds to its name. None if the sample is not of the family.
    fn suffix<'n>(&self, name: &'n str) -> Option<&'n str> {
        name.strip_prefix(&self.name).filter(|rest| suffixes(self.kind()).contains(rest))
    }

    fn sample(&mut self, sample: &Sample<'_>, body: &[u8], at: usize) -> Result<(), Fault> {
        let name = sample.name();
        let suffix = self.suffix(&name).unwrap_or_default();
        let mut labels: Vec<(String, String)> = sample.written_labels().map(|(n, v)| (n.into_owned(), v.into_owned())).collect();
        labels.sort();
        check_written(&labels, &body[at..sample.value_at]).map_err(|message| (at, message))?;
        let special = self.special_label(suffix);
        check_labels(self, suffix, &labels).map_err(|message| (at, message))?;
        check_value(self.kind(), suffix, sample.value).map_err(|message| (at, message))?;
        self.check_exemplar(sample, suffix, body).map_err(|message| (at, message))?;
        self.has_samples = true;

        let mut group_labels = labels.clone();
        match self.kind() {
            // Which labels of an info say what it is about cannot be told.
            FamilyKind::Info => group_labels.clear(),
            _ => group_labels.retain(|(label, _)| Some(label.as_str()) != special.as_deref()),
        }
        self.enter_group(group_labels, sample.timestamp, at)?;
        let histogram = matches!(self.kind(), FamilyKind::Histogram | FamilyKind::GaugeHistogram);
        let Some(group) = &mut self.group else { return Ok(()) };
        if sample.timestamp.is_none() && !group.series.insert((name.clone().into_owned(), labels.clone())) {
            return Err((at, format!("a second value of {name:?} with the same labels, and no times to tell them apart")));
        }
        if histogram {
            let bound = labels.iter().find(|(label, _)| label == "le").and_then(|(_, value)| parse_float(value));
            group.buckets.take(suffix, bound, sample.value).map_err(|message| (at, format!("{:?}: {message}", self.name)))?;
        }
        Ok(())
    }

    /// The label that tells lines of one group apart.
    fn special_label(&self, suffix: &str) -> Option<String> {
        match (self.kind(), suffix) {
            (FamilyKind::Histogram | FamilyKind::GaugeHistogram, "_bucket") => Some("le".to_owned()),
            (FamilyKind::Summary, "") => Some("quantile".to_owned()),
            (FamilyKind::StateSet, _) => Some(self.name.clone()),
            _ => None,
        }
    }

    fn enter_group(&mut self, labels: Vec<(String, String)>, timestamp: Option<TimestampMs>, at: usize) -> Result<(), Fault> {
        let buckets = Buckets { at, ..Buckets::default() };
        if let Some(group) = self.group.as_mut().filter(|group| group.labels == labels) {
            match (group.timestamp, timestamp) {
                (Some(before), Some(now)) if before > now && self.kind != Some(FamilyKind::Info) => {
                    return Err((at, "the times of a metric go back: they stand in ascending order".to_owned()));
                }
                (Some(_), None) | (None, Some(_)) => {
                    return Err((at, "some lines of a metric have a time and some have none".to_owned()));
                }
                _ => {}
            }
            if group.timestamp != timestamp {
                let before = std::mem::replace(&mut group.buckets, buckets);
                group.timestamp = timestamp;
                before.check(&self.name)?;
            }
            return Ok(());
        }
        if self.past.contains(&labels) {
            return Err((at, "the lines with these labels do not stand together: other labels come between them".to_owned()));
        }
        self.end_group()?;
        self.group = Some(Group { labels, timestamp, series: HashSet::new(), buckets });
        Ok(())
    }

    fn end_group(&mut self) -> Result<(), Fault> {
        let Some(group) = self.group.take() else { return Ok(()) };
        self.past.insert(group.labels);
        if matches!(self.kind(), FamilyKind::Histogram | FamilyKind::GaugeHistogram) { group.buckets.check(&self.name) } else { Ok(()) }
    }

    fn check_exemplar(&self, sample: &Sample<'_>, suffix: &str, body: &[u8]) -> Result<(), String> {
        let Some(exemplar) = sample.exemplar() else { return Ok(()) };
        let allowed = matches!(
            (self.kind(), suffix),
            (FamilyKind::Counter, "_total") | (FamilyKind::Histogram | FamilyKind::GaugeHistogram, "_bucket")
        );
        if !allowed {
            return Err("an exemplar, which only totals of counters and buckets of histograms can have".to_owned());
        }
        let labels: Vec<(String, String)> = exemplar.labels().map(|(n, v)| (n.into_owned(), v.into_owned())).collect();
        let chars: usize = labels.iter().map(|(n, v)| n.chars().count() + v.chars().count()).sum();
        if chars > EXEMPLAR_CHARS_MAX {
            return Err(format!("the labels of the exemplar have {chars} characters: there are {EXEMPLAR_CHARS_MAX} at most"));
        }
        let at = sample.exemplar_at.unwrap_or(exemplar.end);
        check_written(&labels, &body[at..exemplar.end])
    }
}

/// What the grammar of the specification does not have though Prometheus reads it.
fn check_written(labels: &[(String, String)], written: &[u8]) -> Result<(), String> {
    if let Some((label, _)) = labels.iter().find(|(label, _)| label.starts_with("__")) {
        return Err(format!("the label {label:?}: names that begin with two underscores are reserved"));
    }
    if ends_in_comma(written) { Err("a comma after the last label, which OpenMetrics does not allow".to_owned()) } else { Ok(()) }
}

/// Whether the braces of a line end in a comma.
fn ends_in_comma(line: &[u8]) -> bool {
    let (mut quoted, mut escaped, mut last) = (false, false, b' ');
    for b in line {
        match b {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'}' if !quoted => return last == b',',
            _ => {}
        }
        last = *b;
    }
    false
}

fn check_labels(family: &Family, suffix: &str, labels: &[(String, String)]) -> Result<(), String> {
    let value_of = |name: &str| labels.iter().find(|(label, _)| label == name).map(|(_, value)| value.as_str());
    match (family.kind(), suffix) {
        (FamilyKind::StateSet, _) if value_of(&family.name).is_none() => {
            Err(format!("a sample of a stateset without the label {:?} that names the state", family.name))
        }
        (FamilyKind::Histogram | FamilyKind::GaugeHistogram, "_bucket") => {
            let Some(text) = value_of("le") else { return Err("a bucket without the label \"le\"".to_owned()) };
            match parse_float(text) {
                Some(bound) if bound.is_infinite() && text != if bound > 0.0 { "+Inf" } else { "-Inf" } => {
                    Err(format!("the bound le={text:?}: infinity is written +Inf"))
                }
                Some(bound) if !bound.is_nan() => Ok(()),
                _ => Err(format!("expected a number as the value of \"le\", found {text:?}")),
            }
        }
        (FamilyKind::Summary, "") => {
            let Some(text) = value_of("quantile") else { return Err("a sample of a summary without the label \"quantile\"".to_owned()) };
            match parse_float(text) {
                Some(quantile) if (0.0..=1.0).contains(&quantile) => Ok(()),
                _ => Err(format!("expected a number from 0 to 1 as the value of \"quantile\", found {text:?}")),
            }
        }
        _ => Ok(()),
    }
}

fn check_value(kind: FamilyKind, suffix: &str, value: f64) -> Result<(), String> {
    let counts = matches!(suffix, "_total" | "_sum" | "_count" | "_bucket" | "_gcount" | "_gsum");
    if counts && value.is_nan() {
        return Err(format!("the value of a {suffix} cannot be NaN"));
    }
    if counts && suffix != "_gsum" && value < 0.0 {
        return Err(format!("the value of a {suffix} cannot be negative: it only grows"));
    }
    if matches!(suffix, "_count" | "_bucket" | "_gcount") && value.fract() != 0.0 {
        return Err(format!("the value of a {suffix} is a count, so it has no fraction"));
    }
    match kind {
        FamilyKind::StateSet if value != 0.0 && value != 1.0 => Err("the value of a state is 0 or 1".to_owned()),
        FamilyKind::Info if value != 1.0 => Err("the value of an info is 1".to_owned()),
        FamilyKind::Summary if suffix.is_empty() && value < 0.0 => Err("the value of a quantile cannot be negative".to_owned()),
        _ => Ok(()),
    }
}

impl Buckets {
    fn take(&mut self, suffix: &str, bound: Option<f64>, value: f64) -> Result<(), String> {
        match suffix {
            "_bucket" => {
                let bound = bound.unwrap_or(f64::NAN);
                if self.bound.is_some_and(|before| bound <= before) {
                    return Err("the buckets do not stand in ascending order of le".to_owned());
                }
                if value < self.value {
                    return Err("a bucket counts less than the one before it, which it includes".to_owned());
                }
                self.negative_bounds |= bound < 0.0;
                (self.bound, self.value) = (Some(bound), value);
            }
            "_count" | "_gcount" => self.count = Some(value),
            "_sum" => self.has_sum = true,
            "_gsum" => {
                self.has_gsum = true;
                self.negative_gsum |= value < 0.0;
            }
            _ => {}
        }
        Ok(())
    }

    /// What holds of a whole histogram.
    fn check(&self, name: &str) -> Result<(), Fault> {
        let has_sum = self.has_sum || self.has_gsum;
        let wrong = if self.bound != Some(f64::INFINITY) {
            "has no bucket le=\"+Inf\" as its last"
        } else if self.count.is_some_and(|count| count != self.value) {
            "has a count that is not the value of its bucket le=\"+Inf\""
        } else if has_sum && self.count.is_none() {
            "has a sum but no count"
        } else if !has_sum && self.count.is_some() {
            "has a count but no sum"
        } else if self.negative_bounds && self.has_sum {
            "has buckets below zero, with which it cannot have a sum"
        } else if !self.negative_bounds && self.negative_gsum {
            "has a sum below zero but no bucket below zero"
        } else {
            return Ok(());
        };
        Err((self.at, format!("the histogram {name:?} {wrong}")))
    }
}
