//! A D-Bus of our own with NetworkManager's mock on it.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use futures_util::StreamExt as _;
use tempfile::TempDir;
use zbus::{Connection, MatchRule, Message, MessageStream, OwnedObjectPath, OwnedVariant, Variant};

/// Debian's interpreter: the mock comes as a Debian package, which another interpreter does not see.
const PYTHON: &str = "/usr/bin/python3";
pub(crate) const SERVICE: &str = "org.freedesktop.NetworkManager";
pub(crate) const MANAGER_PATH: &str = "/org/freedesktop/NetworkManager";
pub(crate) const DEVICE: &str = "org.freedesktop.NetworkManager.Device";
pub(crate) const WIRELESS: &str = "org.freedesktop.NetworkManager.Device.Wireless";
pub(crate) const ACTIVE: &str = "org.freedesktop.NetworkManager.Connection.Active";
const SUPPLICANT: &str = "fi.w1.wpa_supplicant1.Interface";
const MOCK: &str = "org.freedesktop.DBus.Mock";
/// Object of every connection that the mock activates.
pub(crate) const ACTIVE_PATH: &str = "/org/freedesktop/NetworkManager/ActiveConnection/7";
/// Stored profile of the connection that a device had before.
pub(crate) const FORMER_PROFILE: &str = "/org/freedesktop/NetworkManager/Settings/5";
/// How long anything in a test may take.
const DEADLINE: Duration = Duration::from_secs(30);

/// What the mock does when it is told to activate: it says yes, and the test says what becomes of it.
const ACTIVATE: &str = "
if '/org/freedesktop/NetworkManager/ActiveConnection/7' not in objects:
    self.AddObject('/org/freedesktop/NetworkManager/ActiveConnection/7', 'org.freedesktop.NetworkManager.Connection.Active', {'State': dbus.UInt32(1)}, [])
ret = (dbus.ObjectPath('/org/freedesktop/NetworkManager/Settings/7'), dbus.ObjectPath('/org/freedesktop/NetworkManager/ActiveConnection/7'), dbus.Dictionary({}, signature='sv'))
";
/// What the mock does when it is told to bring a stored connection back: it is back at once.
const BRING_BACK: &str = "
if '/org/freedesktop/NetworkManager/ActiveConnection/8' not in objects:
    self.AddObject('/org/freedesktop/NetworkManager/ActiveConnection/8', 'org.freedesktop.NetworkManager.Connection.Active', {'State': dbus.UInt32(2)}, [])
ret = dbus.ObjectPath('/org/freedesktop/NetworkManager/ActiveConnection/8')
";
/// A scan that ends at once.
const SCAN: &str = "
self.scan_number = getattr(self, 'scan_number', 0) + 1
self.UpdateProperties('org.freedesktop.NetworkManager.Device.Wireless', {'LastScan': dbus.Int64(self.scan_number)})
";

/// The bus; it ends with the test.
pub(crate) struct PrivateBus {
    daemon: Child,
    mock: Option<Child>,
    address: String,
    control: Connection,
    _folder: TempDir,
}

impl PrivateBus {
    /// Starts a bus without NetworkManager.
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder for the bus");
        let config = folder.path().join("bus.conf");
        std::fs::write(&config, bus_config(folder.path())).expect("writing the bus's configuration");
        let mut daemon = Command::new("dbus-daemon")
            .arg(format!("--config-file={}", config.display()))
            .args(["--nofork", "--print-address=1"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("starting dbus-daemon; it is missing: apt-get install dbus");
        let mut address = String::new();
        let stdout = daemon.stdout.take().expect("the bus's output");
        BufReader::new(stdout).read_line(&mut address).expect("reading the bus's address");
        let address = address.trim().to_owned();
        let control = connect(&address).await;
        Self { daemon, mock: None, address, control, _folder: folder }
    }

    /// Starts a bus with a NetworkManager that has one radio, `wlan0`.
    pub(crate) async fn with_radio() -> (Self, Device) {
        let mut bus = Self::start().await;
        bus.start_network_manager().await;
        let device = bus.add_radio("wlan0").await;
        (bus, device)
    }

    /// Where a program finds this bus.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) async fn connection(&self) -> Connection {
        connect(self.address()).await
    }

    pub(crate) async fn start_network_manager(&mut self) {
        let mut owners = self.listen("org.freedesktop.DBus", "NameOwnerChanged").await;
        let has_mock = Command::new(PYTHON).args(["-c", "import dbusmock"]).status();
        assert!(
            has_mock.is_ok_and(|status| status.success()),
            "NetworkManager's mock is missing: apt-get install python3-dbusmock"
        );
        let mock = Command::new(PYTHON)
            .args(["-m", "dbusmock", "--template", "networkmanager"])
            .env("DBUS_SYSTEM_BUS_ADDRESS", &self.address)
            .env("DBUS_SESSION_BUS_ADDRESS", &self.address)
            .stdout(Stdio::null())
            .spawn()
            .expect("starting the mock of NetworkManager");
        self.mock = Some(mock);
        loop {
            let message = next(&mut owners).await;
            let (name, _old, new): (String, String, String) = message.body().deserialize().expect("an owner");
            if name == SERVICE && !new.is_empty() {
                break;
            }
        }
        // The name is there before the template is loaded.
        let deadline = tokio::time::Instant::now() + DEADLINE;
        while self.call(MANAGER_PATH, SERVICE, "GetDevices", &()).await.is_err() {
            assert!(tokio::time::Instant::now() < deadline, "the mock does not answer");
            tokio::task::yield_now().await;
        }
        self.add_method(
            MANAGER_PATH,
            SERVICE,
            "AddAndActivateConnection2",
            ["a{sa{sv}}ooa{sv}", "ooa{sv}"],
            ACTIVATE,
        )
        .await;
        self.add_method(MANAGER_PATH, SERVICE, "DeactivateConnection", ["o", ""], "").await;
    }

    /// Ends the bus, as a crash of its daemon does.
    pub(crate) fn stop_bus(&mut self) {
        self.daemon.kill().expect("stopping the bus");
        self.daemon.wait().expect("waiting for the bus");
    }

    pub(crate) fn stop_network_manager(&mut self) {
        if let Some(mut mock) = self.mock.take() {
            mock.kill().expect("stopping the mock");
            mock.wait().expect("waiting for the mock");
        }
    }

    pub(crate) async fn add_radio(&self, name: &str) -> Device {
        let added =
            self.call(MANAGER_PATH, MOCK, "AddWiFiDevice", &(name, name, 30_i32)).await.expect("a radio");
        let path: String = added.body().deserialize().expect("its path");
        let never_scanned = (WIRELESS, "LastScan", Variant::from(-1_i64));
        self.call(&path, MOCK, "AddProperty", &never_scanned).await.expect("another property");
        self.add_method(&path, WIRELESS, "RequestScan", ["a{sv}", ""], SCAN).await;
        Device { path }
    }

    /// Lets a device have a connection, which can be brought back after another one.
    pub(crate) async fn add_active_connection(&self, device: &Device, name: &str) {
        let active = "/org/freedesktop/NetworkManager/ActiveConnection/5";
        let profile = OwnedObjectPath::try_from(FORMER_PROFILE).expect("a path");
        let properties = std::collections::HashMap::from([
            ("State", Variant::from(2_u32)),
            ("Id", Variant::from(name)),
            ("Connection", Variant::from(profile)),
        ]);
        let methods: Vec<(String, String, String, String)> = Vec::new();
        let body = (active, ACTIVE, properties, methods);
        self.call(MANAGER_PATH, MOCK, "AddObject", &body).await.expect("an active connection");
        self.set_active_connection(device, active).await;
        self.add_method(MANAGER_PATH, SERVICE, "ActivateConnection", ["ooo", "o"], BRING_BACK).await;
    }

    /// Says which connection a device has; the mock does not know by itself.
    pub(crate) async fn set_active_connection(&self, device: &Device, active: &str) {
        let active = OwnedObjectPath::try_from(active).expect("a path");
        let body = (DEVICE, "ActiveConnection", Variant::from(active));
        // The mock's own way to change values takes no paths.
        let properties = "org.freedesktop.DBus.Properties";
        self.call(&device.path, properties, "Set", &body).await.expect("another connection");
    }

    /// Tells that a station joined, as the supplicant does.
    pub(crate) async fn let_in(&self, mac: &str) {
        let nobody: Option<&str> = None;
        let path = "/fi/w1/wpa_supplicant1/Interfaces/0";
        let sent = self.control.emit_signal(nobody, path, SUPPLICANT, "StaAuthorized", &mac).await;
        sent.expect("a signal of the supplicant");
    }

    pub(crate) async fn add_access_point(&self, device: &Device, seen: &AccessPoint<'_>) {
        let body = (
            device.path.as_str(),
            seen.object,
            seen.ssid,
            seen.address,
            2_u32,
            seen.mhz,
            54_000_u32,
            seen.strength,
            seen.security,
        );
        self.call(MANAGER_PATH, MOCK, "AddAccessPoint", &body).await.expect("an access point");
    }

    pub(crate) async fn add_method(
        &self,
        path: &str,
        interface: &str,
        name: &str,
        [takes, gives]: [&str; 2],
        code: &str,
    ) {
        let body = (interface, name, takes, gives, code);
        self.call(path, MOCK, "AddMethod", &body).await.expect("another method");
    }

    pub(crate) async fn add_object(&self, path: &str, interface: &str) {
        let properties: std::collections::HashMap<String, Variant<'_>> = std::collections::HashMap::new();
        let methods: Vec<(String, String, String, String)> = Vec::new();
        let body = (path, interface, properties, methods);
        self.call(MANAGER_PATH, MOCK, "AddObject", &body).await.expect("another object");
    }

    pub(crate) async fn set(&self, path: &str, interface: &str, name: &str, value: Variant<'_>) {
        let body = (interface, std::collections::HashMap::from([(name, value)]));
        self.call(path, MOCK, "UpdateProperties", &body).await.expect("another value");
    }

    /// Moves a device to another state, as NetworkManager tells it.
    pub(crate) async fn move_device(&self, device: &Device, new: u32, old: u32, reason: u32) {
        self.set(&device.path, DEVICE, "State", Variant::from(new)).await;
        let numbers: Vec<Variant<'_>> = [new, old, reason].map(Variant::from).into();
        let body = (DEVICE, "StateChanged", "uuu", numbers);
        self.call(&device.path, MOCK, "EmitSignal", &body).await.expect("a signal");
    }

    /// Brings the activation up that was ordered last.
    pub(crate) async fn bring_up(&self, device: &Device) {
        self.move_device(device, 40, 30, 0).await;
        self.move_device(device, 70, 50, 0).await;
        self.set(ACTIVE_PATH, ACTIVE, "State", Variant::from(2_u32)).await;
        self.move_device(device, 100, 90, 0).await;
    }

    pub(crate) async fn remove_device(&self, device: &Device) {
        let path = OwnedObjectPath::try_from(device.path.as_str()).expect("a path");
        let body = (SERVICE, "DeviceRemoved", "o", vec![Variant::from(path)]);
        self.call(MANAGER_PATH, MOCK, "EmitSignal", &body).await.expect("a signal");
    }

    /// Listens for calls of one of NetworkManager's methods.
    pub(crate) async fn calls(&self) -> MessageStream {
        self.listen(MOCK, "MethodCalled").await
    }

    async fn listen(&self, interface: &str, member: &str) -> MessageStream {
        let rule = MatchRule::builder()
            .msg_type(zbus::message::Type::Signal)
            .interface(interface)
            .member(member)
            .build()
            .expect("a rule");
        let rule = zbus::OwnedMatchRule::from(rule.to_owned());
        MessageStream::for_match_rule(rule, &self.control, None).await.expect("listening")
    }

    async fn call<B>(&self, path: &str, interface: &str, method: &str, body: &B) -> zbus::Result<Message>
    where
        B: serde::Serialize + zbus::DynamicType,
    {
        self.control.call_method(Some(SERVICE), path, Some(interface), method, body).await
    }
}

impl Drop for PrivateBus {
    fn drop(&mut self) {
        for child in self.mock.iter_mut().chain([&mut self.daemon]) {
            // A child that ended already is as good as one that is stopped now.
            child.kill().unwrap_or_default();
            child.wait().map(|_status| ()).unwrap_or_default();
        }
    }
}

/// A radio of the mock.
#[derive(Clone, Debug)]
pub(crate) struct Device {
    pub(crate) path: String,
}

/// An access point of the mock.
pub(crate) struct AccessPoint<'a> {
    pub(crate) object: &'a str,
    pub(crate) ssid: &'a str,
    pub(crate) address: &'a str,
    pub(crate) mhz: u32,
    pub(crate) strength: u8,
    /// `NM80211ApSecurityFlags`.
    pub(crate) security: u32,
}

/// Waits until a method is called, and returns what it was given.
pub(crate) async fn until_called(calls: &mut MessageStream, method: &str) -> Vec<OwnedVariant> {
    loop {
        let message = next(calls).await;
        let (name, given): (String, Vec<OwnedVariant>) = message.body().deserialize().expect("a call");
        if name == method {
            return given;
        }
    }
}

/// Returns the methods called until the last one was.
pub(crate) async fn names_called_until(calls: &mut MessageStream, last: &str) -> Vec<String> {
    let mut names = Vec::new();
    while names.last().is_none_or(|name| name != last) {
        let message = next(calls).await;
        let (name, _given): (String, Vec<OwnedVariant>) = message.body().deserialize().expect("a call");
        names.push(name);
    }
    names
}

async fn next(stream: &mut MessageStream) -> Message {
    let received = tokio::time::timeout(DEADLINE, stream.next()).await.expect("a signal in time");
    received.expect("the bus lives").expect("a signal")
}

async fn connect(address: &str) -> Connection {
    zbus::connection::Builder::address(address).build().await.expect("connecting to the private bus")
}

fn bus_config(folder: &Path) -> String {
    format!(
        r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <listen>unix:dir={}</listen>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
    <allow user="*"/>
  </policy>
</busconfig>"#,
        folder.display()
    )
}
