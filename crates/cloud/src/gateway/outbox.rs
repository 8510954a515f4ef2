//! What waits to be written to one device.
//!
//! No task and no channel belong to it: a sender puts a frame in and wakes the task that serves the connection, which
//! writes it. An idle connection holds an empty list.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::task::AtomicWaker;
use metrics::counter;
use tokio::sync::oneshot;
use wire::{EncodeMessageError, ServerMessage};

use crate::limits::OUTBOUND_FRAMES_MAX;

/// Sends frames to one connection without ever waiting for it. Clones share the queue.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outbox {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// The task that serves the connection.
    served_by: AtomicWaker,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Outgoing>,
    /// Close after what is queued has been written.
    is_closing: bool,
    /// The connection must end at once, queue or no queue.
    is_cut: bool,
}

/// A frame on its way.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) frame: Bytes,
    /// Its sender wants to know that it left; dropped unsent, the receiver learns that it did not.
    pub(super) confirmation: Option<oneshot::Sender<()>>,
}

/// What is to be done for a connection.
#[derive(Debug)]
pub(super) enum Due {
    /// Write these.
    Frames(VecDeque<Outgoing>),
    /// Nothing more will come: close.
    Close,
    /// End without writing anything.
    Cut,
}

/// Why a message did not go into the queue.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum SendMessageError {
    /// The message has no form on the wire.
    #[error("the message cannot be written")]
    Encode(#[from] EncodeMessageError),
    /// The connection has ended, or was cut because its reader is too slow.
    #[error("the connection has ended")]
    Closed,
}

impl Outbox {
    /// Queues a message.
    pub(crate) fn send(&self, message_id: u16, message: &ServerMessage<'_>) -> Result<(), SendMessageError> {
        self.queue(Outgoing { frame: encode(message_id, message)?, confirmation: None })
    }

    /// Queues a message; the receiver yields once it was handed to the system, and fails when that cannot happen any more.
    pub(super) fn send_confirmed(
        &self,
        message_id: u16,
        message: &ServerMessage<'_>,
    ) -> Result<oneshot::Receiver<()>, SendMessageError> {
        let (sender, receiver) = oneshot::channel();
        self.queue(Outgoing { frame: encode(message_id, message)?, confirmation: Some(sender) })?;
        Ok(receiver)
    }

    /// Closes the connection after everything queued has been written.
    pub(crate) fn close_after_flush(&self) {
        self.lock().is_closing = true;
        self.shared.served_by.wake();
    }

    /// Ends the connection now.
    pub(crate) fn cut(&self) {
        {
            let mut state = self.lock();
            state.is_cut = true;
            state.queue = VecDeque::new();
        }
        self.shared.served_by.wake();
    }

    /// Takes what is to be done; wakes the task of `context` when there is something new.
    pub(super) fn poll_due(&self, context: &Context<'_>) -> Poll<Due> {
        // Registered first: what is queued after the look below wakes the task again.
        self.shared.served_by.register(context.waker());
        let mut state = self.lock();
        if state.is_cut {
            Poll::Ready(Due::Cut)
        } else if !state.queue.is_empty() {
            Poll::Ready(Due::Frames(std::mem::take(&mut state.queue)))
        } else if state.is_closing {
            Poll::Ready(Due::Close)
        } else {
            Poll::Pending
        }
    }

    /// Says whether the connection must end at once, while frames are still being written.
    pub(super) fn is_cut(&self, context: &Context<'_>) -> bool {
        self.shared.served_by.register(context.waker());
        self.lock().is_cut
    }

    fn queue(&self, outgoing: Outgoing) -> Result<(), SendMessageError> {
        {
            let mut state = self.lock();
            if state.is_cut || state.is_closing {
                return Err(SendMessageError::Closed);
            }
            if state.queue.len() >= OUTBOUND_FRAMES_MAX {
                counter!("gateway_links_cut_total", "reason" => "slow_reader").increment(1);
                state.is_cut = true;
                state.queue = VecDeque::new();
                drop(state);
                self.shared.served_by.wake();
                return Err(SendMessageError::Closed);
            }
            state.queue.push_back(outgoing);
        }
        self.shared.served_by.wake();
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Each change is one assignment or one push, so a panic elsewhere leaves the queue usable.
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn encode(message_id: u16, message: &ServerMessage<'_>) -> Result<Bytes, EncodeMessageError> {
    let mut frame = vec![0_u8; message.encoded_bytes()?];
    message.encode(message_id, &mut frame)?;
    Ok(Bytes::from(frame))
}
