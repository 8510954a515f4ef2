//! The cores' own tests, run one after the other without a harness. `build.rs` prepares them.

use crate::Transcript;

macro_rules! shared_module {
    ($name:ident, $file:literal) => {
        #[allow(warnings, clippy::all, clippy::pedantic, reason = "checked where the file lives")]
        pub(crate) mod $name {
            include!(concat!(env!("OUT_DIR"), "/", $file));
        }
    };
}

shared_module!(fixtures, "fixtures.rs");
shared_module!(crash_points, "crash_points.rs");
shared_module!(simulated_flash, "simulated_flash.rs");
shared_module!(describe, "describe.rs");

include!(concat!(env!("OUT_DIR"), "/scenarios.rs"));

/// A table that lost its entries must not pass for one in which all is well.
const SCENARIO_COUNT_MIN: usize = 14;

pub(crate) fn run(transcript: &mut Transcript<'_>) {
    assert!(SCENARIOS.len() >= SCENARIO_COUNT_MIN, "only {} scenarios were found", SCENARIOS.len());
    for (name, scenario) in SCENARIOS {
        scenario();
        transcript.line(format_args!("ok {name}"));
    }
}
