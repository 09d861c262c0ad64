//! `ExportMetricsServiceRequest`, of <https://github.com/open-telemetry/opentelemetry-proto>, into samples: metrics become the
//! series that the same would be in an exposition.
//!
//! The labels of each series are written as `prometheus.WriteRequest` writes them, so that all that follows is remote write's.

use exposition::wire::Fields;
use model::{METRIC_NAME, TimestampMs};

use super::answer::varint;
use super::attributes::{Attributes, LabelList};
use super::claims::Claims;
use super::options::OtlpOptions;
use super::rejected::Rejected;
use crate::cache::Cache;
use crate::hash::Hasher;
use crate::message::{MessageError, Parsed, Sample, bytes};
use crate::metadata::Family;

/// Most bytes of labels that one request may make.
const LABELS_ROOM: usize = 64 << 20;
/// Of things without samples, so that empty ones do not take room for nothing.
const RESOURCE_UNITS: usize = 64;
const SCOPE_UNITS: usize = 32;
const METRIC_UNITS: usize = 4;

/// What is written while reading.
pub(crate) struct Reader<'a> {
    pub(crate) options: &'a OtlpOptions,
    pub(crate) hasher: &'a Hasher,
    pub(crate) cache: &'a mut Cache,
    pub(crate) claims: &'a mut Claims,
    pub(crate) parsed: &'a mut Parsed,
    pub(crate) now: TimestampMs,
    /// Labels of the series.
    pub(crate) labels: Vec<u8>,
    /// Bytes of all that were made, of collisions too: what they cost in time.
    pub(crate) labels_made: usize,
    pub(crate) families: Vec<Family>,
    pub(crate) rejected: Rejected,
}

/// A resource, and what its series have of it.
pub(crate) struct Resource<'a> {
    attributes: Attributes<'a>,
    job: String,
    instance: String,
    promoted: LabelList,
    /// Of its newest point.
    pub(crate) newest: Option<TimestampMs>,
}

/// What a scope gives its series.
struct Scope(LabelList, Option<String>);

struct Metric<'a> {
    resource: usize,
    scope: usize,
    name: &'a str,
    message: &'a [u8],
}

/// The metric of the samples that are being read.
pub(crate) struct Origin<'a> {
    /// Its own name, and a hash of it.
    pub(crate) name: &'a str,
    pub(crate) hash: u64,
}

impl Reader<'_> {
    /// Reads a message as a whole.
    pub(crate) fn read(&mut self, message: &[u8]) -> Result<(), MessageError> {
        let (mut resources, mut scopes, mut metrics) = (Vec::new(), Vec::new(), Vec::new());
        let mut fields = Fields::new(message);
        while let Some(field) = fields.next_field()? {
            if field.number == 1 {
                let at = resources.len();
                resources.push(self.resource(bytes(field.value)?, at, &mut scopes, &mut metrics)?);
            }
        }
        // So that of metrics that become the same series the first by name counts, wherever they stand.
        metrics.sort_by(|a: &Metric<'_>, b| {
            let of = |metric: &Metric<'_>| (&resources[metric.resource].job, &resources[metric.resource].instance);
            of(a).cmp(&of(b)).then_with(|| a.name.cmp(b.name))
        });
        for metric in &metrics {
            self.metric(metric.message, &mut resources[metric.resource], &scopes[metric.scope])?;
        }
        for resource in &resources {
            self.target_info(resource)?;
        }
        Ok(())
    }

    /// `ResourceMetrics`; metrics are only found.
    fn resource<'a>(
        &mut self,
        message: &'a [u8],
        at: usize,
        scopes: &mut Vec<Scope>,
        metrics: &mut Vec<Metric<'a>>,
    ) -> Result<Resource<'a>, MessageError> {
        self.parsed.take_units(RESOURCE_UNITS)?;
        let mut attributes = Attributes::default();
        let mut fields = Fields::new(message);
        while let Some(field) = fields.next_field()? {
            match field.number {
                1 => {
                    let mut fields = Fields::new(bytes(field.value)?);
                    while let Some(field) = fields.next_field()? {
                        if field.number == 1 {
                            attributes.push(bytes(field.value)?)?;
                        }
                    }
                }
                2 => self.scope(bytes(field.value)?, at, scopes, metrics)?,
                _ => {}
            }
        }
        let name = attributes.get("service.name").unwrap_or_default();
        let job = match attributes.get("service.namespace") {
            Some(namespace) if !name.is_empty() => format!("{namespace}/{name}"),
            _ => name.to_owned(),
        };
        let instance = attributes.get("service.instance.id").unwrap_or_default().to_owned();
        let options = self.options;
        let is_promoted = |name: &str| {
            let listed = |list: &[String]| list.iter().any(|listed| listed == name);
            if options.promote_all { !listed(&options.ignored) } else { listed(&options.promoted) }
        };
        let promoted = LabelList::of(attributes.list.iter().filter(|attribute| is_promoted(attribute.name)), options);
        Ok(Resource { attributes, job, instance, promoted, newest: None })
    }

    /// `ScopeMetrics`
    fn scope<'a>(
        &mut self,
        message: &'a [u8],
        resource: usize,
        scopes: &mut Vec<Scope>,
        metrics: &mut Vec<Metric<'a>>,
    ) -> Result<(), MessageError> {
        self.parsed.take_units(SCOPE_UNITS)?;
        let (mut name, mut version, mut url) = (&b""[..], &b""[..], &b""[..]);
        let mut attributes = Attributes::default();
        let mut fields = Fields::new(message);
        while let Some(field) = fields.next_field()? {
            match field.number {
                1 => {
                    let mut fields = Fields::new(bytes(field.value)?);
                    while let Some(field) = fields.next_field()? {
                        match field.number {
                            1 => name = bytes(field.value)?,
                            2 => version = bytes(field.value)?,
                            3 => attributes.push(bytes(field.value)?)?,
                            _ => {}
                        }
                    }
                }
                2 => {
                    self.parsed.take_units(METRIC_UNITS)?;
                    let message = bytes(field.value)?;
                    metrics.push(Metric { resource, scope: scopes.len(), name: metric_name(message)?, message });
                }
                3 => url = bytes(field.value)?,
                _ => {}
            }
        }
        let (mut labels, mut bad) = (LabelList::default(), None);
        if self.options.promote_scope {
            bad = attributes.bad;
            for attribute in &mut attributes.list {
                labels.set(&super::names::label(&format!("otel_scope_{}", attribute.name), self.options), &attribute.value);
            }
            for (label, value) in [("otel_scope_name", name), ("otel_scope_version", version), ("otel_scope_schema_url", url)] {
                match std::str::from_utf8(value) {
                    Ok(value) => labels.set(label, value),
                    Err(_) => bad = Some(format!("{label} is not UTF-8")),
                }
            }
        }
        scopes.push(Scope(labels, bad));
        Ok(())
    }

    fn metric(&mut self, message: &[u8], resource: &mut Resource<'_>, scope: &Scope) -> Result<(), MessageError> {
        let bad = resource.attributes.bad.clone().or(scope.1.clone());
        super::points::read(self, message, resource, &scope.0, bad)
    }

    /// The labels of a point without name and bucket.
    pub(crate) fn labels_of(&self, attributes: &Attributes<'_>, resource: &Resource<'_>, scope: &LabelList) -> LabelList {
        let mut labels = LabelList::of(attributes.list.iter(), self.options);
        for (name, value) in resource.promoted.0.iter().chain(&scope.0) {
            labels.add(name, value);
        }
        resource.identify(&mut labels);
        labels
    }

    /// What is known of a resource beside its job and instance.
    fn target_info(&mut self, resource: &Resource<'_>) -> Result<(), MessageError> {
        const IDENTIFYING: [&str; 3] = ["service.name", "service.namespace", "service.instance.id"];
        let Some(time) = resource.newest.filter(|_| resource.attributes.bad.is_none()) else { return Ok(()) };
        let identifying = |name: &str| IDENTIFYING.contains(&name);
        let attributes = &resource.attributes.list;
        if (resource.job.is_empty() && resource.instance.is_empty()) || attributes.iter().all(|attribute| identifying(attribute.name)) {
            return Ok(());
        }
        let kept = attributes.iter().filter(|attribute| self.options.keep_identifying || !identifying(attribute.name));
        let mut labels = LabelList::of(kept, self.options);
        resource.identify(&mut labels);
        let origin = Origin { name: "target_info", hash: self.hasher.wide(b"target_info").0 };
        if let Some((entry, at)) = self.series(("target_info", ""), &labels, None, &origin)? {
            self.parsed.take_units(1)?;
            self.parsed.samples.push(Sample { entry, at, time, value: 1.0 });
        }
        Ok(())
    }

    /// The entry of a series, and where its labels stand. None if they are another metric's.
    pub(crate) fn series(
        &mut self,
        (name, suffix): (&str, &str),
        labels: &LabelList,
        extra: Option<(&str, &str)>,
        origin: &Origin<'_>,
    ) -> Result<Option<(u32, u32)>, MessageError> {
        let name = [name, suffix].concat();
        let other = |held: &str| held != METRIC_NAME && extra.is_none_or(|(extra, _)| extra != held);
        let mut pairs: Vec<(&str, &str)> =
            labels.0.iter().map(|(name, value)| (&**name, &**value)).filter(|(name, value)| other(name) && !value.is_empty()).collect();
        pairs.push((METRIC_NAME, &name));
        pairs.extend(extra);
        pairs.sort_unstable();
        let at = self.labels.len();
        for (name, value) in &pairs {
            push_label(&mut self.labels, name, value);
        }
        let len = self.labels.len() - at;
        // So that the labels end here.
        self.labels.push(0);
        self.labels_made += len + 1;
        if self.labels_made > LABELS_ROOM {
            return Err(MessageError(format!("the series of the request have more than {LABELS_ROOM} bytes of labels: send smaller ones")));
        }
        let key = self.hasher.key(&self.labels[at..at + len]);
        if let Err(winner) = self.claims.claim(key, (origin.hash, origin.name), self.now) {
            let winner = self.claims.name(winner).unwrap_or("another metric");
            self.rejected.collision(origin.name, winner, &name);
            self.labels.truncate(at);
            return Ok(None);
        }
        Ok(Some((self.cache.find_or_insert(key, len as u32), at as u32)))
    }
}

impl Resource<'_> {
    fn identify(&self, labels: &mut LabelList) {
        for (name, value) in [("job", &self.job), ("instance", &self.instance)] {
            if !value.is_empty() {
                labels.set(name, value);
            }
        }
    }
}

fn metric_name(message: &[u8]) -> Result<&str, MessageError> {
    let mut name = &b""[..];
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next_field()? {
        if field.number == 1 {
            name = bytes(field.value)?;
        }
    }
    // Of one that is not UTF-8 the points are rejected.
    Ok(std::str::from_utf8(name).unwrap_or_default())
}

fn push_label(out: &mut Vec<u8>, name: &str, value: &str) {
    let size = |len: usize| (64 - (len as u64 | 1).leading_zeros() as usize).div_ceil(7) + 1 + len;
    out.push(0x0A);
    varint(out, (size(name.len()) + size(value.len())) as u64);
    for (key, text) in [(0x0A, name), (0x12, value)] {
        out.push(key);
        varint(out, text.len() as u64);
        out.extend_from_slice(text.as_bytes());
    }
}
