//! Upstream's test scripts.

mod common;

use promql::script::run_script;

/// Evals that pass today, by file. A lower number is a step back; a higher one belongs here.
const FLOOR: [(&str, usize); 17] = [
    ("aggregators", 90),
    ("at_modifier", 55),
    ("collision", 2),
    ("duration_expression", 50),
    ("extended_vectors", 80),
    ("fill-modifier", 33),
    ("functions", 225),
    ("histograms", 39),
    ("literals", 17),
    ("name_label_dropping", 22),
    ("operators", 97),
    ("range_queries", 16),
    ("selectors", 22),
    ("staleness", 17),
    ("subquery", 20),
    ("trig_functions", 19),
    ("type_and_unit", 42),
];

#[test]
fn scripts() {
    let Some(folder) = common::path("promql/promqltest") else {
        return;
    };
    let mut files: Vec<_> = std::fs::read_dir(folder).expect("the folder can be read").map(|e| e.expect("an entry").path()).collect();
    files.sort();
    let verbose = std::env::var("SKOPOS_VERBOSE").ok();
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    let mut below = Vec::new();
    for path in files {
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let report = run_script(&std::fs::read_to_string(&path).expect("the script can be read"));
        println!("promqltest {name}: {report}");
        if verbose.as_deref().is_some_and(|v| v == "all" || v == name) {
            report.failed.iter().for_each(|(line, why)| println!("  {name}:{line}: {why}"));
            report.skipped.iter().for_each(|(line, why)| println!("  {name}:{line}: skipped: {why}"));
        }
        let floor = FLOOR.iter().find(|(n, _)| *n == name).map_or(0, |(_, floor)| *floor);
        if report.passed < floor {
            below.push(format!("{name}: {} of {floor}: {:?}", report.passed, report.failed));
        }
        passed += report.passed;
        failed += report.failed.len();
        skipped += report.skipped.len();
    }
    println!("promqltest: {passed} passed, {failed} failed, {skipped} skipped");
    assert!(below.is_empty(), "{}", below.join("\n"));
}
