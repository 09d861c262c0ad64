//! Matchers over a block's index. As in `index/matching.rs`, which the property test holds it to.

use model::{MatchOp, Matcher};
use roaring::{MultiOps, RoaringBitmap};

use super::BlockDamage;
use super::reader::Block;

impl Block {
    /// The columns whose labels satisfy all matchers. As in Prometheus, a label that is absent has the empty value.
    pub(crate) fn matching(&self, matchers: &[Matcher]) -> Result<RoaringBitmap, BlockDamage> {
        // A matcher that refuses the empty value names columns by what they have; the others rule out by what they have.
        let (needed, ruling_out): (Vec<&Matcher>, Vec<&Matcher>) = matchers.iter().partition(|matcher| !matcher.matches_empty());
        let mut found: Option<RoaringBitmap> = None;
        // Exact ones first: they are cheap, and often leave nothing to do for the others.
        let (exact, searched): (Vec<&Matcher>, Vec<&Matcher>) = needed.into_iter().partition(|matcher| literals(matcher).is_some());
        for matcher in exact.into_iter().chain(searched) {
            let having = self.having(matcher.name(), &|value| matcher.matches(value), literals(matcher))?;
            let rest = match found {
                Some(found) => found & having,
                None => having,
            };
            if rest.is_empty() {
                return Ok(rest);
            }
            found = Some(rest);
        }
        let mut found = found.unwrap_or_else(|| {
            let mut all = RoaringBitmap::new();
            all.insert_range(0..self.columns());
            all
        });
        for matcher in ruling_out {
            if found.is_empty() {
                break;
            }
            let exact = (matcher.op() == MatchOp::NotEqual).then(|| vec![matcher.value()]);
            found -= self.having(matcher.name(), &|value| !matcher.matches(value), exact)?;
        }
        Ok(found)
    }

    /// The columns whose label has a value that `wanted` accepts; `exact` are the only values that it can accept, if known.
    fn having(&self, name: &str, wanted: &dyn Fn(&str) -> bool, exact: Option<Vec<&str>>) -> Result<RoaringBitmap, BlockDamage> {
        let mut pairs = Vec::new();
        match exact {
            Some(values) => {
                for value in values {
                    pairs.extend(self.symbols.find(name, value).map_err(|_| self.bad_symbols())?);
                }
            }
            None => {
                let mut each = |value: &str, pair| {
                    if wanted(value) {
                        pairs.push(pair);
                    }
                };
                self.symbols.each_value(name, &mut each).map_err(|_| self.bad_symbols())?;
            }
        }
        if let [pair] = pairs[..] {
            return self.postings(pair);
        }
        let lists = pairs.into_iter().map(|pair| self.postings(pair)).collect::<Result<Vec<_>, _>>()?;
        Ok(lists.union())
    }
}

/// The only values that a matcher accepts, if that can be told from its text.
fn literals(matcher: &Matcher) -> Option<Vec<&str>> {
    match matcher.op() {
        MatchOp::Equal => Some(vec![matcher.value()]),
        MatchOp::Matches if !matcher.value().contains(|c: char| ".^$*+?()[]{}\\".contains(c)) => Some(matcher.value().split('|').collect()),
        _ => None,
    }
}
