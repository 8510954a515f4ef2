//! Events of a template: what devices may report by a code, and who is told.
//!
//! Source of the settings: reference/console-features.md 3.

use std::fmt;

/// 50 characters for a code or a name. Source: reference/console-features.md 3.
pub const EVENT_NAME_CHARS_MAX: usize = 50;

/// 250 characters for the description that a template gives an event. Source: as above.
pub const EVENT_DESCRIPTION_CHARS_MAX: usize = 250;

/// 300 characters for the description that a device sends; a longer one is discarded. Source: reference/wire-protocol.md 1.
pub const REPORTED_DESCRIPTION_CHARS_MAX: usize = 300;

/// 100 events per template. Source: reference/console-features.md 12.
pub const EVENTS_PER_TEMPLATE_MAX: u32 = 100;

/// 10 addresses per template, so that one event is never a mass mailing.
pub const RECIPIENTS_MAX: usize = 10;

/// 10 webhooks per template.
pub const WEBHOOKS_PER_TEMPLATE_MAX: u32 = 10;

/// 30 days, the longest time in which an event notifies once, in seconds.
pub const LIMIT_PERIOD_S_MAX: u32 = 30 * 24 * 3_600;

/// 10,000 events before one notification.
pub const NOTIFY_AFTER_MAX: u32 = 10_000;

/// 254 bytes, the longest address of a mailbox. Source: RFC 5321 4.5.3.1.3, without the angle brackets.
const ADDRESS_BYTES_MAX: usize = 254;

/// The code by which a device names an event: letters, digits, spaces and underscores.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventCode(String);

impl EventCode {
    /// Reads a code.
    ///
    /// # Errors
    /// When it is not 1 to [`EVENT_NAME_CHARS_MAX`] letters, digits, spaces and underscores, or begins or ends with a space.
    pub fn parse(text: &str) -> Result<Self, MakeEventError> {
        let is_code = is_name(text) && text.chars().all(|c| c.is_alphanumeric() || matches!(c, ' ' | '_'));
        if is_code { Ok(Self(text.to_owned())) } else { Err(MakeEventError::Code) }
    }

    /// Returns the code as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EventCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How much an event matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EventType {
    /// Good to know.
    Info,
    /// Somebody should look. Can be resolved.
    Warning,
    /// Somebody must act. Can be resolved.
    Critical,
    /// Something to read.
    Content,
}

impl EventType {
    /// Returns the name in lower case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
            Self::Content => "content",
        }
    }

    /// Reads what [`EventType::as_str`] wrote.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Info, Self::Warning, Self::Critical, Self::Content].into_iter().find(|t| t.as_str() == name)
    }

    /// Says whether an event of this type is open until somebody resolves it.
    #[must_use]
    pub const fn can_be_resolved(self) -> bool {
        matches!(self, Self::Warning | Self::Critical)
    }
}

/// Ways in which people hear of an event. Who they are is set once per template.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Channels {
    /// An e-mail to each recipient of the template.
    pub email: bool,
    /// A call of each webhook of the template.
    pub webhooks: bool,
}

impl Channels {
    /// Says whether nobody is told.
    #[must_use]
    pub const fn is_none(self) -> bool {
        !self.email && !self.webhooks
    }
}

/// When and by which ways an event notifies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Notifying {
    /// The ways.
    pub channels: Channels,
    /// At most one notification in so many seconds, 1 to [`LIMIT_PERIOD_S_MAX`]; none for no such limit.
    pub limit_period_s: Option<u32>,
    /// A notification only after so many events, 1 to [`NOTIFY_AFTER_MAX`].
    pub after_count: u32,
}

impl Default for Notifying {
    fn default() -> Self {
        Self { channels: Channels::default(), limit_period_s: None, after_count: 1 }
    }
}

impl Notifying {
    pub(crate) fn check(&self) -> Result<(), MakeEventError> {
        if self.limit_period_s.is_some_and(|period_s| !(1..=LIMIT_PERIOD_S_MAX).contains(&period_s)) {
            return Err(MakeEventError::LimitPeriod);
        }
        let has_count = (1..=NOTIFY_AFTER_MAX).contains(&self.after_count);
        if has_count { Ok(()) } else { Err(MakeEventError::AfterCount) }
    }
}

/// What a person sets about an event. [`TemplateEvent::new`] checks it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventSettings {
    /// Its name.
    pub name: String,
    /// How much it matters.
    pub event_type: EventType,
    /// Stands where a device sends no description of its own; may be empty.
    pub description: String,
    /// Whether it is kept on the device's timeline.
    pub is_on_timeline: bool,
    /// Who is told, and when.
    pub notifying: Notifying,
}

/// An event of a template whose settings make sense.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateEvent {
    code: EventCode,
    settings: EventSettings,
}

/// Why settings do not make an event or a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MakeEventError {
    /// The code has other characters or a wrong length.
    #[error("a code has 1 to {EVENT_NAME_CHARS_MAX} letters, digits, spaces and underscores")]
    Code,
    /// The name is empty, too long or has control characters.
    #[error("a name has 1 to {EVENT_NAME_CHARS_MAX} characters and no line breaks")]
    Name,
    /// The description is too long or has control characters.
    #[error("a description has at most {EVENT_DESCRIPTION_CHARS_MAX} characters and no line breaks")]
    Description,
    /// The limit period is out of range.
    #[error("the limit period is 1 to {LIMIT_PERIOD_S_MAX} s")]
    LimitPeriod,
    /// The number of events before a notification is out of range.
    #[error("a notification comes after 1 to {NOTIFY_AFTER_MAX} events")]
    AfterCount,
    /// The colour is not written as `#RRGGBB`.
    #[error("a colour is written `#RRGGBB`")]
    Color,
    /// There are too few or too many statuses.
    #[error("there are `online`, `offline` and at most 2 custom statuses")]
    StatusCount,
    /// A status comes later than it may.
    #[error("`offline` comes after 0 to 1800 s, a custom status after 1 to 2592000 s")]
    StatusWait,
    /// The offline-ignore period is out of range.
    #[error("the offline-ignore period is 1 to 86400 s")]
    IgnorePeriod,
    /// An address of a recipient is none.
    #[error("a recipient is an e-mail address such as `name@example.org`")]
    Address,
    /// There are too many recipients.
    #[error("a template has at most {RECIPIENTS_MAX} recipients, each once")]
    TooManyRecipients,
}

impl TemplateEvent {
    /// The code that Blynk's own library reports firmware updates by; it needs no set-up. Source:
    /// reference/console-features.md 3, system events.
    pub const FIRMWARE_UPDATE_CODE: &'static str = "sys_ota";

    /// Makes an event.
    ///
    /// # Errors
    /// When the settings do not make sense; see [`MakeEventError`].
    pub fn new(code: EventCode, settings: EventSettings) -> Result<Self, MakeEventError> {
        if !is_name(&settings.name) {
            return Err(MakeEventError::Name);
        }
        check_description(&settings.description)?;
        settings.notifying.check()?;
        Ok(Self { code, settings })
    }

    /// Returns the event for firmware updates as it is where a template does not set it up.
    #[must_use]
    pub fn firmware_update() -> Self {
        Self {
            code: EventCode(Self::FIRMWARE_UPDATE_CODE.to_owned()),
            settings: EventSettings {
                name: "Firmware update".to_owned(),
                event_type: EventType::Info,
                description: String::new(),
                is_on_timeline: true,
                notifying: Notifying::default(),
            },
        }
    }

    /// Returns its code.
    #[must_use]
    pub const fn code(&self) -> &EventCode {
        &self.code
    }

    /// Returns what a person set.
    #[must_use]
    pub const fn settings(&self) -> &EventSettings {
        &self.settings
    }

    /// Returns the description of one event: what the device sent, or what the template says.
    ///
    /// More than [`REPORTED_DESCRIPTION_CHARS_MAX`] characters count as not sent; line breaks become spaces, so that one
    /// event is one line everywhere.
    #[must_use]
    pub fn description_of(&self, reported: Option<&str>) -> String {
        reported
            .map(str::trim)
            .filter(|text| (1..=REPORTED_DESCRIPTION_CHARS_MAX).contains(&text.chars().count()))
            .map_or_else(
                || self.settings.description.clone(),
                |text| text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect(),
            )
    }
}

/// Checks the addresses to which a template's notifications go.
///
/// # Errors
/// When one cannot be an address, is there twice, or there are more than [`RECIPIENTS_MAX`].
pub fn check_recipients(addresses: &[String]) -> Result<(), MakeEventError> {
    if !addresses.iter().all(|address| is_address(address)) {
        return Err(MakeEventError::Address);
    }
    let distinct: std::collections::BTreeSet<&String> = addresses.iter().collect();
    let is_short = addresses.len() <= RECIPIENTS_MAX && distinct.len() == addresses.len();
    if is_short { Ok(()) } else { Err(MakeEventError::TooManyRecipients) }
}

/// What may stand in an envelope and a header; whether somebody reads it only the mail server finds out.
fn is_address(address: &str) -> bool {
    let is_atom = |c: char| c.is_ascii_alphanumeric() || ".!#$%&'*+-/=?^_`{|}~".contains(c);
    let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    address.len() <= ADDRESS_BYTES_MAX
        && address.rsplit_once('@').is_some_and(|(name, host)| {
            !name.is_empty() && !host.is_empty() && name.chars().all(is_atom) && host.chars().all(is_host)
        })
}

pub(crate) fn is_name(name: &str) -> bool {
    (1..=EVENT_NAME_CHARS_MAX).contains(&name.chars().count())
        && name.trim() == name
        && !name.chars().any(char::is_control)
}

pub(crate) fn check_description(description: &str) -> Result<(), MakeEventError> {
    let is_too_long = description.chars().count() > EVENT_DESCRIPTION_CHARS_MAX;
    if is_too_long || description.chars().any(char::is_control) {
        return Err(MakeEventError::Description);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn event(description: &str) -> TemplateEvent {
        let settings = EventSettings {
            name: "Too hot".to_owned(),
            event_type: EventType::Critical,
            description: description.to_owned(),
            is_on_timeline: true,
            notifying: Notifying::default(),
        };
        TemplateEvent::new(EventCode::parse("high_temp").unwrap(), settings).unwrap()
    }

    #[test]
    fn codes_are_letters_digits_spaces_and_underscores() {
        for code in ["high_temp", "a", "Over Heat 2", "été", &"x".repeat(50)] {
            assert_eq!(EventCode::parse(code).unwrap().as_str(), code);
        }
        for code in ["", " a", "a ", "a/b", "a-b", "a\nb", "a:b", &"x".repeat(51)] {
            assert_eq!(EventCode::parse(code), Err(MakeEventError::Code), "{code:?}");
        }
    }

    #[test]
    fn the_devices_description_wins_unless_it_is_missing_or_too_long() {
        let event = event("by default");
        assert_eq!(event.description_of(Some("T=36")), "T=36");
        assert_eq!(event.description_of(Some("two\nlines")), "two lines");
        for none in [None, Some(""), Some("  "), Some("x".repeat(301).as_str())] {
            assert_eq!(event.description_of(none), "by default");
        }
        assert_eq!(event.description_of(Some(&"ü".repeat(300))).chars().count(), 300);
    }

    #[test]
    fn settings_out_of_range_are_named() {
        let with = |change: fn(&mut EventSettings)| {
            let mut settings = event("").settings().clone();
            change(&mut settings);
            TemplateEvent::new(EventCode::parse("x").unwrap(), settings).unwrap_err()
        };
        assert_eq!(with(|s| s.name = String::new()), MakeEventError::Name);
        assert_eq!(with(|s| s.name = "a\r\nBcc: b".to_owned()), MakeEventError::Name);
        assert_eq!(with(|s| s.description = "x".repeat(251)), MakeEventError::Description);
        assert_eq!(with(|s| s.notifying.limit_period_s = Some(0)), MakeEventError::LimitPeriod);
        assert_eq!(with(|s| s.notifying.after_count = 0), MakeEventError::AfterCount);
    }

    #[test]
    fn recipients_are_addresses_each_once_and_few() {
        let check =
            |list: &[&str]| check_recipients(&list.iter().map(|a| (*a).to_owned()).collect::<Vec<_>>());
        assert_eq!(check(&["a@example.org", "b.c+d@x-y.example"]), Ok(()));
        for bad in ["", "a", "@b", "a@", "a b@c", "a@b\r\nBcc: c@d", "a,b@c", "<a@b>"] {
            assert_eq!(check(&[bad]), Err(MakeEventError::Address), "{bad:?}");
        }
        assert_eq!(check(&["a@b", "a@b"]), Err(MakeEventError::TooManyRecipients));
        let many: Vec<String> = (0..11).map(|n| format!("a{n}@b")).collect();
        assert_eq!(check_recipients(&many), Err(MakeEventError::TooManyRecipients));
    }

    proptest! {
        #[test]
        fn no_text_of_a_device_breaks_a_line(text in any::<String>()) {
            let description = event("").description_of(Some(&text));
            prop_assert!(!description.chars().any(char::is_control));
            prop_assert!(description.chars().count() <= REPORTED_DESCRIPTION_CHARS_MAX);
        }
    }
}
