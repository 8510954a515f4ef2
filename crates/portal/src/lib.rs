//! What the hotspot answers: pure request to response.
//!
//! A shell collects bytes and calls [`parse_request`], asks [`route_with_lock`] what the request wants, performs it (scan, hand a
//! candidate to the lifecycle, reset, restart), fills a [`PortalView`] and calls [`respond_chunk`] until
//! the answer is whole. UDP payloads go through [`answer_dns`] and [`DhcpServer::handle`]. The crate holds no socket and
//! no clock. It never prints a password, a token or a proof of possession.
//!
//! Read [`Route`] first, then [`ConfigForm`].

#![no_std]

#[cfg(test)]
extern crate std;

mod adler32;
mod board_info;
mod byte_cursor;
mod captive_api;
mod config_form;
mod dhcp;
mod dialect;
mod dns;
mod explanation;
mod field_encoding;
mod host;
mod hotspot_name;
mod lock;
mod pages;
mod probes;
mod proof;
mod release;
mod request;
mod response;
mod route;
mod secret;
mod setup_page;
mod static_address;
mod status;
mod text;
mod token;
mod view;
mod wifi_scan;
mod window;

pub use captive_api::CAPTIVE_API_URI;
pub use config_form::{
    ConfigForm, HOST_BYTES_MAX, Host, Interface, PASSWORD_BYTES_MAX, Password, ReadConfigFormError,
    SSID_BYTES_MAX, SSID_BYTES_STORED_MAX, SSID_HEX_PREFIX, Ssid,
};
pub use dhcp::{
    CAPTIVE_URI_BYTES_MAX, DHCP_CLIENT_PORT, DHCP_REPLY_BYTES_MAX, DHCP_SERVER_PORT, DhcpDestination,
    DhcpReply, DhcpServer, HOTSPOT_MASK, LEASE_COUNT_MAX, LEASE_TIME_S,
};
pub use dialect::{Access, Dialect, HOTSPOT_ADDRESS, HOTSPOT_HOST, PortalMode};
pub use dns::{DNS_MESSAGE_BYTES_MAX, DNS_PORT, DNS_TTL_S, answer_dns};
pub use explanation::{Explanation, explain_error};
pub use hotspot_name::{
    HOTSPOT_NAME_BYTES_MAX, HotspotName, NAME_SUFFIX_BYTES, hotspot_name, hotspot_name_from_id,
    may_be_hotspot_name, name_id_of_esp32, name_suffix, name_suffix_hex,
};
pub use lock::{PROOF_BYTES_MAX, ProofLock, ProofVerdict, WRONG_PROOF_COUNT_MAX};
pub use proof::route_with_lock;
pub use release::{RefusedRelease, ReleaseOutcome};
pub use request::{
    BODY_BYTES_MAX, HEADER_BYTES_MAX, HEADER_COUNT_MAX, Method, ParseRequestError, ParsedRequest,
    REQUEST_BYTES_MAX, Request, parse_request,
};
pub use response::{Chunk, respond_chunk};
pub use route::{AnswerFormat, Guard, RedirectTarget, Route, Routed, route, route_parse_error};
pub use secret::Secret;
pub use static_address::{ReadStaticAddressError, StaticAddress};
pub use token::{TOKEN_BYTES, Token};
pub use view::{
    ClaimRefusal, Identity, MacAddress, PortalView, Progress, ScanEntry, ScanView, Security, Trial,
};
pub use wifi_scan::SCAN_ENTRIES_MAX;
pub use wire::{ClaimCode, ParseClaimCodeError};
