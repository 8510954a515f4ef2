use registry::DeviceId;
use store::NotificationTarget;

use super::*;

#[test]
fn private_and_special_addresses_are_told_from_public_ones() {
    let private = [
        "127.0.0.1",
        "127.255.0.1",
        "10.0.0.1",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "100.127.255.255",
        "0.0.0.0",
        "0.1.2.3",
        "192.0.0.8",
        "192.0.2.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::7f00:1",
        "fe80::1",
        "fec0::1",
        "fc00::1",
        "fd12:3456::1",
        "ff02::1",
        "2001:db8::1",
        "2001::1",
        "2002:7f00:1::",
        "2002:c0a8:1::",
        "64:ff9b::7f00:1",
        "64:ff9b:1::1",
        "100::1",
    ];
    for address in private {
        assert!(!is_public(address.parse().unwrap()), "{address}");
    }
    for address in [
        "1.1.1.1",
        "100.63.255.255",
        "172.32.0.1",
        "198.20.0.1",
        "2606:4700::1111",
        "2a00::1",
        "::ffff:1.1.1.1",
        "64:ff9b::101:101",
    ] {
        assert!(is_public(address.parse().unwrap()), "{address}");
    }
}

#[test]
fn addresses_of_webhooks_are_https_or_http_and_nothing_more() {
    for url in ["https://example.org", "http://example.org:8080/a?b=c", "https://[2a00::1]/x"] {
        assert_eq!(check_url(url, false), Ok(()), "{url}");
    }
    for url in [
        "example.org",
        "ftp://example.org",
        "https://",
        "https://a:b@example.org/",
        "https://example.org/#x",
        "/x",
        "https://exa mple.org",
    ] {
        assert_eq!(check_url(url, false), Err(CheckUrlError::Form), "{url}");
    }
    for url in [
        "http://127.0.0.1/",
        "https://[::1]:8443/",
        "http://169.254.169.254/latest",
        "http://[::ffff:10.0.0.1]/",
    ] {
        assert_eq!(check_url(url, false), Err(CheckUrlError::Private), "{url}");
        assert_eq!(check_url(url, true), Ok(()), "{url}");
    }
    assert_eq!(check_url("", false), Err(CheckUrlError::Length));
    assert_eq!(
        check_url(&format!("https://example.org/{}", "x".repeat(1_024)), false),
        Err(CheckUrlError::Length)
    );
}

fn notification() -> Notification {
    Notification {
        id: 7,
        device: DeviceId::from_random([1; 10]),
        target: NotificationTarget::Email(String::new()),
        subject: String::new(),
        body: "{\"a\":1}".to_owned(),
        created_at: UtcTime::from_unix_ms(0),
        attempts: 0,
        next_at: None,
        last_error: None,
    }
}

/// A name that leads to this machine gets no connection, whatever it is called.
#[tokio::test]
async fn a_name_that_leads_to_a_private_address_is_not_called() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://localhost:{}/", listener.local_addr().unwrap().port());
    let secret = Token::from_random([1; 24]);
    let caller = WebhookCaller::new(false);
    let outcome = caller.call(&url, &secret, &notification(), UtcTime::from_unix_ms(0)).await;
    assert!(matches!(outcome, Err(CallWebhookError::Url(CheckUrlError::Private))), "{outcome:?}");
    let accepting = tokio::time::timeout(Duration::from_millis(50), listener.accept());
    assert!(accepting.await.is_err(), "somebody connected");
}

/// Computed with `printf '1795000000.{"a":1}' | openssl dgst -sha256 -hmac KEY`.
#[test]
fn the_signature_is_hmac_sha_256_over_timestamp_and_body() {
    let secret = Token::parse(b"0123456789abcdef0123456789abcdef").unwrap();
    let expected = "v1=7833cde52f3d744876a6b0ce5b50b775d9e19c11d9bac94a9e0f9adfd5ee7b8a";
    assert_eq!(sign(&secret, 1_795_000_000, "{\"a\":1}"), expected);
}
