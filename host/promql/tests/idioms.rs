//! Queries that the pages write for people: that they mean what the pages say.

/// "Total over the range" of the explorer.
#[test]
fn totals_over_a_range() {
    let report = promql::script::run_script(include_str!("idioms/total_over_the_range.test"));
    assert!(report.failed.is_empty() && report.skipped.is_empty(), "{:#?}", report);
    println!("totals over a range: {} passed, 0 failed, 0 skipped", report.passed);
}

/// Fixed times where upstream does otherwise than one would expect.
#[test]
fn fixed_times_as_upstream_takes_them() {
    let report = promql::script::run_script(include_str!("idioms/fixed_times.test"));
    assert!(report.failed.is_empty() && report.skipped.is_empty(), "{:#?}", report);
    assert_eq!(report.passed, 12);
}
