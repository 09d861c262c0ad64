//! What is asked, and when.

use test_support::KeepAlive;

use crate::answer::{self, Answer};
use crate::data::{BEGIN, SPAN};
use crate::generate::Generator;
use crate::rng::Rng;
use crate::tree::{Kind, Tree};

/// When an expression is asked, in Unix seconds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum When {
    At(i64),
    Range { start: i64, end: i64, step: i64 },
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
    let mut rng = Rng::new(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ number);
    let tree = Generator(&mut rng).query();
    let at = BEGIN + 1800 + rng.below(SPAN as u64 - 1500) as i64;
    let when = match rng.below(10) {
        0..4 => When::At(at),
        _ if tree.kind == Kind::Range => When::At(at),
        _ => {
            let step = 1 + rng.below(240) as i64;
            When::Range { start: at - step * rng.below(12) as i64, end: at, step }
        }
    };
    (tree, when)
}
