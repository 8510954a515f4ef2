//! The Unix socket of the local API.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::unix::OwnedWriteHalf;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Semaphore, broadcast};

use super::message::{Answer, LINE_BYTES_MAX, Request, parse, render};
use super::pins::{Pins, Told};

/// Applications served side by side.
const CLIENT_COUNT_MAX: usize = 16;
/// How long an application may take to read a line.
const WRITE_TIMEOUT: Duration = Duration::from_secs(2);
/// Applications of the agent's group may take part, others not.
const MODE: u32 = 0o660;
/// Wait after a connection that could not be accepted.
const ACCEPT_RETRY_WAIT: Duration = Duration::from_millis(500);

/// The socket cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("{action} {path}", path = .path.display())]
pub struct OpenSocketError {
    action: &'static str,
    path: PathBuf,
    #[source]
    source: io::Error,
}

/// Opens the socket and serves it in the background, on the caller's `LocalSet`, until the returned task is aborted.
pub(crate) fn serve(path: &Path, pins: Rc<Pins>) -> Result<tokio::task::JoinHandle<()>, OpenSocketError> {
    let error = |action| move |source| OpenSocketError { action, path: path.to_owned(), source };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(error("making the folder of"))?;
    }
    // What an earlier run left behind. The state file's lock says that no other agent is alive.
    if fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket()) {
        fs::remove_file(path).map_err(error("removing the old"))?;
    }
    let listener = UnixListener::bind(path).map_err(error("listening at"))?;
    fs::set_permissions(path, fs::Permissions::from_mode(MODE)).map_err(error("protecting"))?;
    Ok(tokio::task::spawn_local(accept(listener, pins)))
}

async fn accept(listener: UnixListener, pins: Rc<Pins>) {
    let places = Arc::new(Semaphore::new(CLIENT_COUNT_MAX));
    // Ends with this task, so that aborting it closes every connection.
    let mut clients = tokio::task::JoinSet::new();
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        while clients.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, _address)) => {
                let pins = Rc::clone(&pins);
                clients.spawn_local(async move {
                    if let Err(error) = serve_client(stream, &pins).await {
                        tracing::debug!(%error, "an application of the local API is gone");
                    }
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "an application could not be let in");
                tokio::time::sleep(ACCEPT_RETRY_WAIT).await;
            }
        }
    }
}

async fn serve_client(stream: UnixStream, pins: &Pins) -> io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut lines = Lines::of(BufReader::new(reader));
    let mut notices: Option<Subscription> = None;
    loop {
        tokio::select! {
            biased;
            line = lines.next() => {
                let Some(line) = line? else { return Ok(()) };
                let answer = handle(&line, pins, &mut notices);
                send(&mut writer, &answer).await?;
            }
            notice = next_notice(&mut notices) => send(&mut writer, &notice?).await?,
        }
    }
}

/// What one application wants to be told.
#[derive(Debug)]
pub(super) struct Subscription {
    notices: broadcast::Receiver<Told>,
    wants_led: bool,
}

async fn next_notice(notices: &mut Option<Subscription>) -> io::Result<String> {
    let Some(Subscription { notices, wants_led }) = notices else {
        return std::future::pending().await;
    };
    loop {
        let told = notices.recv().await.map_err(|error| match error {
            // Notices are gone, and an application that believes it saw all of them would be wrong.
            RecvError::Lagged(_) => io::Error::new(io::ErrorKind::TimedOut, "it reads too slowly"),
            RecvError::Closed => io::ErrorKind::BrokenPipe.into(),
        })?;
        if *wants_led || !told.is_led {
            return Ok(told.line);
        }
    }
}

async fn send(writer: &mut OwnedWriteHalf, line: &str) -> io::Result<()> {
    match tokio::time::timeout(WRITE_TIMEOUT, writer.write_all(line.as_bytes())).await {
        Ok(written) => written,
        Err(_elapsed) => Err(io::ErrorKind::TimedOut.into()),
    }
}

/// Answers a line.
pub(super) fn handle(line: &[u8], pins: &Pins, notices: &mut Option<Subscription>) -> String {
    let request = match parse(line) {
        Ok(request) => request,
        Err(reason) => return render(&Answer::Refused { ok: false, error: &reason }),
    };
    match request {
        Request::Write { pin, value } => match pins.write(pin, value.into_text()) {
            Ok(()) => render(&Answer::Done { ok: true }),
            Err(reason) => render(&Answer::Refused { ok: false, error: &reason.to_string() }),
        },
        Request::Read { pin } => render(&Answer::Values { ok: true, pin, values: pins.read(pin) }),
        Request::State => {
            let (state, led, problems) = (pins.state(), pins.led(), pins.problems());
            render(&Answer::State { ok: true, state, led, problems: &problems })
        }
        Request::Console { line } => match pins.queue_line(line) {
            Ok(()) => render(&Answer::Done { ok: true }),
            Err(reason) => render(&Answer::Refused { ok: false, error: &reason.to_string() }),
        },
        Request::Subscribe { led: wants_led } => {
            *notices = Some(Subscription { notices: pins.subscribe(), wants_led });
            render(&Answer::Done { ok: true })
        }
    }
}

/// Reads lines of bounded length.
pub(super) struct Lines<R> {
    reader: R,
    /// The beginning of a line whose end has not come.
    line: Vec<u8>,
}

impl<R: AsyncBufRead + Unpin> Lines<R> {
    pub(super) fn of(reader: R) -> Self {
        Self { reader, line: Vec::new() }
    }

    /// Returns the next line without its end; `None` at the end of the stream.
    ///
    /// # Cancel safety
    /// What was read of a line is kept.
    pub(super) async fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            // One byte more than a line may have shows that it is too long; the end of the line counts too.
            let room_bytes = (LINE_BYTES_MAX + 1).saturating_sub(self.line.len());
            let room_bytes = u64::try_from(room_bytes).unwrap_or(u64::MAX);
            let read_bytes = (&mut self.reader).take(room_bytes).read_until(b'\n', &mut self.line).await?;
            if self.line.last() == Some(&b'\n') {
                self.line.pop();
                let line = std::mem::take(&mut self.line);
                if line.iter().all(u8::is_ascii_whitespace) {
                    continue;
                }
                return Ok(Some(line));
            }
            if self.line.len() > LINE_BYTES_MAX {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "the line is too long"));
            }
            if read_bytes == 0 {
                return Ok(None);
            }
        }
    }
}
