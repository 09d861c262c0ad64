//! What is wrong with how it was called, in promtool's words.

use clap::Error;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::cli::Query;

/// One line.
pub(super) fn worded(error: &Error) -> String {
    let first = |kind: ContextKind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        Some(ContextValue::Strings(texts)) => texts.first().cloned(),
        _ => None,
    };
    let worded = match error.kind() {
        ErrorKind::MissingRequiredArgument => first(ContextKind::InvalidArg).map(|what| {
            let word = what.split(' ').next().unwrap_or_default();
            if word.starts_with("--") {
                format!("required flag {word} not provided")
            } else {
                format!("required argument '{}' not provided", word.trim_end_matches('.').trim_matches(['<', '>']).to_lowercase())
            }
        }),
        ErrorKind::InvalidSubcommand => first(ContextKind::InvalidSubcommand).map(|name| format!("expected command but got {name:?}")),
        ErrorKind::UnknownArgument => first(ContextKind::InvalidArg).map(|what| match what.as_bytes() {
            [b'-', b'-', ..] => format!("unknown long flag '{what}'"),
            [b'-', ..] => format!("unknown short flag '{what}'"),
            _ => format!("unexpected {what}"),
        }),
        ErrorKind::InvalidValue => match (error.get(ContextKind::ValidValue), first(ContextKind::InvalidValue)) {
            (Some(ContextValue::Strings(valid)), Some(value)) if !valid.is_empty() => {
                Some(format!("enum value must be one of {}, got '{value}'", valid.join(",")))
            }
            _ => None,
        },
        _ => None,
    };
    worded.unwrap_or_else(|| {
        let text = error.render().to_string();
        text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned()
    })
}

/// The argument that a query lacks: promtool wants the server's address, too.
pub(super) fn lacks(what: &Query) -> Option<&'static str> {
    match what {
        Query::Instant { expr, .. } | Query::Range { expr, .. } => (expr.len() < 2).then_some("expr"),
        Query::Series { address, .. } => address.is_none().then_some("server"),
        Query::Labels { label, .. } => match label.len() {
            0 => Some("server"),
            1 => Some("name"),
            _ => None,
        },
    }
}
