//! F3, F4 and the writing half of F5: a disk that refuses, at each call of a life in turn, once or for a while. What was
//! acknowledged stays visible, nothing else is, and when the disk is well again storage goes on by itself.
//!
//! Every call is hit with `SKOPOS_EVERY_CALL=1`; else some.

#![allow(clippy::print_stdout, reason = "seeds and counts are for people")]

mod support;

use support::scenario::{GROUPS, Plan, Scenario};
use support::witness::{End, look};
use support::{Dice, number};
use tsdb::disk::{Call, Failure, Fault};

const STEPS: u64 = 90;

/// Calls that are rare.
const NAMES: &[Call] = &[Call::Remove, Call::Rename, Call::SetLen, Call::List];

fn life(seed: u64) -> Scenario {
    let mut plan = Plan::random(&mut Dice(seed));
    plan.options.segment_bytes = 1500;
    plan.options.block_ms = 60_000;
    // What the retention removes is none of this test's questions.
    plan.options.retention_ms = 0;
    Scenario::with(plan, seed)
}

/// Lets lives meet the fault at one call after the other. `times`: how many calls fail, none for all until the disk is healed.
fn at_each_call(name: &str, calls: &'static [Call], failure: Failure, once: bool) {
    let (mut hit, mut failed_steps) = (0, 0);
    for seed in 0..2 {
        let mut calm = life(seed);
        let before = calm.disk.calls(calls);
        (0..STEPS).for_each(|_| calm.step());
        let total = calm.disk.calls(calls) - before;
        let every = if number("SKOPOS_EVERY_CALL").is_some() { 1 } else { (total / 8).max(1) };
        for at in (seed % every..total).step_by(every as usize) {
            let what = format!("{name}: seed {seed}, call {at} of {total}");
            let mut scenario = life(seed);
            let fault = if once { Fault::once(calls, failure) } else { Fault::always(calls, failure) };
            scenario.disk.fail(fault.after(at));
            for _ in 0..STEPS {
                scenario.step();
            }
            hit += u64::from(scenario.disk.faults_hit() > 0);
            failed_steps += scenario.disk.faults_hit();
            let (shown, _) = look(scenario.db());
            scenario.check_shown(&shown, &what);

            scenario.disk.heal();
            // Within a minute: one round of what is done each minute.
            scenario.pass(60_000);
            let errors = scenario.maintain();
            assert_eq!(errors, Vec::<String>::new(), "{what}: it resumes");
            scenario.close_groups();
            for group in 0..GROUPS.len() {
                scenario.append_now(group).unwrap_or_else(|error| panic!("{what}: it resumes: {error}"));
            }
            scenario.check(&what);
            scenario.end(if at % 2 == 0 { End::Kill } else { End::PowerCut }, &what);
            scenario.pass(600_000);
            assert_eq!(scenario.maintain(), Vec::<String>::new(), "{what}: after a restart");
            scenario.check(&what);
        }
    }
    println!("{name}: {hit} lives were hit, {failed_steps} calls failed");
}

#[test]
fn f3_disk_full_at_every_write_call_once() {
    at_each_call("f3 disk-full, once", Call::WRITING, Failure::NoSpace, true);
}

#[test]
fn f3_disk_full_at_every_write_call_and_until_space_returns() {
    at_each_call("f3 disk-full, lasting", Call::WRITING, Failure::NoSpace, false);
}

#[test]
fn f3_disk_full_byte_by_byte() {
    for space in (0..6000).step_by(if number("SKOPOS_EVERY_CALL").is_some() { 1 } else { 383 }) {
        let what = format!("f3 disk-full: {space} bytes left");
        let mut scenario = life(space);
        scenario.disk.set_space(Some(space));
        for _ in 0..STEPS {
            scenario.step();
        }
        let (shown, _) = look(scenario.db());
        scenario.check_shown(&shown, &what);
        // A restart with a full disk deletes nothing and serves what is there.
        scenario.end(End::Kill, &what);
        scenario.disk.set_space(None);
        scenario.pass(60_000);
        assert_eq!(scenario.maintain(), Vec::<String>::new(), "{what}: it resumes");
        for group in 0..GROUPS.len() {
            scenario.append_now(group).unwrap_or_else(|error| panic!("{what}: it resumes: {error}"));
        }
        scenario.check(&what);
        scenario.end(End::Kill, &what);
    }
}

#[test]
fn f4_quota_at_every_write_call() {
    at_each_call("f4 quota", Call::WRITING, Failure::Quota, false);
}

#[test]
fn f4_readonly_remount_at_every_change() {
    at_each_call("f4 readonly-remount", Call::CHANGING, Failure::ReadOnly, false);
}

#[test]
fn f4_inodes_full_no_new_files() {
    at_each_call("f4 inodes-full", &[Call::Create, Call::MakeDir, Call::Link], Failure::NoSpace, false);
    at_each_call("f4 inodes-full, once", &[Call::Create, Call::MakeDir, Call::Link], Failure::NoSpace, true);
}

#[test]
fn f5_eio_on_write_once_and_lasting() {
    at_each_call("f5 eio-write, once", &[Call::Write], Failure::Io, true);
    at_each_call("f5 eio-write, lasting", &[Call::Write], Failure::Io, false);
}

#[test]
fn f5_eio_fsync_is_never_taken_for_clean_later() {
    at_each_call("f5 eio-fsync, once", Call::SYNCING, Failure::Io, true);
    at_each_call("f5 eio-fsync, lasting", Call::SYNCING, Failure::Io, false);
}

#[test]
fn f5_eio_on_names_and_lengths() {
    at_each_call("f5 eio-names, once", NAMES, Failure::Io, true);
    at_each_call("f5 eio-names, lasting", NAMES, Failure::Io, false);
}

#[test]
fn f13_fd_limit_no_more_files_at_any_call() {
    at_each_call("f13 fd-limit", &[Call::Create, Call::Open], Failure::TooManyFiles, false);
    at_each_call("f13 fd-limit, once", &[Call::Create, Call::Open], Failure::TooManyFiles, true);
}
