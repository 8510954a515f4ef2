//! Sharing on a machine with one thread.

use core::cell::{RefCell, RefMut};
use core::fmt;

pub use alloc::rc::Rc as Arc;

/// A lock that can only be refused to its own holder, which the standard library's would wait for forever.
#[derive(Debug, Default)]
pub struct Mutex<T>(RefCell<T>);

impl<T> Mutex<T> {
    /// Puts `value` under a lock.
    pub const fn new(value: T) -> Self {
        Self(RefCell::new(value))
    }

    /// Takes the lock.
    ///
    /// # Errors
    /// When it is held already.
    pub fn lock(&self) -> Result<RefMut<'_, T>, PoisonError<RefMut<'_, T>>> {
        Ok(self.0.borrow_mut())
    }
}

/// A lock whose holder panicked; without unwinding there is none.
pub struct PoisonError<G>(G);

impl<G> PoisonError<G> {
    /// Returns the guard all the same.
    pub fn into_inner(self) -> G {
        self.0
    }
}

impl<G> fmt::Debug for PoisonError<G> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PoisonError")
    }
}
