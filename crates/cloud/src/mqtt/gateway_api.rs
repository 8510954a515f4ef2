//! The gateway API: one connection that speaks for other devices by their tokens. Source: reference/mqtt-api.md 9.
//!
//! Each of them has a login of its own at the gateway, so that whatever holds for a device that is connected by itself, release
//! and limits included, holds here too. It counts as connected while the connection that speaks for it lasts.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::Poll;

use metrics::counter;
use registry::{LookedUp, Token, TokenRecord};
use store::StorageError;

use super::connection::open_pipe;
use super::device_side::{Answer, DeviceSide, LogIn, ServeDeviceError};
use super::packet::Refusal;
use crate::app::App;
use crate::gateway::Gateway;
use crate::listener::Peer;

/// Devices that one connection speaks for. Each costs what a connected device does.
const OTHERS_MAX: usize = 256;

/// The first part of every topic that is about another device.
const OTHER_DEVICE: &str = "dev/";

/// Says whether the device of a token may speak for others: its template must allow it.
pub(super) async fn may_speak_for_others(app: &App, token: &[u8]) -> Result<Option<bool>, StorageError> {
    let device = match app.store.look_up_token(token) {
        LookedUp::Found(TokenRecord::Device { device, .. }) => device,
        // A token that was given out and belongs to no device yet: it must have been set up first.
        LookedUp::Found(_) => return Ok(Some(false)),
        _ => return Ok(None),
    };
    let Some(device) = app.store.device(device).await? else { return Ok(Some(false)) };
    let template = app.store.template(device.template_id).await?;
    Ok(Some(template.is_some_and(|template| template.gateway_api)))
}

/// Takes apart `dev/{token}/REST`; `None` when there is no such thing as the token.
pub(super) fn target(topic: &str) -> Option<(Token, &str)> {
    let (token, rest) = topic.strip_prefix(OTHER_DEVICE)?.split_once('/')?;
    Some((Token::parse(token.as_bytes()).ok()?, rest))
}

/// The topic of another device's message.
pub(super) fn topic_of(token: &Token, topic: &str) -> String {
    format!("{OTHER_DEVICE}{}/{topic}", token.expose())
}

/// What a filter below `dev/{token}/` is for the device alone: `#` means everything for it.
pub(super) fn filter_of(rest: &str) -> String {
    if rest == "#" { "downlink/#".to_owned() } else { rest.to_owned() }
}

/// The devices that a connection speaks for.
pub(super) struct Others {
    app: Arc<App>,
    gateway: Gateway,
    peer: Peer,
    devices: Vec<Other>,
    next_number: u64,
}

struct Other {
    /// Never used twice on a connection.
    number: u64,
    token: Token,
    side: DeviceSide,
}

/// Whether a device can be spoken for.
pub(super) enum Opened {
    /// It is in, under this number; these answers came with it, if it has just logged in.
    In(u64, Vec<Answer>),
    Refused(&'static str),
}

impl Others {
    pub(super) fn new(app: Arc<App>, gateway: Gateway, peer: Peer) -> Self {
        Self { app, gateway, peer, devices: Vec::new(), next_number: 0 }
    }

    /// Logs a device in unless it is.
    pub(super) async fn open(&mut self, token: &Token) -> Result<Opened, ServeDeviceError> {
        // Every device of this server belongs to the same account today; accounts of their own must be compared here.
        if let Some(known) = self.devices.iter().find(|known| known.token == *token) {
            return Ok(Opened::In(known.number, Vec::new()));
        }
        if self.devices.len() >= OTHERS_MAX {
            return Ok(Opened::Refused("this connection speaks for as many devices as it may"));
        }
        let (pipe, socket) = open_pipe();
        let (gateway, peer) = (self.gateway.clone(), self.peer);
        self.app.tasks.spawn(async move { gateway.serve_tracked(socket, peer.over_mqtt()).await });
        let mut side = DeviceSide::new(Arc::clone(&self.app), pipe, peer);
        let answers = match side.log_in(token.expose().as_bytes()).await? {
            LogIn::In(answers) => answers,
            LogIn::Refused(Refusal::BadCredentials) => return Ok(Opened::Refused("the token is not valid")),
            LogIn::Refused(_) => {
                return Ok(Opened::Refused("the server cannot let the device in now; try again later"));
            }
        };
        counter!("mqtt_devices_spoken_for_total").increment(1);
        let number = self.next_number;
        self.next_number = number.saturating_add(1);
        self.devices.push(Other { number, token: token.clone(), side });
        Ok(Opened::In(number, answers))
    }

    pub(super) fn get(&mut self, number: u64) -> Option<(&Token, &mut DeviceSide)> {
        let found = self.devices.iter_mut().find(|device| device.number == number)?;
        Some((&found.token, &mut found.side))
    }

    /// Returns the number of a device that is spoken for.
    pub(super) fn number_of(&self, token: &Token) -> Option<u64> {
        self.devices.iter().find(|device| device.token == *token).map(|device| device.number)
    }

    pub(super) fn numbers(&self) -> Vec<u64> {
        self.devices.iter().map(|device| device.number).collect()
    }

    /// Forgets a device whose connection to the gateway has ended. The next message for it logs it in again.
    pub(super) fn remove(&mut self, number: u64) {
        self.devices.retain(|device| device.number != number);
    }

    /// Reads what the gateway sent for one of them, and says for which; never ready while there is none.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub(super) async fn read(&mut self) -> (u64, io::Result<usize>) {
        poll_fn(|context| {
            for device in &mut self.devices {
                if let Poll::Ready(read) = device.side.poll_read(context) {
                    let number = device.number;
                    // The next look begins with another one, so that none waits behind a busy one.
                    self.devices.rotate_left(1);
                    return Poll::Ready((number, read));
                }
            }
            Poll::Pending
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_of_another_device_has_a_token_and_a_rest() {
        let text = "t".repeat(32);
        let token = Token::parse(text.as_bytes()).unwrap();
        assert_eq!(target(&format!("dev/{text}/ds/Power")), Some((token.clone(), "ds/Power")));
        assert_eq!(target(&format!("dev/{text}/#")), Some((token.clone(), "#")));
        for topic in
            ["ds/Power", "dev/", "dev/#", "dev/+/ds/Power", "dev/short/ds/Power", &format!("dev/{text}")]
        {
            assert_eq!(target(topic), None, "{topic}");
        }
        assert_eq!(topic_of(&token, "downlink/ds/Power"), format!("dev/{text}/downlink/ds/Power"));
    }
}
