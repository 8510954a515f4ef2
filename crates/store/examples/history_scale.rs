//! How history behaves with many points: `cargo run --release -p store --example history_scale -- 10000000 1000`.
//!
//! Writes that many points over that many pins, all of them moved into chunks on the way, then asks questions. Prints
//! numbers and asserts none. With a third argument `clustered` it writes the same points into one table that is clustered
//! by stream and time instead, which is what decision 0040 weighed the chunks against.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a measurement")]

use std::path::Path;
use std::time::{Duration, Instant};

use registry::{DeviceId, Epoch, TemplateId, Token, UtcTime};
use store::{Change, HistoryOf, HistoryQuery, Maintained, NewDevice, NewValue, Store};
use telemetry::{Pin, RollupStep, Value};

const END_MS: i64 = 1_795_000_000_000;
/// 31 days, over which the points of each pin are spread evenly.
const SPAN_MS: i64 = 31 * 86_400_000;
const PINS_PER_DEVICE: u32 = 5;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let points = arguments.get(1).and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    let streams = arguments.get(2).and_then(|text| text.parse().ok()).unwrap_or(1_000);
    let folder = tempfile::tempdir().unwrap();
    if arguments.get(3).is_some_and(|mode| mode == "clustered") {
        return clustered(folder.path(), points, streams);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    runtime.block_on(chunks(folder.path(), points, streams));
}

/// A sensor that drifts: two digits and one decimal.
fn sample(index: i64, stream: u32) -> String {
    let drift = (index * 7 + i64::from(stream) * 13) % 97 + index % 3;
    format!("{}.{}", 20 + drift / 10, drift % 10)
}

fn device_id(device: u32) -> DeviceId {
    DeviceId::from_random(std::array::from_fn(|index| {
        u8::try_from(device >> (5 * index.min(6)) & 31).unwrap()
    }))
}

async fn chunks(folder: &Path, points: i64, streams: u32) {
    let store = Store::open(folder).unwrap();
    let template_id = TemplateId::from_random([1; 10]);
    let owner = || Change::by("owner", UtcTime::from_unix_ms(END_MS));
    store.create_template(template_id.clone(), "Scale".to_owned(), owner()).await.unwrap();
    let device_count = streams.div_ceil(PINS_PER_DEVICE);
    let mut sinks = Vec::new();
    for device in 0..device_count {
        let mut random = [0; 24];
        random[..4].copy_from_slice(&device.to_be_bytes());
        let new = NewDevice {
            id: device_id(device),
            template_id: template_id.clone(),
            name: String::new(),
            token: Token::from_random(random),
        };
        store.create_device(new, owner()).await.unwrap();
        sinks.push(store.value_sink(device_id(device), Epoch::FIRST));
    }
    let rounds = points / i64::from(device_count * PINS_PER_DEVICE);
    let (began_at, cpu_before) = (Instant::now(), cpu());
    let (mut moving, mut longest_step) = (Duration::ZERO, Duration::ZERO);
    let mut since_moving = 0;
    for round in 0..rounds {
        let at = UtcTime::from_unix_ms(END_MS - SPAN_MS + SPAN_MS / rounds * round);
        for (device, sink) in (0..).zip(&sinks) {
            let values = (0..PINS_PER_DEVICE).map(|pin| {
                let value = Value::from_text(&sample(round, device * PINS_PER_DEVICE + pin)).unwrap();
                NewValue::live(Pin::new(u8::try_from(pin).unwrap()), value)
            });
            sink.accept(values.collect(), at).await.unwrap();
            since_moving += PINS_PER_DEVICE;
            if since_moving >= 65_536 {
                since_moving = 0;
                sink.flush().await.unwrap();
                let moving_began_at = Instant::now();
                loop {
                    let step_began_at = Instant::now();
                    let maintained = store.compact_history(65_000).await.unwrap();
                    longest_step = longest_step.max(step_began_at.elapsed());
                    if maintained == Maintained::Done {
                        break;
                    }
                }
                moving += moving_began_at.elapsed();
            }
        }
    }
    for sink in &sinks {
        sink.flush().await.unwrap();
    }
    let spent = began_at.elapsed();
    let written = rounds * i64::from(device_count * PINS_PER_DEVICE);
    report_writing(written, spent, cpu().saturating_sub(cpu_before));
    println!("of it moving into chunks {moving:?}, longest step {longest_step:?}");
    println!("{:.1} bytes a point on disk", bytes_of(folder) / count(written));
    ask(&store).await;
    let began_at = Instant::now();
    store.begin_release(device_id(0), owner()).await.unwrap();
    println!(
        "release of a device with {} points: {:?}",
        rounds * i64::from(PINS_PER_DEVICE),
        began_at.elapsed()
    );
}

async fn ask(store: &Store) {
    let query = |from_days: i64, limit: u32| HistoryQuery {
        device: device_id(1),
        of: HistoryOf::CurrentOwnership,
        pin: Pin::new(1),
        from: UtcTime::from_unix_ms(END_MS - from_days * 86_400_000),
        to: UtcTime::from_unix_ms(END_MS),
        limit,
        cursor: None,
    };
    for (name, days) in [("hour of raw values", 0), ("day of raw values", 1), ("month of raw values", 31)] {
        let mut query = query(days, 10_000);
        if days == 0 {
            query.from = UtcTime::from_unix_ms(END_MS - 3_600_000);
        }
        let began_at = Instant::now();
        let page = store.raw_history(query).await.unwrap();
        println!("{name}: {:?}, first page of {} rows", began_at.elapsed(), page.rows.len());
    }
    for (name, days, step) in [
        ("day of minutes", 1, RollupStep::Minute),
        ("month of hours", 31, RollupStep::Hour),
        ("month of days", 31, RollupStep::Day),
    ] {
        let began_at = Instant::now();
        let page = store.rolled_history(query(days, 10_000), step).await.unwrap();
        println!("{name}: {:?}, {} rows", began_at.elapsed(), page.rows.len());
    }
}

fn clustered(folder: &Path, points: i64, streams: u32) {
    let conn = rusqlite::Connection::open(folder.join("clustered.db")).unwrap();
    conn.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())).unwrap();
    conn.pragma_update(None, "synchronous", "FULL").unwrap();
    conn.execute_batch(
        "CREATE TABLE points (stream INTEGER, at INTEGER, seq INTEGER, value BLOB,
                              PRIMARY KEY (stream, at, seq)) STRICT, WITHOUT ROWID",
    )
    .unwrap();
    let rounds = points / i64::from(streams);
    let (began_at, cpu_before) = (Instant::now(), cpu());
    let mut seq = 0_i64;
    conn.execute_batch("BEGIN").unwrap();
    for round in 0..rounds {
        let at = END_MS - SPAN_MS + SPAN_MS / rounds * round;
        for stream in 0..streams {
            let value = sample(round, stream).into_bytes();
            conn.prepare_cached("INSERT INTO points VALUES (?1, ?2, ?3, ?4)")
                .unwrap()
                .execute((stream, at, seq, value))
                .unwrap();
            seq += 1;
            // 500 points a transaction: what 5 ms bring at 100,000 a second.
            if seq % 500 == 0 {
                conn.execute_batch("COMMIT; BEGIN").unwrap();
            }
        }
    }
    conn.execute_batch("COMMIT").unwrap();
    report_writing(seq, began_at.elapsed(), cpu().saturating_sub(cpu_before));
    println!("{:.1} bytes a point on disk", bytes_of(folder) / count(seq));
}

fn report_writing(points: i64, spent: Duration, cpu: Duration) {
    println!(
        "{points} points written in {spent:?}: {:.2} µs of processor time and {:.2} µs a point",
        cpu.as_secs_f64() * 1e6 / count(points),
        spent.as_secs_f64() * 1e6 / count(points)
    );
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn count(points: i64) -> f64 {
    points as f64
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn bytes_of(folder: &Path) -> f64 {
    let files = std::fs::read_dir(folder).unwrap();
    files.map(|file| file.unwrap().metadata().unwrap().len()).sum::<u64>() as f64
}

/// Processor time of this process, in steps of 10 ms: fields 14 and 15 of `/proc/self/stat`, see proc(5).
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let after_name = stat.rsplit_once(')').unwrap().1;
    let ticks: u64 =
        after_name.split_whitespace().skip(11).take(2).map(|field| field.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 10)
}
