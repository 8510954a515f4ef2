//! A home as bytes: one version byte, then fields in fixed order, little-endian, variable fields with their length first.
//!
//! A change of the form raises [`HOME_SCHEMA_VERSION`]; the decoder keeps reading every earlier one.

use core::net::Ipv4Addr;

use heapless::Vec;

use crate::access::usize_to_u32;
use crate::cloud_binding::{
    DEVICE_ID_BYTES_MAX, HOST_BYTES_MAX, RELEASE_KEY_BYTES, TOKEN_BYTES, TRUST_ANCHOR_BYTES_MAX,
};
use crate::home::{NETWORK_COUNT_MAX, OWNER_DATA_BYTES_MAX};
use crate::network::{PRE_SHARED_KEY_DIGITS, SSID_BYTES_MAX};
use crate::{
    CloudBinding, CloudDeviceId, Epoch, Home, Host, Network, NetworkSecret, OwnerData, ReceiptSecret,
    ReleaseKey, Ssid, StaticAddress, Token, TrustAnchor,
};

/// The form that [`encode_home`] writes.
pub const HOME_SCHEMA_VERSION: u8 = 1;

/// Bytes of one encoded network at most: name, secret, flags, static address.
const NETWORK_BYTES_MAX: usize = (1 + SSID_BYTES_MAX) + (1 + PRE_SHARED_KEY_DIGITS) + 1 + (1 + 5 * 4);

/// Bytes of an encoded release key at most: name, epoch, public key, receipt secret.
const RELEASE_BYTES_MAX: usize = (1 + DEVICE_ID_BYTES_MAX) + 4 + 2 * RELEASE_KEY_BYTES;

/// Bytes of an encoded cloud binding at most: host, port, flags, token, trust anchor, release key.
const CLOUD_BYTES_MAX: usize =
    (1 + HOST_BYTES_MAX) + 2 + 1 + TOKEN_BYTES + (2 + TRUST_ANCHOR_BYTES_MAX) + RELEASE_BYTES_MAX;

/// Bytes of an encoded home at most.
pub const HOME_BYTES_MAX: usize =
    1 + 1 + NETWORK_COUNT_MAX * NETWORK_BYTES_MAX + CLOUD_BYTES_MAX + (2 + OWNER_DATA_BYTES_MAX);

const SECRET_OPEN: u8 = 0;
const SECRET_PASSPHRASE: u8 = 1;
const SECRET_PRE_SHARED_KEY: u8 = 2;

const NETWORK_IS_HIDDEN: u8 = 1 << 0;
const NETWORK_HAS_STATIC_ADDRESS: u8 = 1 << 1;

const STATIC_ADDRESS_HAS_FIRST_DNS: u8 = 1 << 0;
const STATIC_ADDRESS_HAS_SECOND_DNS: u8 = 1 << 1;

const CLOUD_USES_TLS: u8 = 1 << 0;
const CLOUD_HAS_TRUST_ANCHOR: u8 = 1 << 1;
const CLOUD_HAS_RELEASE_KEY: u8 = 1 << 2;

/// Bytes are not a home that this firmware can read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeHomeError {
    /// A newer firmware wrote the home. It is left as it is.
    #[error("the home has schema version {found}, this firmware reads up to {HOME_SCHEMA_VERSION}")]
    NewerVersion {
        /// The version byte.
        found: u8,
    },
    /// The bytes follow no known form.
    #[error("the bytes are not an encoded home")]
    Malformed,
}

/// Encodes a home; the result is at most [`HOME_BYTES_MAX`] long, which every home fits.
#[must_use]
pub fn encode_home(home: &Home) -> Vec<u8, HOME_BYTES_MAX> {
    let mut encoder = Encoder(Vec::new());
    encoder.put_u8(HOME_SCHEMA_VERSION);
    encoder.put_u8(length_u8(home.networks.len()));
    for network in &home.networks {
        encoder.put_network(network);
    }
    encoder.put_cloud(&home.cloud);
    encoder.put_long(home.owner_data.as_bytes());
    encoder.0
}

/// Decodes a home.
///
/// # Errors
///
/// [`DecodeHomeError`]; every input is answered, none panics.
pub fn decode_home(bytes: &[u8]) -> Result<Home, DecodeHomeError> {
    let mut decoder = Decoder(bytes);
    match decoder.take_u8() {
        Some(HOME_SCHEMA_VERSION) => {}
        Some(found) if found > HOME_SCHEMA_VERSION => return Err(DecodeHomeError::NewerVersion { found }),
        _ => return Err(DecodeHomeError::Malformed),
    }
    let home = decoder.take_home().ok_or(DecodeHomeError::Malformed)?;
    if decoder.0.is_empty() { Ok(home) } else { Err(DecodeHomeError::Malformed) }
}

struct Encoder(Vec<u8, HOME_BYTES_MAX>);

impl Encoder {
    fn put(&mut self, bytes: &[u8]) {
        // HOME_BYTES_MAX is the sum of the longest forms of all fields, so there is always room.
        let result = self.0.extend_from_slice(bytes);
        debug_assert!(result.is_ok(), "HOME_BYTES_MAX is too small");
    }

    fn put_u8(&mut self, value: u8) {
        self.put(&[value]);
    }

    fn put_short(&mut self, bytes: &[u8]) {
        self.put_u8(length_u8(bytes.len()));
        self.put(bytes);
    }

    fn put_long(&mut self, bytes: &[u8]) {
        let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
        self.put(&length.to_le_bytes());
        self.put(bytes);
    }

    fn put_network(&mut self, network: &Network) {
        self.put_short(network.ssid.as_bytes());
        match &network.secret {
            NetworkSecret::Open => self.put_u8(SECRET_OPEN),
            NetworkSecret::Passphrase(_) => {
                self.put_u8(SECRET_PASSPHRASE);
                self.put_short(network.secret.expose());
            }
            NetworkSecret::PreSharedKey(_) => {
                self.put_u8(SECRET_PRE_SHARED_KEY);
                self.put(network.secret.expose());
            }
        }
        let has_static_address = network.static_address.is_some();
        self.put_u8(
            flag(NETWORK_IS_HIDDEN, network.is_hidden) | flag(NETWORK_HAS_STATIC_ADDRESS, has_static_address),
        );
        if let Some(address) = &network.static_address {
            self.put_static_address(address);
        }
    }

    fn put_static_address(&mut self, address: &StaticAddress) {
        let [first, second] = address.dns;
        self.put_u8(
            flag(STATIC_ADDRESS_HAS_FIRST_DNS, first.is_some())
                | flag(STATIC_ADDRESS_HAS_SECOND_DNS, second.is_some()),
        );
        for ipv4 in [Some(address.address), Some(address.mask), Some(address.gateway), first, second] {
            self.put(&ipv4.unwrap_or(Ipv4Addr::UNSPECIFIED).octets());
        }
    }

    fn put_cloud(&mut self, cloud: &CloudBinding) {
        self.put_short(cloud.host.as_str().as_bytes());
        self.put(&cloud.port.to_le_bytes());
        self.put_u8(
            flag(CLOUD_USES_TLS, cloud.uses_tls)
                | flag(CLOUD_HAS_TRUST_ANCHOR, cloud.trust_anchor.is_some())
                | flag(CLOUD_HAS_RELEASE_KEY, cloud.release_key.is_some()),
        );
        self.put(cloud.token.expose());
        if let Some(anchor) = &cloud.trust_anchor {
            self.put_long(anchor.as_bytes());
        }
        if let Some(key) = &cloud.release_key {
            self.put_short(key.device_id.as_str().as_bytes());
            self.put(&key.epoch.0.to_le_bytes());
            self.put(&key.public_key);
            self.put(key.receipt_secret.expose());
        }
    }
}

fn flag(bit: u8, is_set: bool) -> u8 {
    if is_set { bit } else { 0 }
}

fn length_u8(length: usize) -> u8 {
    u8::try_from(length).unwrap_or(u8::MAX)
}

/// What is left to decode. `None` from any method means malformed input.
struct Decoder<'a>(&'a [u8]);

impl<'a> Decoder<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn take_array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    fn take_u8(&mut self) -> Option<u8> {
        let [value] = self.take_array()?;
        Some(value)
    }

    fn take_u16(&mut self) -> Option<u16> {
        self.take_array().map(u16::from_le_bytes)
    }

    /// Unknown flags are refused: they would belong to fields that this decoder would not skip.
    fn take_flags(&mut self, known: u8) -> Option<u8> {
        self.take_u8().filter(|flags| flags & !known == 0)
    }

    fn take_short(&mut self) -> Option<&'a [u8]> {
        let length = self.take_u8()?;
        self.take(usize::from(length))
    }

    fn take_long(&mut self) -> Option<&'a [u8]> {
        let length = self.take_u16()?;
        self.take(usize::from(length))
    }

    fn take_home(&mut self) -> Option<Home> {
        let network_count = self.take_u8()?;
        let mut networks = Vec::new();
        for _ in 0..network_count {
            networks.push(self.take_network()?).ok()?;
        }
        let cloud = self.take_cloud()?;
        let owner_data = OwnerData::parse(self.take_long()?).ok()?;
        Some(Home { networks, cloud, owner_data })
    }

    fn take_network(&mut self) -> Option<Network> {
        let ssid = Ssid::parse(self.take_short()?).ok()?;
        let secret = self.take_secret()?;
        let flags = self.take_flags(NETWORK_IS_HIDDEN | NETWORK_HAS_STATIC_ADDRESS)?;
        let has_static_address = flags & NETWORK_HAS_STATIC_ADDRESS != 0;
        let static_address = if has_static_address { Some(self.take_static_address()?) } else { None };
        Some(Network { ssid, secret, is_hidden: flags & NETWORK_IS_HIDDEN != 0, static_address })
    }

    fn take_secret(&mut self) -> Option<NetworkSecret> {
        let kind = self.take_u8()?;
        let bytes = match kind {
            SECRET_OPEN => &[],
            SECRET_PASSPHRASE => self.take_short()?,
            SECRET_PRE_SHARED_KEY => self.take(PRE_SHARED_KEY_DIGITS)?,
            _ => return None,
        };
        let secret = NetworkSecret::parse(bytes).ok()?;
        (kind == secret_kind(&secret)).then_some(secret)
    }

    fn take_static_address(&mut self) -> Option<StaticAddress> {
        let flags = self.take_flags(STATIC_ADDRESS_HAS_FIRST_DNS | STATIC_ADDRESS_HAS_SECOND_DNS)?;
        let mut take_ipv4 = || self.take_array::<4>().map(Ipv4Addr::from);
        let (address, mask, gateway) = (take_ipv4()?, take_ipv4()?, take_ipv4()?);
        let (first, second) = (take_ipv4()?, take_ipv4()?);
        let dns = [
            (flags & STATIC_ADDRESS_HAS_FIRST_DNS != 0).then_some(first),
            (flags & STATIC_ADDRESS_HAS_SECOND_DNS != 0).then_some(second),
        ];
        // An absent name server is stored as zeros and as nothing else, so that a home has exactly one encoded form.
        let has_only_form = dns.map(|ipv4| ipv4.unwrap_or(Ipv4Addr::UNSPECIFIED)) == [first, second];
        has_only_form.then_some(StaticAddress { address, mask, gateway, dns })
    }

    fn take_cloud(&mut self) -> Option<CloudBinding> {
        let host = Host::parse(core::str::from_utf8(self.take_short()?).ok()?).ok()?;
        let port = self.take_u16()?;
        let flags = self.take_flags(CLOUD_USES_TLS | CLOUD_HAS_TRUST_ANCHOR | CLOUD_HAS_RELEASE_KEY)?;
        let token = Token::parse(self.take(TOKEN_BYTES)?).ok()?;
        let mut cloud = CloudBinding {
            host,
            port,
            token,
            uses_tls: flags & CLOUD_USES_TLS != 0,
            trust_anchor: None,
            release_key: None,
        };
        if flags & CLOUD_HAS_TRUST_ANCHOR != 0 {
            cloud.trust_anchor = Some(TrustAnchor::parse(self.take_long()?).ok()?);
        }
        if flags & CLOUD_HAS_RELEASE_KEY != 0 {
            cloud.release_key = Some(self.take_release_key()?);
        }
        Some(cloud)
    }

    fn take_release_key(&mut self) -> Option<ReleaseKey> {
        Some(ReleaseKey {
            device_id: CloudDeviceId::parse(core::str::from_utf8(self.take_short()?).ok()?)?,
            epoch: Epoch(u32::from_le_bytes(self.take_array()?)),
            public_key: self.take_array()?,
            receipt_secret: ReceiptSecret::new(self.take_array()?),
        })
    }
}

fn secret_kind(secret: &NetworkSecret) -> u8 {
    match secret {
        NetworkSecret::Open => SECRET_OPEN,
        NetworkSecret::Passphrase(_) => SECRET_PASSPHRASE,
        NetworkSecret::PreSharedKey(_) => SECRET_PRE_SHARED_KEY,
    }
}

/// The longest home with its seal must fit one sector of 4096 bytes, so that a slot is erased in one step.
const _: () = assert!(usize_to_u32(HOME_BYTES_MAX) <= 4096 - 32, "a home must fit one sector with its seal");
