//! A disk that is slow or does not answer, and a fault in the thread that writes: devices are told to try later, never that their
//! token is invalid, and nothing that was acknowledged is gone.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use cloud::{CommitHook, ServerOptions};
use serde_json::json;

use crate::device_client::{Device, HARDWARE, PING, frame};
use crate::harness::{DEADLINE, TestServer};

/// A disk that a test can stop.
#[derive(Default)]
struct Disk {
    is_stopped: Mutex<bool>,
    changed: Condvar,
}

impl Disk {
    /// Stops until the returned value is dropped, also by a test that fails: a server waits for its writer when it ends.
    fn stop(&self) -> Stopped<'_> {
        *self.is_stopped.lock().unwrap() = true;
        Stopped(self)
    }

    fn hook(self: &Arc<Self>) -> CommitHook {
        let disk = Arc::clone(self);
        CommitHook::new(move || {
            let stopped = disk.is_stopped.lock().unwrap();
            drop(disk.changed.wait_while(stopped, |is_stopped| *is_stopped).unwrap());
        })
    }
}

struct Stopped<'a>(&'a Disk);

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        *self.0.is_stopped.lock().unwrap() = false;
        self.0.changed.notify_all();
    }
}

async fn start(hook: CommitHook) -> TestServer {
    let options = ServerOptions { before_commit: Some(hook), ..ServerOptions::default() };
    TestServer::start_with_options(options, |_config| {}).await
}

async fn wait_until(what: &str, mut is_reached: impl AsyncFnMut() -> bool) {
    let started = tokio::time::Instant::now();
    while !is_reached().await {
        assert!(started.elapsed() < DEADLINE, "waited for {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn is_ready(server: &TestServer) -> bool {
    server.send("GET", "/readyz", None).await.status == 200
}

#[tokio::test]
async fn a_slow_disk_delays_answers_and_loses_none() {
    let server = start(CommitHook::new(|| std::thread::sleep(Duration::from_millis(100)))).await;
    let mut devices = Vec::new();
    for _ in 0..5 {
        devices.push(server.create_device().await);
    }
    for round in 1..=3 {
        for (id, token) in &devices {
            let mut device = Device::log_in(&server, token).await;
            for number in 1..=20 {
                device.send(&frame(HARDWARE, 2, &format!("vw|1|{round}-{number}"))).await;
            }
            device.ping(3).await;
            // Acknowledged is stored, and reading does not wait for the disk.
            let path = format!("/api/v1/devices/{id}/datastreams/1");
            let reading = server.get(&path);
            let stored = tokio::time::timeout(Duration::from_secs(5), reading).await.unwrap();
            assert_eq!(stored["value"], format!("{round}-20"));
        }
    }
}

#[tokio::test]
async fn while_the_disk_does_not_answer_devices_try_later_and_then_everything_goes_on() {
    let disk = Arc::new(Disk::default());
    let server = start(disk.hook()).await;
    let (id, token) = server.create_device().await;
    let mut connected = Device::log_in(&server, &token).await;
    connected.send(&frame(HARDWARE, 2, "vw|1|kept")).await;
    connected.ping(3).await;

    let stopped = disk.stop();
    connected.send(&frame(HARDWARE, 4, "vw|1|waiting")).await;
    connected.send(&frame(PING, 5, "")).await;
    wait_until("an unready server", async || !is_ready(&server).await).await;
    // Known, unknown and once more: nobody is let in, nobody is sent away for good, and nobody waits for long.
    for presented in [token.as_str(), "AbCdEfGhIjKlMnOpQrStUvWxYz012345", token.as_str()] {
        let mut late = Device::connect(&server).await;
        assert_eq!(late.try_login(presented).await, Some(19));
    }
    // Health, metrics and reading go on.
    assert_eq!(server.send("GET", "/healthz", None).await.status, 200);
    let metrics = server.send("GET", "/metrics", None).await.text();
    assert!(metrics.contains("store_writer_healthy 0"), "{metrics}");
    let value = server.get(&format!("/api/v1/devices/{id}/datastreams/1")).await;
    assert_eq!(value["value"], "kept", "what is not stored does not show");

    drop(stopped);
    // The ping that waited is answered, and what stood before it is there.
    let answer = connected.next().await.expect("the connection is kept");
    assert_eq!((answer.id, answer.status()), (5, Some(200)));
    wait_until("a ready server", async || is_ready(&server).await).await;
    let value = server.get(&format!("/api/v1/devices/{id}/datastreams/1")).await;
    assert_eq!(value["value"], "waiting");
    Device::log_in(&server, &token).await.ping(2).await;
}

#[tokio::test]
async fn a_fault_in_the_writer_asks_for_a_new_start_which_finds_everything_acknowledged() {
    let is_faulty = Arc::new(AtomicBool::new(false));
    let fault = Arc::clone(&is_faulty);
    let server = start(CommitHook::new(move || {
        assert!(!fault.load(Ordering::Acquire), "what a test does");
    }))
    .await;
    let (id, token) = server.create_device().await;
    let mut device = Device::log_in(&server, &token).await;
    device.send(&frame(HARDWARE, 2, "vw|1|kept")).await;
    device.ping(3).await;
    is_faulty.store(true, Ordering::Release);
    let path = format!("/api/v1/devices/{id}/datastreams/1");
    let refused = server.send("PUT", &path, Some(json!({"value": "lost"}))).await;
    assert_eq!(refused.status, 503, "{}", refused.text());
    tokio::time::timeout(DEADLINE, server.running.wait_for_failure())
        .await
        .expect("a new start is asked for");
    assert_eq!(server.send("GET", "/readyz", None).await.status, 503);
    let mut late = Device::connect(&server).await;
    assert_eq!(late.try_login(&token).await, Some(19), "try later, and never 9");
    let server = server.restart().await;
    assert_eq!(server.get(&path).await["value"], "kept");
    Device::log_in(&server, &token).await.ping(2).await;
}
