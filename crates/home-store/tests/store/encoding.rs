//! The stored form: everything that goes in comes out, and nothing that comes in makes the decoder panic.

use core::net::Ipv4Addr;

use home_store::{
    CloudBinding, CloudDeviceId, DecodeHomeError, Epoch, HOME_BYTES_MAX, HOME_SCHEMA_VERSION, Home, Host,
    Network, NetworkSecret, OwnerData, ParseNetworkSecretError, ReceiptSecret, ReleaseKey, Ssid,
    StaticAddress, Token, TrustAnchor, decode_home, encode_home,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use crate::fixtures::{largest_home, small_home};

fn any_ipv4() -> impl Strategy<Value = Ipv4Addr> {
    any::<[u8; 4]>().prop_map(Ipv4Addr::from)
}

fn any_static_address() -> impl Strategy<Value = StaticAddress> {
    let dns = [option::of(any_ipv4()), option::of(any_ipv4())];
    (any_ipv4(), any_ipv4(), any_ipv4(), dns).prop_map(|(address, mask, gateway, dns)| StaticAddress {
        address,
        mask,
        gateway,
        dns,
    })
}

fn any_network() -> impl Strategy<Value = Network> {
    let password = prop_oneof![
        vec(any::<u8>(), 0..=0),
        vec(any::<u8>(), 8..=63),
        "[0-9a-fA-F]{64}".prop_map(String::into_bytes)
    ];
    (vec(any::<u8>(), 1..=32), password, any::<bool>(), option::of(any_static_address())).prop_map(
        |(ssid, password, is_hidden, static_address)| Network {
            ssid: Ssid::parse(&ssid).unwrap(),
            secret: NetworkSecret::parse(&password).unwrap(),
            is_hidden,
            static_address,
        },
    )
}

prop_compose! {
    fn any_release_key()(
        device_id in "[A-Za-z0-9]{1,32}",
        epoch in any::<u32>(),
        public_key in any::<[u8; 32]>(),
        receipt_secret in any::<[u8; 32]>(),
    ) -> ReleaseKey {
        ReleaseKey {
            device_id: CloudDeviceId::parse(&device_id).unwrap(),
            epoch: Epoch(epoch),
            public_key,
            receipt_secret: ReceiptSecret::new(receipt_secret),
        }
    }
}

prop_compose! {
    fn any_cloud()(
        host in "[!-~]{1,64}",
        port in any::<u16>(),
        token in "[!-~]{32}",
        uses_tls in any::<bool>(),
        anchor in option::of(vec(any::<u8>(), 1..=1024)),
        release_key in option::of(any_release_key()),
    ) -> CloudBinding {
        CloudBinding {
            host: Host::parse(&host).unwrap(),
            port,
            token: Token::parse(token.as_bytes()).unwrap(),
            uses_tls,
            trust_anchor: anchor.map(|bytes| TrustAnchor::parse(&bytes).unwrap()),
            release_key,
        }
    }
}

prop_compose! {
    pub(crate) fn any_home()(
        networks in vec(any_network(), 0..=16),
        cloud in any_cloud(),
        owner_data in vec(any::<u8>(), 0..=256),
    ) -> Home {
        Home { networks: networks.into_iter().collect(), cloud, owner_data: OwnerData::parse(&owner_data).unwrap() }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn decoded_home_equals_the_encoded_one(home in any_home()) {
        prop_assert_eq!(decode_home(&encode_home(&home)), Ok(home));
    }

    #[test]
    fn decoder_answers_every_input(bytes in vec(any::<u8>(), 0..600)) {
        // Random bytes that pass as a home must at least be one that is stored as these very bytes.
        if let Ok(home) = decode_home(&bytes) {
            prop_assert_eq!(encode_home(&home).to_vec(), bytes);
        }
    }

    #[test]
    fn changed_byte_decodes_to_another_home_or_to_an_error(
        home in any_home(), position in any::<prop::sample::Index>(), change in 1..=u8::MAX,
    ) {
        let mut bytes = encode_home(&home);
        let position = position.index(bytes.len());
        bytes[position] ^= change;
        prop_assert_ne!(decode_home(&bytes), Ok(home));
    }
}

#[test]
fn every_cut_of_an_encoded_home_is_an_error() {
    let bytes = encode_home(&largest_home("cut"));
    for length in 0..bytes.len() {
        assert_eq!(decode_home(&bytes[..length]), Err(DecodeHomeError::Malformed), "{length} bytes");
    }
    let mut longer = bytes.to_vec();
    longer.push(0);
    assert_eq!(decode_home(&longer), Err(DecodeHomeError::Malformed));
}

#[test]
fn largest_home_uses_all_the_room_but_not_more() {
    // Half of its secrets are passphrases: 1 byte of length and 63 bytes, as long as the 64 digits of the others.
    assert_eq!(encode_home(&largest_home("large")).len(), HOME_BYTES_MAX);
}

#[test]
fn newer_version_is_named_in_the_error() {
    let mut bytes = encode_home(&small_home("later"));
    bytes[0] = HOME_SCHEMA_VERSION + 1;
    assert_eq!(decode_home(&bytes), Err(DecodeHomeError::NewerVersion { found: HOME_SCHEMA_VERSION + 1 }));
}

#[test]
fn version_one_keeps_its_bytes() {
    let home = Home {
        networks: [Network {
            ssid: Ssid::parse(b"net").unwrap(),
            secret: NetworkSecret::parse(b"password").unwrap(),
            is_hidden: true,
            static_address: None,
        }]
        .into_iter()
        .collect(),
        cloud: CloudBinding {
            host: Host::parse("host").unwrap(),
            port: 0x1234,
            token: Token::parse(&[b't'; 32]).unwrap(),
            uses_tls: true,
            trust_anchor: None,
            release_key: None,
        },
        owner_data: OwnerData::parse(b"own").unwrap(),
    };
    let expected =
        b"\x01\x01\x03net\x01\x08password\x01\x04host\x34\x12\x01tttttttttttttttttttttttttttttttt\x03\x00own";
    assert_eq!(encode_home(&home).as_slice(), expected);
}

#[test]
fn passwords_have_the_lengths_that_networks_allow() {
    assert_eq!(NetworkSecret::parse(b""), Ok(NetworkSecret::Open));
    for length in [1, 7, 65, 100] {
        let expected = ParseNetworkSecretError::Length { found_bytes: length };
        assert_eq!(NetworkSecret::parse(&vec![b'a'; length]), Err(expected));
    }
    assert_eq!(NetworkSecret::parse(&[b'x'; 64]), Err(ParseNetworkSecretError::NotHexadecimal));
    for password in ["12345678", "tür & tor + 100 % = \"#1\" 🏠", &"f".repeat(63), &"0aF9".repeat(16)] {
        assert_eq!(NetworkSecret::parse(password.as_bytes()).unwrap().expose(), password.as_bytes());
    }
}

#[test]
fn names_and_tokens_outside_their_limits_are_refused() {
    assert!(Ssid::parse(b"").is_err() && Ssid::parse(&[0; 33]).is_err() && Ssid::parse(&[0; 32]).is_ok());
    assert!(Token::parse(&[b'a'; 31]).is_err() && Token::parse(&[b'a'; 33]).is_err());
    assert!(Token::parse(&[0; 32]).is_err() && Token::parse(&[b' '; 32]).is_err());
    assert!(Host::parse("").is_err() && Host::parse("a b").is_err() && Host::parse(&"h".repeat(65)).is_err());
    assert!(OwnerData::parse(&[0; 257]).is_err() && OwnerData::parse(&[]).is_ok());
    assert!(TrustAnchor::parse(&[]).is_err() && TrustAnchor::parse(&[0; 1025]).is_err());
}

#[test]
fn debug_output_shows_no_secret() {
    for home in [small_home("debug"), largest_home("debug")] {
        let shown = format!("{home:?} {home:#?}");
        assert!(!shown.contains(core::str::from_utf8(home.cloud.token.expose()).unwrap()));
        assert!(!shown.contains(core::str::from_utf8(home.owner_data.as_bytes()).unwrap()));
        for network in &home.networks {
            assert!(!shown.contains(core::str::from_utf8(network.secret.expose()).unwrap()));
        }
        assert!(shown.contains("[redacted]"));
    }
}
