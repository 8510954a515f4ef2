//! The virtual pins as the agent and the applications share them.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use device::{Application, CONSOLE_LINE_BYTES_MAX, OUTGOING_VALUE_BYTES_MAX, OutgoingWrite};
use lifecycle::{Instant, Pattern, State};
use tokio::sync::{Notify, broadcast};
use wire::{Values, VirtualPin};

use super::message::{LedView, Notice, StateView, render};

/// Values that wait for the cloud.
const OUTGOING_LEN_MAX: usize = 64;
/// Notices that wait for a slow subscriber before it is let go.
const NOTICE_QUEUE_LEN_MAX: usize = 64;
/// Lines that wait for the console.
const CONSOLE_LINE_COUNT_MAX: usize = 8;
/// Values kept of one write.
const VALUES_PER_PIN_MAX: usize = 16;

/// Last values, waiting values, state, subscribers.
#[derive(Debug)]
pub(crate) struct Pins {
    values: RefCell<BTreeMap<u8, Vec<String>>>,
    outgoing: RefCell<VecDeque<OutgoingWrite>>,
    queued: Notify,
    console_lines: RefCell<VecDeque<String>>,
    line_queued: Notify,
    state: Cell<StateView>,
    led: Cell<Option<LedView>>,
    /// What the agent has to do without in this run.
    problems: RefCell<Vec<String>>,
    notices: broadcast::Sender<Told>,
}

/// What subscribers are told.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) line: String,
    /// Only those who asked for the light are told.
    pub(super) is_led: bool,
}

/// A value was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum QueueValueError {
    /// It is too long.
    #[error("a value has at most {OUTGOING_VALUE_BYTES_MAX} bytes")]
    TooLong,
    /// NUL separates values on the way.
    #[error("a value has no NUL character")]
    Nul,
    /// Too many wait already.
    #[error("{OUTGOING_LEN_MAX} values wait for the cloud already")]
    Full,
}

/// A line was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum QueueLineError {
    /// It is too long.
    #[error("a line has at most {CONSOLE_LINE_BYTES_MAX} bytes")]
    TooLong,
    /// It is more than one.
    #[error("a line has no line end inside")]
    LineEnd,
    /// Too many wait already.
    #[error("{CONSOLE_LINE_COUNT_MAX} lines wait for the console already")]
    Full,
}

impl Pins {
    pub(crate) fn new() -> Self {
        let (notices, _nobody_yet) = broadcast::channel(NOTICE_QUEUE_LEN_MAX);
        Self {
            values: RefCell::default(),
            outgoing: RefCell::default(),
            queued: Notify::new(),
            console_lines: RefCell::default(),
            line_queued: Notify::new(),
            state: Cell::new(StateView { state: State::WaitConfig.as_str(), last_error: 0, online: false }),
            led: Cell::new(None),
            problems: RefCell::default(),
            notices,
        }
    }

    /// Waits until an application queued a value.
    pub(crate) async fn next_write_queued(&self) {
        self.queued.notified().await;
    }

    /// Waits for a line for the console.
    ///
    /// # Cancel safety
    /// No line is lost.
    pub(crate) async fn next_console_line(&self) -> String {
        loop {
            if let Some(line) = self.console_lines.borrow_mut().pop_front() {
                return line;
            }
            self.line_queued.notified().await;
        }
    }

    /// Takes a line for the console.
    pub(crate) fn queue_line(&self, line: String) -> Result<(), QueueLineError> {
        if line.len() > CONSOLE_LINE_BYTES_MAX {
            return Err(QueueLineError::TooLong);
        }
        if line.contains(['\n', '\r']) {
            return Err(QueueLineError::LineEnd);
        }
        let mut lines = self.console_lines.borrow_mut();
        if lines.len() >= CONSOLE_LINE_COUNT_MAX {
            return Err(QueueLineError::Full);
        }
        lines.push_back(line);
        self.line_queued.notify_one();
        Ok(())
    }

    pub(crate) fn show_state(&self, state: State, last_error: u16) {
        if state == State::ResetConfig {
            // The values belong to the owner who is going.
            self.values.borrow_mut().clear();
            self.outgoing.borrow_mut().clear();
        }
        let view = StateView { state: state.as_str(), last_error, online: state == State::Running };
        if self.state.replace(view) != view {
            self.notify(&Notice::State(view));
        }
    }

    pub(crate) fn show_pattern(&self, pattern: Pattern) {
        let led = LedView::from(pattern);
        if self.led.replace(Some(led)) != Some(led) {
            self.tell(Told { line: render(&Notice::Led { led }), is_led: true });
        }
    }

    pub(super) fn led(&self) -> Option<LedView> {
        self.led.get()
    }

    /// Notes what the agent has to do without.
    pub(crate) fn note_problem(&self, problem: String) {
        self.problems.borrow_mut().push(problem);
    }

    pub(super) fn problems(&self) -> Vec<String> {
        self.problems.borrow().clone()
    }

    pub(super) fn state(&self) -> StateView {
        self.state.get()
    }

    pub(super) fn subscribe(&self) -> broadcast::Receiver<Told> {
        self.notices.subscribe()
    }

    pub(super) fn read(&self, pin: u8) -> Option<Vec<String>> {
        self.values.borrow().get(&pin).cloned()
    }

    pub(super) fn write(&self, pin: u8, value: String) -> Result<(), QueueValueError> {
        if value.contains('\0') {
            return Err(QueueValueError::Nul);
        }
        let text = heapless::String::try_from(value.as_str()).or(Err(QueueValueError::TooLong))?;
        let mut outgoing = self.outgoing.borrow_mut();
        if outgoing.len() >= OUTGOING_LEN_MAX {
            return Err(QueueValueError::Full);
        }
        outgoing.push_back(OutgoingWrite { pin: VirtualPin(pin), value: text });
        self.values.borrow_mut().insert(pin, vec![value]);
        self.queued.notify_one();
        Ok(())
    }

    fn receive(&self, pin: u8, values: Values<'_>) {
        let texts = values.iter().take(VALUES_PER_PIN_MAX);
        let texts: Vec<String> = texts.map(|value| String::from_utf8_lossy(value).into_owned()).collect();
        self.notify(&Notice::Write { pin, values: &texts });
        self.values.borrow_mut().insert(pin, texts);
    }

    fn notify(&self, notice: &Notice<'_>) {
        self.tell(Told { line: render(notice), is_led: false });
    }

    fn tell(&self, told: Told) {
        // Without subscribers nobody misses it.
        self.notices.send(told).unwrap_or_default();
    }
}

/// The agent's view of the applications behind the socket.
#[derive(Debug)]
pub(crate) struct LocalApplication(pub(crate) Rc<Pins>);

impl Application for LocalApplication {
    fn on_online(&mut self, _now: Instant) {}

    fn on_write(&mut self, _now: Instant, pin: VirtualPin, values: Values<'_>) {
        self.0.receive(pin.0, values);
    }

    fn poll(&mut self, _now: Instant) {}

    fn next_poll(&self) -> Option<Instant> {
        None
    }

    fn next_write(&mut self) -> Option<OutgoingWrite> {
        self.0.outgoing.borrow_mut().pop_front()
    }
}
