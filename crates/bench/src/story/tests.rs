use super::{Scenario, StoryFirmware, StoryOptions, StoryPolicy, StoryReport, Verdict, tell};

fn told(firmware: StoryFirmware, policy: StoryPolicy, scenario: Scenario) -> StoryReport {
    tell(StoryOptions { firmware, policy, scenario, seed: 1 }).unwrap()
}

#[test]
fn with_our_firmware_the_founding_story_ends_well() {
    let report = told(StoryFirmware::Rehome, StoryPolicy::Rehome, Scenario::Founding);
    assert!(report.is_ok, "{report}");
    for (board, login_count) in report.boards.iter().zip([2, 3]) {
        assert_eq!(board.verdict, Verdict::Online);
        assert!(board.serial.contains("RUNNING => RESET_CONFIG"), "{report}");
        assert!(board.serial.contains("safe to ship, the board proved with a receipt"), "{report}");
        assert_eq!(board.serial.matches("CONNECTING_CLOUD => RUNNING").count(), login_count, "{report}");
        assert!(!board.is_hotspot_open && board.is_home_stored, "{report}");
    }
    assert!(report.boards[1].serial.contains("not safe to ship yet"), "{report}");
}

#[test]
fn the_founding_story_by_claim_codes_ends_well_and_no_code_is_printed() {
    let report = told(StoryFirmware::Rehome, StoryPolicy::Rehome, Scenario::FoundingByCode);
    assert!(report.is_ok, "{report}");
    let (by_code, by_token) = (
        report.to_string(),
        told(StoryFirmware::Rehome, StoryPolicy::Rehome, Scenario::Founding).to_string(),
    );
    assert!(by_code.contains("safe to ship, the board proved with a receipt"));
    assert_eq!(by_code.matches("Home stored").count(), by_token.matches("Home stored").count());
}

#[test]
fn with_the_stock_policy_our_firmware_strands_the_customer_too() {
    let report = told(StoryFirmware::Rehome, StoryPolicy::Stock, Scenario::Founding);
    assert!(!report.is_ok, "{report}");
    for board in &report.boards {
        assert_eq!(
            (board.verdict, board.final_state.as_str()),
            (Verdict::Stranded, "CONNECTING_NET"),
            "{report}"
        );
        assert!(!board.is_hotspot_open && board.is_home_stored);
    }
}

#[test]
fn with_the_reset_policy_the_founding_story_ends_well() {
    let report = told(StoryFirmware::Rehome, StoryPolicy::Reset, Scenario::Founding);
    assert!(report.is_ok, "{report}");
}

#[test]
fn a_router_that_is_away_for_an_hour_costs_no_home_under_rehome() {
    let report = told(StoryFirmware::Rehome, StoryPolicy::Rehome, Scenario::RouterReboot);
    assert!(report.is_ok, "{report}");
    assert!(report.boards[0].is_home_stored);
}

#[test]
fn a_router_that_is_away_for_an_hour_erases_the_home_under_reset() {
    let report = told(StoryFirmware::Rehome, StoryPolicy::Reset, Scenario::RouterReboot);
    assert!(!report.is_ok, "{report}");
    assert_eq!(report.boards[0].verdict, Verdict::Erased);
}

#[test]
fn edgent_as_it_ships_strands_the_customer() {
    let report = told(StoryFirmware::Edgent, StoryPolicy::Stock, Scenario::Founding);
    assert!(!report.is_ok, "{report}");
    let board = &report.boards[0];
    assert_eq!(
        (board.verdict, board.final_state.as_str()),
        (Verdict::Stranded, "CONNECTING_NET"),
        "{report}"
    );
    assert!(!board.is_hotspot_open && board.is_home_stored, "{report}");
    assert!(board.serial.contains("Invalid auth token"), "{report}");
}

#[test]
fn edgent_with_the_two_changes_of_the_forum_reaches_the_customer() {
    let report = told(StoryFirmware::Edgent, StoryPolicy::Reset, Scenario::Founding);
    assert!(report.is_ok, "{report}");
}

#[test]
fn edgent_as_it_ships_reaches_the_customer_when_our_cloud_releases_it() {
    let report = told(StoryFirmware::Edgent, StoryPolicy::Rehome, Scenario::Founding);
    assert!(report.is_ok, "{report}");
    assert!(report.boards.iter().all(|board| board.serial.contains("RUNNING => RESET_CONFIG")), "{report}");
}

#[test]
fn edgent_survives_an_hour_without_router_as_it_ships_and_forgets_its_home_with_the_forums_changes() {
    for (policy, verdict) in [
        (StoryPolicy::Stock, Verdict::Online),
        (StoryPolicy::Rehome, Verdict::Online),
        (StoryPolicy::Reset, Verdict::Erased),
    ] {
        let report = told(StoryFirmware::Edgent, policy, Scenario::RouterReboot);
        assert_eq!(report.boards[0].verdict, verdict, "{policy:?}: {report}");
    }
}

#[test]
fn the_same_seed_tells_the_same_story_and_another_seed_another_one() {
    let options = StoryOptions {
        firmware: StoryFirmware::Rehome,
        policy: StoryPolicy::Rehome,
        scenario: Scenario::RouterReboot,
        seed: 7,
    };
    let first = tell(options).unwrap().to_string();
    assert_eq!(first, tell(options).unwrap().to_string());
    assert_ne!(first, tell(StoryOptions { seed: 8, ..options }).unwrap().to_string());
}

#[test]
fn no_secret_appears_in_any_serial_log() {
    for policy in [StoryPolicy::Stock, StoryPolicy::Reset, StoryPolicy::Rehome] {
        let text = told(StoryFirmware::Rehome, policy, Scenario::Founding).to_string();
        for secret in [super::WORKSHOP_PASSWORD, super::CUSTOMER_PASSWORD] {
            assert!(!text.contains(secret));
        }
    }
}
