//! Setting up devices of the three kinds, over real sockets, against the answers of our own portal.

use std::error::Error;
use std::net::TcpListener;
use std::time::Duration;

use crate::fake_portal::{CountedPace, FakePortal, Look};
use portal::{Access, Dialect, Interface, Trial};
use provision::{
    CloudTarget, Firmware, Outcome, PortalClient, Progress, ProvisionError, ProvisionOptions, ReachError,
    RefuseSetupError, Secret, Setup, SubmitError, check_claim_code, provision,
};

const PASSWORD: &str = "pass & word=+%'\"";
const TOKEN: &str = "TOKEN-SECRET-0123456789abcdefXYZ";

const TRYING: Look = Look::Says { state: "CONNECTING_NET", trial: Trial::Running, last_error: 0 };
const CLOUD: Look = Look::Says { state: "CONNECTING_CLOUD", trial: Trial::Running, last_error: 0 };
const DONE: Look = Look::Says { state: "RUNNING", trial: Trial::Succeeded, last_error: 0 };
const QUIET: Look = Look::Says { state: "WAIT_CONFIG", trial: Trial::None, last_error: 0 };

fn failed(last_error: u16) -> Look {
    Look::Says { state: "WAIT_CONFIG", trial: Trial::Failed, last_error }
}

fn setup() -> Setup {
    Setup {
        ssid: "Caf\u{e9} & \u{1f600}".into(),
        password: Secret::new(PASSWORD.into()),
        pop: None,
        is_save_requested: false,
        is_for_bench: false,
    }
}

fn target() -> CloudTarget {
    CloudTarget {
        token: Some(Secret::new(TOKEN.into())),
        host: Some("cloud.example".into()),
        port: Some(443),
    }
}

struct Run {
    result: Result<Outcome, ProvisionError>,
    progress: Vec<Progress>,
}

impl Run {
    fn of(url: &str, setup: &Setup, target: &CloudTarget, template_id: Option<&str>) -> Self {
        let mut progress = Vec::new();
        let options = ProvisionOptions { template_id, session: None, follow_for: Duration::from_secs(150) };
        let client = PortalClient::new(url).unwrap();
        let mut report = |step: &Progress| progress.push(step.clone());
        let result = provision(&client, setup, target, &options, &mut CountedPace::default(), &mut report);
        Self { result, progress }.masked()
    }

    /// Nothing that could be shown holds a secret.
    fn masked(self) -> Self {
        let mut shown = format!("{:?}", self.result);
        let mut error: Option<&dyn Error> = self.result.as_ref().err().map(|error| error as _);
        while let Some(cause) = error {
            shown += &cause.to_string();
            error = cause.source();
        }
        shown.extend(self.progress.iter().map(|step| format!("{step} {step:?}")));
        assert!(!shown.contains(PASSWORD) && !shown.contains(TOKEN), "{shown}");
        self
    }
}

#[test]
fn each_firmware_is_told_apart_and_reads_exactly_what_was_given() {
    let kinds = [
        (Dialect::EdgentOld, Firmware::EdgentOld),
        (Dialect::EdgentNew, Firmware::EdgentNew),
        (Dialect::Rehome, Firmware::Rehome),
    ];
    for (dialect, firmware) in kinds {
        let portal = FakePortal::start(dialect, Access::Provisioning, vec![TRYING, DONE]);
        let run = Run::of(&portal.url, &setup(), &target(), Some("TMPL2pVxKmZq"));
        assert!(
            matches!(&run.progress[0], Progress::Found(board) if board.firmware == firmware),
            "{run:?}",
            run = run.progress
        );
        assert!(run.result.is_ok());
        let [submitted] = &portal.submitted()[..] else { panic!("one request") };
        assert!(submitted.is_post && submitted.query.is_empty() && !submitted.body.is_empty());
        let form = submitted.form.as_ref().unwrap();
        assert_eq!(form.interface, Interface::Wifi);
        assert_eq!(form.ssid, "Caf\u{e9} & \u{1f600}".as_bytes());
        assert_eq!(form.password.expose().as_slice(), PASSWORD.as_bytes());
        assert_eq!(form.token.as_ref().unwrap().expose().as_str(), TOKEN);
        assert_eq!(form.host.as_ref().unwrap().as_str(), "cloud.example");
        assert_eq!(form.port, (dialect != Dialect::EdgentNew).then_some(443));
        assert_eq!(form.is_save_requested, dialect == Dialect::EdgentNew);
    }
}

#[test]
fn a_rehome_device_is_followed_to_its_success_while_the_hotspot_comes_and_goes() {
    let looks = vec![TRYING, Look::Gone, Look::Gone, CLOUD, DONE];
    let portal = FakePortal::start(Dialect::Rehome, Access::Provisioning, looks);
    let run = Run::of(&portal.url, &setup(), &target(), None);
    assert_eq!(run.result, Ok(Outcome::Connected { device_id: None }));
    let lines: Vec<String> = run.progress[1..].iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [
            "the device took the settings",
            "device: Connecting to the Wi-Fi network.",
            "the hotspot closed: the device is trying",
            "device: Wi-Fi works. Connecting to the server.",
            "the hotspot is open again",
            "device: The device is connected and set up.",
        ]
    );
}

#[test]
fn a_failure_is_told_with_its_code() {
    for (dialect, looks) in [
        (Dialect::Rehome, vec![TRYING, failed(722)]),
        (Dialect::EdgentOld, vec![QUIET, Look::Gone, Look::Gone, failed(722)]),
        (Dialect::EdgentNew, vec![QUIET, QUIET, failed(722)]),
    ] {
        let portal = FakePortal::start(dialect, Access::Provisioning, looks);
        let run = Run::of(&portal.url, &setup(), &target(), None);
        assert!(matches!(run.result, Ok(Outcome::Failed { code: 722, .. })), "{dialect:?}: {:?}", run.result);
        let words = run.result.unwrap().to_string();
        assert!(
            words.starts_with("Failed with code 722. The Wi-Fi network did not accept the password."),
            "{words}"
        );
    }
}

#[test]
fn a_claim_code_that_was_refused_is_not_called_a_token() {
    let by_code = CloudTarget { token: Some(Secret::new(b"9EF5-4D64".to_vec())), ..target() };
    let portal = FakePortal::start(Dialect::Rehome, Access::Provisioning, vec![TRYING, failed(703)]);
    let words = Run::of(&portal.url, &setup(), &by_code, None).result.unwrap().to_string();
    assert!(words.starts_with("Failed with code 703. The server does not know this claim code."), "{words}");
    assert!(!words.contains("token"), "{words}");
}

#[test]
fn what_is_given_as_a_claim_code_is_refused_in_the_words_of_claim_codes() {
    for typed in ["QQQQ-23", "QQQQ-23450", &"t".repeat(32)] {
        let error = check_claim_code(&Secret::new(typed.as_bytes().to_vec())).unwrap_err();
        let source = error.source().unwrap().to_string();
        assert!(source.contains("claim code") && !format!("{error}{source}").contains(typed), "{source}");
    }
    assert_eq!(check_claim_code(&Secret::new(b"9ef5 4d64".to_vec())), Ok(()));
}

#[test]
fn a_stock_device_whose_hotspot_stays_closed_has_accepted() {
    let portal = FakePortal::start(Dialect::EdgentOld, Access::Provisioning, vec![Look::Gone]);
    let run = Run::of(&portal.url, &setup(), &target(), None);
    assert_eq!(run.result, Ok(Outcome::Accepted));
    assert_eq!(run.progress[1..], [Progress::Sent, Progress::HotspotGone]);
}

#[test]
fn a_rehome_device_in_recovery_may_keep_its_token_and_others_may_not() {
    let none = CloudTarget::default();
    let portal = FakePortal::start(Dialect::Rehome, Access::Recovery, vec![DONE]);
    assert!(Run::of(&portal.url, &setup(), &none, None).result.is_ok());
    assert!(portal.submitted()[0].form.as_ref().unwrap().token.is_none());
    let portal = FakePortal::start(Dialect::Rehome, Access::Provisioning, vec![DONE]);
    let run = Run::of(&portal.url, &setup(), &none, None);
    assert_eq!(run.result, Err(ProvisionError::Setup(RefuseSetupError::TokenMissing)));
    assert!(portal.submitted().is_empty());
}

#[test]
fn a_claim_code_is_sent_to_a_rehome_device_in_place_of_a_token() {
    let by_code = CloudTarget { token: Some(Secret::new(b"9ef5-4d64".to_vec())), ..target() };
    let portal = FakePortal::start(Dialect::Rehome, Access::Provisioning, vec![DONE]);
    assert!(Run::of(&portal.url, &setup(), &by_code, None).result.is_ok());
    let submitted = portal.submitted();
    let form = submitted[0].form.as_ref().unwrap();
    assert_eq!((&form.token, form.claim_code), (&None, portal::ClaimCode::parse(b"9EF54D64").ok()));
}

#[test]
fn a_device_of_another_template_is_sent_nothing() {
    let portal = FakePortal::start(Dialect::EdgentOld, Access::Provisioning, vec![QUIET]);
    let run = Run::of(&portal.url, &setup(), &target(), Some("TMPLother"));
    let error = run.result.unwrap_err();
    assert_eq!(error.to_string(), r#"the device belongs to template "TMPL2pVxKmZq", not to "TMPLother""#);
    assert!(portal.submitted().is_empty());
}

#[test]
fn what_a_firmware_would_cut_or_ignore_is_refused_before_it_is_sent() {
    let key = Setup { password: Secret::new(vec![b'a'; 64]), ..setup() };
    let long_name = Setup { ssid: vec![b'x'; 32], ..setup() };
    let short = Setup { password: Secret::new(b"seven77".to_vec()), ..setup() };
    let long_host = CloudTarget { host: Some("h".repeat(34)), ..target() };
    let no_host = CloudTarget { host: None, ..target() };
    let other_port = CloudTarget { port: Some(8443), ..target() };
    let code = |code: &[u8]| CloudTarget { token: Some(Secret::new(code.to_vec())), ..target() };
    let bad_token = CloudTarget { token: Some(Secret::new(b"short".to_vec())), ..target() };
    let cases = [
        (Dialect::EdgentOld, &key, target(), RefuseSetupError::KeyTooLong),
        (Dialect::EdgentNew, &long_name, target(), RefuseSetupError::Ssid { found_bytes: 32, bytes_max: 31 }),
        (Dialect::Rehome, &short, target(), RefuseSetupError::Password),
        (Dialect::EdgentOld, &setup(), long_host, RefuseSetupError::HostTooLong { bytes_max: 33 }),
        (Dialect::EdgentNew, &setup(), no_host, RefuseSetupError::HostMissing),
        (Dialect::EdgentNew, &setup(), other_port, RefuseSetupError::PortNotTaken { port: 8443 }),
        (Dialect::EdgentOld, &setup(), bad_token, RefuseSetupError::Token),
        (Dialect::EdgentOld, &setup(), code(b"9EF5-4D64"), RefuseSetupError::ClaimCodeNotTaken),
        (
            Dialect::Rehome,
            &setup(),
            code(b"9EF5-4D65"),
            RefuseSetupError::ClaimCode(portal::ParseClaimCodeError::Check),
        ),
    ];
    for (dialect, setup, target, expected) in cases {
        let portal = FakePortal::start(dialect, Access::Provisioning, vec![QUIET]);
        let run = Run::of(&portal.url, setup, &target, None);
        assert_eq!(run.result, Err(ProvisionError::Setup(expected)));
        assert!(portal.submitted().is_empty());
    }
}

#[test]
fn a_code_from_the_label_is_sent_to_rehome_devices_only() {
    let with_pop = Setup { pop: Some(Secret::new(b"K7QM-2XHD".to_vec())), ..setup() };
    for (dialect, is_sent) in
        [(Dialect::Rehome, true), (Dialect::EdgentOld, false), (Dialect::EdgentNew, false)]
    {
        let portal = FakePortal::start(dialect, Access::Provisioning, vec![DONE]);
        assert!(Run::of(&portal.url, &with_pop, &target(), None).result.is_ok());
        assert_eq!(portal.submitted()[0].body.contains("pop=K7QM-2XHD"), is_sent);
    }
}

#[test]
fn a_home_for_the_bench_goes_to_a_rehome_device_with_a_label_only() {
    let setup = Setup { is_for_bench: true, ..setup() };
    let portal = FakePortal::start(Dialect::Rehome, Access::Provisioning, vec![DONE]);
    let run = Run::of(&portal.url, &setup, &target(), None);
    assert_eq!(run.result, Ok(Outcome::Connected { device_id: None }));
    assert!(portal.submitted()[0].form.as_ref().unwrap().is_bench);
    for (dialect, expected) in [
        (Dialect::Rehome, RefuseSetupError::BenchUnguarded),
        (Dialect::EdgentOld, RefuseSetupError::BenchNotTaken),
        (Dialect::EdgentNew, RefuseSetupError::BenchNotTaken),
    ] {
        let portal = FakePortal::start_unguarded(dialect, Access::Provisioning, vec![QUIET]);
        let run = Run::of(&portal.url, &setup, &target(), None);
        assert_eq!(run.result, Err(ProvisionError::Setup(expected)));
        assert!(portal.submitted().is_empty());
    }
}

#[test]
fn without_a_label_the_account_is_named_again_before_anything_is_sent() {
    let kept = CloudTarget::default();
    let portal = FakePortal::start_unguarded(Dialect::Rehome, Access::Recovery, vec![DONE]);
    let run = Run::of(&portal.url, &setup(), &kept, None);
    assert_eq!(run.result, Err(ProvisionError::Setup(RefuseSetupError::AccountUnguarded)));
    assert!(portal.submitted().is_empty());
    assert!(Run::of(&portal.url, &setup(), &target(), None).result.is_ok());
}

#[test]
fn a_refusal_of_the_device_is_told_in_its_words() {
    // Our portal takes no underscore at the start of a host; this crate leaves that to the device.
    let odd_host = CloudTarget { host: Some("-odd".into()), ..target() };
    let portal = FakePortal::start(Dialect::Rehome, Access::Provisioning, vec![QUIET]);
    let run = Run::of(&portal.url, &setup(), &odd_host, None);
    let said = "the server name is not valid".to_owned();
    assert_eq!(run.result, Err(ProvisionError::Submit(SubmitError::Refused { status: 500, said })));
}

#[test]
fn nobody_at_the_address_is_told_in_words() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let run = Run::of(&url, &setup(), &target(), None);
    assert_eq!(run.result, Err(ProvisionError::Portal(ReachError::NotThere)));
}
