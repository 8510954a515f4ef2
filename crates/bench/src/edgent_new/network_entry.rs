//! One stored network of new Edgent, as tag, length and value. Source: edgent-device.md §8, TLV.

use std::net::Ipv4Addr;

use portal::ConfigForm;

/// Longest entry in bytes.
const ENTRY_BYTES_MAX: usize = 256;
/// Longest network name in bytes.
const SSID_BYTES_MAX: usize = 31;
/// Shortest and longest password in bytes.
const PASSWORD_BYTES: std::ops::RangeInclusive<usize> = 8..=64;

mod tag {
    pub(super) const SSID: u8 = 1;
    pub(super) const PSK: u8 = 2;
    pub(super) const BSSID: u8 = 3;
    pub(super) const CHANNEL: u8 = 4;
    pub(super) const HIDDEN: u8 = 5;
    pub(super) const ADDRESS: u8 = 10;
    pub(super) const GATEWAY: u8 = 11;
    pub(super) const MASK: u8 = 12;
    pub(super) const DNS: u8 = 13;
}

/// A network that the device may join.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct NetworkEntry {
    pub(super) ssid: Vec<u8>,
    /// Empty for an open network.
    pub(super) password: Vec<u8>,
    pub(super) bssid: Option<[u8; 6]>,
    pub(super) channel: Option<u8>,
    pub(super) is_hidden: bool,
    pub(super) address: Option<Ipv4Addr>,
    pub(super) gateway: Option<Ipv4Addr>,
    pub(super) mask: Option<Ipv4Addr>,
    /// Best first.
    pub(super) dns: [Option<Ipv4Addr>; 2],
}

/// The password stays out.
impl std::fmt::Debug for NetworkEntry {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ssid = self.ssid.escape_ascii().to_string();
        formatter.debug_struct("NetworkEntry").field("ssid", &ssid).finish_non_exhaustive()
    }
}

impl NetworkEntry {
    /// Makes an entry; `None` when name or password have a length that is refused.
    pub(super) fn new(ssid: &[u8], password: &[u8]) -> Option<Self> {
        let entry = Self { ssid: ssid.to_vec(), password: password.to_vec(), ..Self::default() };
        entry.is_acceptable().then_some(entry)
    }

    /// Makes the entry of a setup.
    pub(super) fn from_form(form: &ConfigForm) -> Option<Self> {
        let mut entry = Self::new(&form.ssid, form.password.expose())?;
        if let Some(fixed) = &form.static_address {
            entry.address = Some(fixed.address);
            entry.gateway = Some(fixed.gateway);
            entry.mask = Some(fixed.mask);
            entry.dns = fixed.dns;
        }
        Some(entry)
    }

    /// Reads an entry; an unknown tag or a length that does not fit drops it whole.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > ENTRY_BYTES_MAX {
            return None;
        }
        let mut entry = Self::default();
        let mut rest = bytes;
        while let Some((&tag, value)) = rest.split_first() {
            rest = entry.take_field(tag, value)?;
        }
        entry.is_acceptable().then_some(entry)
    }

    /// Writes the entry as it is stored.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        put_text(&mut bytes, tag::SSID, &self.ssid);
        if !self.password.is_empty() {
            put_text(&mut bytes, tag::PSK, &self.password);
        }
        if let Some(bssid) = self.bssid {
            bytes.push(tag::BSSID);
            bytes.extend(bssid);
        }
        bytes.extend(self.channel.into_iter().flat_map(|channel| [tag::CHANNEL, channel]));
        if self.is_hidden {
            bytes.push(tag::HIDDEN);
        }
        let [dns, dns2] = self.dns;
        let addresses = [
            (tag::ADDRESS, self.address),
            (tag::GATEWAY, self.gateway),
            (tag::MASK, self.mask),
            (tag::DNS, dns),
            (tag::DNS, dns2),
        ];
        for (tag, address) in addresses {
            if let Some(address) = address {
                bytes.push(tag);
                bytes.extend(address.octets());
            }
        }
        bytes
    }

    /// Takes one field and returns what follows it.
    fn take_field<'a>(&mut self, tag: u8, value: &'a [u8]) -> Option<&'a [u8]> {
        match tag {
            tag::SSID | tag::PSK => {
                let (&length, rest) = value.split_first()?;
                let (text, rest) = rest.split_at_checked(usize::from(length))?;
                let field = if tag == tag::SSID { &mut self.ssid } else { &mut self.password };
                *field = text.to_vec();
                Some(rest)
            }
            tag::BSSID => {
                let (bssid, rest) = value.split_first_chunk()?;
                self.bssid = Some(*bssid);
                Some(rest)
            }
            tag::CHANNEL => {
                let (&channel, rest) = value.split_first()?;
                self.channel = Some(channel);
                Some(rest)
            }
            tag::HIDDEN => {
                self.is_hidden = true;
                Some(value)
            }
            tag::ADDRESS | tag::GATEWAY | tag::MASK | tag::DNS => {
                let (octets, rest) = value.split_first_chunk::<4>()?;
                self.set_address(tag, Ipv4Addr::from_octets(*octets));
                Some(rest)
            }
            _ => None,
        }
    }

    fn set_address(&mut self, tag: u8, address: Ipv4Addr) {
        let [dns, dns2] = &mut self.dns;
        let slot = match tag {
            tag::ADDRESS => &mut self.address,
            tag::GATEWAY => &mut self.gateway,
            tag::MASK => &mut self.mask,
            _ if dns.is_none() => dns,
            _ => dns2,
        };
        *slot = Some(address);
    }

    fn is_acceptable(&self) -> bool {
        let is_password_fine = self.password.is_empty() || PASSWORD_BYTES.contains(&self.password.len());
        (1..=SSID_BYTES_MAX).contains(&self.ssid.len()) && is_password_fine
    }
}

/// Invariant: both texts are shorter than 256 bytes.
fn put_text(bytes: &mut Vec<u8>, tag: u8, text: &[u8]) {
    debug_assert!(text.len() < ENTRY_BYTES_MAX, "lengths were checked when the entry was made");
    bytes.extend([tag, u8::try_from(text.len()).unwrap_or(u8::MAX)]);
    bytes.extend(text.iter().take(usize::from(u8::MAX)));
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::NetworkEntry;

    fn bytes(hex: &str) -> Vec<u8> {
        hex.split(' ').map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
    }

    const HOME: &str = "01 04 48 6F 6D 65 02 09 70 61 73 73 77 6F 72 64 31";

    #[test]
    fn a_network_with_a_password_is_stored_as_the_reference_shows() {
        let entry = NetworkEntry::new(b"Home", b"password1").unwrap();
        assert_eq!(entry.encode(), bytes(HOME));
        assert_eq!(NetworkEntry::decode(&bytes(HOME)), Some(entry));
    }

    #[test]
    fn access_point_and_channel_follow_name_and_password() {
        let mut entry = NetworkEntry::new(b"Home", b"password1").unwrap();
        entry.bssid = Some([0x24, 0x6F, 0x28, 0xAA, 0xBB, 0xCC]);
        entry.channel = Some(6);
        let stored = bytes(&format!("{HOME} 03 24 6F 28 AA BB CC 04 06"));
        assert_eq!(entry.encode(), stored);
        assert_eq!(NetworkEntry::decode(&stored), Some(entry));
    }

    #[test]
    fn an_open_network_with_fixed_addresses_is_stored_as_the_reference_shows() {
        let stored = bytes(
            "01 03 4C 61 62 0A C0 A8 01 32 0B C0 A8 01 01 0C FF FF FF 00 0D 08 08 08 08 0D 01 01 01 01",
        );
        let entry = NetworkEntry {
            ssid: b"Lab".to_vec(),
            address: Some(Ipv4Addr::new(192, 168, 1, 50)),
            gateway: Some(Ipv4Addr::new(192, 168, 1, 1)),
            mask: Some(Ipv4Addr::new(255, 255, 255, 0)),
            dns: [Some(Ipv4Addr::new(8, 8, 8, 8)), Some(Ipv4Addr::new(1, 1, 1, 1))],
            ..NetworkEntry::default()
        };
        assert_eq!(entry.encode(), stored);
        assert_eq!(NetworkEntry::decode(&stored), Some(entry));
    }

    #[test]
    fn an_unknown_tag_or_a_wrong_length_drops_the_whole_entry() {
        for suffix in [" 63", " 63 00", " 02 FF 41", " 03 01 02", " 0A 01"] {
            assert_eq!(NetworkEntry::decode(&bytes(&format!("{HOME}{suffix}"))), None, "{suffix}");
        }
        assert!(NetworkEntry::decode(&bytes(&format!("{HOME} 05"))).unwrap().is_hidden);
        assert_eq!(NetworkEntry::new(&[b'n'; 32], b""), None);
        assert_eq!(NetworkEntry::new(b"Home", b"short"), None);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic_and_what_is_read_is_written_back_alike(
            stored in proptest::collection::vec(any::<u8>(), 0..300)
        ) {
            if let Some(entry) = NetworkEntry::decode(&stored) {
                prop_assert_eq!(NetworkEntry::decode(&entry.encode()), Some(entry));
            }
        }

        #[test]
        fn every_acceptable_network_survives(
            ssid in proptest::collection::vec(any::<u8>(), 1..=31),
            password in proptest::collection::vec(any::<u8>(), 8..=64),
        ) {
            let entry = NetworkEntry::new(&ssid, &password).unwrap();
            prop_assert_eq!(NetworkEntry::decode(&entry.encode()), Some(entry));
        }
    }
}
