//! Starting, and refusing to start with words that help.

use std::os::unix::fs::PermissionsExt;

use cloud::{Server, ServerOptions, StartServerError};

use crate::harness::{TestServer, config};

async fn start_error(config: cloud::Config) -> String {
    let error = Server::start(config, ServerOptions::default()).await.unwrap_err();
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[tokio::test]
async fn secrets_in_the_data_folder_belong_to_their_owner_alone() {
    let server = TestServer::start().await;
    for file in ["admin-api-key", "token-key", "tls/ca-key.pem", "tls/server-key.pem"] {
        let mode = std::fs::metadata(server.folder().join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
}

#[tokio::test]
async fn a_busy_port_is_named_and_the_folder_is_free_again() {
    let server = TestServer::start().await;
    let folder = tempfile::tempdir().unwrap();
    let mut busy = config(folder.path());
    busy.listen = server.running.plain_addr;
    let error = Server::start(busy, ServerOptions::default()).await.unwrap_err();
    assert!(
        matches!(error, StartServerError::AddressInUse { address } if address == server.running.plain_addr)
    );
    let running = Server::start(config(folder.path()), ServerOptions::default()).await.unwrap();
    running.shutdown().await;
}

#[tokio::test]
async fn a_folder_in_use_a_file_in_its_place_and_a_strange_database_are_explained() {
    let server = TestServer::start().await;
    let text = start_error(config(server.folder())).await;
    assert!(text.contains("another server is already using"), "{text}");

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "x").unwrap();
    let text = start_error(config(&file)).await;
    assert!(text.contains("cannot use the data folder"), "{text}");

    std::fs::write(folder.path().join("rehome.db"), "this is no database").unwrap();
    let text = start_error(config(folder.path())).await;
    assert!(text.contains("is not a Rehome database"), "{text}");
    assert_eq!(std::fs::read_to_string(folder.path().join("rehome.db")).unwrap(), "this is no database");
}

#[tokio::test]
async fn a_bad_configuration_is_refused_before_anything_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let mut half = config(&folder.path().join("data"));
    half.tls_cert = Some("cert.pem".into());
    let text = start_error(half).await;
    assert!(text.contains("belong together"), "{text}");
    assert!(!folder.path().join("data").exists());
}

#[tokio::test]
async fn the_second_start_on_a_folder_takes_less_than_two_seconds() {
    let server = TestServer::start().await;
    let started = std::time::Instant::now();
    let server = server.restart().await;
    let answer = crate::http_client::request(server.running.plain_addr, "GET", "/healthz", &[], None).await;
    assert_eq!(answer.status, 200);
    assert!(started.elapsed() < std::time::Duration::from_secs(2), "{:?}", started.elapsed());
}
