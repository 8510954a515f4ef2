//! Every scenario against a small server in this process that answers as the protocol says.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use wire::{BODY_BYTES_MAX, Command, Frame, Parsed, Status};

use super::*;

/// What the small server does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    /// Every login is answered with status 19.
    RefusesLogins,
    /// Every value is answered with status 1.
    RefusesValues,
    /// The connection is closed at the first ping.
    ClosesAtPing,
}

type Watching = Arc<Mutex<Option<tokio::sync::mpsc::UnboundedSender<Vec<u8>>>>>;

async fn start(fault: Fault) -> Target {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = listener.local_addr().unwrap().to_string().parse().unwrap();
    let watching = Watching::default();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, fault, Arc::clone(&watching)));
        }
    });
    target
}

/// Serves one connection; whoever logged in first gets everything that is written.
async fn serve(stream: tokio::net::TcpStream, fault: Fault, watching: Watching) {
    let (mut reader, mut writer) = stream.into_split();
    let (queue, mut queued) = tokio::sync::mpsc::unbounded_channel::<Vec<u8>>();
    tokio::spawn(async move {
        while let Some(bytes) = queued.recv().await {
            // Nothing to write stands for the end.
            if bytes.is_empty() || writer.write_all(&bytes).await.is_err() {
                break;
            }
        }
    });
    let mut buffer = bytes::BytesMut::new();
    while reader.read_buf(&mut buffer).await.is_ok_and(|count| count > 0) {
        while let Ok(Parsed::Complete { frame, consumed_bytes }) = Frame::parse(&buffer, BODY_BYTES_MAX) {
            let Frame::Message { message_id, command, .. } = frame else { return };
            let status = match (command, fault) {
                (Command::Login, Fault::RefusesLogins) => Some(Status::ServerException),
                (Command::Hardware, Fault::RefusesValues) => Some(Status::QuotaLimit),
                (Command::Ping, Fault::ClosesAtPing) => {
                    queue.send(Vec::new()).ok();
                    return;
                }
                (Command::Hardware, _) => None,
                _ => Some(Status::Success),
            };
            if let Some(status) = status {
                let mut answer = [0; 5];
                Frame::Response { message_id, status }.encode(&mut answer).unwrap();
                queue.send(answer.to_vec()).ok();
            }
            let mut watching = watching.lock().unwrap();
            if command == Command::Login {
                watching.get_or_insert_with(|| queue.clone());
            } else if let (Command::Hardware, Some(watcher)) = (command, watching.as_ref()) {
                watcher.send(buffer[..consumed_bytes].to_vec()).ok();
            }
            drop(buffer.split_to(consumed_bytes));
        }
    }
}

fn plan(target: Target) -> Plan {
    Plan {
        target,
        protocol: Protocol::Blynk,
        trust: None,
        source_count: 3,
        tokens: Tokens::made_up(10),
        server: Some(ServerProcess::new(std::process::id())),
    }
}

fn ingest() -> Scenario {
    Scenario::Ingest {
        connection_count: 4,
        messages_each: 10,
        per_write: 3,
        writes_per_ping: 2,
        per_second: None,
    }
}

fn to_watcher() -> Scenario {
    let watcher = Tokens::made_up(1).of(0).clone();
    Scenario::WriteToWatcher { connection_count: 3, count: 50, per_second: 1_000.0, api: None, watcher }
}

#[tokio::test]
async fn every_scenario_does_all_its_units_against_a_good_server() {
    let scenarios = [
        (Scenario::LogIn { count: 20, pace: Pace::Closed { in_flight: 4 } }, 20),
        (Scenario::LogIn { count: 20, pace: Pace::Open { per_second: 1_000.0 } }, 20),
        (Scenario::Idle { connection_count: 8, hold: Duration::ZERO }, 8),
        (ingest(), 40),
        (to_watcher(), 50),
        (Scenario::Storm { connection_count: 8 }, 8),
    ];
    for (scenario, unit_count) in scenarios {
        let report = run(&plan(start(Fault::None).await), &scenario).await.unwrap();
        assert_eq!(report.unit_count, unit_count, "{report}");
        assert!(report.is_complete(), "{report}");
        assert!(report.server.is_some_and(|server| server.resident_after_bytes > 0), "{report}");
        if !matches!(scenario, Scenario::Idle { .. }) {
            assert!(report.latency.is_some_and(|latency| latency.count > 0), "{report}");
        }
    }
}

#[tokio::test]
async fn refused_logins_are_counted_and_the_first_one_is_told() {
    let target = start(Fault::RefusesLogins).await;
    let scenario = Scenario::LogIn { count: 5, pace: Pace::Closed { in_flight: 2 } };
    let report = run(&plan(target), &scenario).await.unwrap();
    assert_eq!((report.unit_count, report.failed_count), (0, 5));
    assert!(report.first_failure.as_ref().is_some_and(|text| text.contains("19")), "{report}");
    let built_on_sand = run(&plan(target), &Scenario::Storm { connection_count: 2 }).await;
    assert!(matches!(built_on_sand, Err(RunLoadError::BuildUp { .. })), "{built_on_sand:?}");
}

#[tokio::test]
async fn values_that_are_refused_or_never_acknowledged_are_not_counted_as_done() {
    let report = run(&plan(start(Fault::RefusesValues).await), &ingest()).await.unwrap();
    assert_eq!(report.not_taken_count, 40, "{report}");
    assert!(!report.is_complete());
    let report = run(&plan(start(Fault::ClosesAtPing).await), &ingest()).await.unwrap();
    assert_eq!((report.unit_count, report.failed_count), (0, 40), "{report}");
}

#[tokio::test]
async fn numbers_that_make_no_sense_are_refused_before_anything_is_connected() {
    let plan = plan("127.0.0.1:1".parse().unwrap());
    let scenarios = [
        Scenario::LogIn { count: 0, pace: Pace::Closed { in_flight: 1 } },
        Scenario::LogIn { count: 1, pace: Pace::Open { per_second: f64::NAN } },
        Scenario::Storm { connection_count: 0 },
        Scenario::Ingest {
            connection_count: 1,
            messages_each: 1,
            per_write: 0,
            writes_per_ping: 1,
            per_second: None,
        },
    ];
    for scenario in scenarios {
        let refused = run(&plan, &scenario).await;
        assert!(matches!(refused, Err(RunLoadError::Number { .. })), "{scenario:?}: {refused:?}");
    }
    let too_few_tokens = run(&plan, &Scenario::Storm { connection_count: 11 }).await;
    assert!(matches!(too_few_tokens, Err(RunLoadError::Tokens { .. })), "{too_few_tokens:?}");
    let no_source = run(&Plan { source_count: 0, ..plan }, &to_watcher()).await;
    assert!(matches!(no_source, Err(RunLoadError::Number { .. })));
}
