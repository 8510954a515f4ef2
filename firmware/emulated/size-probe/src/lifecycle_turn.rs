//! Boot, and what the lifecycle asks for.

use embassy_futures::block_on;
use lifecycle::{Colour, EraseOrder, ErrorCode, Input, Output, Pattern, StoreFault};

use crate::Probe;
use crate::device_registers::{Registers, now};

impl Probe {
    pub(crate) fn boot(&mut self) {
        self.home = block_on(self.store.load_home()).unwrap_or_default();
        let boot_count = block_on(self.store.record_boot()).unwrap_or_default();
        Registers.write(&boot_count.to_le_bytes());
        self.follow_release_key();
        let network_count = self.home.as_ref().map_or(0, |home| home.networks.len());
        let last_error = self.store.last_error().and_then(ErrorCode::from_code);
        self.feed(Registers.boot(u8::try_from(network_count).unwrap_or(u8::MAX), last_error));
    }

    pub(crate) fn follow_release_key(&mut self) {
        let has_key = self.home.as_ref().is_some_and(|home| home.cloud.release_key.is_some());
        self.machine.set_erase_order(if has_key { EraseOrder::Ignored } else { EraseOrder::default() });
    }

    pub(crate) fn feed(&mut self, input: Input) {
        let mut next = Some(input);
        while let Some(input) = next.take() {
            self.machine.handle_input(now(), input);
            while let Some(output) = self.machine.poll_output(now()) {
                next = self.perform(output).or(next);
            }
        }
    }

    fn perform(&mut self, output: Output) -> Option<Input> {
        match output {
            Output::StateChanged { to, .. } => Registers.write(to.as_str().as_bytes()),
            Output::Join { network_index, .. } => {
                let home = self.home.as_ref()?;
                let network = home.networks.get(usize::from(network_index))?;
                Registers.write(network.ssid.as_bytes());
                Registers.write(network.secret.expose());
            }
            Output::ConnectCloud { .. } => {
                let home = self.home.as_ref()?;
                Registers.write(home.cloud.host.as_str().as_bytes());
                Registers.write(&home.cloud.port.to_le_bytes());
            }
            Output::SaveCandidate => return Some(Input::Saved(self.save())),
            Output::WipeHome => return Some(Input::Wiped(self.wipe())),
            Output::SendReceipt => self.receipt_is_owed = true,
            Output::Indicate(indication) => show(indication.pattern()),
            Output::ReportError(code) => {
                let explanation = portal::explain_error(code.code())?;
                Registers.write(explanation.what.as_bytes());
                let _stored = block_on(self.store.set_last_error(Some(code.code())));
            }
            Output::DisconnectCloud => self.frames.clear(),
            // Work of the radio and the slots, which is no part of what is measured.
            _ => Registers.write(b"order"),
        }
        None
    }

    fn save(&mut self) -> Result<(), StoreFault> {
        let home = self.home.as_ref().ok_or(StoreFault)?;
        block_on(self.store.save_home(home)).or(Err(StoreFault))?;
        let stored = block_on(self.store.load_home()).or(Err(StoreFault))?;
        if stored.as_ref() == self.home.as_ref() { Ok(()) } else { Err(StoreFault) }
    }

    fn wipe(&mut self) -> Result<(), StoreFault> {
        let report = block_on(self.store.wipe()).or(Err(StoreFault))?;
        self.home = None;
        Registers.write(&report.epoch.0.to_le_bytes());
        Ok(())
    }
}

fn show(pattern: Pattern) {
    let (Colour(colour), times) = match pattern {
        Pattern::Blink { colour, on_ms, off_ms } => (colour, [on_ms, off_ms, 0]),
        Pattern::DoubleBlink { colour, on_ms, between_ms, off_ms } => (colour, [on_ms, between_ms, off_ms]),
        Pattern::Wave { colour, period_ms } => (colour, [period_ms, 0, 0]),
    };
    Registers.write(&colour.to_le_bytes());
    times.iter().for_each(|time| Registers.write(&time.to_le_bytes()));
}
