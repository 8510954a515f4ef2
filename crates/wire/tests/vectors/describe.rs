//! Says in words what a message means, for comparison with the vectors. Shows secrets: the vectors' own.

use wire::{
    Bridge, DeviceInternal, DeviceMessage, EventScope, Group, Info, Legacy, PinList, PinWrite, Secret,
    ServerHardware, ServerInternal, ServerMessage, Sync, UtcAnswer, Values,
};

pub(crate) fn device_message(message: &DeviceMessage<'_>) -> String {
    match message {
        DeviceMessage::Response(status) => format!("response status={}", status.code()),
        DeviceMessage::Login { token } => format!("login token={}", secret(*token)),
        DeviceMessage::LoginOld { token } => format!("old login token={}", secret(*token)),
        DeviceMessage::Ping => "ping".into(),
        DeviceMessage::Hardware(write) => format!("hardware {}", pin_write(write)),
        DeviceMessage::Sync(Sync::All) => "sync all".into(),
        DeviceMessage::Sync(Sync::Pins(list)) => format!("sync pins={}", pins(*list)),
        DeviceMessage::Internal(internal) => device_internal(internal),
        DeviceMessage::Property(property) => format!(
            "property pins={} name={} values={}",
            pins(property.pins),
            property.property,
            values(property.values)
        ),
        DeviceMessage::EventLog { code, description: None } => format!("event log code={code}"),
        DeviceMessage::EventLog { code, description: Some(description) } => {
            format!("event log code={code} description={}", description.escape_ascii())
        }
        DeviceMessage::EventClear { code, scope: EventScope::Newest } => {
            format!("event clear code={code} scope=newest")
        }
        DeviceMessage::EventClear { code, scope: EventScope::All } => {
            format!("event clear code={code} scope=all")
        }
        DeviceMessage::Group(Group::Begin) => "group begin".into(),
        DeviceMessage::Group(Group::BeginAt { unix_ms }) => format!("group begin unix_ms={unix_ms}"),
        DeviceMessage::Group(Group::End) => "group end".into(),
        DeviceMessage::Bridge(Bridge::Bind { slot, token }) => {
            format!("bridge bind slot={slot} token={}", secret(*token))
        }
        DeviceMessage::Bridge(Bridge::Forward { slot, write }) => {
            format!("bridge forward slot={slot} {}", pin_write(write))
        }
        DeviceMessage::Legacy(old) => legacy(old),
        DeviceMessage::Unknown { command, body } => {
            let close = if command.closes_device_connection() { "yes" } else { "no" };
            format!("unknown command={} close={close} body={}", command.code(), secret(*body))
        }
    }
}

pub(crate) fn server_message(message: &ServerMessage<'_>) -> String {
    match message {
        ServerMessage::Response(status) => format!("response status={}", status.code()),
        ServerMessage::Ping => "ping".into(),
        ServerMessage::Hardware(hardware) => format!("hardware {}", server_hardware(hardware)),
        ServerMessage::Bridge(hardware) => format!("bridge {}", server_hardware(hardware)),
        ServerMessage::Internal(internal) => server_internal(internal),
        ServerMessage::Redirect { host, port: Some(port) } => format!("redirect host={host} port={port}"),
        ServerMessage::Redirect { host, port: None } => format!("redirect host={host} port=none"),
        ServerMessage::DebugPrint { text } => format!("debug print text={}", text.escape_ascii()),
        ServerMessage::Unknown { command, body } => {
            format!("unknown command={} body={}", command.code(), secret(*body))
        }
    }
}

fn device_internal(internal: &DeviceInternal<'_>) -> String {
    match internal {
        DeviceInternal::Info(declared) => info(declared),
        DeviceInternal::RtcSync => "rtc sync".into(),
        DeviceInternal::Utc(query) => format!("utc {}", query.as_str()),
        DeviceInternal::MetaGet { field } => format!("meta get field={field}"),
        DeviceInternal::MetaSet { field, value } => {
            format!("meta set field={field} value={}", secret(*value))
        }
        DeviceInternal::Released(receipt) => format!(
            "released id={} digest={} signature={}",
            receipt.device_id.as_str(),
            hex(&receipt.digest),
            hex(&receipt.signature)
        ),
        DeviceInternal::ClaimCode(request) => {
            let code = request.code.expose().escape_ascii();
            format!("claim code={code} uid={}", request.uid)
        }
        DeviceInternal::Other { body } => format!("internal other body={}", secret(*body)),
    }
}

fn server_internal(internal: &ServerInternal<'_>) -> String {
    match internal {
        ServerInternal::Ota { url } => format!("ota url={}", secret(*url)),
        ServerInternal::Dbg { command } => format!("dbg command={}", secret(*command)),
        ServerInternal::AppConnected => "app connected".into(),
        ServerInternal::AppDisconnected => "app disconnected".into(),
        ServerInternal::Rtc { local_s } => format!("rtc local_s={local_s}"),
        ServerInternal::Utc(answer) => utc_answer(answer),
        ServerInternal::Meta { field, value } => format!("meta field={field} value={}", secret(*value)),
        ServerInternal::Claim(claim) => format!(
            "claim id={} epoch={} key={} secret={}",
            claim.device_id.as_str(),
            claim.epoch,
            hex(&claim.release_key),
            hex(&claim.receipt_secret.0)
        ),
        ServerInternal::Release(order) => format!(
            "release id={} epoch={} nonce={} signature={}",
            order.terms.device_id.as_str(),
            order.terms.epoch,
            hex(&order.terms.nonce),
            hex(&order.signature)
        ),
        ServerInternal::Token { token } => format!("token token={}", secret(*token)),
        ServerInternal::NoToken(reason) => format!("no token reason={reason:?}"),
        ServerInternal::Other { body } => format!("internal other body={}", secret(*body)),
    }
}

fn utc_answer(answer: &UtcAnswer<'_>) -> String {
    let query = answer.query().as_str();
    match answer {
        UtcAnswer::Time { unix_ms } => format!("utc {query} unix_ms={unix_ms}"),
        UtcAnswer::Iso(text) | UtcAnswer::ZoneName(text) | UtcAnswer::ZoneRule(text) => {
            format!("utc {query} text={text}")
        }
        UtcAnswer::Zone { zone_minutes, dst_minutes } => {
            format!("utc {query} zone_minutes={zone_minutes} dst_minutes={dst_minutes}")
        }
        UtcAnswer::DstNext(changes) => {
            let changes =
                changes.iter().flatten().map(|change| format!("{} {}", change.at, change.dst_minutes));
            format!("utc {query} changes=[{}]", changes.collect::<Vec<_>>().join(","))
        }
    }
}

/// Uses the corrected numbers, not the declared ones; an undeclared buffer shows when nothing else is left out.
fn info(info: &Info<'_>) -> String {
    let heartbeat = info.heartbeat_s().map(|seconds| seconds.to_string());
    let buffer = info.body_bytes_max().to_string();
    let [rehome, epoch, bench] = [info.rehome.map(u32::from), info.epoch, info.bench.map(u32::from)]
        .map(|number| number.map(|number| number.to_string()));
    let pairs = [
        ("mcu", info.mcu),
        ("ncp", info.ncp),
        ("ver", info.ver),
        ("fw-type", info.fw_type),
        ("fw", info.fw),
        ("build", info.build),
        ("blynk", info.blynk),
        ("h-beat", heartbeat.as_deref()),
        ("buff-in", Some(buffer.as_str())),
        ("dev", info.dev),
        ("cpu", info.cpu),
        ("con", info.con),
        ("conn", info.conn),
        ("tmpl", info.tmpl),
        ("rehome", rehome.as_deref()),
        ("epoch", epoch.as_deref()),
        ("rkey", info.release_key),
        ("bench", bench.as_deref()),
        ("uid", info.uid),
    ];
    let shown = pairs.into_iter().filter_map(|(key, value)| Some(format!(" {key}={}", value?)));
    format!("info{}", shown.collect::<String>())
}

fn server_hardware(hardware: &ServerHardware<'_>) -> String {
    match hardware {
        ServerHardware::Write(write) => pin_write(write),
        ServerHardware::DigitalRead(pin) => format!("dr pin={pin}"),
        ServerHardware::AnalogRead(pin) => format!("ar pin={pin}"),
        ServerHardware::PinModes(modes) => {
            let modes = modes.iter().map(|(pin, mode)| format!("{pin} {}", mode.as_str()));
            format!("pm modes=[{}]", modes.collect::<Vec<_>>().join(","))
        }
    }
}

fn pin_write(write: &PinWrite<'_>) -> String {
    match write {
        PinWrite::Virtual { pin, values: list } => format!("vw pin={pin} values={}", values(*list)),
        PinWrite::Digital { pin, value } => format!("dw pin={pin} value={}", value.escape_ascii()),
        PinWrite::Analog { pin, value } => format!("aw pin={pin} value={}", value.escape_ascii()),
    }
}

fn legacy(legacy: &Legacy<'_>) -> String {
    match legacy {
        Legacy::Tweet(text) => format!("tweet text={}", text.escape_ascii()),
        Legacy::Notify(text) => format!("notify text={}", text.escape_ascii()),
        Legacy::Sms(text) => format!("sms text={}", text.escape_ascii()),
        Legacy::Email { to, subject, text } => {
            let to = to.map_or("none".into(), |to| to.escape_ascii().to_string());
            format!("email to={to} subject={} text={}", subject.escape_ascii(), text.escape_ascii())
        }
    }
}

fn pins(list: PinList<'_>) -> String {
    let numbers: Vec<_> = list.iter().map(|pin| pin.to_string()).collect();
    format!("[{}]", numbers.join(","))
}

fn values(values: Values<'_>) -> String {
    let values: Vec<_> = values.iter().map(|value| value.escape_ascii().to_string()).collect();
    format!("[{}]", values.join(","))
}

fn hex(bytes: &[u8]) -> String {
    let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    digits.concat()
}

fn secret(Secret(bytes): Secret<'_>) -> String {
    bytes.escape_ascii().to_string()
}
