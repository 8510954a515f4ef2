//! How an update order and a server's answer to a download are judged. [`crate::run`] does it by itself; this is for who
//! checks the judgement: the replayed corpus and the fuzz target.

pub use crate::firmware_update::error::UpdateError;
pub use crate::firmware_update::offer::{Answer, Demands, IMAGE_BYTES_MIN, Offer, judge_answer};
pub use crate::firmware_update::request::{RequestText, Resumption, request_text};
pub use crate::firmware_update::url::{FirmwareUrl, ParseUrlError, URL_BYTES_MAX};
