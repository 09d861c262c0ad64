//! Upstream's test scripts.

use crate::data;
use promql::script::run_script;

#[test]
fn scripts() {
    let Some(folder) = data::path("promql/promqltest") else {
        return;
    };
    let (mut passed, mut failed) = (0, Vec::new());
    for path in data::files(&folder, &[".test"]) {
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let report = run_script(&std::fs::read_to_string(&path).expect("the script can be read"));
        println!("  {name}: {report}");
        passed += report.passed;
        failed.extend(report.failed.iter().map(|(line, why)| format!("{name}.test:{line}: {why}")));
        // What was not run did not pass.
        failed.extend(report.skipped.iter().map(|(line, why)| format!("{name}.test:{line}: not run: {why}")));
    }
    failed.iter().for_each(|line| println!("  {line}"));
    println!("promqltest: {passed} passed, {} failed", failed.len());
    assert!(failed.is_empty(), "{} of upstream's cases do not hold", failed.len());
}
