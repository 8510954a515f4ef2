//! Finds the device's hotspot, joins it for the time of the set-up, and brings the former connection back.

use std::time::Duration;

use anyhow::{Context as _, Result};
use device_linux::{BorrowedRadio, RadioEvent, WifiNetwork};
use provision::{ChooseHotspotError, HeardHotspot, Outcome, choose_hotspot};
use tokio::time::sleep;

use super::Flow;
use crate::commands::borrowed_wifi::{GivenBack, give_back, readable, take, with_advice};
use crate::commands::{StopSignals, single_thread_runtime};

/// Scans after which a hotspot that was not heard counts as not in reach. One scan often misses a weak network.
const SCAN_COUNT_MAX: u8 = 3;
/// Wait before a hotspot that closed is looked for again.
const REJOIN_WAIT: Duration = Duration::from_secs(2);

/// What to try where this computer's Wi-Fi cannot be used.
const BY_HAND: &str = "join the hotspot by hand and give --portal-url http://192.168.4.1";

/// Sets the device up from within its hotspot. `None` means that somebody pressed Ctrl-C.
pub(super) fn run(
    flow: Flow,
    hotspot: Option<Vec<u8>>,
    interface: Option<String>,
) -> Result<Option<Outcome>> {
    let runtime = single_thread_runtime()?;
    let outcome = runtime.block_on(visit(flow, hotspot, interface));
    // After Ctrl-C the flow may still wait for an answer; nobody needs it.
    runtime.shutdown_background();
    outcome
}

async fn visit(flow: Flow, wanted: Option<Vec<u8>>, interface: Option<String>) -> Result<Option<Outcome>> {
    let stop = StopSignals::listen()?;
    let mut radio = take(interface).await.context(BY_HAND)?;
    // Whatever happens from here on, the radio is given back.
    let outcome = tokio::select! {
        outcome = set_up(&mut radio, flow, wanted.as_deref()) => outcome.map(Some),
        () = stop.wait() => Ok(None),
    };
    match give_back(radio).await {
        GivenBack::NothingBefore => {}
        GivenBack::Restored { connection } => eprintln!("{connection:?} is connected as before"),
        GivenBack::NotRestored { problem } => eprintln!("{problem}"),
    }
    outcome
}

async fn set_up(radio: &mut BorrowedRadio, flow: Flow, wanted: Option<&[u8]>) -> Result<Outcome> {
    let pop = flow.setup.pop.as_ref();
    let chosen = find(radio, wanted, pop.is_some()).await?;
    let name = readable(&chosen.ssid);
    let passphrase = pop.filter(|_pop| !chosen.is_open).map_or(&[][..], |pop| pop.expose());
    let network = WifiNetwork::parse(&chosen.ssid, passphrase)
        .with_context(|| format!("the proof of possession cannot open the hotspot {name:?}"))?;
    eprintln!("joining the hotspot {name:?}");
    let joined = radio.join(&network).await;
    joined.map_err(|error| with_advice(error, &format!("the hotspot {name:?} cannot be joined")))?;
    let mut flow = tokio::task::spawn_blocking(move || flow.run());
    tokio::select! {
        outcome = &mut flow => outcome.context("setting the device up")?,
        never = stay_joined(radio, &network) => never,
    }
}

async fn find(radio: &mut BorrowedRadio, wanted: Option<&[u8]>, has_proof: bool) -> Result<HeardHotspot> {
    for scan in 1_u8.. {
        let heard = radio.scan().await;
        let heard = heard.map_err(|error| with_advice(error, "the hotspot cannot be looked for"))?;
        let heard =
            heard.into_iter().map(|network| HeardHotspot { ssid: network.ssid, is_open: network.is_open });
        match choose_hotspot(&heard.collect::<Vec<_>>(), wanted, has_proof) {
            Err(ChooseHotspotError::NoneFound | ChooseHotspotError::NotInReach { .. })
                if scan < SCAN_COUNT_MAX => {}
            chosen => return Ok(chosen?),
        }
    }
    Err(ChooseHotspotError::NoneFound.into())
}

/// A device closes its hotspot while it tries its new home, and opens it again when that failed: the flow wants to hear
/// about that.
async fn stay_joined(radio: &mut BorrowedRadio, network: &WifiNetwork) -> ! {
    loop {
        while radio.next_event().await != RadioEvent::Lost {}
        while radio.join(network).await.is_err() {
            sleep(REJOIN_WAIT).await;
        }
    }
}
