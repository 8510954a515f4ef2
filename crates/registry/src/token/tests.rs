use proptest::prelude::*;

use super::*;

const KNOWN_TOKEN: &[u8] = b"AbCdEfGhIjKlMnOpQrStUvWxYz012345";

#[test]
fn debug_shows_neither_token_nor_key() {
    let token = Token::parse(KNOWN_TOKEN).unwrap();
    let key = TokenKey::from_bytes([0xA5; 32]);
    let shown = format!("{token:?} {key:?} {:?}", key.hash_token(&token));
    assert!(
        !shown.contains("AbCd") && !shown.contains("165") && !shown.to_lowercase().contains("a5a5"),
        "{shown}"
    );
}

#[test]
fn malformed_tokens_are_named_as_such() {
    assert_eq!(Token::parse(b"short"), Err(ParseTokenError::Length { bytes: 5 }));
    assert_eq!(Token::parse(b""), Err(ParseTokenError::Length { bytes: 0 }));
    assert_eq!(Token::parse(b"AbCdEfGhIjKlMnOpQrStUvWxYz01234\0"), Err(ParseTokenError::Alphabet));
    assert_eq!(Token::parse(b"AbCdEfGhIjKlMnOpQrStUvWxYz01234 "), Err(ParseTokenError::Alphabet));
    assert_eq!(Token::parse(&[0xFF; 32]), Err(ParseTokenError::Alphabet));
}

#[test]
fn hashing_agrees_with_rfc_2104_for_a_short_key() {
    // Computed with Python's hmac module: hmac.new(bytes([0x0b]*32), b"device-token\0" + token, "sha256").
    let key = TokenKey::from_bytes([0x0b; 32]);
    let token = Token::parse(KNOWN_TOKEN).unwrap();
    let expected = [
        0xea, 0x45, 0xa5, 0xbc, 0xfe, 0x01, 0x0f, 0xce, 0xea, 0xc1, 0x3c, 0x90, 0x0d, 0x4c, 0xf6, 0xe1, 0xbc,
        0x18, 0x3f, 0xee, 0xbd, 0x83, 0x7e, 0x6d, 0x05, 0xe9, 0x0d, 0xb0, 0xe2, 0x7f, 0xfa, 0x0d,
    ];
    assert_eq!(key.hash_token(&token), TokenHash::from_bytes(expected));
}

#[test]
fn one_secret_has_unrelated_hashes_for_two_purposes_and_two_keys() {
    let key = TokenKey::from_bytes([1; 32]);
    let sign_in = key.hash(SecretPurpose::SignInCode, b"secret");
    assert_ne!(sign_in, key.hash(SecretPurpose::ConsoleSession, b"secret"));
    assert_ne!(sign_in, TokenKey::from_bytes([2; 32]).hash(SecretPurpose::SignInCode, b"secret"));
}

#[test]
fn a_derived_token_is_the_same_for_the_same_nonce_only() {
    let key = TokenKey::from_bytes([1; 32]);
    assert_eq!(key.derive_token(&[7; 16]), key.derive_token(&[7; 16]));
    assert_ne!(key.derive_token(&[7; 16]), key.derive_token(&[8; 16]));
}

proptest! {
    #[test]
    fn every_made_token_parses(random in any::<[u8; 24]>()) {
        let token = Token::from_random(random);
        prop_assert_eq!(Token::parse(token.expose().as_bytes()), Ok(token));
    }

    #[test]
    fn different_random_bytes_make_different_tokens(a in any::<[u8; 24]>(), b in any::<[u8; 24]>()) {
        prop_assert_eq!(a == b, Token::from_random(a) == Token::from_random(b));
    }
}
