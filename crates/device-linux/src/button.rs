//! The button: one key of an input device of the kernel, such as a line of the board that `gpio-keys` watches.
//!
//! Source of the format: `linux/input.h` and `input-event-codes.h`.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Read as _};
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use device::Event;
use tokio::sync::{Notify, mpsc};

use crate::config::ButtonConfig;

/// Bytes of one event: its time in two machine words, kind (2), code (2), value (4).
const EVENT_BYTES: usize = TIME_BYTES + 8;
const TIME_BYTES: usize = 2 * size_of::<usize>();
/// Kind of what concerns the device itself, `EV_SYN`.
const KIND_SYNC: u16 = 0;
/// Kind of a key that goes down or up, `EV_KEY`.
const KIND_KEY: u16 = 1;
/// Events were lost, `SYN_DROPPED`.
const CODE_DROPPED: u16 = 3;
/// Values of a key; 2 is a repetition while it is down.
const VALUE_RELEASED: i32 = 0;
const VALUE_PRESSED: i32 = 1;
/// Events that wait for the agent, which takes them at once.
const QUEUE_LEN_MAX: usize = 16;
/// Wait before a device that cannot be read is opened again: it may be plugged in.
const OPEN_RETRY_WAIT: Duration = Duration::from_secs(1);

/// What became of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Pressed,
    Released,
    /// It was down, and nobody knows since when it is up.
    Lost,
}

/// A button that is watched as long as the process lives.
#[derive(Debug)]
pub(crate) struct Button {
    changes: RefCell<mpsc::Receiver<Change>>,
    lost: Notify,
}

impl Button {
    /// Watches a key in a thread of its own: reading an input device waits, and not every file can be waited for
    /// otherwise.
    ///
    /// # Errors
    /// When there can be no thread.
    pub(crate) fn watch(config: &ButtonConfig) -> io::Result<Self> {
        let (sender, changes) = mpsc::channel(QUEUE_LEN_MAX);
        let config = config.clone();
        thread::Builder::new().name("button".to_owned()).spawn(move || follow_for_ever(&config, &sender))?;
        Ok(Self { changes: RefCell::new(changes), lost: Notify::new() })
    }

    /// Ready at each press and each release.
    pub(crate) fn poll_event(&self, context: &mut Context<'_>) -> Poll<Event> {
        loop {
            match self.changes.borrow_mut().poll_recv(context) {
                Poll::Ready(Some(Change::Pressed)) => return Poll::Ready(Event::ButtonPressed),
                Poll::Ready(Some(Change::Released)) => return Poll::Ready(Event::ButtonReleased),
                Poll::Ready(Some(Change::Lost)) => self.lost.notify_one(),
                Poll::Ready(None) | Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Waits until a button that was down is gone. Who goes on after that would take its next release for the end of a
    /// very long press, which erases the home.
    pub(crate) async fn until_lost(&self) {
        self.lost.notified().await;
    }
}

fn follow_for_ever(config: &ButtonConfig, changes: &mpsc::Sender<Change>) {
    let mut last_kind = None;
    while !changes.is_closed() {
        let mut is_down = false;
        if let Err(error) = follow(config, changes, &mut is_down)
            && last_kind.replace(error.kind()) != Some(error.kind())
        {
            tracing::warn!(%error, "the button at {} cannot be read", config.device.display());
        }
        if is_down && changes.blocking_send(Change::Lost).is_err() {
            return;
        }
        thread::sleep(OPEN_RETRY_WAIT);
    }
}

/// Reads until the device is gone, which is an error, or nobody listens any more.
fn follow(config: &ButtonConfig, changes: &mpsc::Sender<Change>, is_down: &mut bool) -> io::Result<()> {
    let mut device = File::open(&config.device)?;
    let mut event = [0; EVENT_BYTES];
    loop {
        device.read_exact(&mut event)?;
        let change = match read_event(&event, config.key) {
            Some(Change::Lost) if !*is_down => continue,
            Some(change) => change,
            None => continue,
        };
        *is_down = change == Change::Pressed;
        if changes.blocking_send(change).is_err() {
            return Ok(());
        }
    }
}

fn read_event(event: &[u8; EVENT_BYTES], key: u16) -> Option<Change> {
    let (_time, facts) = event.split_at(TIME_BYTES);
    let &[kind_0, kind_1, code_0, code_1, ref value @ ..] = facts else { return None };
    let value = i32::from_ne_bytes(value.try_into().ok()?);
    match (u16::from_ne_bytes([kind_0, kind_1]), u16::from_ne_bytes([code_0, code_1]), value) {
        (KIND_KEY, code, VALUE_PRESSED) if code == key => Some(Change::Pressed),
        (KIND_KEY, code, VALUE_RELEASED) if code == key => Some(Change::Released),
        (KIND_SYNC, CODE_DROPPED, _) => Some(Change::Lost),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::io::Write as _;
    use std::process::Command;

    use super::*;

    const KEY: u16 = 148;

    fn event(kind: u16, code: u16, value: i32) -> Vec<u8> {
        let time = vec![7; TIME_BYTES];
        [time, kind.to_ne_bytes().into(), code.to_ne_bytes().into(), value.to_ne_bytes().into()].concat()
    }

    async fn next(button: &Button) -> String {
        let event = poll_fn(|context| button.poll_event(context));
        let event = tokio::time::timeout(Duration::from_secs(20), event).await.expect("an event in time");
        format!("{event:?}")
    }

    #[tokio::test]
    async fn presses_and_releases_of_the_one_key_are_told_and_a_device_may_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let device = folder.path().join("event0");
        let plug_in = || assert!(Command::new("mkfifo").arg(&device).status().unwrap().success());
        plug_in();
        let button = Button::watch(&ButtonConfig { device: device.clone(), key: KEY }).unwrap();
        let plugged = || File::options().write(true).open(&device).unwrap();
        let mut kernel = plugged();
        let events = [
            event(KIND_KEY, KEY, VALUE_RELEASED),
            event(KIND_KEY, KEY + 1, VALUE_PRESSED),
            event(2, KEY, VALUE_PRESSED),
            event(KIND_SYNC, CODE_DROPPED, 0),
            event(KIND_KEY, KEY, VALUE_PRESSED),
            event(KIND_KEY, KEY, 2),
            event(KIND_SYNC, 0, 0),
            event(KIND_KEY, KEY, VALUE_RELEASED),
        ];
        kernel.write_all(&events.concat()).unwrap();
        for expected in ["ButtonReleased", "ButtonPressed", "ButtonReleased"] {
            assert_eq!(next(&button).await, expected);
        }
        // Half an event, and the device is gone; it was not down.
        kernel.write_all(&event(KIND_KEY, KEY, VALUE_PRESSED)[..9]).unwrap();
        drop(kernel);
        std::fs::remove_file(&device).unwrap();
        plug_in();
        let mut kernel = plugged();
        kernel.write_all(&event(KIND_KEY, KEY, VALUE_PRESSED)).unwrap();
        assert_eq!(next(&button).await, "ButtonPressed");
        drop(kernel);
        let never = poll_fn(|context| button.poll_event(context));
        tokio::select! {
            event = never => panic!("{event:?} after the device was gone"),
            () = button.until_lost() => {}
            () = tokio::time::sleep(Duration::from_secs(20)) => panic!("nobody learns that the button is gone"),
        }
    }

    #[tokio::test]
    async fn lost_events_while_the_key_is_down_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let device = folder.path().join("event0");
        let pressed = event(KIND_KEY, KEY, VALUE_PRESSED);
        std::fs::write(&device, [pressed, event(KIND_SYNC, CODE_DROPPED, 0)].concat()).unwrap();
        let button = Button::watch(&ButtonConfig { device, key: KEY }).unwrap();
        assert_eq!(next(&button).await, "ButtonPressed");
        let rest = poll_fn(|context| button.poll_event(context));
        tokio::select! {
            _pressed_again = rest => panic!("the press is over"),
            () = button.until_lost() => {}
        }
    }
}
