//! A fixed network address from the form's `ip`, `mask`, `gw`, `dns` and `dns2`.

use core::net::Ipv4Addr;

use thiserror::Error;

use crate::field_encoding::{Arguments, Decoded};

/// Longest dotted address in bytes, `255.255.255.255`.
const IPV4_TEXT_BYTES_MAX: usize = 15;

/// A fixed IPv4 address of the device in its network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StaticAddress {
    /// Address of the device.
    pub address: Ipv4Addr,
    /// Network mask.
    pub mask: Ipv4Addr,
    /// Default gateway.
    pub gateway: Ipv4Addr,
    /// Name servers, best first.
    pub dns: [Option<Ipv4Addr>; 2],
}

/// Why the address fields were refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
pub enum ReadStaticAddressError {
    /// One of the fields is not a dotted IPv4 address.
    #[error("an address is not in the form 192.168.1.50")]
    NotAnAddress,
    /// Mask or gateway is missing.
    #[error("a static address needs a mask and a gateway too")]
    Incomplete,
    /// The mask has a gap.
    #[error("the network mask is not valid")]
    BadMask,
    /// The gateway cannot be reached from the address.
    #[error("the gateway is not in the network of the static address")]
    GatewayOutside,
}

/// Reads the fields strictly. Without `ip` the others are ignored and DHCP is used, as in stock firmware.
pub(crate) fn read_static_address(
    arguments: &Arguments<'_>,
) -> Result<Option<StaticAddress>, ReadStaticAddressError> {
    let Some(address) = read_strict(arguments, "ip")? else { return Ok(None) };
    let (Some(mask), Some(gateway)) = (read_strict(arguments, "mask")?, read_strict(arguments, "gw")?) else {
        return Err(ReadStaticAddressError::Incomplete);
    };
    let mask_bits = mask.to_bits();
    if mask_bits == 0 || mask_bits.leading_ones() + mask_bits.trailing_zeros() != u32::BITS {
        return Err(ReadStaticAddressError::BadMask);
    }
    if address.to_bits() & mask_bits != gateway.to_bits() & mask_bits {
        return Err(ReadStaticAddressError::GatewayOutside);
    }
    let dns = [read_strict(arguments, "dns")?, read_strict(arguments, "dns2")?];
    Ok(Some(StaticAddress { address, mask, gateway, dns }))
}

/// Reads the fields as stock firmware does: what it cannot read stays 0.0.0.0.
pub(crate) fn read_stock_static_address(arguments: &Arguments<'_>) -> Option<StaticAddress> {
    let read = |name| arguments.get_filled(name).and_then(read_ipv4);
    let unset = Ipv4Addr::UNSPECIFIED;
    let address = read("ip")?;
    Some(StaticAddress {
        address,
        mask: read("mask").unwrap_or(unset),
        gateway: read("gw").unwrap_or(unset),
        dns: [read("dns"), read("dns2")],
    })
}

fn read_strict(arguments: &Arguments<'_>, name: &str) -> Result<Option<Ipv4Addr>, ReadStaticAddressError> {
    arguments
        .get_filled(name)
        .map(|value| read_ipv4(value).ok_or(ReadStaticAddressError::NotAnAddress))
        .transpose()
}

fn read_ipv4(value: Decoded<'_>) -> Option<Ipv4Addr> {
    let mut text = heapless::Vec::<u8, { IPV4_TEXT_BYTES_MAX + 2 }>::new();
    for byte in value {
        text.push(byte).ok()?;
    }
    core::str::from_utf8(&text).ok()?.trim_ascii().parse().ok()
}
