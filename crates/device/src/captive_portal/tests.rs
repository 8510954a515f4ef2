use std::format;
use std::string::String;
use std::vec;
use std::vec::Vec;

use lifecycle::Timings;
use proptest::prelude::*;

use super::*;

const HOST: &str = "cloud.example";

fn answer(head: &str) -> ProbeAnswer {
    read_probe_answer(head.as_bytes(), HOST)
}

fn redirect(location: &str) -> ProbeAnswer {
    answer(&format!("HTTP/1.1 302 Found\r\nServer: x\r\nLocation: {location}\r\n\r\n"))
}

#[test]
fn the_question_names_the_host_and_a_path_that_nobody_has() {
    assert_eq!(
        probe_request(HOST, 0x00C0_FFEE).unwrap().as_str(),
        "GET /.well-known/rehome-00c0ffee HTTP/1.1\r\nHost: cloud.example\r\nUser-Agent: Rehome\r\nConnection: close\r\n\r\n"
    );
    assert!(probe_request(&"h".repeat(HOST_BYTES_MAX), u32::MAX).is_some());
    for unfit in
        ["", "two words", "a\r\nX: y", "ümlaut.example", &"h".repeat(HOST_BYTES_MAX + PROBE_FRAME_BYTES)]
    {
        assert_eq!(probe_request(unfit, 1), None, "{unfit:?}");
    }
}

#[test]
fn a_dial_and_the_question_fit_into_every_attempt_of_the_lifecycle() {
    let timings = Timings::default();
    assert!(DIAL_TIMEOUT + PROBE_TIMEOUT < timings.cloud_attempt.min(timings.trial_cloud));
}

#[test]
fn only_failures_that_a_log_in_page_causes_are_looked_into() {
    let asked = [CloudError::Timeout, CloudError::Certificate, CloudError::Other];
    assert!(asked.into_iter().all(may_be_login_page));
    assert!(!may_be_login_page(CloudError::Dns) && !may_be_login_page(CloudError::CaptivePortal));
    assert!(is_http(b"HTTP/1.0 302 Found") && !is_http(b"HTTP") && !is_http(b"\x15\x03\x01\x00\x02\x02"));
}

#[test]
fn log_in_pages_are_found_out_however_they_answer() {
    for head in [
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>Welcome to the hotel",
        "HTTP/1.0 200\n",
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 511 Network Authentication Required\r\n\r\n",
    ] {
        assert_eq!(answer(head), ProbeAnswer::LoginPage, "{head}");
    }
    for location in [
        "http://login.example/",
        "https://login.example:8443/guest?url=http://cloud.example/",
        "//login.example/x",
        "http://192.168.1.1",
        "http://[fe80::1]:8080/",
        "HTTP://user@login.example",
        "http://cloud.example@login.example/",
        "http://cloud.example.login.example/",
        "http://login.example?to=cloud.example",
        "http://login.example\\@cloud.example/",
    ] {
        assert_eq!(redirect(location), ProbeAnswer::LoginPage, "{location}");
    }
    let sloppy = "HTTP/1.1 307 \nlocation:http://login.example/\n\n";
    assert_eq!(answer(sloppy), ProbeAnswer::LoginPage);
}

#[test]
fn what_a_cloud_or_a_stranger_may_answer_is_no_log_in_page() {
    for head in [
        "HTTP/1.1 404 Not Found\r\n\r\n",
        "HTTP/1.1 400 Bad Request\r\n\r\n",
        "HTTP/1.1 403 Forbidden\r\n\r\n",
        "HTTP/1.1 502 Bad Gateway\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 304 Not Modified\r\n\r\nLocation: http://login.example/\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/2.0 200 OK\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n",
        "\0\0\x01\0\x09",
    ] {
        assert_eq!(answer(head), ProbeAnswer::Other, "{head}");
    }
    for location in [
        "https://cloud.example/.well-known/rehome-1",
        "https://CLOUD.example.:443/",
        "https://user:word@cloud.example/",
        "//cloud.example",
        "/login",
        "login.html",
        "login?to=http://login.example/",
        "path/http://login.example/",
        "http://",
        "http:///login.example",
        "",
    ] {
        assert_eq!(redirect(location), ProbeAnswer::Other, "{location}");
    }
}

#[test]
fn a_redirect_is_read_as_soon_as_its_host_is_known() {
    let long = format!("HTTP/1.1 302 Found\r\nLocation: http://login.example/{}", "x".repeat(2_000));
    assert_eq!(answer(&long), ProbeAnswer::LoginPage);
    let late =
        format!("HTTP/1.1 302 Found\r\nCookie: {}\r\nLocation: http://login.example/\r\n", "x".repeat(2_000));
    assert_eq!(answer(&late), ProbeAnswer::Other, "it comes after what is looked at");
    assert_eq!(answer("HTTP/1.1 302 Found\r\nLocation: http://cloud.example"), ProbeAnswer::Incomplete);
}

fn head() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just("HTTP/1.1 "),
        Just("HTTP/1.0 "),
        Just("200"),
        Just("302"),
        Just("404"),
        Just("511"),
        Just(" "),
        Just("\r\n"),
        Just("\n"),
        Just("Location: "),
        Just("location:"),
        Just("http:"),
        Just("//"),
        Just("/"),
        Just("login.example"),
        Just("cloud.example"),
        Just("@"),
        Just(":80"),
        Just("?"),
        Just("."),
    ];
    let pieces = proptest::collection::vec(piece, 0..16).prop_map(|pieces| pieces.concat().into_bytes());
    let redirect = proptest::collection::vec(any::<u8>(), 0..40)
        .prop_map(|target| [b"HTTP/1.1 302 Found\r\nLocation: ".as_slice(), &target, b"\r\n\r\n"].concat());
    prop_oneof![pieces, redirect, proptest::collection::vec(any::<u8>(), 0..64)]
}

proptest! {
    #[test]
    fn an_answer_means_the_same_however_it_is_split_and_whatever_follows(head in head(), rest in head()) {
        let mut told = ProbeAnswer::Incomplete;
        for received_bytes in 0..=head.len() {
            let now = read_probe_answer(&head[..received_bytes], HOST);
            prop_assert!(told == ProbeAnswer::Incomplete || told == now, "{told:?} became {now:?}");
            told = now;
        }
        let longer = read_probe_answer(&[head, rest].concat(), HOST);
        prop_assert!(told == ProbeAnswer::Incomplete || told == longer);
    }

    #[test]
    fn nothing_sends_a_device_elsewhere_but_another_host(host in "[a-z0-9.-]{1,40}", path in "[ -~]{0,60}") {
        let same = format!("HTTP/1.1 301 Moved\r\nLocation: https://{host}/{path}\r\n\r\n");
        prop_assert_eq!(read_probe_answer(same.as_bytes(), &host), ProbeAnswer::Other);
        let other: String = format!("HTTP/1.1 301 Moved\r\nLocation: https://x{host}/{path}\r\n\r\n");
        prop_assert_eq!(read_probe_answer(other.as_bytes(), &host), ProbeAnswer::LoginPage);
    }
}
