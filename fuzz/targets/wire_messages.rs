//! Whatever is understood as a message is understood the same way after it is written.

#![no_main]

#[path = "../../crates/wire/tests/checks/arbitrary_bytes.rs"]
mod arbitrary_bytes;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    arbitrary_bytes::check_messages(data);
    arbitrary_bytes::check_frames(data);
});
