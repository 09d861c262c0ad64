//! Runs test scripts in the language that Prometheus tests itself with: `load` puts series into an empty store, `eval`
//! asks a query and says what must come of it. The language is described beside the conformance data.
//!
//! What cannot be run is reported as skipped with the reason, never as passed.

mod check;
mod command;
mod duration;
mod fixed;
mod histogram;
mod histogram_text;
mod load;
mod series;

use std::fmt;

use crate::ast::Expr;
use crate::error::EvalError;
use crate::features::Features;
use crate::limits::Limits;
use crate::memory::Memory;
use crate::{plan, value::QueryResult};

use command::{Command, Eval, When};
pub use histogram::{WrittenHistogram, histogram};
pub use histogram_text::histogram_text;
pub(crate) use load::stored;
pub(crate) use series::{Written, points};

/// What came of a script. Lines are counted from 1.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// How many evals held in all they state.
    pub passed: usize,
    /// Lines of evals that did not, and why; also commands that could not be read.
    pub failed: Vec<(usize, String)>,
    /// Lines of evals that were not run, and why.
    pub skipped: Vec<(usize, String)>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed.len(), self.skipped.len())
    }
}

/// Runs a script from top to bottom.
#[must_use]
pub fn run_script(text: &str) -> Report {
    let mut runner = Runner { memory: Memory::new(), report: Report::default() };
    for (line, command) in command::parse(text) {
        match command {
            Ok(command) => runner.run(line, command),
            Err(why) => runner.report.failed.push((line, why)),
        }
    }
    runner.report
}

struct Runner {
    memory: Memory,
    report: Report,
}

/// What an eval can come to.
enum Verdict {
    Passed,
    Failed(String),
    Skipped(String),
}

impl Runner {
    fn run(&mut self, line: usize, command: Command) {
        match command {
            Command::Clear => self.memory.clear(),
            Command::Load { step_ms, with_native, series } => {
                self.report.failed.extend(load::load(&self.memory, &series, step_ms, with_native));
            }
            Command::Eval(eval) => match self.eval(&eval) {
                Verdict::Passed => self.report.passed += 1,
                Verdict::Failed(why) => self.report.failed.push((line, format!("{}: {why}", eval.expr))),
                Verdict::Skipped(why) => self.report.skipped.push((line, why)),
            },
        }
    }

    fn eval(&self, eval: &Eval) -> Verdict {
        let expr = match crate::parse(&eval.expr) {
            Ok(expr) => expr,
            Err(error) => return failure(eval, &error.to_string()),
        };
        if let Err(error) = plan::supported(&expr, Features::ALL) {
            return Verdict::Skipped(error.message);
        }
        let result = match self.query(&expr, eval.when) {
            Ok(result) => result,
            Err(error) => return failure(eval, &error.to_string()),
        };
        if eval.expect.fail.is_some() {
            return Verdict::Failed("should have failed".to_owned());
        }
        let outcome = check::check(eval, &result).and_then(|()| match eval.when {
            When::At(at) if check::is_also_a_range(eval, &expr) => {
                self.check_as_range(eval, &expr, at).and_then(|()| self.check_fixed(eval, &expr, at))
            }
            _ => Ok(()),
        });
        outcome.map_or_else(Verdict::Failed, |()| Verdict::Passed)
    }

    /// The same query over a range must give the same at its middle, sorted by labels.
    fn check_as_range(&self, eval: &Eval, expr: &Expr, at: i64) -> Result<(), String> {
        let minute = 60_000;
        let when = When::Range { start: at.saturating_sub(minute), end: at.saturating_add(minute), step: minute };
        let result = self.query(expr, when).map_err(|e| format!("as a range query: {e}"))?;
        check::check_middle(eval, &result, at).map_err(|why| format!("as a range query: {why}"))
    }

    /// With all selectors fixed to the time of evaluation, it must give the same at any other time.
    fn check_fixed(&self, eval: &Eval, expr: &Expr, at: i64) -> Result<(), String> {
        let mut fixed = expr.clone();
        if !fixed::fix(&mut fixed, at) {
            return Ok(());
        }
        for other in [at.saturating_add(86_400_000), at.saturating_sub(7_777)] {
            let result = self.query(&fixed, When::At(other)).map_err(|e| format!("fixed by @, as {fixed}: {e}"))?;
            check::check(eval, &result).map_err(|why| format!("fixed by @, as {fixed}, at {other}: {why}"))?;
        }
        Ok(())
    }

    fn query(&self, expr: &Expr, when: When) -> Result<QueryResult, EvalError> {
        let limits = Limits { delayed_name_removal: true, features: Features::ALL, start_timestamps: true, ..Limits::default() };
        match when {
            When::At(at) => crate::instant(expr, at, &self.memory, &limits),
            When::Range { start, end, step } => crate::range(expr, start, end, step, &self.memory, &limits),
        }
    }
}

fn failure(eval: &Eval, error: &str) -> Verdict {
    match &eval.expect.fail {
        Some(text) if text.as_ref().is_none_or(|t| t.matches(error)) => Verdict::Passed,
        Some(text) => Verdict::Failed(format!("failed with {error:?}, which does not match {text:?}")),
        None => Verdict::Failed(error.to_owned()),
    }
}
