//! Any bytes, in any pieces, give the same frames, and each frame is written back with the same bytes.

#![no_main]

#[path = "../../crates/wire/tests/checks/arbitrary_bytes.rs"]
mod arbitrary_bytes;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    arbitrary_bytes::check_frames(data);
    arbitrary_bytes::check_messages(data);
});
