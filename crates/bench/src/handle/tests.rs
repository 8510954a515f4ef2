use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

use crate::live_stage::{
    add_board, ask, plain_cloud, portal_address, serve_device, set_up, start, wait_for, wait_for_sight,
};

#[tokio::test]
async fn a_live_board_is_set_up_over_real_sockets_and_logs_in_at_a_real_server() {
    let (address, mut sights) = plain_cloud().await;
    let handle = start(Some(address), None, "");
    let board = add_board(&handle).await;
    let portal = portal_address(&handle, &board).await;
    let page = ask(portal, &format!("GET / HTTP/1.1\r\nHost: {portal}\r\n\r\n")).await;
    assert!(page.starts_with("HTTP/1.1 200") && page.contains("</html>"), "the whole page arrives");
    set_up(&handle, &board, "80").await;
    wait_for_sight(&mut sights, "login").await;
    wait_for_sight(&mut sights, "20").await;
    let view = wait_for(&handle, &board, |view| view.report.state == "RUNNING").await;
    assert!(view.flash.is_home_stored);
    wait_for(&handle, &board, |view| view.hotspot_ssid.is_none()).await;
    assert!(TcpStream::connect(portal).await.is_err(), "a closed hotspot does not listen");
}

#[tokio::test]
async fn the_portal_keeps_its_port_and_power_loss_sends_no_end_of_stream() {
    let (address, mut sights) = plain_cloud().await;
    let handle = start(Some(address), None, "");
    let board = add_board(&handle).await;
    let portal = portal_address(&handle, &board).await;
    set_up(&handle, &board, "80").await;
    wait_for_sight(&mut sights, "login").await;
    wait_for(&handle, &board, |view| view.report.state == "RUNNING").await;
    let unplugged = board.clone();
    handle
        .call(move |live| {
            live.bench().cut_power(&unplugged).unwrap();
            let van = live.bench().move_board(&unplugged, None);
            live.bench().give_power(&unplugged).unwrap();
            van
        })
        .await
        .unwrap()
        .unwrap();
    wait_for(&handle, &board, |view| view.hotspot_ssid.is_some()).await;
    assert_eq!(portal_address(&handle, &board).await, portal);
    while let Ok(sight) = sights.try_recv() {
        assert_ne!(sight, "gone", "the server learns nothing but silence");
    }
}

/// A TLS cloud for `localhost`; returns its certificate as PEM.
async fn tls_cloud() -> (std::net::SocketAddr, mpsc::UnboundedReceiver<String>, String) {
    let issued = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(issued.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![issued.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (seen, sights) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, seen) = (acceptor.clone(), seen.clone());
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    serve_device(stream, seen).await;
                }
            });
        }
    });
    (address, sights, issued.cert.pem())
}

#[tokio::test]
async fn a_live_board_logs_in_over_tls_when_the_certificate_checks_out() {
    let (address, mut sights, certificate) = tls_cloud().await;
    let handle = start(None, Some(address), &certificate);
    let board = add_board(&handle).await;
    set_up(&handle, &board, "9443").await;
    wait_for_sight(&mut sights, "login").await;
    wait_for(&handle, &board, |view| view.report.state == "RUNNING").await;
}

#[tokio::test]
async fn a_live_board_refuses_a_certificate_it_does_not_trust_and_sends_no_token() {
    let (address, mut sights, _certificate) = tls_cloud().await;
    let (_, _, other_certificate) = tls_cloud().await;
    let handle = start(None, Some(address), &other_certificate);
    let board = add_board(&handle).await;
    set_up(&handle, &board, "443").await;
    let view = wait_for(&handle, &board, |view| view.report.last_error != 0).await;
    assert_eq!(view.report.last_error, 711);
    assert!(sights.try_recv().is_err(), "nothing was sent to a server that did not prove its name");
}

#[tokio::test]
async fn the_demo_world_has_two_places_and_a_board_of_every_kind() {
    let handle = start(None, None, "");
    handle.add_demo_world("TMPLdemo").await.unwrap();
    let (places, boards) =
        handle.call(|live| (live.bench().places().len(), live.bench().boards().len())).await.unwrap();
    assert_eq!((places, boards), (2, 3));
}
