//! Lines of the local API.

use lifecycle::{Colour, Pattern};
use serde::{Deserialize, Serialize, Serializer};

/// Longest line in bytes, its end not counted. The longest sensible request has about 150.
pub const LINE_BYTES_MAX: usize = 4096;

/// What an application asks for.
#[derive(Debug, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Request {
    Write {
        pin: u8,
        value: Value,
    },
    Read {
        pin: u8,
    },
    State,
    Subscribe {
        /// To the light as well.
        #[serde(default)]
        led: bool,
    },
    Console {
        line: String,
    },
}

/// A value as applications like to write it.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Value {
    Text(String),
    Number(serde_json::Number),
    Switch(bool),
}

impl Value {
    /// The value as it travels to the cloud: text; a switch is 1 or 0.
    pub(super) fn into_text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Number(number) => number.to_string(),
            Self::Switch(is_on) => if is_on { "1" } else { "0" }.to_owned(),
        }
    }
}

/// What an application is answered.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Answer<'a> {
    Done {
        ok: bool,
    },
    Refused {
        ok: bool,
        error: &'a str,
    },
    Values {
        ok: bool,
        pin: u8,
        values: Option<Vec<String>>,
    },
    State {
        ok: bool,
        #[serde(flatten)]
        state: StateView,
        /// `null` before the device said anything.
        led: Option<LedView>,
        /// What the agent has to do without; left out where there is nothing.
        #[serde(skip_serializing_if = "<[String]>::is_empty")]
        problems: &'a [String],
    },
}

/// Where the device stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct StateView {
    /// One of the nine names.
    pub(super) state: &'static str,
    /// 0 or a code from 700 to 732.
    pub(super) last_error: u16,
    /// The cloud accepted the device.
    pub(super) online: bool,
}

/// What the light of a board would show, for a light that an application has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "pattern", rename_all = "snake_case")]
pub(super) enum LedView {
    Blink {
        #[serde(serialize_with = "as_digits")]
        colour: Colour,
        on_ms: u16,
        off_ms: u16,
    },
    DoubleBlink {
        #[serde(serialize_with = "as_digits")]
        colour: Colour,
        on_ms: u16,
        between_ms: u16,
        off_ms: u16,
    },
    Wave {
        #[serde(serialize_with = "as_digits")]
        colour: Colour,
        period_ms: u16,
    },
}

impl From<Pattern> for LedView {
    fn from(pattern: Pattern) -> Self {
        match pattern {
            Pattern::Blink { colour, on_ms, off_ms } => Self::Blink { colour, on_ms, off_ms },
            Pattern::DoubleBlink { colour, on_ms, between_ms, off_ms } => {
                Self::DoubleBlink { colour, on_ms, between_ms, off_ms }
            }
            Pattern::Wave { colour, period_ms } => Self::Wave { colour, period_ms },
        }
    }
}

/// A colour as `#rrggbb`.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
fn as_digits<S: Serializer>(colour: &Colour, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("#{:06x}", colour.0))
}

/// What subscribers learn.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(super) enum Notice<'a> {
    Write { pin: u8, values: &'a [String] },
    State(StateView),
    Led { led: LedView },
}

/// Why a line is no request; the text is the answer.
pub(super) fn parse(line: &[u8]) -> Result<Request, String> {
    // The parser's reason names keys and positions, and repeats no value longer than the line the sender knows.
    serde_json::from_slice(line).map_err(|error| format!("not understood: {error}"))
}

/// Renders a line.
pub(super) fn render(value: &impl Serialize) -> String {
    // Maps with text keys, texts and numbers always become JSON; should that change, the reader sees an empty object.
    let mut line = serde_json::to_string(value).unwrap_or_else(|_never| "{}".to_owned());
    line.push('\n');
    line
}
