//! `curl` against the Device HTTPS API, over plain HTTP and over TLS, as people and scripts call it.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::process::isolate;
use crate::server::TestServer;

/// What curl printed and the status it saw.
struct Curled {
    status: u16,
    body: String,
}

/// Runs curl in `folder`; `arguments` end in the address.
fn curl(folder: &Path, arguments: &[&str]) -> Curled {
    let mut command = Command::new("curl");
    isolate(&mut command, folder);
    command
        .args(["--silent", "--show-error", "--max-time", "30", "--write-out", "\n%{http_code}"])
        .args(arguments);
    let ended = command.output().expect("curl is not installed");
    assert!(ended.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&ended.stderr));
    let printed = String::from_utf8(ended.stdout).unwrap();
    let (body, status) = printed.rsplit_once('\n').unwrap();
    Curled { status: status.parse().unwrap(), body: body.to_owned() }
}

#[test]
fn curl_makes_every_call_of_the_device_https_api() {
    let server = TestServer::serve();
    let (id, token) = server.create_device();
    let device = server.get(&format!("/api/v1/devices/{id}"));
    let template = device["template_id"].as_str().unwrap();
    let settings = json!({"name": "Level", "type": "integer", "min": 0, "max": 100, "save_raw_data": true});
    server.send("PUT", &format!("/api/v1/templates/{template}/datastreams/1"), Some(settings)).expect(201);
    let datastreams = server.get(&format!("/api/v1/templates/{template}/datastreams"));
    let datastream = datastreams["items"][0]["id"].as_u64().unwrap();

    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("photo.jpg"), b"a picture").unwrap();
    std::fs::write(folder.path().join("coredump.bin"), b"memory").unwrap();
    let certificate = server.get("/api/v1/server")["ca_certificate_pem"].as_str().unwrap().to_owned();
    std::fs::write(folder.path().join("ca.pem"), certificate).unwrap();
    let plain = format!("http://{}/external/api", server.plain_addr);
    let tls = format!("https://localhost:{}/external/api", server.tls_addr.port());
    let get = |base: &str, path: &str| {
        let url = format!("{base}/{}", path.replace("token=T", &format!("token={token}")));
        curl(folder.path(), &["--cacert", "ca.pem", &url])
    };
    for base in [&plain, &tls] {
        for (path, status, body) in [
            ("update?token=T&v1=42", 200, ""),
            ("get?token=T&v1", 200, "42"),
            ("update?token=T&pin=V1&value=250", 200, ""),
            (&format!("get?token=T&dataStreamId={datastream}"), 200, "100"),
            (
                "update?token=T&v1=warm",
                400,
                r#"{"error":{"message":"Value doesn't match the Datastream data type."}}"#,
            ),
            ("batch/update?token=T&v1=7&v2=a%20b", 200, ""),
            ("get?token=T&v1&v2", 200, r#"{"v1":7,"v2":"a b"}"#),
            ("getAll?token=T", 200, r#"{"v1":7,"v2":"a b"}"#),
            ("update/property?token=T&pin=v1&color=%23FF0000", 200, ""),
            ("isHardwareConnected?token=T", 200, "false"),
            ("isAppConnected?token=T", 200, "false"),
            ("device/meta/update?token=T&metaFieldName=Room&value=Kitchen", 200, ""),
            ("device/meta?token=T&metaFieldName=Room", 200, "Kitchen"),
            ("logEvent?token=T", 400, r#"{"error":{"message":"Event code is not provided."}}"#),
            (&format!("provision?token=T&templateId={template}"), 200, ""),
            ("get?token=unknown&v1", 400, r#"{"error":{"message":"Invalid token."}}"#),
        ] {
            let answered = get(base, path);
            assert_eq!((answered.status, answered.body.as_str()), (status, body), "{path}");
        }
    }

    let now = server.get(&format!("/api/v1/devices/{id}/datastreams/1"))["at"].as_str().unwrap().to_owned();
    assert!(now.starts_with("20"), "{now}");
    let import = format!("{plain}/batch/update?token={token}&pin=v1");
    let json_type = "Content-Type: application/json";
    // A time in the future counts as now; one that curl could know for certain needs no clock here.
    let answered = curl(folder.path(), &["--header", json_type, "--data", "[[4102444800000,55]]", &import]);
    assert_eq!((answered.status, answered.body.as_str()), (200, "OK"));
    let refused = curl(folder.path(), &["--header", "Content-Type: text/plain", "--data", "[]", &import]);
    assert_eq!(refused.status, 400);

    let upload = format!("{plain}/upload?token={token}");
    let answered = curl(folder.path(), &["--form", "upfile=@photo.jpg", &upload]);
    assert_eq!(answered.status, 200, "{}", answered.body);
    let address = answered.body.replace("https://127.0.0.1", "https://localhost");
    assert_eq!(curl(folder.path(), &["--cacert", "ca.pem", &address]).body, "a picture");
    let dump = format!("{upload}&type=DUMP");
    assert_eq!(curl(folder.path(), &["--form", "upfile=@coredump.bin", &dump]).status, 200);
    assert_eq!(server.get(&format!("/api/v1/devices/{id}/files"))["items"][0]["kind"], "dump");

    let asked = get(&plain, "data/get?token=T&period=DAY&granularityType=RAW_DATA");
    let link: Value = serde_json::from_str(&asked.body).unwrap();
    let link = link["link"].as_str().unwrap().replace("https://127.0.0.1", "https://localhost");
    let fetched = curl(folder.path(), &["--cacert", "ca.pem", "--output", "report.zip", &link]);
    assert_eq!(fetched.status, 200);
    assert!(std::fs::read(folder.path().join("report.zip")).unwrap().starts_with(b"PK\x03\x04"));
}
