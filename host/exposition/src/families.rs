//! What a body says of its families, without looking at its samples.

use std::borrow::Cow;

use model::FamilyKind;

use crate::format::Format;
use crate::line::{Cursor, Parts};
use crate::reader::LINE_BYTES_MAX;
use crate::text::{Span, resolve, unescape_help};

/// A `# HELP`, `# TYPE` or `# UNIT` line: the family's name, and what the line says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FamilyLine<'a> {
    /// The text for people.
    Help(Cow<'a, str>, Cow<'a, str>),
    /// The kind.
    Type(Cow<'a, str>, FamilyKind),
    /// The unit.
    Unit(Cow<'a, str>, Cow<'a, str>),
}

/// The lines of a body that describe families, in its order. Other lines are not looked at, and one that cannot be read is
/// passed over: whether the body is good is for [`crate::Reader`] to say.
pub fn family_lines(body: &[u8], format: Format) -> impl Iterator<Item = FamilyLine<'_>> {
    let hashes = memchr::memchr_iter(b'#', body);
    let starts = hashes.filter(|at| {
        // Blanks alone stand before it in its line.
        body[..*at].iter().rev().find(|b| !matches!(b, b' ' | b'\t')).is_none_or(|b| *b == b'\n')
    });
    starts.filter_map(move |at| {
        let end = body.len().min(at + LINE_BYTES_MAX);
        let mut cursor = Cursor { body, bytes: &body[..end], at, format };
        let text = |span: Span| resolve(body, span);
        match cursor.line(&mut Vec::new()).ok()?? {
            Parts::Help(name, help) if format == Format::Text => Some(FamilyLine::Help(text(name), unescape_help(body, help))),
            Parts::Help(name, help) => Some(FamilyLine::Help(text(name), text(help))),
            Parts::Type(name, kind) => Some(FamilyLine::Type(text(name), kind)),
            Parts::Unit(name, unit) => Some(FamilyLine::Unit(text(name), text(unit))),
            Parts::Sample { .. } | Parts::Eof => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lines_about_families() {
        let body = b"# HELP a one \\\"\\\\ # two\n# TYPE a counter\na{x=\"# HELP no way\"} 1 # not here\n  # TYPE b gauge\n# TYPE c wrong\n#\n# HELP \"d.e\" f";
        let found: Vec<FamilyLine<'_>> = family_lines(body, Format::Text).collect();
        assert_eq!(
            found,
            [
                FamilyLine::Help("a".into(), "one \\\"\\ # two".into()),
                FamilyLine::Type("a".into(), FamilyKind::Counter),
                FamilyLine::Type("b".into(), FamilyKind::Gauge),
                FamilyLine::Help("d.e".into(), "f".into()),
            ]
        );
        let body = b"# TYPE a_seconds info\n# UNIT a_seconds seconds\n# HELP a_seconds \\\"q\\\"\n# EOF\n";
        assert_eq!(
            family_lines(body, Format::OpenMetrics).collect::<Vec<_>>(),
            [
                FamilyLine::Type("a_seconds".into(), FamilyKind::Info),
                FamilyLine::Unit("a_seconds".into(), "seconds".into()),
                FamilyLine::Help("a_seconds".into(), "\"q\"".into()),
            ]
        );
    }
}
