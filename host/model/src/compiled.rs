//! Compiled patterns of matchers, kept for the next query: dashboards and rules ask the same each few seconds, and compiling a pattern
//! takes longer than many a query.
//!
//! What is kept is bounded, whoever asks what: so many patterns, of short sources and small programs. A program grows tables while it
//! is used, which are bounded too: all together 4 MiB of programs and, for each thread that matches at once, 8 MiB of tables.

use std::sync::{Arc, Mutex, PoisonError};

use regex::{Regex, RegexBuilder};

use crate::re2::translate;

/// Most bytes a compiled pattern may take (faults C4).
const PROGRAM_BYTES_MAX: usize = 10 << 20;
/// Patterns that are kept, their sources, programs and tables.
const KEPT_MAX: usize = 64;
const KEPT_SOURCE_BYTES_MAX: usize = 1 << 10;
const KEPT_PROGRAM_BYTES_MAX: usize = 64 << 10;
const KEPT_TABLE_BYTES_MAX: usize = 128 << 10;

/// Those that were used last.
struct Kept {
    patterns: Vec<(Box<str>, Arc<Regex>, u64)>,
    /// Counts uses.
    now: u64,
}

static KEPT: Mutex<Kept> = Mutex::new(Kept { patterns: Vec::new(), now: 0 });

impl Kept {
    fn find(&mut self, source: &str) -> Option<Arc<Regex>> {
        self.now += 1;
        let (_, regex, used) = self.patterns.iter_mut().find(|(held, ..)| **held == *source)?;
        *used = self.now;
        Some(Arc::clone(regex))
    }

    fn keep(&mut self, source: &str, regex: &Arc<Regex>) {
        if self.patterns.len() >= KEPT_MAX {
            let oldest = self.patterns.iter().enumerate().min_by_key(|(_, (.., used))| *used).map(|(at, _)| at);
            oldest.map(|at| self.patterns.swap_remove(at));
        }
        self.patterns.push((source.into(), Arc::clone(regex), self.now));
    }
}

fn build(source: &str, program: usize, tables: Option<usize>) -> Result<Regex, regex::Error> {
    let mut builder = RegexBuilder::new(&format!("^(?s:{})$", translate(source)));
    builder.size_limit(program);
    tables.map(|bytes| builder.dfa_size_limit(bytes));
    builder.build()
}

/// Compiles a pattern in RE2's syntax, anchored at both ends.
pub(crate) fn compile(source: &str) -> Result<Arc<Regex>, regex::Error> {
    build(source, PROGRAM_BYTES_MAX, None).map(Arc::new)
}

/// The same, or what was compiled before.
pub(crate) fn compile_kept(source: &str) -> Result<Arc<Regex>, regex::Error> {
    let kept = || KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if source.len() > KEPT_SOURCE_BYTES_MAX {
        return compile(source);
    }
    if let Some(regex) = kept().find(source) {
        return Ok(regex);
    }
    // Not under the lock: it may take long.
    let Ok(regex) = build(source, KEPT_PROGRAM_BYTES_MAX, Some(KEPT_TABLE_BYTES_MAX)) else { return compile(source) };
    let regex = Arc::new(regex);
    kept().keep(source, &regex);
    Ok(regex)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c4_what_is_kept_of_patterns_is_bounded() {
        let small = compile_kept("kept-[ab]+").expect("a good one");
        assert!(Arc::ptr_eq(&small, &compile_kept("kept-[ab]+").expect("kept")));
        for n in 0..1000 {
            assert!(compile_kept(&format!("other-[ab]+{n}")).expect("a good one").is_match(&format!("other-ab{n}")));
            // Used now and then, it stays.
            assert!(Arc::ptr_eq(&small, &compile_kept("kept-[ab]+").expect("kept")));
        }
        for large in [format!("[ab]{}", "x".repeat(2 << 10)), "(?:[a-z]{100}){20}".to_owned()] {
            let regex = compile_kept(&large).expect("a good one");
            assert!(!Arc::ptr_eq(&regex, &compile_kept(&large).expect("a good one")), "{} bytes of source", large.len());
        }
        assert!(compile_kept("(").is_err() && compile_kept("(?:.{0,1000}){0,1000}").is_err());
        let kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(kept.patterns.len() <= KEPT_MAX, "{}", kept.patterns.len());
    }
}
