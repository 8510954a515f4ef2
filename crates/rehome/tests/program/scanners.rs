//! Programs of others that examine the server: `schemathesis` asks the HTTP API by its own description, `sslyze` looks at TLS.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::process::isolate;
use crate::server::TestServer;
use crate::third_party_clients::clients;

/// A scanner, which is a module of Python, in a folder for what it writes.
fn scanner(module: &str, folder: &Path) -> Command {
    let mut command = Command::new(clients().join("scanners/bin/python"));
    command.args(["-W", "ignore", "-m", module]);
    isolate(&mut command, folder);
    command
}

/// Runs a scanner to its end, however long that takes on a busy machine: what it does is bounded by count. Returns whether it is
/// content, and what it printed.
fn run(command: &mut Command) -> (bool, String) {
    let ended = command.output().unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
    let printed = [ended.stdout, ended.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    (ended.status.success(), printed.join("\n"))
}

/// What the scanner asks for by name: one of everything that a path can name.
fn settings(server: &TestServer, device: &str, token: &str) -> String {
    let template =
        server.get(&format!("/api/v1/devices/{device}"))["template_id"].as_str().unwrap().to_owned();
    let datastream = format!("/api/v1/templates/{template}/datastreams/1");
    server.send("PUT", &datastream, Some(json!({"name": "Power", "type": "integer"}))).expect(201);
    server
        .send("PUT", &format!("/api/v1/devices/{device}/datastreams/1"), Some(json!({"value": "1"})))
        .expect(200);
    let id = |created: &Value| created["id"].as_str().unwrap().to_owned();
    let body = json!({"template_id": template});
    let session = id(&server.send("POST", "/api/v1/provisioning-sessions", Some(body)).expect(201));
    let tag = "blnkinf\0mcu\x001.2.3\0fw-type\0LAMP\0build\0Jan 19 2024 12:25:30\0blynk\x001.3.2\0\0";
    let image = format!("{}{tag}", "x".repeat(2_000));
    let firmware = id(&server.upload("/api/v1/firmware?file_name=lamp.bin", image).expect(201));
    let body = json!({"name": "All", "firmware_id": firmware, "template_id": template});
    let shipment = id(&server.send("POST", "/api/v1/shipments", Some(body)).expect(201));
    let named = [
        ("devices", device),
        ("templates", &template),
        ("firmware", &firmware),
        ("provisioning-sessions", &session),
        ("shipments", &shipment),
    ];
    // What is deleted is some other one, or there would be nothing left to ask for.
    let of_collection = named.map(|(collection, id)| {
        format!(
            "[[operations]]\ninclude-path-regex = \"^/api/v1/{collection}/[{{]id\"\nexclude-method = \"DELETE\"\n\
             parameters = {{ \"path.id\" = \"{id}\" }}\n"
        )
    });
    let of_devices = format!(
        "[[operations]]\ninclude-path-regex = \"^/external/api/\"\nparameters = {{ \"query.token\" = \"{token}\" }}\n"
    );
    of_collection.concat() + &of_devices
}

/// Signs in as the console does; the value of the cookie.
fn sign_in(server: &TestServer) -> String {
    let body = json!({"code": server.sign_in_code});
    let signed_in = server.ask("POST", "/api/v1/auth/link", &[], Some(body)).unwrap();
    let cookie = signed_in.set_cookie.split(';').next().unwrap_or_default().to_owned();
    assert!(cookie.starts_with("rehome_session="), "{signed_in:?}");
    server.note_secret(cookie.trim_start_matches("rehome_session="));
    cookie
}

/// Every operation is asked what its description allows and what it does not. There is no answer of 500 and above, none that the
/// description does not know, nothing is taken that it forbids, and nothing is answered without its keys.
///
/// Not held to: that whatever the description allows is taken. It says of a name that it is text; the server says how long.
#[test]
fn schemathesis_finds_no_answer_that_the_description_does_not_know() {
    const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
        response_headers_conformance,response_schema_conformance,negative_data_rejection,ignored_auth,\
        unsupported_method,missing_required_header";
    let server = TestServer::serve();
    let (device, token) = server.create_device();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("schemathesis.toml"), settings(&server, &device, &token)).unwrap();
    let origin = format!("http://{}", server.plain_addr);
    let mut command = scanner("schemathesis.cli", folder.path());
    command.args(["run", &format!("{origin}/api/openapi.json")]);
    command.args(["-H", &format!("Cookie: {}", sign_in(&server)), "-H", &format!("Origin: {origin}")]);
    // The events never end, sign-in and sign-out end the session, and the report says 500 where the reference does.
    command.args(["--exclude-path-regex", "^/api/v1/(events$|auth/)|^/external/api/data/get$"]);
    command.args(["--phases", "examples,coverage,fuzzing", "--checks", CHECKS, "--continue-on-failure"]);
    command.args(["--max-examples", "12", "--seed", "1", "--workers", "1", "--warnings", "off"]);
    let (is_content, printed) = run(&mut command);
    assert!(is_content, "{printed}");
    let tested = printed.lines().find_map(|line| line.trim().strip_prefix("Tested: ")?.parse::<u32>().ok());
    assert!(tested.is_some_and(|count| count > 50), "{printed}");
}

/// The names of the cipher suites that the server takes with one version.
fn accepted_suites<'a>(result: &'a Value, version: &str) -> Vec<&'a str> {
    let suites =
        result[format!("{version}_cipher_suites")]["result"]["accepted_cipher_suites"].as_array().unwrap();
    suites.iter().map(|suite| suite["cipher_suite"]["name"].as_str().unwrap()).collect()
}

#[test]
fn sslyze_finds_only_that_the_certificate_is_the_servers_own() {
    let server = TestServer::serve();
    let folder = tempfile::tempdir().unwrap();
    let mut command = scanner("sslyze", folder.path());
    command.args(["--json_out", "result.json", "--early_data", "--resum", "--quiet"]);
    for scan in ["--sslv2", "--sslv3", "--tlsv1", "--tlsv1_1", "--tlsv1_2", "--tlsv1_3", "--compression"] {
        command.arg(scan);
    }
    for scan in
        ["--openssl_ccs", "--fallback", "--heartbleed", "--robot", "--reneg", "--elliptic_curves", "--ems"]
    {
        command.arg(scan);
    }
    command.args(["--certinfo", "--mozilla_config", "intermediate"]);
    command.arg(format!("localhost:{}", server.tls_addr.port()));
    // It is not content with the certificate; what else it has to say is looked for below.
    let (_, printed) = run(&mut command);
    let text = std::fs::read_to_string(folder.path().join("result.json")).unwrap_or_else(|error| {
        panic!("{error}\n{printed}");
    });
    let report: Value = serde_json::from_str(&text).unwrap();
    let result = &report["server_scan_results"][0]["scan_result"];
    let of = |scan: &str| &result[scan]["result"];

    for version in ["ssl_2_0", "ssl_3_0", "tls_1_0", "tls_1_1"] {
        assert_eq!(accepted_suites(result, version), [""; 0], "{version}");
    }
    let old = accepted_suites(result, "tls_1_2");
    assert!(!old.is_empty(), "{text}");
    assert!(old.iter().all(|suite| suite.starts_with("TLS_ECDHE_") && !suite.contains("_CBC_")), "{old:?}");
    assert_eq!(accepted_suites(result, "tls_1_3").len(), 3);
    assert_eq!(of("tls_compression")["supports_compression"], false);
    assert_eq!(of("openssl_ccs_injection")["is_vulnerable_to_ccs_injection"], false);
    assert_eq!(of("heartbleed")["is_vulnerable_to_heartbleed"], false);
    assert_eq!(of("robot")["robot_result"], "NOT_VULNERABLE_RSA_NOT_SUPPORTED");
    assert_eq!(of("tls_fallback_scsv")["supports_fallback_scsv"], true);
    assert_eq!(of("tls_1_3_early_data")["supports_early_data"], false);
    assert_eq!(of("tls_extended_master_secret")["supports_ems_extension"], true);
    assert_eq!(of("session_renegotiation")["supports_secure_renegotiation"], true);
    assert_eq!(of("session_renegotiation")["is_vulnerable_to_client_renegotiation_dos"], false);
    let findings: Vec<&str> = printed.lines().filter_map(|line| line.trim().strip_prefix("* ")).collect();
    assert!(
        matches!(findings.as_slice(), [only] if only.starts_with("certificate_path_validation:")),
        "{findings:?}\n{printed}"
    );
}
