use std::sync::mpsc;
use std::task::Poll;

use registry::{DeviceId, Epoch, LookedUp, Token, UtcTime};

use super::*;
use crate::Store;

fn put(work: &Work<'_>, name: &str) -> Result<(), StorageError> {
    work.conn.execute("INSERT INTO settings (name, value) VALUES (?1, x'01')", [name])?;
    Ok(())
}

async fn names(store: &Store) -> Vec<String> {
    let read = store.read(|conn| -> Result<Vec<String>, StorageError> {
        let mut statement = conn.prepare("SELECT name FROM settings WHERE value = x'01' ORDER BY name")?;
        let names = statement.query_map([], |row| row.get(0))?;
        Ok(names.collect::<Result<_, _>>()?)
    });
    read.await.unwrap()
}

/// Queues writes while the writer is held up, so that all of them come into one transaction.
async fn in_one_batch<T>(store: &Store, writes: impl Future<Output = T>) -> T {
    let (go, wait) = mpsc::channel::<()>();
    let (started, is_started) = mpsc::channel();
    let gate = store.write(move |_| -> Result<(), StorageError> {
        started.send(()).unwrap();
        // Ends when `go` is dropped.
        assert!(wait.recv().is_err());
        Ok(())
    });
    let (mut gate, mut writes) = (Box::pin(gate), Box::pin(writes));
    // One poll of each puts it into the queue.
    std::future::poll_fn(|context| {
        assert!(gate.as_mut().poll(context).is_pending());
        is_started.recv().unwrap();
        assert!(writes.as_mut().poll(context).is_pending());
        Poll::Ready(())
    })
    .await;
    drop(go);
    gate.await.unwrap();
    writes.await
}

#[tokio::test]
async fn a_write_that_fails_half_way_leaves_nothing_and_does_not_harm_its_neighbours() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let token = Token::from_random([1; 24]);
    let hash = store.hash_token(&token);
    let half = move |work: &mut Work<'_>| -> Result<(), StorageError> {
        put(work, "half")?;
        work.conn.execute(
            "INSERT INTO tokens (hash, kind, created_at) VALUES (?1, 'revoked', 0)",
            [hash.as_bytes()],
        )?;
        work.token_changed(&hash)?;
        Err(StorageError::Damaged { what: "a test" })
    };
    let writes = async {
        tokio::join!(
            store.write(|work| put(work, "before")),
            store.write(half),
            store.write(|work| put(work, "after")),
        )
    };
    let (before, half, after) = in_one_batch(&store, writes).await;
    assert!(before.is_ok() && after.is_ok());
    assert!(matches!(half, Err(StorageError::Damaged { what: "a test" })));
    assert_eq!(names(&store).await, ["after", "before"]);
    assert_eq!(store.look_up_token(token.expose().as_bytes()), LookedUp::Unknown);
}

#[tokio::test]
async fn when_the_transaction_ends_by_itself_nobody_is_told_that_anything_was_stored() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let writes = async {
        tokio::join!(
            store.write(|work| put(work, "before")),
            store.write(|work| -> Result<(), StorageError> {
                // What SQLite does by itself when, for one, the disk is full.
                work.conn.execute_batch("ROLLBACK")?;
                Err(StorageError::DiskFull)
            }),
            store.write(|work| put(work, "after")),
        )
    };
    let (before, full, after) = in_one_batch(&store, writes).await;
    assert!(matches!(before, Err(StorageError::BatchFailed)), "{before:?}");
    assert!(matches!(full, Err(StorageError::DiskFull)), "{full:?}");
    assert!(matches!(after, Err(StorageError::BatchFailed)), "{after:?}");
    assert_eq!(names(&store).await, [""; 0]);
    store.check_health().await.unwrap();
}

#[tokio::test]
async fn a_caller_that_stops_waiting_does_not_stop_the_write() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let mut impatient = Box::pin(store.write(|work| put(work, "kept")));
    std::future::poll_fn(|context| {
        drop(impatient.as_mut().poll(context));
        Poll::Ready(())
    })
    .await;
    drop(impatient);
    store.check_health().await.unwrap();
    assert_eq!(names(&store).await, ["kept"]);
}

#[tokio::test]
async fn a_writer_that_panics_ends_and_everybody_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    assert_eq!(store.writer_health(), WriterHealth::Working);
    let token = Token::from_random([1; 24]);
    let outcome = store.write(|_| -> Result<(), StorageError> { panic!("what a test does") }).await;
    assert!(matches!(outcome, Err(StorageError::Closed)), "{outcome:?}");
    assert!(matches!(store.check_health().await, Err(StorageError::Closed)));
    let sink = store.value_sink(DeviceId::from_random([1; 10]), Epoch::FIRST);
    assert!(sink.accept(Vec::new(), UtcTime::from_unix_ms(0)).await.is_err());
    assert!(sink.flush().await.is_err());
    assert_eq!(store.writer_health(), WriterHealth::Ended);
    // Tokens are still told apart, so that nobody is refused for good.
    assert_eq!(store.look_up_token(token.expose().as_bytes()), LookedUp::Unknown);
    drop((store, sink));
    Store::open(folder.path()).unwrap();
}

#[tokio::test]
async fn a_transaction_that_fails_shows_in_the_health_until_one_succeeds() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let full = store.write(|work| -> Result<(), StorageError> {
        work.conn.execute_batch("ROLLBACK")?;
        Err(StorageError::DiskFull)
    });
    assert!(full.await.is_err());
    assert_eq!(store.writer_health(), WriterHealth::Failing);
    store.check_health().await.unwrap();
    assert_eq!(store.writer_health(), WriterHealth::Working);
    assert_eq!(store.writer_statistics().failed_count, 1);
}

#[tokio::test]
async fn a_slow_disk_makes_senders_wait_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let device = DeviceId::from_random([1; 10]);
    let now = UtcTime::from_unix_ms(1_795_000_000_000);
    let template_id = registry::TemplateId::from_random([1; 10]);
    store.create_template(template_id.clone(), String::new(), crate::Change::by("owner", now)).await.unwrap();
    let new = crate::NewDevice {
        id: device.clone(),
        template_id,
        name: String::new(),
        token: Token::from_random([1; 24]),
    };
    store.create_device(new, crate::Change::by("owner", now)).await.unwrap();
    let sink = store.value_sink(device.clone(), Epoch::FIRST);
    let pin = telemetry::Pin::new(1);
    let accept = |number: usize| {
        let value = telemetry::Value::from_text(&number.to_string()).unwrap();
        let sink = sink.clone();
        async move { sink.accept(vec![crate::NewValue::live(pin, value)], now).await.unwrap() }
    };
    let senders = async {
        for number in 0..QUEUE_ITEMS_MAX {
            accept(number).await;
        }
        let mut late = Box::pin(accept(QUEUE_ITEMS_MAX));
        std::future::poll_fn(|context| {
            assert!(late.as_mut().poll(context).is_pending(), "the queue has no bound");
            Poll::Ready(())
        })
        .await;
        late.await;
        sink.flush().await.unwrap();
    };
    // Unconstrained, so that one poll goes as far as the queue lets it.
    in_one_batch(&store, tokio::task::unconstrained(senders)).await;
    let last = store.last_value(device, pin).await.unwrap().unwrap();
    assert_eq!(last.value.texts(), [QUEUE_ITEMS_MAX.to_string()]);
    let stored_count = u64::try_from(QUEUE_ITEMS_MAX).unwrap() + 1;
    assert_eq!(store.writer_statistics().value_count, stored_count);
}
