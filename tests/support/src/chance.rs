//! Where a random test begins.

/// The seed of a random test, printed with how to repeat it: `SKOPOS_SEED`; else one made of `SKOPOS_CHANCE`, which `.ci/run` takes
/// from the code that is tested, so that the same code has the same chances wherever it runs; else another one for each process.
///
/// Tests that take a seed for each of their cases count up from it: the lowest 20 bits are zero.
#[must_use]
pub fn seed(test: &str) -> u64 {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let made = || (number("SKOPOS_CHANCE").unwrap_or_else(|| std::process::id().into()) & 0xff_ffff) << 20;
    let seed = number("SKOPOS_SEED").unwrap_or_else(made);
    println!("{test}: SKOPOS_SEED={seed} repeats this run");
    seed
}
