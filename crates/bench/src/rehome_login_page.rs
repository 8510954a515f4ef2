//! Asks on a virtual board whether a log-in page answers in place of the cloud, as boards and Linux machines do.

use device::captive_portal::{
    PROBE_ANSWER_BYTES_MAX, PROBE_PORT, PROBE_TIMEOUT, ProbeAnswer, probe_request, read_probe_answer,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::board::{BoardHandle, DialSecurity};

/// Says whether somebody answers for a path that the cloud cannot have. Silence and every failure are a no.
pub(crate) async fn answers_for_the_cloud(board: &BoardHandle, host: &str) -> bool {
    let limit_ms = u64::try_from(PROBE_TIMEOUT.as_millis()).unwrap_or(u64::MAX);
    tokio::select! {
        biased;
        answer = ask(board, host) => answer == Some(ProbeAnswer::LoginPage),
        () = board.sleep_ms(limit_ms) => false,
    }
}

async fn ask(board: &BoardHandle, host: &str) -> Option<ProbeAnswer> {
    let random = u32::try_from(board.rng().next_u64() >> 32).unwrap_or_default();
    let request = probe_request(host, random)?;
    let mut pipe = board.dial(host, PROBE_PORT, DialSecurity::Plain).await.ok()?;
    pipe.write_all(request.as_bytes()).await.ok()?;
    let mut received = Vec::with_capacity(PROBE_ANSWER_BYTES_MAX);
    loop {
        let read_bytes = pipe.read_buf(&mut received).await.ok()?;
        let answer = read_probe_answer(&received, host);
        if answer != ProbeAnswer::Incomplete || read_bytes == 0 {
            return Some(answer);
        }
    }
}
