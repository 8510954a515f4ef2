//! Work that goes on by itself.

pub(crate) mod acme;
pub(crate) mod certificate;
pub(crate) mod connection_lifecycle;
pub(crate) mod history;
pub(crate) mod housekeeping;
pub(crate) mod release_driver;
pub(crate) mod store_watch;
