//! Who is on a network of ours, as the kernel's table of neighbours tells everybody.
//!
//! Format: `proc_net(5)`, "/proc/net/arp".

use portal::MacAddress;

use crate::network_manager::parse_mac;

/// The table.
pub(crate) const TABLE: &str = "/proc/net/arp";
/// `ATF_COM` of `<linux/if_arp.h>`: the address was answered.
const FLAG_COMPLETE: u32 = 0x2;

/// Returns the hardware addresses of those who answered on an interface.
pub(crate) fn on_interface(interface: &str, table: &str) -> Vec<MacAddress> {
    table.lines().skip(1).filter_map(|line| answered_on(interface, line)).collect()
}

fn answered_on(interface: &str, line: &str) -> Option<MacAddress> {
    let mut fields = line.split_ascii_whitespace();
    let (_address, _kind) = (fields.next()?, fields.next()?);
    let flags = u32::from_str_radix(fields.next()?.strip_prefix("0x")?, 16).ok()?;
    let mac = parse_mac(fields.next()?)?;
    let _mask = fields.next()?;
    (fields.next()? == interface && flags & FLAG_COMPLETE != 0).then_some(mac)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_those_who_answered_on_the_interface_are_neighbours() {
        let table = "IP address       HW type     Flags       HW address            Mask     Device\n\
            10.42.0.17       0x1         0x2         24:6f:28:aa:bb:cc     *        wlan0\n\
            10.42.0.18       0x1         0x0         00:00:00:00:00:00     *        wlan0\n\
            192.168.1.1      0x1         0x2         02:00:00:00:00:01     *        eth0\n\
            nonsense\n";
        assert_eq!(on_interface("wlan0", table), [MacAddress([0x24, 0x6F, 0x28, 0xAA, 0xBB, 0xCC])]);
        assert_eq!(on_interface("wlan1", table), []);
        assert_eq!(on_interface("wlan0", ""), []);
    }
}
