//! The cores of a device as one small program, to measure what they take of flash and RAM: `cargo xtask size`.
//!
//! It is linked and never run. What it does is what the shell in `device` does with the cores, without the shell's own
//! comfort: every input comes from a register that the compiler knows nothing about, every output goes to one, so
//! nothing of the cores that a device needs can be optimised away. State that lives as long as the device is in
//! [`Probe`], the one static variable.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod device_registers;
#[cfg(target_os = "none")]
mod lifecycle_turn;
#[cfg(target_os = "none")]
mod portal_turn;
#[cfg(target_os = "none")]
mod wire_turn;

#[cfg(target_os = "none")]
mod chip {
    use core::mem::MaybeUninit;
    use core::panic::PanicInfo;
    use core::ptr::addr_of_mut;

    use embassy_futures::block_on;
    use home_store::{Home, HomeStore, StoreLayout};
    use lifecycle::{Machine, Settings};
    use portal::{DhcpServer, ProofLock};
    use wire::FrameBuffer;

    use crate::device_registers::{Event, RegisterFlash, Registers, now};

    /// Body that the device announces as its limit, with the header.
    pub(crate) const FRAME_BYTES_MAX: usize = 1024 + wire::HEADER_BYTES;

    /// What the cores keep while the device is on.
    pub(crate) struct Probe {
        pub(crate) machine: Machine,
        pub(crate) store: HomeStore<RegisterFlash>,
        pub(crate) home: Option<Home>,
        pub(crate) frames: FrameBuffer<FRAME_BYTES_MAX>,
        pub(crate) dhcp: DhcpServer,
        pub(crate) lock: ProofLock,
        pub(crate) receipt_is_owed: bool,
    }

    static mut PROBE: MaybeUninit<Probe> = MaybeUninit::uninit();

    #[unsafe(no_mangle)]
    extern "C" fn _start() -> ! {
        let Ok(store) = block_on(HomeStore::open(RegisterFlash, StoreLayout::at(0))) else { halt() };
        let place = addr_of_mut!(PROBE).cast::<Probe>();
        let probe = Probe {
            machine: Machine::new(Settings::default(), Registers.random()),
            store,
            home: None,
            frames: FrameBuffer::new(),
            dhcp: DhcpServer::new(),
            lock: ProofLock::new(),
            receipt_is_owed: false,
        };
        // SAFETY: this is the only use of the variable, and there is one CPU without interrupts.
        let probe = unsafe {
            place.write(probe);
            &mut *place
        };
        probe.boot();
        loop {
            let mut buffer = [0; 1024];
            match Registers.next_event(&mut buffer) {
                Event::Input(input) => probe.feed(input),
                Event::CloudConnected => probe.log_in(),
                Event::CloudBytes(byte_count) => {
                    probe.cloud_received(buffer.get(..byte_count).unwrap_or_default())
                }
                Event::PortalRequest => probe.serve_portal(),
                Event::DnsQuery(byte_count) => {
                    probe.answer_name(buffer.get(..byte_count).unwrap_or_default())
                }
                Event::DhcpPacket(byte_count) => {
                    probe.give_address(buffer.get(..byte_count).unwrap_or_default())
                }
            }
            if probe.machine.next_timeout().is_some_and(|due_at| now() >= due_at) {
                probe.feed(lifecycle::Input::TimerFired);
            }
        }
    }

    #[panic_handler]
    fn panic(_: &PanicInfo<'_>) -> ! {
        halt()
    }

    fn halt() -> ! {
        loop {
            core::hint::spin_loop();
        }
    }
}

#[cfg(target_os = "none")]
pub(crate) use chip::{FRAME_BYTES_MAX, Probe};

/// The measurement means something for a chip only.
#[cfg(not(target_os = "none"))]
fn main() {}
