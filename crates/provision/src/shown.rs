//! Text of a device or a server, fit to be shown.

use crate::secret::Secret;

/// Longest text shown, in characters.
const SHOWN_CHARACTERS_MAX: usize = 300;

/// Shorter secrets are not looked for: their letters occur in any text.
const SECRET_BYTES_MIN: usize = 6;

/// Takes secrets and control characters out, and cuts the end off. A device that repeats what it was given must not
/// bring it to the screen, nor move the cursor there.
pub(crate) fn shown(text: &str, secrets: &[&Secret]) -> String {
    let mut cleaned = text.to_owned();
    for secret in secrets.iter().filter(|secret| secret.expose().len() >= SECRET_BYTES_MIN) {
        if let Ok(secret) = str::from_utf8(secret.expose()) {
            cleaned = cleaned.replace(secret, "[redacted]");
        }
    }
    let is_readable = |character: &char| !character.is_control();
    cleaned.chars().filter(is_readable).take(SHOWN_CHARACTERS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::shown;
    use crate::Secret;

    #[test]
    fn secrets_and_control_characters_are_taken_out() {
        let secret = Secret::new(b"horse battery".to_vec());
        assert_eq!(shown("\u{1b}[2Jwrong: horse battery\n", &[&secret]), "[2Jwrong: [redacted]");
        assert_eq!(shown(&"x".repeat(999), &[]).len(), 300);
    }
}
