use std::string::String;
use std::vec::Vec;

use wire::{ClaimCode, ParseClaimCodeError};

use super::*;
use crate::request::Method;

const TOKEN: &str = "abcdefghijklmnopqrstuvwxyz_-0123";

fn request<'a>(query: &'a str, body: &'a [u8], content_type: Option<&'a str>) -> Request<'a> {
    Request {
        method: Method::Post,
        path: "/config",
        query,
        host: None,
        accept: None,
        accept_encoding: None,
        content_type,
        origin: None,
        is_cross_site: false,
        body,
    }
}

fn read_in(dialect: Dialect, access: Access, body: &str) -> Result<ConfigForm, ReadConfigFormError> {
    read_config_form(&request("", body.as_bytes(), None), &PortalMode::new(dialect, access))
}

fn read_guarded(access: Access, body: &str) -> Result<ConfigForm, ReadConfigFormError> {
    let mode = PortalMode::new(Dialect::Rehome, access).guarded();
    read_config_form(&request("", body.as_bytes(), None), &mode)
}

fn read(body: &str) -> Result<ConfigForm, ReadConfigFormError> {
    read_in(Dialect::Rehome, Access::Provisioning, body)
}

fn with_token(fields: &str) -> String {
    std::format!("{fields}&blynk={TOKEN}")
}

fn encode(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &std::format!("%{byte:02X}"))
}

#[test]
fn hostile_names_and_passwords_survive_the_form() {
    for text in ["🏡 Zuhause", "a+b = c&d#e%f", "\"quoted\" 'name'", "  spaces  ", "%41", "\u{202e}back"] {
        let form = read(&with_token(&std::format!("ssid={}", encode(text.as_bytes())))).unwrap();
        assert_eq!(form.ssid, text.as_bytes());
    }
    let form = read(&with_token("ssid=a+b&pass=p%2Bs+s%26%3D%23%25%22%F0%9F%94%91")).unwrap();
    assert_eq!(form.ssid, b"a b");
    assert_eq!(form.password.expose().as_slice(), "p+s s&=#%\"🔑".as_bytes());
}

#[test]
fn a_name_may_have_1_to_32_bytes() {
    let name = |bytes: usize| with_token(&std::format!("ssid={}", "%FF".repeat(bytes)));
    assert_eq!(read(&name(0)), Err(ReadConfigFormError::SsidMissing));
    assert_eq!(read(&name(32)).unwrap().ssid.as_slice(), [0xFF; 32]);
    assert_eq!(read(&name(33)), Err(ReadConfigFormError::SsidTooLong));
    assert_eq!(read(&name(300)), Err(ReadConfigFormError::SsidTooLong));
}

#[test]
fn a_typed_name_replaces_the_chosen_one() {
    let form = read(&with_token("ssid=Listed&ssidManual=Hidden+one")).unwrap();
    assert_eq!((form.ssid.as_slice(), form.is_typed_ssid), (&b"Hidden one"[..], true));
    let form = read(&with_token("ssid=Listed&ssidManual=")).unwrap();
    assert_eq!((form.ssid.as_slice(), form.is_typed_ssid), (&b"Listed"[..], false));
}

#[test]
fn a_name_that_no_form_can_carry_comes_as_hexadecimal() {
    assert!(SSID_HEX_PREFIX.len() >= SSID_BYTES_MAX, "no real name may look like the prefix");
    let form = read(&with_token(&std::format!("ssid={SSID_HEX_PREFIX}ff000d0a"))).unwrap();
    assert_eq!(form.ssid.as_slice(), b"\xff\0\r\n");
    for digits in ["", "f", "zz", &"00".repeat(33)] {
        assert!(read(&with_token(&std::format!("ssid={SSID_HEX_PREFIX}{digits}"))).is_err(), "{digits}");
    }
}

#[test]
fn password_lengths_follow_the_standard() {
    let verdict = |password: &str| {
        let form = read(&with_token(&std::format!("ssid=a&pass={password}")));
        form.map(|form| form.password.expose().len())
    };
    assert_eq!(verdict(""), Ok(0));
    assert_eq!(verdict("1234567"), Err(ReadConfigFormError::PasswordLength));
    assert_eq!(verdict("12345678"), Ok(8));
    assert_eq!(verdict(&"x".repeat(63)), Ok(63));
    assert_eq!(verdict(&"x".repeat(64)), Err(ReadConfigFormError::PasswordLength));
    assert_eq!(verdict(&"aF09".repeat(16)), Ok(64));
    assert_eq!(verdict(&"aF09".repeat(17)), Err(ReadConfigFormError::PasswordLength));
    assert_eq!(verdict("12345678%0A"), Err(ReadConfigFormError::PasswordCharacter));
}

#[test]
fn tokens_claim_codes_and_mistakes_are_told_apart() {
    let verdict = |token: &str| read(&std::format!("ssid=a&blynk={token}")).map(|_| ());
    assert_eq!(verdict(TOKEN), Ok(()));
    assert_eq!(verdict(&std::format!("+{TOKEN}%0A")), Ok(()));
    for code in ["9EF5-4D64", "+9ef5-4d64%0A", "9ef54d64", "9EF5+4D64"] {
        let form = read(&std::format!("ssid=a&blynk={code}")).unwrap();
        assert_eq!((form.token, form.claim_code), (None, ClaimCode::parse(b"9EF5-4D64").ok()), "{code}");
    }
    let mistyped = |error: ParseClaimCodeError| Err(ReadConfigFormError::ClaimCode(error));
    assert_eq!(verdict("9EF5-4D65"), mistyped(ParseClaimCodeError::Check));
    assert_eq!(verdict("9EF5-4D6O"), mistyped(ParseClaimCodeError::Alphabet));
    assert_eq!(verdict("ABCD-23456"), Err(ReadConfigFormError::TokenMalformed));
    assert_eq!(verdict(TOKEN.trim_start_matches('a')), Err(ReadConfigFormError::TokenMalformed));
    assert_eq!(verdict(&TOKEN.replace('_', "%2B")), Err(ReadConfigFormError::TokenMalformed));
    assert_eq!(verdict(""), Err(ReadConfigFormError::TokenMissing));
}

#[test]
fn in_recovery_the_stored_token_may_be_kept_but_never_sent_elsewhere() {
    let read = |body| read_guarded(Access::Recovery, body);
    assert_eq!(read("ssid=a&blynk=&host=&port_ssl=").unwrap().token, None);
    assert_eq!(read("ssid=a&host=evil.example"), Err(ReadConfigFormError::TokenMissing));
    assert_eq!(read("ssid=a&port_ssl=9999"), Err(ReadConfigFormError::TokenMissing));
    assert!(read(&with_token("ssid=a&host=other.example")).unwrap().token.is_some());
}

#[test]
fn server_and_port_are_checked() {
    let form = read(&with_token("ssid=a&host=+blynk.example+&port_ssl=8443")).unwrap();
    assert_eq!((form.host.as_deref(), form.port), (Some("blynk.example"), Some(8443)));
    for fields in ["host=a%00b", "host=a/b", "host=-x", &std::format!("host={}", "h".repeat(65))] {
        let result = read(&with_token(&std::format!("ssid=a&{fields}")));
        assert_eq!(result, Err(ReadConfigFormError::HostMalformed), "{fields}");
    }
    for port in ["0", "65536", "+5", "%2B5", "443x", "-1"] {
        let result = read(&with_token(&std::format!("ssid=a&port_ssl={port}")));
        let is_space_before_5 = port == "+5";
        assert_eq!(result.is_err(), !is_space_before_5, "{port}");
    }
}

#[test]
fn static_addresses_must_be_complete_and_consistent() {
    let verdict =
        |fields: &str| read(&with_token(&std::format!("ssid=a&{fields}"))).map(|form| form.static_address);
    assert_eq!(verdict("ip=&mask=255.255.255.0"), Ok(None));
    let address = verdict("ip=192.168.1.50&mask=255.255.255.0&gw=192.168.1.1&dns=1.1.1.1").unwrap().unwrap();
    assert_eq!(std::format!("{}", address.address), "192.168.1.50");
    assert_eq!(address.dns, [Some([1, 1, 1, 1].into()), None]);
    let refused = |error: ReadStaticAddressError| Err(ReadConfigFormError::StaticAddress(error));
    assert_eq!(verdict("ip=1.2.3"), refused(ReadStaticAddressError::NotAnAddress));
    assert_eq!(verdict("ip=192.168.1.50"), refused(ReadStaticAddressError::Incomplete));
    let mask = |mask: &str| std::format!("ip=192.168.1.50&mask={mask}&gw=192.168.2.1");
    assert_eq!(verdict(&mask("255.0.255.0")), refused(ReadStaticAddressError::BadMask));
    assert_eq!(verdict(&mask("255.255.255.0")), refused(ReadStaticAddressError::GatewayOutside));
    assert!(verdict(&mask("255.255.0.0")).is_ok());
}

#[test]
fn a_body_wins_over_the_query_and_must_be_a_form() {
    let mode = PortalMode::new(Dialect::Rehome, Access::Provisioning);
    let body = with_token("ssid=body");
    let form = "application/x-www-form-urlencoded; charset=UTF-8";
    let read = |content_type| read_config_form(&request("ssid=query", body.as_bytes(), content_type), &mode);
    assert_eq!(read(Some(form)).unwrap().ssid, b"body");
    assert_eq!(read(Some("application/json")), Err(ReadConfigFormError::NotAForm));
    let stock = PortalMode::new(Dialect::EdgentOld, Access::Provisioning);
    let form = read_config_form(&request("ssid=query", body.as_bytes(), Some(form)), &stock).unwrap();
    assert_eq!(form.ssid, b"query");
}

#[test]
fn our_dialect_needs_no_interface_and_refuses_others() {
    assert!(read(&with_token("ssid=a")).is_ok());
    assert!(read(&with_token("ssid=a&if=wifi")).is_ok());
    assert_eq!(read(&with_token("ssid=a&if=eth")), Err(ReadConfigFormError::UnsupportedInterface));
    for (argument, is_bench) in [("&bench=1", true), ("&bench=true", true), ("&bench=0", false), ("", false)]
    {
        let form = with_token(&std::format!("ssid=a{argument}"));
        assert_eq!(read_guarded(Access::Provisioning, &form).unwrap().is_bench, is_bench, "{argument}");
    }
}

#[test]
fn where_nothing_guards_the_hotspot_the_account_is_named_again_and_the_bench_is_refused() {
    for access in [Access::Provisioning, Access::Recovery] {
        let read = |body: &str| read_in(Dialect::Rehome, access, body);
        // What clients of stock Edgent send, whatever the mode.
        for more in [
            "&if=wifi",
            "&port_ssl=9443&host=cloud.example&save=1",
            "&ip=10.0.0.9&mask=255.0.0.0&gw=10.0.0.1",
        ] {
            assert!(read(&with_token(&std::format!("ssid=a&pass=password{more}"))).is_ok(), "{more}");
        }
        // A claim code names no server: it is worth as much as the token it stands for.
        assert!(read("ssid=a&blynk=9EF5-4D64").is_ok());
        for argument in ["&bench=1", "&bench=true"] {
            let form = with_token(&std::format!("ssid=a{argument}"));
            assert_eq!(read(&form), Err(ReadConfigFormError::BenchUnguarded), "{argument}");
        }
        assert!(read(&with_token("ssid=a&bench=0")).is_ok());
    }
    let in_recovery = |body: &str| read_in(Dialect::Rehome, Access::Recovery, body);
    assert_eq!(in_recovery("ssid=a&pass=password"), Err(ReadConfigFormError::AccountUnguarded));
    assert_eq!(in_recovery("ssid=a&blynk="), Err(ReadConfigFormError::AccountUnguarded));
    assert!(read_guarded(Access::Recovery, "ssid=a&pass=password").is_ok());
    assert_eq!(read_guarded(Access::Provisioning, "ssid=a"), Err(ReadConfigFormError::TokenMissing));
}

#[test]
fn old_edgent_cuts_and_reads_save_as_a_number() {
    let read = |body: &str| read_in(Dialect::EdgentOld, Access::Provisioning, &with_token(body));
    let form = read(&std::format!("ssid={}&pass={}&host={}", "s".repeat(40), "p".repeat(70), "h".repeat(40)));
    let form = form.unwrap();
    assert_eq!((form.ssid.len(), form.password.expose().len()), (33, 63));
    assert_eq!(form.host.map(|host| host.len()), Some(33));
    assert!(read("ssid=a&save=1").unwrap().is_save_requested);
    assert!(!read("ssid=a&save=true").unwrap().is_save_requested);
    assert_eq!(read("ssid=a&port_ssl=9443").unwrap().port, Some(9443));
    assert_eq!(read("pass=12345678"), Err(ReadConfigFormError::SsidMissing));
    assert!(read_in(Dialect::EdgentOld, Access::Provisioning, "ssid=a&blynk=short").is_err());
}

#[test]
fn new_edgent_requires_the_interface_and_ignores_the_port() {
    let read = |body: &str| read_in(Dialect::EdgentNew, Access::Provisioning, &with_token(body));
    assert_eq!(read("ssid=a"), Err(ReadConfigFormError::UnsupportedInterface));
    assert_eq!(read("if=wifi"), Err(ReadConfigFormError::SsidMissing));
    let form = read("if=wifi&ssid=a&port_ssl=8443&save=true").unwrap();
    assert_eq!((form.port, form.host, form.is_save_requested), (None, None, true));
    assert_eq!(read("if=eth").unwrap().interface, Interface::Ethernet);
}

#[test]
fn debug_output_of_a_form_shows_no_secret() {
    let form = read(&with_token("ssid=a&pass=hunter2hunter2")).unwrap();
    let shown = std::format!("{form:?}");
    assert!(!shown.contains(TOKEN) && !shown.contains("hunter2"), "{shown}");
    assert!(shown.contains("password: [redacted]") && shown.contains("token: Some([redacted])"), "{shown}");
    let digits: Vec<String> = b"hunter2".iter().map(|byte| std::format!("{byte}")).collect();
    assert!(!shown.contains(&digits.join(", ")), "{shown}");
}
