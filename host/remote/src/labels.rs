//! Labels as a sender gives them.

use model::{LabelSet, METRIC_NAME};

/// Most bytes of names and values of one series.
pub(crate) const LABELS_BYTES_MAX: usize = 64 << 10;
/// Most characters of an exemplar's labels, as upstream.
const EXEMPLAR_CHARS_MAX: usize = 128;

/// The labels of a series, which may come in any order, as upstream takes them.
pub(crate) fn series(pairs: &mut [(&str, &str)]) -> Result<LabelSet, String> {
    check_size(pairs)?;
    let named = pairs.iter().any(|(name, value)| *name == METRIC_NAME && !value.is_empty());
    if !named || pairs.iter().any(|(name, _)| name.is_empty()) {
        return Err(format!("invalid metric name or labels, got {}", shown(pairs)));
    }
    unique(pairs)
}

/// The labels of an exemplar. None if they are too long to be kept.
pub(crate) fn exemplar(pairs: &mut [(&str, &str)]) -> Result<Option<LabelSet>, String> {
    check_size(pairs)?;
    let chars: usize = pairs.iter().map(|(name, value)| name.chars().count() + value.chars().count()).sum();
    if chars > EXEMPLAR_CHARS_MAX {
        return Ok(None);
    }
    unique(pairs).map(Some)
}

fn unique(pairs: &mut [(&str, &str)]) -> Result<LabelSet, String> {
    pairs.sort_unstable();
    if let Some(pair) = pairs.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(format!("invalid labels for series, labels {}, duplicated label {}", shown(pairs), cut(pair[0].0)));
    }
    Ok(LabelSet::from_unsorted(pairs))
}

fn check_size(pairs: &[(&str, &str)]) -> Result<(), String> {
    let bytes: usize = pairs.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > LABELS_BYTES_MAX {
        return Err(format!("the labels of a series have {bytes} bytes, more than the limit of {LABELS_BYTES_MAX}"));
    }
    Ok(())
}

/// For an error's text.
pub(crate) fn shown(pairs: &[(&str, &str)]) -> String {
    const SHOWN_MAX: usize = 20;
    let mut text = String::from("{");
    for (at, (name, value)) in pairs.iter().take(SHOWN_MAX).enumerate() {
        let comma = if at > 0 { ", " } else { "" };
        text.push_str(&format!("{comma}{}={:?}", cut(name), cut(value)));
    }
    text.push_str(if pairs.len() > SHOWN_MAX { ", …}" } else { "}" });
    text
}

fn cut(text: &str) -> &str {
    const CUT: usize = 100;
    if text.len() <= CUT { text } else { &text[..text.floor_char_boundary(CUT)] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_named() {
        assert_eq!(series(&mut [("b", "1"), ("__name__", "up"), ("e", "")]).map(|l| l.to_string()), Ok("up{b=\"1\"}".to_owned()));
        for (pairs, text) in [
            (vec![], "invalid metric name or labels, got {}"),
            (vec![("a", "b")], "invalid metric name or labels, got {a=\"b\"}"),
            (vec![("__name__", "")], "invalid metric name or labels"),
            (vec![("__name__", "up"), ("", "x")], "invalid metric name or labels"),
            (vec![("__name__", "up"), ("a", "1"), ("a", "2")], "duplicated label a"),
        ] {
            let error = series(&mut pairs.clone()).expect_err("bad labels");
            assert!(error.contains(text), "{error}");
        }
        let long = "x".repeat(LABELS_BYTES_MAX);
        assert!(series(&mut [("__name__", &long)]).is_err());
        assert_eq!(exemplar(&mut [("trace_id", &"x".repeat(121))]), Ok(None));
        assert!(exemplar(&mut [("trace_id", &"x".repeat(120))]).is_ok_and(|labels| labels.is_some()));
    }
}
