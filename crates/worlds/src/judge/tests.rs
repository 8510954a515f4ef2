use home_store::sim_flash::SharedSimFlash;
use home_store::{
    CloudBinding, Epoch, Home, HomeStore, Host, Network, NetworkSecret, OwnerData, Ssid, Token,
};

use lifecycle::BootReason;

use super::{Authority, Broken, Judge, Truth, Typed};
use crate::board::CLOUD_HOST;
use crate::raw_flash::{LAYOUT, new_flash, poll_now};

const TOKEN: [u8; 32] = *b"TokenTokenTokenTokenTokenToken01";
const NEW_TOKEN: [u8; 32] = *b"TokenTokenTokenTokenTokenToken02";

fn home(name: &str, token: &[u8; 32]) -> Home {
    let network = Network {
        ssid: Ssid::parse(name.as_bytes()).unwrap(),
        secret: NetworkSecret::parse(format!("password of {name}").as_bytes()).unwrap(),
        is_hidden: false,
        static_address: None,
    };
    let cloud = CloudBinding {
        host: Host::parse(CLOUD_HOST).unwrap(),
        port: 443,
        token: Token::parse(token).unwrap(),
        uses_tls: true,
        trust_anchor: None,
        release_key: None,
    };
    Home { networks: heapless::Vec::from_slice(&[network]).unwrap(), cloud, owner_data: OwnerData::default() }
}

fn typed(name: &str, token: [u8; 32]) -> Typed {
    let (ssid, password) = (name.as_bytes().to_vec(), format!("password of {name}").into_bytes());
    Typed { ssid, password, token: Some(token), code: None }
}

fn open(flash: &SharedSimFlash) -> HomeStore<SharedSimFlash> {
    poll_now(HomeStore::open(flash.clone(), LAYOUT)).unwrap().unwrap()
}

fn save(flash: &SharedSimFlash, home: &Home) {
    poll_now(open(flash).save_home(home)).unwrap().unwrap();
}

fn wipe(flash: &SharedSimFlash) {
    poll_now(open(flash).wipe()).unwrap().unwrap();
}

fn inspect(judge: &mut Judge, flash: &SharedSimFlash) -> Option<Broken> {
    flash.with(|flash| judge.inspect(flash.image(), true, 1_000))
}

/// A judge who has seen the board accept its first home.
fn set_up() -> (Judge, SharedSimFlash) {
    let (mut judge, flash) = (Judge::new(45, true), new_flash());
    judge.power_on(BootReason::PowerOn, false, 0);
    judge.note_submitted(typed("Old home", TOKEN), 100);
    judge.note_accepted(&TOKEN);
    save(&flash, &home("Old home", &TOKEN));
    assert_eq!(inspect(&mut judge, &flash), None);
    (judge, flash)
}

#[test]
fn a_home_that_the_cloud_accepted_may_replace_the_old_one() {
    let (mut judge, flash) = set_up();
    judge.note_submitted(typed("New home", NEW_TOKEN), 200);
    judge.note_accepted(&NEW_TOKEN);
    save(&flash, &home("New home", &NEW_TOKEN));
    assert_eq!(inspect(&mut judge, &flash), None);
    assert_eq!(judge.tally.homes_accepted, 2);
}

#[test]
fn a_home_that_no_cloud_accepted_is_found() {
    let (mut judge, flash) = set_up();
    judge.note_submitted(typed("New home", NEW_TOKEN), 200);
    save(&flash, &home("New home", &NEW_TOKEN));
    assert_eq!(inspect(&mut judge, &flash), Some(Broken::HomeAltered));
}

#[test]
fn a_mixture_of_old_and_new_home_is_found() {
    let (mut judge, flash) = set_up();
    judge.note_submitted(typed("New home", NEW_TOKEN), 200);
    judge.note_accepted(&NEW_TOKEN);
    save(&flash, &home("New home", &TOKEN));
    assert_eq!(inspect(&mut judge, &flash), Some(Broken::HomeAltered));
}

#[test]
fn a_wipe_needs_authority_and_uses_it_up() {
    let (mut judge, flash) = set_up();
    judge.authority = Some(Authority::Hand);
    wipe(&flash);
    assert_eq!(inspect(&mut judge, &flash), None);
    assert_eq!((judge.tally.wipes_by_hand, judge.authority), (1, None));

    let (mut judge, flash) = set_up();
    wipe(&flash);
    assert_eq!(inspect(&mut judge, &flash), Some(Broken::HomeLost));
}

#[test]
fn what_outlives_every_home_must_stay() {
    let (mut judge, flash) = set_up();
    judge.authority = Some(Authority::Release);
    wipe(&flash);
    let mut image = flash.with(|flash| flash.image().to_vec());
    image[0] = 0;
    assert_eq!(judge.inspect(&image, true, 1_000), Some(Broken::IdentityLost));
}

#[test]
fn an_epoch_that_goes_back_is_found() {
    let (mut judge, flash) = set_up();
    let before = flash.with(|flash| flash.image().to_vec());
    poll_now(open(&flash).raise_epoch(Epoch(7))).unwrap().unwrap();
    judge.is_search_due = true;
    assert_eq!(inspect(&mut judge, &flash), None);
    judge.is_search_due = true;
    assert_eq!(judge.inspect(&before, true, 2_000), Some(Broken::EpochWentBack));
}

#[test]
fn erases_that_nothing_explains_are_found() {
    let (mut judge, _) = set_up();
    assert_eq!(judge.judge_wear(&[2, 3, 1]), None);
    assert!(matches!(judge.judge_wear(&[2, 30, 1]), Some(Broken::FlashWorn { erases: 30, .. })));
}

#[test]
fn the_door_is_due_45_s_after_power_on_and_11_min_after_a_loss_at_run_time() {
    let (mut judge, _) = set_up();
    judge.power_off(2_000);
    judge.power_on(BootReason::PowerOn, false, 10_000);
    judge.note_truth(Truth::default(), 10_000);
    assert_eq!(judge.judge(55_000), None);
    assert!(matches!(judge.judge(55_001), Some(Broken::Stranded(_))));

    let (mut judge, _) = set_up();
    judge.note_accepted(&TOKEN);
    judge.note_truth(Truth::default(), 100_000);
    judge.note_link_lost(104_000);
    assert_eq!(judge.judge(100_000 + 660_000), None);
    assert!(matches!(judge.judge(100_001 + 660_000), Some(Broken::Stranded(_))));
}

#[test]
fn a_reason_is_a_code_from_700_to_732() {
    assert_eq!(Judge::judge_told_error(722), None);
    assert_eq!(Judge::judge_told_error(0), Some(Broken::NoReasonShown));
}
