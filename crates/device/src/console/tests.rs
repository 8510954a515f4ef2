use std::string::String;
use std::vec::Vec;

use super::*;

const FACTS: ConsoleFacts<'_> = ConsoleFacts {
    name: "Blynk \"Air\"-1W7R",
    board: "Test board",
    template_id: "TMPLtest",
    firmware_type: "TMPLtest",
    firmware_version: "1.2.3",
    firmware_build: "Mar  7 2022 17:28:46",
    station_mac: MacAddress([0x24, 0x6F, 0x28, 0xAA, 0xBB, 0xCC]),
    joined_ssid: Some(b"Caf\xC3\xA9\n"),
    state: State::Running,
    last_error: 0,
    is_hotspot_open: false,
    has_home: true,
    epoch: 4,
    uptime_s: 77,
};

fn printed(command: ConsoleCommand) -> String {
    let mut text = String::new();
    FACTS.write(command, &mut text).unwrap();
    text
}

#[test]
fn commands_are_read_as_edgent_reads_them() {
    use ConsoleCommand as Command;
    for (line, command) in [
        ("help", Command::Help),
        (" ? ", Command::Help),
        ("devinfo", Command::DeviceInfo),
        ("DevInfo\r\n", Command::DeviceInfo),
        ("wifi", Command::WifiInfo),
        ("wifi  show", Command::WifiInfo),
        ("wifi info", Command::WifiInfo),
        ("wifi\tscan", Command::WifiScan),
        ("config", Command::ConfigStart),
        ("config start", Command::ConfigStart),
        ("config stop", Command::ConfigStop),
        (" CONFIG   ERASE ", Command::ConfigErase),
        ("status", Command::Status),
        ("reboot", Command::Reboot),
        ("firmware", Command::FirmwareInfo),
        ("firmware info", Command::FirmwareInfo),
    ] {
        assert_eq!(ConsoleCommand::parse(line.as_bytes()), Ok(Some(command)), "{line:?}");
    }
    assert_eq!(ConsoleCommand::parse(b""), Ok(None));
    assert_eq!(ConsoleCommand::parse(b" \t\r\n"), Ok(None));
}

#[test]
fn what_is_no_command_changes_nothing() {
    for line in [
        "config eras",
        "config erase now",
        "erase",
        "rebootx",
        "reboot now",
        "wifi add x y",
        "connect x y",
        "\u{0}",
    ] {
        assert_eq!(ConsoleCommand::parse(line.as_bytes()), Err(ParseConsoleLineError::NotFound), "{line:?}");
    }
    assert_eq!(ConsoleCommand::parse(&[b'x'; 256]), Err(ParseConsoleLineError::TooLong));
    assert_eq!(ConsoleCommand::parse(&[b'x'; 255]), Err(ParseConsoleLineError::NotFound));
    assert_eq!(ConsoleCommand::parse(&b"x ".repeat(16)), Err(ParseConsoleLineError::TooManyWords));
}

#[test]
fn help_names_every_command_once() {
    assert_eq!(printed(ConsoleCommand::Help), "help devinfo wifi config status reboot firmware\n");
}

#[test]
fn what_is_printed_is_what_edgent_prints_and_breaks_no_line() {
    assert_eq!(
        printed(ConsoleCommand::DeviceInfo),
        "{\"name\":\"Blynk \\\"Air\\\"-1W7R\",\"board\":\"Test board\",\"tmpl_id\":\"TMPLtest\",\
         \"fw_type\":\"TMPLtest\",\"fw_ver\":\"1.2.3\"}\n"
    );
    assert_eq!(printed(ConsoleCommand::WifiInfo), "mac:  24:6F:28:AA:BB:CC\nssid: Caf\\xc3\\xa9\\n\n");
    assert_eq!(
        printed(ConsoleCommand::FirmwareInfo),
        "Version: 1.2.3\nType:    TMPLtest\nBuild:   Mar  7 2022 17:28:46\n"
    );
    let status = printed(ConsoleCommand::Status);
    let lines: Vec<&str> = status.lines().collect();
    assert_eq!(
        lines,
        ["state:   RUNNING", "error:   0", "home:    yes", "epoch:   4", "hotspot: closed", "uptime:  77 s"]
    );
}

#[test]
fn the_corpus_of_the_fuzzer_is_read_without_a_panic() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/console_line");
    let entries = std::fs::read_dir(folder).expect("the committed corpus");
    let lines: Vec<Vec<u8>> = entries.map(|entry| std::fs::read(entry.unwrap().path()).unwrap()).collect();
    assert!(lines.len() >= 8, "{} lines", lines.len());
    for line in lines {
        check(&line);
    }
}

/// What holds for every line; the fuzz target checks the same.
fn check(line: &[u8]) {
    if let Ok(Some(command)) = ConsoleCommand::parse(line) {
        let text = printed(command);
        assert!(text.is_empty() || text.ends_with('\n'));
        assert!(text.chars().all(|character| character == '\n' || !character.is_control()));
        assert_eq!(ConsoleCommand::parse(line.trim_ascii()), Ok(Some(command)));
    }
}

proptest::proptest! {
    #[test]
    fn any_line_is_read_without_a_panic(line in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
        check(&line);
    }
}
