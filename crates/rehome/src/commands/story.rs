//! `rehome story`: the founding story in virtual time.

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use bench::story::{Scenario, StoryFirmware, StoryOptions, StoryPolicy, tell};
use clap::{Args, ValueEnum};

use crate::output::say;

/// Arguments of `rehome story`.
#[derive(Debug, Args)]
pub(crate) struct StoryArguments {
    /// What the board runs.
    #[arg(long, value_enum, default_value_t = Firmware::Rehome)]
    firmware: Firmware,

    /// Who gives the device away, and what it does when it cannot reach its owner.
    ///
    /// With `--firmware edgent`: `stock` is Edgent as it ships, `reset` Edgent with the forum's two changes, both against a hosted
    /// service that just deletes; `rehome` is unmodified Edgent released by Rehome's cloud. With `--firmware rehome` it is the
    /// agent's recovery policy.
    #[arg(long, value_enum, default_value_t = Policy::Rehome)]
    policy: Policy,

    /// What happens.
    #[arg(long, value_enum, default_value_t = Play::Founding)]
    scenario: Play,

    /// Seed of everything random; the same seed tells the same story.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Firmware {
    /// Stock Blynk.Edgent of the C++ library.
    Edgent,
    /// Rehome's device agent.
    Rehome,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Policy {
    /// As Edgent ships.
    Stock,
    /// Erase on every failure, the forum's workaround.
    Reset,
    /// Open the hotspot, keep the home, erase on release only.
    Rehome,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Play {
    /// Set up in the workshop, given away, shipped, set up at the customer's.
    Founding,
    /// The same, set up by claim codes where the firmware takes them.
    FoundingByCode,
    /// Stays at home while its router is away for an hour.
    RouterReboot,
}

/// Tells the story and prints it.
pub(crate) fn run(arguments: &StoryArguments) -> Result<ExitCode> {
    let options = StoryOptions {
        firmware: match arguments.firmware {
            Firmware::Edgent => StoryFirmware::Edgent,
            Firmware::Rehome => StoryFirmware::Rehome,
        },
        policy: match arguments.policy {
            Policy::Stock => StoryPolicy::Stock,
            Policy::Reset => StoryPolicy::Reset,
            Policy::Rehome => StoryPolicy::Rehome,
        },
        scenario: match arguments.scenario {
            Play::Founding => Scenario::Founding,
            Play::FoundingByCode => Scenario::FoundingByCode,
            Play::RouterReboot => Scenario::RouterReboot,
        },
        seed: arguments.seed,
    };
    let report = tell(options).context("telling the story")?;
    say!("{report}")?;
    Ok(if report.is_ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
