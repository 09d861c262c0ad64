//! Answers of both sides in one form, and whether they are the same.

use std::collections::BTreeMap;

/// Labels in order.
pub(crate) type Labels = Vec<(String, String)>;

/// An answer, or why there is none.
pub(crate) type Answer = Result<Content, String>;

/// What an answer holds: its type, and times in milliseconds with values by series.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Content {
    pub(crate) kind: String,
    pub(crate) series: BTreeMap<Labels, Vec<(i64, f64)>>,
    /// The order of an instant vector's series.
    pub(crate) order: Vec<Labels>,
    /// Series that come twice.
    pub(crate) repeated: bool,
}

impl Content {
    pub(crate) fn new(kind: &str, list: Vec<(Labels, Vec<(i64, f64)>)>) -> Self {
        let (order, count) = (list.iter().map(|(labels, _)| labels.clone()).collect(), list.len());
        let series: BTreeMap<_, _> = list.into_iter().collect();
        Self { kind: kind.to_owned(), repeated: series.len() != count, series, order }
    }
}

impl Content {
    /// What is asked for at one time, of an answer to a range.
    pub(crate) fn at(&self, time: i64) -> Self {
        let point = |points: &[(i64, f64)]| points.iter().find(|(at, _)| *at == time * 1000).copied();
        let list = self.series.iter().filter_map(|(labels, points)| Some((labels.clone(), vec![point(points)?])));
        Self::new("vector", list.collect())
    }

    /// All times, in milliseconds, some of them several times.
    pub(crate) fn times(&self) -> impl Iterator<Item = i64> {
        self.series.values().flatten().map(|(time, _)| *time)
    }

    /// Whether both have the same series at the same times.
    pub(crate) fn has_the_times_of(&self, other: &Self) -> bool {
        let times = |content: &Self| -> Vec<(Labels, Vec<i64>)> {
            content.series.iter().map(|(labels, points)| (labels.clone(), points.iter().map(|(time, _)| *time).collect())).collect()
        };
        times(self) == times(other)
    }
}

/// An answer from its JSON.
pub(crate) fn read(body: &str) -> Answer {
    let json: serde_json::Value = serde_json::from_str(body).map_err(|error| format!("no JSON: {error}: {body}"))?;
    if json["status"] != "success" {
        return Err(json["error"].as_str().unwrap_or_default().to_owned());
    }
    let (kind, result) = (json["data"]["resultType"].as_str().unwrap_or_default(), &json["data"]["result"]);
    let point = |point: &serde_json::Value| {
        let time = (point[0].as_f64().unwrap_or(f64::NAN) * 1000.0).round() as i64;
        (time, point[1].as_str().and_then(|text| text.parse().ok()).unwrap_or(0.0))
    };
    if kind == "scalar" || kind == "string" {
        return Ok(Content::new(kind, vec![(Vec::new(), vec![point(result)])]));
    }
    let series = result.as_array().into_iter().flatten().map(|series| {
        let metric = series["metric"].as_object().into_iter().flatten();
        let mut labels: Labels = metric.map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned())).collect();
        labels.sort();
        let points = match series["values"].as_array() {
            Some(values) => values.iter().map(point).collect(),
            None if series["value"].is_array() => vec![point(&series["value"])],
            None => Vec::new(),
        };
        (labels, points)
    });
    Ok(Content::new(kind, series.collect()))
}

/// The relative error that Prometheus' own tests allow.
const TOLERANCE: f64 = 1e-6;

fn close(a: f64, b: f64) -> bool {
    a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= TOLERANCE * (a.abs() + b.abs()).min(f64::MAX)
}

/// What differs, if anything does. `ordered`: the order of an instant vector's values counts.
pub(crate) fn difference(theirs: &Answer, ours: &Answer, ordered: bool) -> Option<String> {
    let (theirs, ours) = match (theirs, ours) {
        (Err(_), Err(_)) => return None,
        (Ok(_), Err(error)) => return Some(format!("only ours fails: {error}")),
        (Err(error), Ok(_)) => return Some(format!("only theirs fails: {error}")),
        (Ok(theirs), Ok(ours)) => (theirs, ours),
    };
    if theirs.kind != ours.kind {
        return Some(format!("theirs is a {}, ours a {}", theirs.kind, ours.kind));
    }
    if ours.repeated {
        return Some("a series comes twice".to_owned());
    }
    for (labels, points) in &theirs.series {
        let Some(found) = ours.series.get(labels) else {
            return Some(format!("{labels:?} is missing: {}", shown(points)));
        };
        let same_times = points.len() == found.len() && points.iter().zip(found).all(|(a, b)| a.0 == b.0);
        if !same_times {
            return Some(format!("{labels:?}: theirs {}, ours {}", shown(points), shown(found)));
        }
        if let Some((a, b)) = points.iter().zip(found).find(|(a, b)| !close(a.1, b.1)) {
            return Some(format!("{labels:?} at {}: theirs {}, ours {}", a.0, a.1, b.1));
        }
    }
    if let Some((labels, points)) = ours.series.iter().find(|(labels, _)| !theirs.series.contains_key(*labels)) {
        return Some(format!("{labels:?} is too much: {}", shown(points)));
    }
    let values =
        |content: &Content| content.order.iter().filter_map(|labels| Some(content.series.get(labels)?.first()?.1)).collect::<Vec<_>>();
    if ordered && theirs.kind == "vector" && !values(theirs).iter().zip(&values(ours)).all(|(a, b)| close(*a, *b)) {
        return Some(format!("order: theirs {:?}, ours {:?}", values(theirs), values(ours)));
    }
    None
}

fn shown(points: &[(i64, f64)]) -> String {
    let texts: Vec<String> = points.iter().take(6).map(|(time, value)| format!("{value}@{}", time / 1000)).collect();
    format!("{} points {}{}", points.len(), texts.join(" "), if points.len() > 6 { " …" } else { "" })
}
