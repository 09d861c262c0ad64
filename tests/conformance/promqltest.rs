//! Upstream's test scripts.

use crate::data;
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
    let Some(folder) = data::path("promql/promqltest") else {
        return;
    };
    let (mut passed, mut failed) = (0, Vec::new());
    let mut below = Vec::new();
    for path in data::files(&folder, &[".test"]) {
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let report = run_script(&std::fs::read_to_string(&path).expect("the script can be read"));
        println!("  {name}: {report}");
        let floor = FLOOR.iter().find(|(n, _)| *n == name).map_or(0, |(_, floor)| *floor);
        if report.passed < floor {
            below.push(format!("{name}: {} of {floor}: {:?}", report.passed, report.failed));
        }
        passed += report.passed;
        failed.extend(report.failed.iter().map(|(line, why)| format!("{name}.test:{line}: {why}")));
        // What was not run did not pass.
        failed.extend(report.skipped.iter().map(|(line, why)| format!("{name}.test:{line}: not run: {why}")));
    }
    failed.iter().for_each(|line| println!("  {line}"));
    println!("promqltest: {passed} passed, {} failed", failed.len());
    assert!(below.is_empty(), "{}", below.join("\n"));
}
