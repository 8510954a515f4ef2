use super::*;

/// Id bytes, hexadecimal suffix of 1.0.1, suffix of old and of new Edgent. Source: `reference/edgent-device.md` §4.
const EXAMPLES: [(&[u8], &str, &str, &str); 8] = [
    (&[0x24, 0x6F, 0x28, 0xAA, 0xBB, 0xCC, 0, 0], "28B9E", "1W7R", "1W7R"),
    (&[0xA4, 0xCF, 0x12, 0x00, 0x00, 0x01, 0, 0], "18D5E", "7NUP", "7NXP"),
    (&[0x30, 0xAE, 0xA4, 0x12, 0x34, 0x56, 0, 0], "881E2", "C6DR", "C6DR"),
    (&[0x24, 0x6F, 0x28, 0x00, 0x00, 0x66, 0, 0], "3CCA5", "YUF9", "YXF9"),
    (&[0x24, 0x6F, 0x28, 0x00, 0x05, 0x81, 0, 0], "FC085", "K6KF", "K6KF"),
    (&[0x24, 0x6F, 0x28, 0xAA, 0xBB, 0xCC], "152F1", "W8FH", "W8FH"),
    (&[0xA4, 0xCF, 0x12, 0x00, 0x00, 0x01], "DF4E8", "0J72", "0J72"),
    (&[0x5C, 0xCF, 0x7F, 0xDE, 0xAD, 0x01], "917E0", "P5UH", "P5XH"),
];

const MAC: [u8; 6] = [0x24, 0x6F, 0x28, 0xAA, 0xBB, 0xCC];

#[test]
fn suffixes_match_every_worked_example() {
    for (id, hexadecimal, old, new) in EXAMPLES {
        assert_eq!(name_suffix_hex(id), hexadecimal);
        assert_eq!(name_suffix(Dialect::EdgentOld, id), old);
        assert_eq!(name_suffix(Dialect::EdgentNew, id), new);
        assert_eq!(name_suffix(Dialect::Rehome, id), new);
    }
}

#[test]
fn hotspot_names_match_every_worked_example() {
    let names = [
        ("Blynk", "Air Monitor", "Blynk Air Monitor-1W7R", "Blynk Air Monitor-1W7R"),
        (
            "Blynk",
            "Industrial Water Meter Pro",
            "Blynk Industrial Water Met-1W7R",
            "Blynk Industrial Water M-1W7R",
        ),
        ("Acme", "Acme", "Acme Acme-1W7R", "Acme-1W7R"),
    ];
    for (prefix, template_name, old, new) in names {
        assert_eq!(hotspot_name(Dialect::EdgentOld, prefix, template_name, MAC), old);
        assert_eq!(hotspot_name(Dialect::EdgentNew, prefix, template_name, MAC), new);
    }
}

#[test]
fn our_names_use_31_bytes_and_cut_between_characters() {
    let name = |template_name| hotspot_name(Dialect::Rehome, "Blynk", template_name, MAC);
    assert_eq!(name("Industrial Water Meter Pro"), "Blynk Industrial Water Met-1W7R");
    assert_eq!(name("Wasserzähler Überg"), "Blynk Wasserzähler Überg-1W7R");
    assert_eq!(name("Wasserzähler Überöffner"), "Blynk Wasserzähler Über-1W7R");
    assert_eq!(name("x🏡🏡🏡🏡🏡"), "Blynk x🏡🏡🏡🏡-1W7R");
    // The cut falls behind a space, which would look like a mistake.
    assert_eq!(name("Industrial Water Me x"), "Blynk Industrial Water Me-1W7R");
    assert_eq!(name("Industrial Water Met"), "Blynk Industrial Water Met-1W7R");
}

#[test]
fn unusual_prefixes_still_make_a_name_with_its_suffix() {
    for dialect in [Dialect::Rehome, Dialect::EdgentOld, Dialect::EdgentNew] {
        for prefix in [
            "",
            "B",
            "Exactly twenty-five bytes",
            "A prefix of more than thirty-one bytes",
            "Ünïcödé ünïcödé ünïcödé",
        ] {
            let name = hotspot_name(dialect, prefix, "Böiler", MAC);
            assert!(name.len() <= HOTSPOT_NAME_BYTES_MAX && name.ends_with("-1W7R"), "{name}");
        }
    }
    assert_eq!(hotspot_name(Dialect::Rehome, "", "Boiler", MAC), "Boiler-1W7R");
}

#[test]
fn every_name_that_is_made_is_found_again_among_other_networks() {
    for (id, hexadecimal, _old, _new) in EXAMPLES {
        for dialect in [Dialect::EdgentOld, Dialect::EdgentNew, Dialect::Rehome] {
            let name = hotspot_name_from_id(dialect, "Blynk", "Wasserzähler", id);
            assert!(may_be_hotspot_name(name.as_bytes()), "{name}");
        }
        let name = std::format!("Blynk-{hexadecimal}");
        assert!(may_be_hotspot_name(name.as_bytes()), "{name}");
    }
    let others: [&[u8]; 8] = [
        b"Home",
        b"-1W7R",
        b"FRITZ!Box 7590",
        b"Blynk Air-1WWR",
        b"Blynk Air-1w7r",
        b"Blynk Air-1W7",
        b"\xff-1W7R",
        b"a name with more than 31 bytes-1W7R",
    ];
    for other in others {
        assert!(!may_be_hotspot_name(other), "{}", other.escape_ascii());
    }
}
