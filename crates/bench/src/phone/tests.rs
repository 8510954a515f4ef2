use super::encode_form;

#[test]
fn forms_keep_every_byte_apart() {
    let encoded = encode_form(&[("ssid", "Café + 50% & \"co\"".as_bytes()), ("pass", b"a=b")]);
    assert_eq!(encoded, "ssid=Caf%C3%A9%20%2B%2050%25%20%26%20%22co%22&pass=a%3Db");
}
