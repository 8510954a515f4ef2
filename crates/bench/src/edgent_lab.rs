//! What the tests of both generations of Edgent need: one board, one place with a network, one cloud.

use std::rc::Rc;
use std::time::Duration;

use crate::air::{AirNetwork, Place, PlaceId, Secret, Security};
use crate::board::BoardId;
use crate::firmware::Firmware;
use crate::phone::Phone;
use crate::virtual_cloud::{CLOUD_HOST, Service};
use crate::virtual_time::{VirtualWorld, run_virtual};
use crate::world::{BoardView, NewBoard, NewIdentity};

pub(crate) const SSID: &[u8] = b"Brewery";
pub(crate) const PASSWORD: &[u8] = b"hops-and-malt";
pub(crate) const MINUTE: Duration = Duration::from_mins(1);
pub(crate) const HOUR: Duration = Duration::from_hours(1);
/// The worked example for the ESP8266, suffix P5UH.
const MAC: [u8; 6] = [0x5C, 0xCF, 0x7F, 0xDE, 0xAD, 0x01];

/// One board, one place, one cloud.
pub(crate) struct Lab {
    pub(crate) world: VirtualWorld,
    pub(crate) place: PlaceId,
    pub(crate) board: BoardId,
    pub(crate) token: Secret,
}

impl Lab {
    pub(crate) fn new(world: VirtualWorld, firmware: Rc<dyn Firmware>) -> Self {
        let network = AirNetwork {
            ssid: SSID.to_vec(),
            password: Some(Secret::new(PASSWORD)),
            password_hint: None,
            security: Security::Wpa2,
            has_internet: true,
            is_up: true,
        };
        let place = Place { name: "Brewery".to_owned(), networks: vec![network] };
        let place = world.bench.add_place(place).unwrap();
        let identity = NewIdentity {
            mac: Some(MAC),
            template_id: "TMPLabcdef".to_owned(),
            template_name: "Air Monitor".to_owned(),
            vendor: "Blynk".to_owned(),
            has_button: true,
            pop: None,
        };
        let new = NewBoard { name: "Board".to_owned(), identity, firmware, place: Some(place.clone()) };
        let board = world.bench.add_board(new).unwrap();
        world.bench.give_power(&board).unwrap();
        let token = world.cloud.create_device();
        Self { world, place, board, token }
    }

    pub(crate) fn view(&self) -> BoardView {
        self.world.bench.board(&self.board).unwrap()
    }

    pub(crate) fn log(&self) -> String {
        self.world.bench.serial_from(&self.board, 0).unwrap().0
    }

    pub(crate) async fn expect_state(&self, state: &str, limit: Duration) {
        assert!(self.world.wait_for_state(&self.board, state, limit).await, "no {state}:\n{}", self.log());
    }

    pub(crate) async fn expect_hotspot(&self, limit: Duration) {
        let is_open = self.world.wait_for(&self.board, limit, |view| view.hotspot_ssid.is_some()).await;
        assert!(is_open, "no hotspot:\n{}", self.log());
    }

    /// Sends the form as an app does, then leaves the hotspot. Of equal names the one in `more` counts.
    pub(crate) async fn submit(&self, password: &[u8], token: &[u8], more: &[(&str, &[u8])]) -> String {
        self.expect_hotspot(MINUTE).await;
        let phone = Phone::join(&self.world.bench, &self.board).unwrap();
        phone.get("/board_info.json").await.unwrap();
        let host = CLOUD_HOST.as_bytes();
        let usual = [("ssid", SSID), ("pass", password), ("blynk", token), ("host", host), ("if", b"wifi")];
        let is_replaced = |name: &str| more.iter().any(|(other, _)| *other == name);
        let mut fields = more.to_vec();
        fields.extend(usual.into_iter().filter(|(name, _)| !is_replaced(name)));
        phone.post_form("/config", &fields).await.unwrap().text()
    }

    pub(crate) async fn provision(&self) {
        let answer = self.submit(PASSWORD, self.token.reveal(), &[]).await;
        assert_eq!(answer, r#"{"status":"ok","msg":"Trying to connect..."}"#);
        self.expect_state("RUNNING", MINUTE).await;
    }

    pub(crate) async fn power_cycle(&self) {
        self.world.bench.cut_power(&self.board).unwrap();
        self.world.pass(Duration::from_secs(2)).await;
        self.world.bench.give_power(&self.board).unwrap();
    }

    pub(crate) fn set_network_up(&self, is_up: bool) {
        self.world.bench.change_network(&self.place, SSID, |network| network.is_up = is_up).unwrap();
    }
}

/// Runs a story about one powered board of that firmware, in virtual time.
pub(crate) fn run_lab<R: Future<Output = ()>>(
    service: Service,
    firmware: fn() -> Rc<dyn Firmware>,
    story: impl FnOnce(Lab) -> R + Send + 'static,
) {
    run_virtual(7, service, move |world| story(Lab::new(world, firmware()))).unwrap();
}
