//! Firmware updates: what the cloud orders, and how an image gets to a board.

use super::links::LATENCY_MS;
use super::{What, World};
use crate::cloud::{Cloud, Meaning};
use crate::files::{PlannedUpdate, Update};

/// Time between two pieces of an image, in milliseconds: a slow line, so that something can come in between.
const PIECE_MS: u64 = 700;
/// Longest request that is read.
const REQUEST_BYTES_MAX: usize = 4096;

impl World {
    /// The maker puts a firmware on offer for a board; it is ordered now, or when the board comes back.
    pub(super) fn plan_update(&mut self, index: usize, planned: &PlannedUpdate) {
        if !self.cloud.speaks_rehome() {
            return;
        }
        let Some(board) = self.boards.get_mut(index) else { return };
        let is_signed = board.plan.is_firmware_signed;
        let update = Update::new(planned, self.sequence, self.cloud.keys(), is_signed, &mut board.dice);
        board.former_update = board.update.replace(update);
        board.io.slots.borrow_mut().befall(planned.slot);
        self.order_update(index);
    }

    /// Orders what is on offer, where the board is online.
    pub(super) fn order_update(&mut self, index: usize) {
        let Some(board) = self.boards.get_mut(index) else { return };
        let is_online = board.session.is_online() && board.session.account.is_some();
        let Some(update) = board.update.as_mut().filter(|update| is_online && update.orders_left > 0) else {
            return;
        };
        update.orders_left -= 1;
        board.judge.tally.update_orders += 1;
        Cloud::order_update(&mut board.session);
        self.flush(index);
    }

    /// Takes a part of a request for an image; the whole one is answered piece by piece.
    pub(super) fn serve_file(&mut self, index: usize, bytes: &[u8]) {
        let Some(board) = self.boards.get_mut(index) else { return };
        let session = &mut board.session;
        session.request.extend_from_slice(bytes);
        let is_whole = session.request.ends_with(b"\r\n\r\n");
        if !is_whole || session.request.len() > REQUEST_BYTES_MAX {
            return;
        }
        let request = std::mem::take(&mut session.request);
        let Some(update) = &mut board.update else { return };
        let answer = update.answer(&request, &mut board.dice);
        let generation = session.generation;
        let piece_count = answer.pieces.len();
        session.under_way += piece_count;
        session.downlink.extend(answer.pieces.into_iter().map(|piece| (piece, Meaning::Nothing)));
        let mut wait_ms = LATENCY_MS;
        for _ in 0..piece_count {
            self.push_in(wait_ms, What::Downlink { board: index, generation });
            wait_ms += PIECE_MS;
        }
        if answer.is_closing {
            self.push_in(wait_ms, What::Closed { board: index, generation });
        }
    }
}
