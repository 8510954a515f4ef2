//! The only crate with SQL: durable storage of the cloud.
