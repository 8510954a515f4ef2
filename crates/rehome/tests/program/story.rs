//! `rehome story`: exit codes and verdicts of every combination.

use std::process::Stdio;
use std::time::Instant;

use crate::process::{Ended, rehome, run};

fn tell(firmware: &str, policy: &str, scenario: &str) -> Ended {
    let folder = tempfile::tempdir().unwrap();
    let words = ["story", "--firmware", firmware, "--policy", policy, "--scenario", scenario];
    let started = Instant::now();
    let ended = run(&mut rehome(folder.path(), &words));
    println!("{firmware}, {policy}, {scenario}: {} ms", started.elapsed().as_millis());
    assert!(!ended.stderr.contains("panicked at"), "{}", ended.stderr);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "a story leaves nothing behind");
    ended
}

/// Tells a story whose every board must end in the same way.
#[track_caller]
fn ends(firmware: &str, policy: &str, scenario: &str, code: i32, verdict: &str, end: &str) {
    let ended = tell(firmware, policy, scenario);
    let verdicts: Vec<&str> = ended.stdout.lines().filter(|line| line.starts_with("VERDICT ")).collect();
    assert!(!verdicts.is_empty(), "{}", ended.stdout);
    for line in verdicts {
        assert!(line.ends_with(&format!(": {verdict}")), "{firmware}, {policy}, {scenario}: {line}");
    }
    for line in ended.stdout.lines().filter(|line| line.starts_with("---- ended in ")) {
        assert_eq!(line, format!("---- ended in {end}"), "{firmware}, {policy}, {scenario}");
    }
    assert_eq!(ended.code(), code, "{firmware}, {policy}, {scenario}");
}

const ONLINE: &str = "RUNNING, hotspot closed, home stored";
const STRANDED: &str = "CONNECTING_NET, hotspot closed, home stored";
const ERASED: &str = "WAIT_CONFIG, hotspot open, home none";

#[test]
fn a_board_as_it_ships_is_stranded_after_the_move_with_its_portal_closed() {
    for firmware in ["edgent", "rehome"] {
        ends(firmware, "stock", "founding", 1, "STRANDED", STRANDED);
    }
    let told = tell("edgent", "stock", "founding").stdout;
    let after_the_move = told.split("the customer plugs the board in at home").nth(1).unwrap();
    assert!(after_the_move.contains("=> CONNECTING_NET"), "{after_the_move}");
    let until_the_end = after_the_move.split("VERDICT").next().unwrap();
    assert!(!until_the_end.contains("AP SSID:"), "the hotspot opened:\n{until_the_end}");
}

#[test]
fn both_recoveries_bring_the_board_online_at_the_customers() {
    for firmware in ["edgent", "rehome"] {
        for policy in ["reset", "rehome"] {
            ends(firmware, policy, "founding", 0, "ONLINE", ONLINE);
        }
    }
}

#[test]
fn a_router_that_is_away_for_an_hour_costs_the_home_only_under_reset() {
    for firmware in ["edgent", "rehome"] {
        for policy in ["stock", "rehome"] {
            ends(firmware, policy, "router-reboot", 0, "ONLINE", ONLINE);
        }
        ends(firmware, "reset", "router-reboot", 1, "ERASED", ERASED);
    }
}

#[test]
fn a_reader_that_has_had_enough_ends_no_story_with_a_panic() {
    let folder = tempfile::tempdir().unwrap();
    let mut child =
        rehome(folder.path(), &["story"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Closed before anything is written: what is left of the pipe is broken.
    drop(child.stdout.take());
    let ended = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&ended.stderr), "");
    assert_eq!(ended.status.code(), Some(0));
}

#[test]
fn the_same_seed_tells_the_same_story_and_a_strange_policy_is_a_usage_error() {
    assert_eq!(tell("rehome", "rehome", "founding").stdout, tell("rehome", "rehome", "founding").stdout);
    assert_eq!(tell("rehome", "hope", "founding").code(), 2);
}
