//! Files that the agent needs and cannot use: it runs all the same.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
use serde_json::json;

use super::{TOKEN, World, contains, play, set_up, until_ok};

/// Takes from this thread what lets root use files in spite of their permissions.
fn obey_permissions() {
    let mut sets = capabilities(None).unwrap();
    sets.effective.remove(CapabilitySet::DAC_OVERRIDE | CapabilitySet::DAC_READ_SEARCH);
    set_capabilities(None, sets).unwrap();
}

fn permit(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

async fn until_hotspot(world: &World) {
    until_ok(async || world.air.facts.borrow().open_hotspot.is_some().then_some(()).ok_or(())).await;
}

/// What the local API says the agent has to do without.
async fn problems(world: &World) -> String {
    world.application().await.ask(&json!({"do": "state"})).await["problems"].to_string()
}

#[test]
fn an_unusable_state_file_is_no_home_and_no_reason_to_stop() {
    play(async {
        let mut world = World::new("localhost", true).await;
        fs::create_dir(&world.config.state_dir).unwrap();
        fs::write(world.state_file(), vec![0; 1 << 20]).unwrap();
        world.start();
        until_hotspot(&world).await;
        assert!(world.get("/board_info.json").await.starts_with("HTTP/1.1 200"));
        let problems = problems(&world).await;
        assert!(problems.contains("home.flash") && problems.contains("1048576 bytes"), "{problems}");
        world.stop().await;
        assert_eq!(fs::read(world.state_file()).unwrap(), vec![0; 1 << 20], "somebody's file is left alone");
    });
}

#[test]
fn a_state_folder_in_which_nothing_can_be_made_does_not_keep_the_hotspot_closed() {
    play(async {
        obey_permissions();
        let mut world = World::new("localhost", true).await;
        fs::create_dir(&world.config.state_dir).unwrap();
        permit(&world.config.state_dir, 0o500);
        world.start();
        until_hotspot(&world).await;
        let problems = problems(&world).await;
        assert!(problems.contains("home.flash") && problems.contains("another id"), "{problems}");
        world.stop().await;
        permit(&world.config.state_dir, 0o700);
    });
}

#[test]
fn a_home_that_may_only_be_read_is_used_and_kept() {
    play(async {
        obey_permissions();
        let mut world = World::new("localhost", true).await;
        world.start();
        let mut application = world.application().await;
        set_up(&world, &mut application).await;
        world.stop().await;
        permit(&world.state_file(), 0o400);
        permit(&world.config.state_dir, 0o500);
        let before = world.image();
        world.start();
        world.cloud.seen.until(|seen| *seen.logins.borrow() == 2).await;
        let problems = problems(&world).await;
        assert!(problems.contains("may only be read"), "{problems}");
        world.stop().await;
        assert!(world.image() == before && contains(&before, TOKEN), "nothing was changed");
        permit(&world.config.state_dir, 0o700);
    });
}

#[test]
fn a_list_of_authorities_that_cannot_be_read_opens_the_hotspot_and_trusts_nobody() {
    play(async {
        obey_permissions();
        let mut world = World::new("localhost", true).await;
        permit(world.config.ca_file.as_ref().unwrap(), 0o000);
        world.start();
        let mut application = world.application().await;
        application.subscribe().await;
        world.submit(super::SSID, super::PASSWORD, TOKEN).await;
        while application.next().await["last_error"] != 711 {}
        assert_eq!(*world.cloud.seen.logins.borrow(), 0);
        let problems = problems(&world).await;
        assert!(problems.contains("ca.pem"), "{problems}");
        world.stop().await;
    });
}

#[test]
fn the_service_manager_never_gives_the_agent_up() {
    let unit = include_str!("../../packaging/rehome-device.service");
    let (head, rest) = unit.split_once("[Service]").unwrap();
    assert!(
        head.lines().any(|line| line == "StartLimitIntervalSec=0"),
        "by default five starts in 10 s are the last"
    );
    assert!(rest.lines().any(|line| line == "Restart=always"));
    assert!(!rest.lines().any(|line| line == "PrivateTmp=yes"), "it fails on a disk that may only be read");
}
