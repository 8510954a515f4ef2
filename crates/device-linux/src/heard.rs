//! What a radio heard, and what follows from it.

use device::SeenNetwork;
use home_store::{Network, NetworkSecret};
use portal::Security;

/// Channels of the 2.4 GHz band that do not overlap and that every country allows. Source: IEEE 802.11-2020, annex E.
const HOTSPOT_CHANNELS: [u8; 3] = [1, 6, 11];
/// The band's channels are 5 MHz apart and 20 MHz wide, so that this many steps apart they disturb each other no more.
const OVERLAP_CHANNEL_COUNT: u8 = 4;
/// Weakest signal that is counted, in dBm.
const RSSI_DBM_MIN: i16 = -100;

/// Says whether this is the stored network: same name, and a secret network never matches an open one.
pub(crate) fn is_network(seen: &SeenNetwork, network: &Network) -> bool {
    if seen.ssid.as_slice() != network.ssid.as_bytes() {
        return false;
    }
    let is_for_passphrases =
        matches!(seen.security, Security::Wpa | Security::Wpa2 | Security::WpaWpa2 | Security::Wpa2Wpa3);
    match network.secret {
        NetworkSecret::Open => matches!(seen.security, Security::Open | Security::Owe),
        NetworkSecret::Passphrase(_) => is_for_passphrases || seen.security == Security::Wpa3,
        // The 256-bit key is what WPA3 does without.
        NetworkSecret::PreSharedKey(_) => is_for_passphrases,
    }
}

/// Returns the channel of the stored network in a list, if it is in it and its channel is known.
pub(crate) fn channel_of(heard: &[SeenNetwork], network: &Network) -> Option<u8> {
    let found = heard.iter().find(|seen| is_network(seen, network))?;
    Some(found.channel).filter(|channel| *channel != 0)
}

/// Returns the channel on which a hotspot is disturbed least. Left to itself the system may choose channel 12 or 13,
/// which many phones never listen to.
pub(crate) fn quietest_channel(heard: &[SeenNetwork]) -> u8 {
    let [first, ..] = HOTSPOT_CHANNELS;
    HOTSPOT_CHANNELS.into_iter().min_by_key(|channel| noise_on(*channel, heard)).unwrap_or(first)
}

/// Sums the signals that reach into a channel, nearer and stronger ones counting more.
fn noise_on(channel: u8, heard: &[SeenNetwork]) -> u32 {
    let reach = |seen: &SeenNetwork| {
        let distance = seen.channel.abs_diff(channel);
        let overlap = (OVERLAP_CHANNEL_COUNT + 1).saturating_sub(distance);
        let strength = seen.rssi_dbm.saturating_sub(RSSI_DBM_MIN).max(1).unsigned_abs();
        u32::from(overlap) * u32::from(strength)
    };
    heard.iter().map(reach).sum()
}

#[cfg(test)]
mod tests {
    use home_store::Ssid;
    use portal::MacAddress;

    use super::*;

    fn seen(security: Security, channel: u8, rssi_dbm: i16) -> SeenNetwork {
        SeenNetwork {
            ssid: heapless::Vec::from_slice(b"Haus").unwrap(),
            bssid: MacAddress([1; 6]),
            rssi_dbm,
            security,
            channel,
        }
    }

    fn stored(password: &[u8]) -> Network {
        Network {
            ssid: Ssid::parse(b"Haus").unwrap(),
            secret: NetworkSecret::parse(password).unwrap(),
            is_hidden: false,
            static_address: None,
        }
    }

    #[test]
    fn a_secret_network_never_matches_an_open_one_of_the_same_name() {
        let secret = stored(b"secret-password");
        let is = |security, network: &Network| is_network(&seen(security, 6, -50), network);
        assert!(!is(Security::Open, &secret));
        assert!(!is(Security::Owe, &secret));
        assert!(!is(Security::Wep, &secret));
        assert!(is(Security::Wpa2, &secret));
        assert!(is(Security::Wpa3, &secret));
        assert!(!is(Security::Wpa2, &stored(b"")));
        assert!(is(Security::Open, &stored(b"")));
    }

    #[test]
    fn another_name_never_matches() {
        let mut other = seen(Security::Wpa2, 6, -50);
        other.ssid = heapless::Vec::from_slice(b"Hau").unwrap();
        assert!(!is_network(&other, &stored(b"secret-password")));
    }

    #[test]
    fn a_stronger_twin_does_not_lend_the_network_its_channel() {
        let heard = [seen(Security::Open, 1, -30), seen(Security::Wpa3, 11, -70)];
        assert_eq!(channel_of(&heard, &stored(b"secret-password")), Some(11));
        assert_eq!(channel_of(&heard[..1], &stored(b"secret-password")), None);
        assert_eq!(channel_of(&[seen(Security::Wpa2, 0, -70)], &stored(b"secret-password")), None);
    }

    #[test]
    fn the_hotspot_takes_the_quietest_of_three_channels() {
        assert_eq!(quietest_channel(&[]), 1);
        assert_eq!(quietest_channel(&[seen(Security::Wpa2, 1, -50)]), 6);
        assert_eq!(quietest_channel(&[seen(Security::Wpa2, 3, -50), seen(Security::Wpa2, 6, -50)]), 11);
        let crowded =
            [1, 6, 11].map(|channel| seen(Security::Wpa2, channel, if channel == 6 { -90 } else { -40 }));
        assert_eq!(quietest_channel(&crowded), 6);
        // Unknown channels and the 5 GHz band disturb nobody here.
        assert_eq!(quietest_channel(&[seen(Security::Wpa2, 36, -30)]), 1);
    }

    #[test]
    fn the_faintest_signal_still_counts() {
        assert_eq!(quietest_channel(&[seen(Security::Wpa2, 1, i16::MIN)]), 6);
    }
}
