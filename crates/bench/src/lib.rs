//! The virtual bench: places with networks, boards with flash, serial log, LED and button, and the air between them.
//!
//! Boards run real firmware code: the shell of `device` for our own, an emulation of stock Edgent for comparison. In
//! live mode each board's setup portal listens on its own loopback port and its cloud link is a real TCP or TLS
//! connection; in virtual time the same code runs against [`virtual_cloud`] and hours pass in milliseconds.
//!
//! The bench decides nothing about the product: what a board does is decided by its firmware, what a cloud does by the
//! cloud. Read [`board`] first for the seam between a board and its firmware, then [`world`] for what happens to boards.

pub mod air;
pub mod api;
pub mod board;
mod board_core;
pub mod clock;
pub mod demo;
pub mod demo_world;
mod edgent_board;
mod edgent_button;
mod edgent_console;
#[cfg(test)]
mod edgent_lab;
mod edgent_link;
pub mod edgent_new;
pub mod edgent_old;
mod edgent_portal;
mod edgent_sketch;
mod edgent_update;
pub mod firmware;
pub mod firmware_image;
pub mod firmware_slots;
pub mod handle;
mod hotspot;
pub mod link;
pub mod live_net;
pub mod phone;
mod portal_port;
pub mod queue;
pub mod rehome;
mod rehome_login_page;
mod rehome_platform;
mod rehome_slots;
pub mod seed;
pub mod serial;
pub mod story;
pub mod virtual_cloud;
pub mod virtual_time;
pub mod world;

#[cfg(test)]
mod live_stage;
