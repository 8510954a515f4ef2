//! Counters of what happens for each message: their handles are kept, because finding a counter by its name costs more than
//! counting.

use metrics::{Counter, counter};

/// Counters of the gateway's read path.
pub(crate) struct HotCounters {
    /// Frames that devices sent.
    pub(crate) frames: Counter,
    /// Values that were handed to the store.
    pub(crate) values: Counter,
}

impl HotCounters {
    /// Finds the counters; the recorder must be there already.
    pub(crate) fn new() -> Self {
        Self { frames: counter!("gateway_frames_total"), values: counter!("gateway_values_total") }
    }
}
