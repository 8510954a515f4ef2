//! A bounded queue between two parts of one thread.

use std::cell::RefCell;
use std::collections::VecDeque;

use tokio::sync::Notify;

/// A first-in first-out queue with one waiting reader; when it is full the oldest entry is dropped.
#[derive(Debug)]
pub struct BoundedQueue<T> {
    items: RefCell<VecDeque<T>>,
    len_max: usize,
    filled: Notify,
}

impl<T> BoundedQueue<T> {
    /// Creates an empty queue for at most `len_max` entries.
    #[must_use]
    pub fn new(len_max: usize) -> Self {
        Self { items: RefCell::new(VecDeque::new()), len_max, filled: Notify::new() }
    }

    /// Appends an entry and returns the entry that had to make room, if any.
    pub fn push(&self, item: T) -> Option<T> {
        let mut items = self.items.borrow_mut();
        let dropped = if items.len() >= self.len_max { items.pop_front() } else { None };
        items.push_back(item);
        self.filled.notify_one();
        dropped
    }

    /// Waits for the next entry.
    ///
    /// # Cancel safety
    /// An entry is taken only when this returns it.
    pub async fn next(&self) -> T {
        loop {
            if let Some(item) = self.try_next() {
                return item;
            }
            self.filled.notified().await;
        }
    }

    /// Takes the next entry when there is one.
    pub fn try_next(&self) -> Option<T> {
        self.items.borrow_mut().pop_front()
    }

    /// Drops all entries.
    pub fn clear(&self) {
        self.items.borrow_mut().clear();
    }
}
