//! Registers that nobody knows anything about: the outside world of a program that is never run.

use core::convert::Infallible;

use embedded_storage_async::nor_flash::{ErrorType, NorFlash, ReadNorFlash};
use lifecycle::{
    Boot, BootReason, CloudError, ErrorCode, Input, Instant, NetworkError, OtaFault, StoreFault,
};

/// Any address will do; what is read there is unknown when the program is compiled.
const REGISTER: *mut u32 = 0x6000_0000 as *mut u32;
const FLASH_BYTES: usize = 16 * 1024;
const SECTOR_BYTES: usize = 4096;

/// One thing that happened.
pub(crate) enum Event {
    Input(Input),
    CloudConnected,
    CloudBytes(usize),
    PortalRequest,
    DnsQuery(usize),
    DhcpPacket(usize),
}

/// The outside world.
pub(crate) struct Registers;

impl Registers {
    pub(crate) fn random(&self) -> u32 {
        // SAFETY: the program is never run; on a chip this would be a device register.
        unsafe { REGISTER.read_volatile() }
    }

    pub(crate) fn write(&self, bytes: &[u8]) {
        for byte in bytes {
            // SAFETY: as above.
            unsafe { REGISTER.write_volatile(u32::from(*byte)) };
        }
    }

    pub(crate) fn read(&self, bytes: &mut [u8]) -> usize {
        for byte in bytes.iter_mut() {
            *byte = self.random() as u8;
        }
        (self.random() as usize).min(bytes.len())
    }

    pub(crate) fn next_event(&self, buffer: &mut [u8]) -> Event {
        let byte_count = self.read(buffer);
        match self.random() {
            0 => Event::CloudConnected,
            1 => Event::CloudBytes(byte_count),
            2 => Event::PortalRequest,
            3 => Event::DnsQuery(byte_count),
            4 => Event::DhcpPacket(byte_count),
            _ => Event::Input(self.input()),
        }
    }

    pub(crate) fn boot(&self, stored_network_count: u8, last_error: Option<ErrorCode>) -> Input {
        let reason = match self.random() {
            0 => BootReason::PowerOn,
            1 => BootReason::Restart,
            _ => BootReason::Fault,
        };
        let short_power_up_count = self.random() as u8;
        let is_door_locked = self.random() == 0;
        Input::Booted(Boot { reason, stored_network_count, last_error, short_power_up_count, is_door_locked })
    }

    fn input(&self) -> Input {
        match self.random() {
            0 => Input::TimerFired,
            1 => Input::NetworkJoined,
            2 => Input::NetworkFailed(match self.random() {
                0 => NetworkError::Timeout,
                1 => NetworkError::NotFound,
                2 => NetworkError::Authentication,
                3 => NetworkError::NoAddress,
                _ => NetworkError::Other,
            }),
            3 => Input::NetworkLost,
            4 => Input::CloudFailed(match self.random() {
                0 => CloudError::Timeout,
                1 => CloudError::Dns,
                2 => CloudError::Certificate,
                3 => CloudError::CaptivePortal,
                _ => CloudError::Other,
            }),
            5 => Input::CloudLost,
            6 => Input::StationAttached,
            7 => Input::StationDetached,
            8 => Input::ButtonPressed,
            9 => Input::ButtonReleased,
            10 => Input::OtaFinished(if self.random() == 0 { Ok(()) } else { Err(OtaFault) }),
            _ => Input::Saved(Err(StoreFault)),
        }
    }
}

/// Time since boot.
pub(crate) fn now() -> Instant {
    Instant::from_millis(u64::from(Registers.random()))
}

/// A flash behind the register.
pub(crate) struct RegisterFlash;

impl ErrorType for RegisterFlash {
    type Error = Infallible;
}

impl ReadNorFlash for RegisterFlash {
    const READ_SIZE: usize = 1;

    async fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Infallible> {
        Registers.write(&offset.to_le_bytes());
        Registers.read(bytes);
        Ok(())
    }

    fn capacity(&self) -> usize {
        FLASH_BYTES
    }
}

impl NorFlash for RegisterFlash {
    const WRITE_SIZE: usize = 4;
    const ERASE_SIZE: usize = SECTOR_BYTES;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), Infallible> {
        Registers.write(&from.to_le_bytes());
        Registers.write(&to.to_le_bytes());
        Ok(())
    }

    async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Infallible> {
        Registers.write(&offset.to_le_bytes());
        Registers.write(bytes);
        Ok(())
    }
}
