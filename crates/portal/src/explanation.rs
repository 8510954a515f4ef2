//! Error codes 700 to 732 in plain words.

/// What happened and what to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Explanation {
    /// What happened, one sentence.
    pub what: &'static str,
    /// What the person can do, one or two sentences.
    pub advice: &'static str,
}

/// Explains an error code, or returns `None` for 0. A code without an entry gets a general answer.
///
/// Source of the codes: `reference/edgent-device.md` §3.
#[must_use]
pub const fn explain_error(code: u16) -> Option<Explanation> {
    let (what, advice) = match code {
        0 => return None,
        700 => {
            ("The settings could not be used.", "Check every field, the static address too, and try again.")
        }
        701 => (
            "The Wi-Fi network did not answer in time.",
            "Check the password, and bring the device closer to the router.",
        ),
        702 => (
            "Wi-Fi works, but the server did not answer in time.",
            "Check that the network has internet access and that the server name and port are right.",
        ),
        703 => (
            "The server did not accept the device token.",
            "Check the token. If it was replaced or the device was removed, get a new one from your account.",
        ),
        704 => {
            ("Something went wrong with the Wi-Fi radio.", "Switch the device off and on, then try again.")
        }
        705 => ("Something went wrong between the device and the server.", "Wait a minute and try again."),
        710 => (
            "The server name could not be found.",
            "Check the spelling of the server name, and that the network has internet access.",
        ),
        711 => (
            "The connection to the server is not secure.",
            "Check the server name. The network may be intercepting connections; try another one.",
        ),
        712 => (
            "The network asks for a sign-in on a web page first.",
            "The device cannot sign in there. Use another network, such as a phone's hotspot.",
        ),
        720 => (
            "The Wi-Fi network was not found.",
            "Check its name and that it is switched on. Most devices only see 2.4 GHz networks.",
        ),
        721 => ("No network cable is plugged in.", "Plug in the cable at both ends and try again."),
        722 => (
            "The Wi-Fi network did not accept the password.",
            "Type the password again; capital and small letters matter.",
        ),
        723 => (
            "The device joined the Wi-Fi network but got no address.",
            "Restart the router. If you set a static address, check it.",
        ),
        730 => ("There is no SIM card in the device.", "Insert a SIM card and try again."),
        731 => ("The SIM card is locked.", "Unlock it with its PIN, or switch off the PIN in a phone."),
        732 => ("The PIN of the SIM card is wrong.", "Check the PIN. Three wrong attempts lock the card."),
        _ => ("Setting up the device failed.", "Try again. If it fails again, tell the maker the code."),
    };
    Some(Explanation { what, advice })
}
