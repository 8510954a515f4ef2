//! Homes with secrets that can be searched for, and what a store shows.

use core::net::Ipv4Addr;
use std::collections::BTreeSet;

use embassy_futures::block_on;
use embedded_storage_async::nor_flash::NorFlash;
use home_store::sim_flash::{SECTOR_BYTES, SimFlash};
use home_store::{
    CloudBinding, CloudDeviceId, Epoch, Home, HomeStore, Host, Network, NetworkSecret, OpenHomeStoreError,
    OwnerData, ReceiptSecret, ReleaseKey, Ssid, StaticAddress, StoreLayout, Token, TrustAnchor,
};

/// A sector before and after the store's four, so that writes outside the layout are noticed.
pub(crate) const SECTOR_COUNT: usize = 6;

#[expect(clippy::cast_possible_truncation, reason = "4096 fits")]
pub(crate) const LAYOUT: StoreLayout = StoreLayout::at(SECTOR_BYTES as u32);

pub(crate) type Store<'a> = HomeStore<&'a mut SimFlash>;

pub(crate) fn open(flash: &mut SimFlash) -> Store<'_> {
    block_on(HomeStore::open(flash, LAYOUT)).expect("the store opens")
}

pub(crate) fn try_open(flash: &mut SimFlash) -> Result<Store<'_>, OpenHomeStoreError> {
    block_on(HomeStore::open(flash, LAYOUT))
}

/// Everything a store shows to its user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Visible {
    pub(crate) home: Option<Home>,
    pub(crate) epoch: Epoch,
    pub(crate) boot_count: u32,
    pub(crate) gesture_count: u8,
    pub(crate) last_error: Option<u16>,
}

pub(crate) fn visible<F: NorFlash>(store: &mut HomeStore<F>) -> Visible {
    Visible {
        home: block_on(store.load_home()).expect("the home can be read"),
        epoch: store.epoch(),
        boot_count: store.boot_count(),
        gesture_count: store.gesture_count(),
        last_error: store.last_error(),
    }
}

/// Letters that no other name and field has in this order, so that a trace in an image names its home.
fn text(name: &str, field: &str, length: usize) -> String {
    let seed = name.bytes().chain([b'/']).chain(field.bytes());
    let mut state = seed
        .fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3));
    let letters = core::iter::repeat_with(|| {
        state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
        char::from(b"abcdefghijklmnopqrstuvwxyz012345"[(state >> 59) as usize])
    });
    letters.take(length).collect()
}

/// A home with one network.
pub(crate) fn small_home(name: &str) -> Home {
    let network = Network {
        ssid: Ssid::parse(text(name, "ssid", 11).as_bytes()).unwrap(),
        secret: NetworkSecret::parse(text(name, "password", 13).as_bytes()).unwrap(),
        is_hidden: false,
        static_address: None,
    };
    let owner_data = OwnerData::parse(text(name, "owner", 9).as_bytes()).unwrap();
    Home { networks: [network].into_iter().collect(), cloud: cloud(name, 14), owner_data }
}

/// A home in which every field has its greatest length.
pub(crate) fn largest_home(name: &str) -> Home {
    let network = |index: u8| Network {
        ssid: Ssid::parse(text(name, &format!("ssid{index}"), 32).as_bytes()).unwrap(),
        secret: if index.is_multiple_of(2) {
            NetworkSecret::parse(text(name, &format!("password{index}"), 63).as_bytes()).unwrap()
        } else {
            let field = format!("key{index}");
            let letters = text(name, &field, 64);
            let digits: String =
                letters.chars().filter_map(|letter| char::from_digit(letter as u32 % 16, 16)).collect();
            NetworkSecret::parse(digits.as_bytes()).unwrap()
        },
        is_hidden: index.is_multiple_of(3),
        static_address: Some(StaticAddress {
            address: Ipv4Addr::new(192, 168, 7, index),
            mask: Ipv4Addr::new(255, 255, 255, 0),
            gateway: Ipv4Addr::new(192, 168, 7, 254),
            dns: [Some(Ipv4Addr::new(9, 9, 9, index)), Some(Ipv4Addr::new(1, 1, 1, index))],
        }),
    };
    let mut cloud = cloud(name, 64);
    cloud.trust_anchor = Some(TrustAnchor::parse(text(name, "anchor", 1024).as_bytes()).unwrap());
    let bytes = |what| core::array::from_fn(|index| text(name, what, 32).as_bytes()[index]);
    cloud.release_key = Some(ReleaseKey {
        device_id: CloudDeviceId::parse(&text(name, "device", 32)).unwrap(),
        epoch: Epoch(0x0A0B_0C0D),
        public_key: bytes("release"),
        receipt_secret: ReceiptSecret::new(bytes("receipt")),
    });
    let owner_data = OwnerData::parse(text(name, "owner", 256).as_bytes()).unwrap();
    Home { networks: (0..16).map(network).collect(), cloud, owner_data }
}

fn cloud(name: &str, host_bytes: usize) -> CloudBinding {
    CloudBinding {
        host: Host::parse(&text(name, "host", host_bytes)).unwrap(),
        port: 443,
        token: Token::parse(text(name, "token", 32).as_bytes()).unwrap(),
        uses_tls: true,
        trust_anchor: None,
        release_key: None,
    }
}

/// Every byte string of a home that must not survive a wipe.
pub(crate) fn traces_of(home: &Home) -> Vec<Vec<u8>> {
    let mut traces = vec![
        home.cloud.host.as_str().as_bytes().to_vec(),
        home.cloud.token.expose().to_vec(),
        home.owner_data.as_bytes().to_vec(),
    ];
    if let Some(key) = &home.cloud.release_key {
        traces.extend([key.public_key.to_vec(), key.receipt_secret.expose().to_vec()]);
        traces.push(key.device_id.as_str().as_bytes().to_vec());
    }
    for network in &home.networks {
        traces.push(network.ssid.as_bytes().to_vec());
        traces.push(network.secret.expose().to_vec());
    }
    traces.retain(|trace| !trace.is_empty());
    traces
}

/// The byte strings that give a home away: eight bytes in a row of any trace, since half a secret is a secret.
pub(crate) struct TraceSearch(BTreeSet<[u8; 8]>);

impl TraceSearch {
    pub(crate) fn of(home: &Home) -> Self {
        let traces = traces_of(home);
        assert!(traces.iter().all(|trace| trace.len() >= 8), "a short trace would not be searched for");
        Self(
            traces.iter().flat_map(|trace| trace.array_windows::<8>().copied().collect::<Vec<_>>()).collect(),
        )
    }

    /// Returns the first trace in the image. Erased stretches are skipped: they are most of it and hold none.
    pub(crate) fn find(&self, image: &[u8]) -> Option<String> {
        let cells: Vec<&[u8]> = image.chunks(32).collect();
        cells.split(|cell| **cell == [0xFF; 32][..]).find_map(|stretch| {
            let stretch = stretch.concat();
            let found = stretch.array_windows::<8>().find(|window| self.0.contains(*window))?;
            Some(String::from_utf8_lossy(found).into_owned())
        })
    }
}

pub(crate) fn find_trace(image: &[u8], home: &Home) -> Option<String> {
    TraceSearch::of(home).find(image)
}

/// Bytes outside the layout are nobody's business.
pub(crate) fn assert_stays_inside_the_layout(flash: &SimFlash) {
    let end = SECTOR_BYTES + LAYOUT.total_bytes::<SimFlash>() as usize;
    let outside = flash.image()[..SECTOR_BYTES].iter().chain(&flash.image()[end..]);
    assert!(outside.into_iter().all(|&byte| byte == 0xFF), "a write went outside the layout");
}
