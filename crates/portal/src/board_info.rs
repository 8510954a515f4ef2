//! `/board_info.json`. Source of the fields: `reference/edgent-device.md` §5.

use core::fmt::{self, Write};

use crate::dialect::{Access, Dialect};
use crate::route::{Guard, Routed};
use crate::text::JsonText;
use crate::view::{Identity, PortalView};

pub(crate) fn write_board_info(
    routed: &Routed<'_>,
    view: &PortalView<'_>,
    out: &mut dyn Write,
) -> fmt::Result {
    match routed.dialect {
        Dialect::EdgentOld => write_old(view, out),
        Dialect::EdgentNew => write_new(view, out),
        Dialect::Rehome => write_superset(routed, view, out),
    }
}

fn write_old(view: &PortalView<'_>, out: &mut dyn Write) -> fmt::Result {
    let identity = &view.identity;
    write!(out, "{{\"board\":{},", json(identity.template_name))?;
    write_firmware(identity, out)?;
    write!(out, "\"ssid\":{},", json(identity.hotspot_name))?;
    write!(out, "\"bssid\":\"{}\",\"mac\":\"{}\",", identity.hotspot_mac, identity.station_mac)?;
    write!(out, "\"last_error\":{},\"wifi_scan\":true,\"static_ip\":true}}", view.last_error)
}

fn write_new(view: &PortalView<'_>, out: &mut dyn Write) -> fmt::Result {
    let identity = &view.identity;
    write!(out, "{{\"vendor\":{},\"name\":{},", json(identity.vendor), json(identity.hotspot_name))?;
    write!(out, "\"uid\":{},", json(identity.uid))?;
    write_firmware(identity, out)?;
    write!(out, "\"bssid\":\"{}\",\"last_error\":{},", identity.hotspot_mac, view.last_error)?;
    write_interfaces(identity, out)?;
    out.write_str("}")
}

/// All fields of both generations, so that clients of either read it, and ours besides.
fn write_superset(routed: &Routed<'_>, view: &PortalView<'_>, out: &mut dyn Write) -> fmt::Result {
    let identity = &view.identity;
    write!(out, "{{\"board\":{},\"vendor\":{},", json(identity.template_name), json(identity.vendor))?;
    write!(out, "\"name\":{},\"uid\":{},", json(identity.hotspot_name), json(identity.uid))?;
    write_firmware(identity, out)?;
    write!(out, "\"ssid\":{},", json(identity.hotspot_name))?;
    write!(out, "\"bssid\":\"{}\",\"mac\":\"{}\",", identity.hotspot_mac, identity.station_mac)?;
    write!(out, "\"last_error\":{},\"wifi_scan\":true,\"static_ip\":true,", view.last_error)?;
    if identity.has_5ghz {
        out.write_str("\"5ghz\":true,")?;
    }
    write_interfaces(identity, out)?;
    write!(
        out,
        ",\"rehome\":{{\"recovery\":{},\"epoch\":{},\"pop\":{}}}}}",
        routed.access == Access::Recovery,
        view.epoch,
        routed.guard != Guard::None
    )
}

fn write_firmware(identity: &Identity<'_>, out: &mut dyn Write) -> fmt::Result {
    write!(out, "\"tmpl_id\":{},", json(identity.template_id))?;
    write!(
        out,
        "\"fw_type\":{},\"fw_ver\":{},",
        json(identity.firmware_type),
        json(identity.firmware_version)
    )
}

fn write_interfaces(identity: &Identity<'_>, out: &mut dyn Write) -> fmt::Result {
    write!(out, "\"ifs\":[{{\"name\":\"wifi\",\"mac\":\"{}\",", identity.station_mac)?;
    write!(out, "\"scan\":1,\"5ghz\":{},\"static_ip\":1}}]", u8::from(identity.has_5ghz))
}

fn json(text: &str) -> JsonText<'_> {
    JsonText(text.as_bytes())
}
