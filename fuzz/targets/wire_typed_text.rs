//! Claim codes, release orders and receipts as people type them: read without harm, and what is understood has one form.

#![no_main]

#[path = "../../crates/wire/tests/checks/typed_text.rs"]
mod typed_text;

libfuzzer_sys::fuzz_target!(|typed: &[u8]| typed_text::check_typed(typed));
