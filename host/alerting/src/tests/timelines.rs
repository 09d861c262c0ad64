//! What is told when, as lines of time.

use super::world::World;

const ROUTE: &str = "{receiver: team, group_by: [g], group_wait: 30s, group_interval: 5m, repeat_interval: 4h}";
const ALL: &str = "receivers: [{name: team, x_configs: [{}]}]";
const FIRING_ONLY: &str = "receivers: [{name: team, slack_configs: [{api_url: 'http://x'}]}]";

#[track_caller]
fn check(rest: &str, script: &str, expected: &[&str]) {
    let world = World::new(&format!("route: {ROUTE}\n{rest}"));
    assert_eq!(world.run(script), expected, "{script}");
}

#[test]
fn a_group_waits_then_tells_once() {
    check(ALL, "0s fire a=1 g=x\n10s fire a=2 g=x\n4h wait", &["30s team x[0] firing 2+0 1,2"]);
}

#[test]
fn a_repeat_is_rounded_up_to_the_groups_rhythm() {
    // 4 h after 30 s is no turn of the group's: the next one is at 4 h 5 min 30 s.
    check(
        ALL,
        "0s fire a=1 g=x\n9h wait",
        &["30s team x[0] firing 1+0 1", "4h5m30s team x[0] repeat 1+0 1", "8h10m30s team x[0] repeat 1+0 1"],
    );
}

#[test]
fn joining_and_leaving_is_told_at_the_next_turn() {
    check(
        ALL,
        "0s fire a=1 g=x\n1m fire a=2 g=x\n6m resolve a=1 g=x\n12m resolve a=2 g=x\n1h wait",
        &[
            "30s team x[0] firing 1+0 1",
            "5m30s team x[0] firing 2+0 1,2",
            "10m30s team x[0] firing 1+1 2,1",
            "15m30s team x[0] resolved 0+1 2",
        ],
    );
}

#[test]
fn groups_are_apart() {
    check(ALL, "0s fire a=1 g=x\n10s fire a=2 g=y\n1m wait", &["30s team x[0] firing 1+0 1", "40s team x[0] firing 1+0 2"]);
}

#[test]
fn what_is_over_before_it_was_told_is_never_told() {
    check(ALL, "0s fire a=1 g=x\n20s resolve a=1 g=x\n1h wait", &[]);
}

#[test]
fn without_send_resolved_the_end_is_silent_and_the_next_start_is_not() {
    check(
        FIRING_ONLY,
        "0s fire a=1 g=x\n6m resolve a=1 g=x\n20m fire a=1 g=x\n1h wait",
        &["30s team slack[0] firing 1+0 1", "20m30s team slack[0] firing 1+0 1"],
    );
}

#[test]
fn an_alert_that_nobody_renews_is_over() {
    check(ALL, "0s fire a=1 g=x\n6m vanish a=1 g=x\n1h wait", &["30s team x[0] firing 1+0 1", "10m30s team x[0] resolved 0+1 1"]);
}

#[test]
fn flapping_tells_once_a_turn_at_most() {
    let mut script = String::new();
    for minute in 0..60 {
        script.push_str(&format!("{minute}m {} a=1 g=x\n", if minute % 2 == 0 { "fire" } else { "resolve" }));
    }
    script.push_str("2h wait");
    let heard = World::new(&format!("route: {ROUTE}\n{ALL}")).run(&script);
    // As upstream: an end is told at the group's turn, five minutes later, and a new start after group_wait.
    assert!(heard.len() <= 20, "{heard:?}");
    assert!(heard.last().is_some_and(|line| line.contains("resolved")), "{heard:?}");
}

#[test]
fn a_channel_that_is_down_hears_everything_in_one_message_when_it_is_back() {
    check(
        "receivers: [{name: team, x_configs: [{}], y_configs: [{}]}]",
        "0s down x[0] retry\n0s fire a=1 g=x\n1h fire a=2 g=x\n2h resolve a=1 g=x\n6h up x[0]\n6h30m wait",
        &[
            "30s team y[0] firing 1+0 1",
            "1h30s team y[0] firing 2+0 1,2",
            "2h30s team y[0] firing 1+1 2,1",
            "6h team x[0] firing 1+1 2,1",
            "6h5m30s team y[0] repeat 1+0 2",
        ],
    );
}

#[test]
fn a_remote_side_that_asks_to_wait_is_not_called_before() {
    // Asked at 30 s and at each turn to wait for 10 minutes: back at 2 min, but called when the last wait is over.
    check(ALL, "0s down x[0] wait=600s\n0s fire a=1 g=x\n5m40s up x[0]\n1h wait", &["15m30s team x[0] firing 1+0 1"]);
}

#[test]
fn a_final_error_is_tried_again_at_the_groups_next_turn_alone() {
    check(ALL, "0s down x[0] final\n0s fire a=1 g=x\n12m up x[0]\n1h wait", &["15m30s team x[0] firing 1+0 1"]);
}

#[test]
fn a_restart_neither_repeats_nor_forgets() {
    check(ALL, "0s fire a=1 g=x\n1m restart\n1h wait", &["30s team x[0] firing 1+0 1"]);
    // Over while nobody was there to see it.
    check(
        ALL,
        "0s fire a=1 g=x\n1m vanish a=1 g=x\n1m restart\n1h wait",
        &["30s team x[0] firing 1+0 1", "15m30s team x[0] resolved 0+1 1"],
    );
    // The rhythm goes on.
    check(
        ALL,
        "0s fire a=1 g=x\n1m restart\n2m resolve a=1 g=x\n1h wait",
        &["30s team x[0] firing 1+0 1", "5m30s team x[0] resolved 0+1 1"],
    );
}

#[test]
fn inhibition_keeps_quiet_while_its_source_fires() {
    let rules = "receivers: [{name: team, x_configs: [{}]}]\ninhibit_rules: [{source_matchers: [s=1], target_matchers: [t=1], equal: [e]}]";
    check(
        rules,
        "0s fire a=1 s=1 e=1 g=x\n0s fire a=2 t=1 e=1 g=y\n0s fire a=3 t=1 e=2 g=z\n11m resolve a=1 s=1 e=1 g=x\n1h wait",
        &["30s team x[0] firing 1+0 1", "30s team x[0] firing 1+0 3", "15m30s team x[0] resolved 0+1 1", "15m30s team x[0] firing 1+0 2"],
    );
}

#[test]
fn a_flood_is_grouped_bounded_and_counted() {
    let world = World::new(&format!("route: {ROUTE}\n{ALL}"));
    let mut script = String::new();
    for number in 0..3000 {
        script.push_str(&format!("0s fire a={number} g=x\n"));
    }
    script.push_str("2m wait");
    let heard = world.run(&script);
    assert_eq!(heard.len(), 1);
    assert!(heard[0].starts_with("30s team x[0] firing 3000+0 "), "the count is of all");
    assert_eq!(heard[0].matches(',').count(), crate::notification::MESSAGE_ALERTS_MAX - 1, "the list is not");
}
