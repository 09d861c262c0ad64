//! What is asked, and when.

use test_support::{Dice, KeepAlive};

use crate::answer::{self, Answer};
use crate::data::{BEGIN, SPAN};
use crate::generate::Generator;
use crate::tree::{Kind, Tree};

/// When an expression is asked, in Unix seconds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum When {
    At(i64),
    Range { start: i64, end: i64, step: i64 },
}

impl When {
    /// The times that are asked for.
    pub(crate) fn steps(self) -> Vec<i64> {
        match self {
            Self::At(at) => vec![at],
            Self::Range { start, end, step } => (0..).map(|number| start + number * step).take_while(|time| *time <= end).collect(),
        }
    }

    /// The text with the times that `start()` and `end()` are: it means the same when another time is asked for.
    pub(crate) fn with_its_times(self, text: &str) -> String {
        let (start, end) = match self {
            Self::At(at) => (at, at),
            Self::Range { start, end, .. } => (start, end),
        };
        text.replace("start()", &start.to_string()).replace("end()", &end.to_string())
    }
}

/// Asks a server.
pub(crate) fn ask(connection: &mut KeepAlive, text: &str, when: When) -> Answer {
    let (_, body) = match when {
        When::At(at) => connection.form("/api/v1/query", &[("query", text), ("time", &at.to_string())]),
        When::Range { start, end, step } => {
            let [start, end, step] = [start, end, step].map(|number| number.to_string());
            connection.form("/api/v1/query_range", &[("query", text), ("start", &start), ("end", &end), ("step", &step)])
        }
    };
    answer::read(&body)
}

/// The expression of a number.
pub(crate) fn case(seed: u64, number: u64) -> (Tree, When) {
    let mut dice = Dice(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ number);
    let tree = Generator(&mut dice).query();
    let at = BEGIN + 1800 + dice.below(SPAN as u64 - 1500) as i64;
    let when = match dice.below(10) {
        0..4 => When::At(at),
        _ if tree.kind == Kind::Range => When::At(at),
        _ => {
            let step = 1 + dice.below(240) as i64;
            When::Range { start: at - step * dice.below(12) as i64, end: at, step }
        }
    };
    (tree, when)
}
