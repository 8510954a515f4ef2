//! The device agent: one asynchronous shell that runs `lifecycle`, `portal`, `wire` and `home-store` over a [`Platform`].
//!
//! Read [`run`] first. The shell waits for the next event, hands it to the lifecycle, and performs what the lifecycle
//! asks for. It decides nothing about the product: when to join, when to open the hotspot and when to erase is decided
//! in `lifecycle`; what the portal answers in `portal`. It needs no heap, never blocks the [`Application`], and never
//! prints a password or a token.

#![no_std]

#[cfg(test)]
extern crate std;

mod agent;
mod application;
pub mod captive_portal;
mod claims;
mod clock_text;
mod cloud_session;
mod console;
mod console_commands;
mod console_input;
mod door;
mod firmware_slots;
mod firmware_update;
mod homes;
mod identity;
pub mod ota;
mod outputs;
mod platform;
mod portal_release;
mod portal_server;
mod release;
mod releases;
mod signature;

pub use agent::{RunEnd, run};
pub use application::{Application, OUTGOING_VALUE_BYTES_MAX, OutgoingWrite};
pub use cloud_session::CLOUD_BODY_BYTES_MAX;
pub use console::{CONSOLE_LINE_BYTES_MAX, ConsoleCommand, ConsoleFacts, ParseConsoleLineError};
pub use console_input::ConsoleInput;
pub use firmware_slots::{
    Download, FIRMWARE_VERSION_BYTES_MAX, FirmwareSlots, FirmwareVersion, IMAGE_PIECE_BYTES, ImageFacts,
    SlotState, is_version,
};
pub use firmware_update::response_head::{
    ContentRange, ETAG_BYTES_MAX, HEAD_BYTES_MAX, HEAD_LINE_COUNT_MAX, ReadHeadError, ResponseHead,
    read_response_head,
};
pub use identity::{DeviceConfig, DeviceIdentity};
pub use platform::{
    CloudAddress, CloudWire, ConnectionIndex, EVENT_BUFFER_BYTES, Event, Hotspot, HotspotRequest,
    JoinRequest, PORTAL_CONNECTION_COUNT_MAX, Panel, Platform, PortalClosedError, Radio, SCAN_COUNT_MAX,
    ScanList, SeenNetwork, SendError, Timing, WarmMemory,
};
pub use release::{is_order_signed_by, sign_receipt};

#[cfg(test)]
mod tests;
