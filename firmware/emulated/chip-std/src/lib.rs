//! Stands in for the standard library where there is none: the few names that the simulated flash and the shared
//! scenarios use, on top of `core` and `alloc`.
//!
//! It serves one core without interrupts and without threads, so [`sync`] needs no atomics, which `rv32imc` lacks.

#![no_std]

extern crate alloc;

pub use alloc::{borrow, boxed, collections, fmt, format, rc, str, string, vec};
pub use core::{array, iter, mem, net, ops, option, result, time};

pub mod sync;

/// What every module of the standard library sees without asking.
pub mod prelude {
    /// Edition-independent part.
    pub mod v1 {
        pub use alloc::borrow::ToOwned;
        pub use alloc::boxed::Box;
        pub use alloc::string::{String, ToString};
        pub use alloc::vec::Vec;
        pub use alloc::{format, vec};
    }
}
