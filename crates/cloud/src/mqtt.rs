//! MQTT 3.1.1 and 5 for devices. Source: reference/mqtt-api.md.
//!
//! An MQTT device is served by the same gateway as every other: this module stands between the two and translates. What a client
//! publishes becomes the frames that a Blynk device would send, and what the gateway sends to the device becomes a message on a
//! `downlink/` topic. So logins, quarantine, release, presence, durability and limits are the same for both, by construction.

mod connection;
mod device_side;
mod downlink;
mod gateway_api;
mod packet;
mod uplink;
pub(crate) mod web_socket;

pub(crate) use connection::serve;
