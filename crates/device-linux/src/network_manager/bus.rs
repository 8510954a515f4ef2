//! Calls to NetworkManager, and its signals, over D-Bus.
//!
//! Names and numbers: NetworkManager's D-Bus reference, version 1.42.

use std::collections::HashMap;
use std::num::NonZeroUsize;

use futures_util::StreamExt as _;
use portal::MacAddress;
use tokio::sync::mpsc;
use zbus::{
    Connection, MatchRule, Message, MessageStream, ObjectPath, OwnedObjectPath, OwnedVariant, Variant,
};

use super::access_points::parse_mac;
use super::profile::OwnedProfile;
use crate::wifi::WifiError;

/// Bus name of NetworkManager.
pub(crate) const SERVICE: &str = "org.freedesktop.NetworkManager";
/// Its main object.
pub(crate) const MANAGER_PATH: &str = "/org/freedesktop/NetworkManager";
/// Interface of the main object.
pub(crate) const MANAGER: &str = "org.freedesktop.NetworkManager";
/// Interface of every device.
pub(crate) const DEVICE: &str = "org.freedesktop.NetworkManager.Device";
/// Interface of a Wi-Fi device.
pub(crate) const WIRELESS: &str = "org.freedesktop.NetworkManager.Device.Wireless";
/// Interface of an access point that was heard.
pub(crate) const ACCESS_POINT: &str = "org.freedesktop.NetworkManager.AccessPoint";
/// Interface of a connection that is up or coming up.
pub(crate) const ACTIVE: &str = "org.freedesktop.NetworkManager.Connection.Active";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
/// Interface on which the supplicant tells who joined the hotspot.
const SUPPLICANT: &str = "fi.w1.wpa_supplicant1.Interface";

/// Signals that wait while the adapter is busy. Those we keep are rare; the rest is dropped before it gets here.
const SIGNAL_QUEUE_LEN_MAX: usize = 256;
/// Messages of one match rule that wait for the pump, which only sorts them.
const MATCH_QUEUE_LEN_MAX: NonZeroUsize = NonZeroUsize::MIN.saturating_add(511);

/// What a signal told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signal {
    /// A device went from one state to another.
    DeviceState {
        /// Which.
        device: OwnedObjectPath,
        /// Its `NMDeviceState` now.
        new: u32,
        /// The one before.
        old: u32,
        /// Why, an `NMDeviceStateReason`.
        reason: u32,
    },
    /// A connection went to another state.
    ActiveState {
        /// Which.
        active: OwnedObjectPath,
        /// Its `NMActiveConnectionState`.
        state: u32,
    },
    /// A device was unplugged.
    DeviceRemoved {
        /// Which.
        device: OwnedObjectPath,
    },
    /// A device appeared.
    DeviceAdded,
    /// A device finished a scan.
    Scanned {
        /// Which.
        device: OwnedObjectPath,
    },
    /// NetworkManager came or went.
    OwnerChanged {
        /// It is there now.
        is_running: bool,
    },
    /// The supplicant let a phone in, or a board.
    PhoneAttached {
        /// Whose, where the supplicant tells.
        address: Option<MacAddress>,
    },
    /// It left.
    PhoneDetached {
        /// Whose, where the supplicant tells.
        address: Option<MacAddress>,
    },
}

/// A connection to the bus.
#[derive(Debug)]
pub(crate) struct Bus {
    connection: Connection,
    signals: mpsc::Receiver<Signal>,
}

impl Bus {
    /// Listens for the signals that matter. Works with and without a running NetworkManager.
    pub(crate) async fn new(connection: Connection) -> Result<Self, zbus::Error> {
        let (sender, signals) = mpsc::channel(SIGNAL_QUEUE_LEN_MAX);
        let rules = [
            // The path, because a stream takes whatever comes over the connection for its own where only a name that
            // is not unique tells the sender: the supplicant's signals would be told twice.
            MatchRule::builder()
                .msg_type(zbus::message::Type::Signal)
                .sender(SERVICE)
                .path_namespace(MANAGER_PATH)
                .build()?,
            MatchRule::builder()
                .msg_type(zbus::message::Type::Signal)
                .sender("org.freedesktop.DBus")
                .interface("org.freedesktop.DBus")
                .member("NameOwnerChanged")
                .add_arg(SERVICE)
                .build()?,
            MatchRule::builder().msg_type(zbus::message::Type::Signal).interface(SUPPLICANT).build()?,
        ];
        for rule in rules {
            let stream = MessageStream::for_match_rule(rule, &connection, Some(MATCH_QUEUE_LEN_MAX)).await?;
            tokio::spawn(pump(stream, sender.clone()));
        }
        Ok(Self { connection, signals })
    }

    /// Waits for the next signal; never returns when the bus is gone.
    ///
    /// # Cancel safety
    /// No signal is lost when the future is dropped.
    pub(crate) async fn next_signal(&mut self) -> Signal {
        match self.next_signal_or_end().await {
            Some(signal) => signal,
            None => std::future::pending().await,
        }
    }

    /// Waits for the next signal; `None` when the bus is gone.
    ///
    /// # Cancel safety
    /// No signal is lost when the future is dropped.
    pub(crate) async fn next_signal_or_end(&mut self) -> Option<Signal> {
        self.signals.recv().await
    }

    /// Takes a signal that already waits.
    pub(crate) fn try_signal(&mut self) -> Option<Signal> {
        self.signals.try_recv().ok()
    }

    /// Calls a method of NetworkManager.
    pub(crate) async fn call<B>(
        &self,
        path: &str,
        interface: &str,
        method: &str,
        body: &B,
    ) -> Result<Message, WifiError>
    where
        B: serde::Serialize + zbus::DynamicType + Sync,
    {
        let called = self.connection.call_method(Some(SERVICE), path, Some(interface), method, body).await;
        called.map_err(classify)
    }

    /// Reads a property.
    pub(crate) async fn property<T>(&self, path: &str, interface: &str, name: &str) -> Result<T, WifiError>
    where
        T: TryFrom<OwnedVariant>,
        T::Error: Into<zbus::Error>,
    {
        let answer = self.call(path, PROPERTIES, "Get", &(interface, name)).await?;
        let value: OwnedVariant = answer.body().deserialize()?;
        T::try_from(value).map_err(|error| WifiError::Bus(error.into()))
    }

    /// Reads every property of an interface.
    pub(crate) async fn properties(
        &self,
        path: &str,
        interface: &str,
    ) -> Result<HashMap<String, OwnedVariant>, WifiError> {
        let answer = self.call(path, PROPERTIES, "GetAll", &interface).await?;
        Ok(answer.body().deserialize()?)
    }

    /// A connection of our own, for calls that must outlive the caller.
    pub(crate) fn connection(&self) -> Connection {
        self.connection.clone()
    }
}

/// Answer to an activation: profile, active connection, details.
type Activated = (OwnedObjectPath, OwnedObjectPath, HashMap<String, OwnedVariant>);

/// Adds a volatile profile and activates it; it ends with this process at the latest. Returns the active connection.
pub(crate) async fn add_and_activate(
    connection: &Connection,
    profile: OwnedProfile,
    device: &ObjectPath<'_>,
    access_point: &str,
) -> Result<OwnedObjectPath, WifiError> {
    let access_point = ObjectPath::try_from(access_point)?;
    let options = HashMap::from([
        ("persist", Variant::from("volatile")),
        ("bind-activation", Variant::from("dbus-client")),
    ]);
    let body = (profile, device, access_point, options);
    let answer = connection
        .call_method(Some(SERVICE), MANAGER_PATH, Some(MANAGER), "AddAndActivateConnection2", &body)
        .await
        .map_err(classify)?;
    let (_profile, active, _result): Activated = answer.body().deserialize()?;
    Ok(active)
}

/// Names the failure of a call.
pub(crate) fn classify(error: zbus::Error) -> WifiError {
    let (name, text) = match &error {
        zbus::Error::MethodError(name, text, _message) => (name.as_str(), text.clone()),
        zbus::Error::FDO(fdo) => (fdo_name(fdo), Some(fdo.to_string())),
        _ => return WifiError::Bus(error),
    };
    let last = name.rsplit('.').next().unwrap_or_default();
    match last {
        "ServiceUnknown" | "NameHasNoOwner" | "NoReply" => WifiError::NotRunning,
        "PermissionDenied" | "AccessDenied" | "AuthFailed" => WifiError::PermissionDenied,
        "UnknownDevice" => WifiError::NoRadio { interface: None },
        // What NetworkManager says about a bad profile names properties and never repeats a secret's value.
        "InvalidConnection" | "InvalidProperty" | "MissingProperty" | "InvalidSetting" | "MissingSetting"
        | "InvalidArguments" => WifiError::BadSettings { what: text.unwrap_or_default() },
        _ => WifiError::Bus(error),
    }
}

fn fdo_name(error: &zbus::fdo::Error) -> &'static str {
    match error {
        zbus::fdo::Error::ServiceUnknown(_) => "ServiceUnknown",
        zbus::fdo::Error::NameHasNoOwner(_) => "NameHasNoOwner",
        zbus::fdo::Error::NoReply(_) => "NoReply",
        zbus::fdo::Error::AccessDenied(_) => "AccessDenied",
        zbus::fdo::Error::AuthFailed(_) => "AuthFailed",
        _ => "",
    }
}

/// Sorts what the bus delivers, so that a busy adapter never holds the connection up.
async fn pump(mut stream: MessageStream, signals: mpsc::Sender<Signal>) {
    while let Some(received) = stream.next().await {
        let Some(signal) = received.ok().and_then(|message| read_signal(&message)) else {
            continue;
        };
        match signals.try_send(signal) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(_)) => {
                tracing::warn!("signals of NetworkManager came faster than they could be handled");
            }
            Err(mpsc::error::TrySendError::Closed(_)) => return,
        }
    }
}

/// Interface, changed properties, properties without a value.
type ChangedProperties = (String, HashMap<String, OwnedVariant>, Vec<String>);

/// Reads a signal; anything unknown or malformed is no signal of ours.
#[must_use]
pub fn read_signal(message: &Message) -> Option<Signal> {
    let header = message.header();
    let path: &ObjectPath<'_> = header.path()?;
    let body = message.body();
    match (header.interface()?.as_str(), header.member()?.as_str()) {
        (DEVICE, "StateChanged") => {
            let (new, old, reason): (u32, u32, u32) = body.deserialize().ok()?;
            Some(Signal::DeviceState { device: path.to_owned().into(), new, old, reason })
        }
        (ACTIVE, "StateChanged") => {
            let (state, _reason): (u32, u32) = body.deserialize().ok()?;
            Some(Signal::ActiveState { active: path.to_owned().into(), state })
        }
        (MANAGER, "DeviceRemoved") => {
            let device: OwnedObjectPath = body.deserialize().ok()?;
            Some(Signal::DeviceRemoved { device })
        }
        (MANAGER, "DeviceAdded") => Some(Signal::DeviceAdded),
        (PROPERTIES, "PropertiesChanged") => {
            let (interface, changed, _invalidated): ChangedProperties = body.deserialize().ok()?;
            let is_scan = interface == WIRELESS && changed.contains_key("LastScan");
            is_scan.then(|| Signal::Scanned { device: path.to_owned().into() })
        }
        ("org.freedesktop.DBus", "NameOwnerChanged") => {
            let (_name, _old, new): (String, String, String) = body.deserialize().ok()?;
            Some(Signal::OwnerChanged { is_running: !new.is_empty() })
        }
        (SUPPLICANT, "StaAuthorized") => Some(Signal::PhoneAttached { address: station_address(&body) }),
        (SUPPLICANT, "StaDeauthorized") => Some(Signal::PhoneDetached { address: station_address(&body) }),
        _ => None,
    }
}

fn station_address(body: &zbus::message::Body) -> Option<MacAddress> {
    let address: String = body.deserialize().ok()?;
    parse_mac(&address)
}
