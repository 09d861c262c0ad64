//! Matchers over a block's index. As in `index/matching.rs`, which the property test holds it to.

use model::Matcher;
use roaring::{MultiOps, RoaringBitmap};

use super::BlockDamage;
use super::reader::Block;
use crate::pace;

/// Lists of columns that are held at a time while they become one.
const LISTS_AT_ONCE: usize = 256;

impl Block {
    /// The columns whose labels satisfy all matchers. As in Prometheus, a label that is absent has the empty value.
    pub(crate) fn matching(&self, matchers: &[Matcher]) -> Result<RoaringBitmap, BlockDamage> {
        // A matcher that refuses the empty value names columns by what they have; the others rule out by what they have.
        let (needed, ruling_out): (Vec<&Matcher>, Vec<&Matcher>) = matchers.iter().partition(|matcher| !matcher.matches_empty());
        let mut found: Option<RoaringBitmap> = None;
        // Exact ones first: they are cheap, and often leave nothing to do for the others.
        let (exact, searched): (Vec<&Matcher>, Vec<&Matcher>) = needed.into_iter().partition(|matcher| matcher.literals().is_some());
        for matcher in exact.into_iter().chain(searched) {
            let exact = matcher.literals().filter(|_| matcher.is_positive());
            let prefix = if matcher.is_positive() { matcher.prefix() } else { "" };
            let having = self.having(matcher.name(), prefix, &|value| matcher.matches(value), exact)?;
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
            let exact = matcher.literals().filter(|_| !matcher.is_positive());
            let prefix = if matcher.is_positive() { "" } else { matcher.prefix() };
            found -= self.having(matcher.name(), prefix, &|value| !matcher.matches(value), exact)?;
        }
        Ok(found)
    }

    /// The columns whose label has a value that `wanted` accepts; it accepts none that does not begin with `prefix`, and only those of
    /// `exact` if they are known.
    fn having(
        &self,
        name: &str,
        prefix: &str,
        wanted: &dyn Fn(&str) -> bool,
        exact: Option<Vec<&str>>,
    ) -> Result<RoaringBitmap, BlockDamage> {
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
                    !pace::over(pace::VALUE)
                };
                self.symbols.each_value(name, prefix, &mut each).map_err(|_| self.bad_symbols())?;
            }
        }
        if let [pair] = pairs[..] {
            return self.postings(pair);
        }
        let mut all = RoaringBitmap::new();
        for some in pairs.chunks(LISTS_AT_ONCE) {
            let lists = some.iter().map(|pair| self.postings(*pair)).collect::<Result<Vec<_>, _>>()?;
            let numbers: u64 = lists.iter().map(RoaringBitmap::len).sum();
            all |= lists.union();
            if pace::over(some.len() * pace::LABELS + numbers as usize / pace::NUMBERS) {
                break;
            }
        }
        Ok(all)
    }
}
