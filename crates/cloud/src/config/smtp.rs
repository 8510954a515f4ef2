//! The mail server that takes the server's e-mails.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use lettre::message::Mailbox;
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Config, ValidateConfigError, is_host};

/// How the connection to the mail server is protected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SmtpTls {
    /// TLS from the first byte, usually on port 465.
    #[default]
    Tls,
    /// TLS after `STARTTLS`, usually on port 587. A server that offers none gets nothing.
    Starttls,
    /// None, for a mail server on the same machine or network; no password is sent then.
    None,
}

impl SmtpTls {
    /// Source: RFC 8314 3.3 for 465, RFC 6409 3.1 for 587, RFC 5321 for 25.
    const fn port(self) -> u16 {
        match self {
            Self::Tls => 465,
            Self::Starttls => 587,
            Self::None => 25,
        }
    }
}

/// A password on its way from the configuration to the mail server; never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct SmtpPassword(String);

impl SmtpPassword {
    /// Takes the password in.
    #[must_use]
    pub const fn new(password: String) -> Self {
        Self(password)
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SmtpPassword {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[redacted]")
    }
}

impl Serialize for SmtpPassword {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("[redacted]")
    }
}

impl<'de> Deserialize<'de> for SmtpPassword {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PasswordVisitor)
    }
}

/// The usual error for a wrong type repeats the value.
struct PasswordVisitor;

impl PasswordVisitor {
    fn not_text<E: de::Error>() -> Result<SmtpPassword, E> {
        Err(E::custom("`smtp_password` must be text in quotes"))
    }
}

impl Visitor<'_> for PasswordVisitor {
    type Value = SmtpPassword;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("text in quotes")
    }

    fn visit_str<E: de::Error>(self, password: &str) -> Result<SmtpPassword, E> {
        Ok(SmtpPassword(password.to_owned()))
    }

    fn visit_bool<E: de::Error>(self, _value: bool) -> Result<SmtpPassword, E> {
        Self::not_text()
    }

    fn visit_i64<E: de::Error>(self, _value: i64) -> Result<SmtpPassword, E> {
        Self::not_text()
    }

    fn visit_u64<E: de::Error>(self, _value: u64) -> Result<SmtpPassword, E> {
        Self::not_text()
    }

    fn visit_f64<E: de::Error>(self, _value: f64) -> Result<SmtpPassword, E> {
        Self::not_text()
    }
}

/// Everything about the mail server, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SmtpSettings {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) tls: SmtpTls,
    /// User and password; the password may still be in its file.
    pub(crate) sign_in: Option<(String, PasswordSource)>,
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) from: Mailbox,
}

/// Where the password is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PasswordSource {
    Given(SmtpPassword),
    File(PathBuf),
}

impl Config {
    /// Returns the mail server; none when none is configured.
    pub(crate) fn smtp(&self) -> Result<Option<SmtpSettings>, ValidateConfigError> {
        let wrong = |reason| ValidateConfigError::Smtp { reason };
        let Some(host) = &self.smtp_host else {
            let has_others = self.smtp_from.is_some() || self.smtp_user.is_some();
            return if has_others { Err(wrong("`smtp_host` is missing")) } else { Ok(None) };
        };
        if !is_host(host, 253) {
            return Err(wrong("`smtp_host` must be a host name or an address, without port or scheme"));
        }
        let from = self.smtp_from.as_ref().and_then(|from| from.parse().ok());
        let from =
            from.ok_or(wrong("`smtp_from` must be an address, `Rehome <alerts@example.org>` for example"))?;
        let source = match (&self.smtp_password, &self.smtp_password_file) {
            (Some(_), Some(_)) => return Err(wrong("set `smtp_password` or `smtp_password_file`, not both")),
            (Some(password), None) => Some(PasswordSource::Given(password.clone())),
            (None, Some(file)) => Some(PasswordSource::File(file.clone())),
            (None, None) => None,
        };
        let sign_in = match (&self.smtp_user, source) {
            (Some(user), Some(source)) => Some((user.clone(), source)),
            (None, None) => None,
            _ => return Err(wrong("`smtp_user` and a password belong together")),
        };
        let is_here =
            host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        if self.smtp_tls == SmtpTls::None && sign_in.is_some() && !is_here {
            return Err(wrong("a password is not sent without TLS; set `smtp_tls` to `tls` or `starttls`"));
        }
        Ok(Some(SmtpSettings {
            host: host.clone(),
            port: self.smtp_port.unwrap_or(self.smtp_tls.port()),
            tls: self.smtp_tls,
            sign_in,
            ca_file: self.smtp_ca_file.clone(),
            from,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configured() -> Config {
        Config {
            smtp_host: Some("mail.example.org".to_owned()),
            smtp_from: Some("Rehome <alerts@example.org>".to_owned()),
            ..Config::default()
        }
    }

    #[test]
    fn the_port_follows_from_the_protection_unless_it_is_set() {
        for (tls, port) in [(SmtpTls::Tls, 465), (SmtpTls::Starttls, 587), (SmtpTls::None, 25)] {
            let config = Config { smtp_tls: tls, ..configured() };
            assert_eq!(config.smtp().unwrap().unwrap().port, port);
        }
        let config = Config { smtp_port: Some(2525), ..configured() };
        assert_eq!(config.smtp().unwrap().unwrap().port, 2525);
        assert_eq!(Config::default().smtp(), Ok(None));
    }

    #[test]
    fn half_a_configuration_is_refused_and_says_what_is_missing() {
        let password = || Some(SmtpPassword::new("horse battery".to_owned()));
        let user = || Some("alerts".to_owned());
        let wrong = [
            (Config { smtp_host: None, ..configured() }, "smtp_host"),
            (Config { smtp_host: Some("mail:25".to_owned()), ..configured() }, "smtp_host"),
            (Config { smtp_from: None, ..configured() }, "smtp_from"),
            (Config { smtp_user: user(), ..configured() }, "belong together"),
            (Config { smtp_password: password(), ..configured() }, "belong together"),
            (
                Config {
                    smtp_user: user(),
                    smtp_password: password(),
                    smtp_tls: SmtpTls::None,
                    ..configured()
                },
                "without TLS",
            ),
            (
                Config { smtp_password: password(), smtp_password_file: Some("x".into()), ..configured() },
                "not both",
            ),
        ];
        for (config, expected) in wrong {
            let error = config.validate().unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        assert_eq!(configured().validate(), Ok(()));
    }

    #[test]
    fn the_password_is_never_printed() {
        let config =
            Config { smtp_password: Some(SmtpPassword::new("horse battery".to_owned())), ..configured() };
        assert!(!format!("{config:?}").contains("horse"));
        assert!(!serde_json::to_string(&config).unwrap().contains("horse"));
        for wrong in ["271828", "-271828", "2.71828", "true"] {
            let error = serde_json::from_str::<SmtpPassword>(wrong).unwrap_err().to_string();
            assert!(error.contains("text in quotes") && !error.contains(wrong), "{error}");
        }
        let password: SmtpPassword = serde_json::from_str("\"271828\"").unwrap();
        assert_eq!(password.expose(), "271828");
    }
}
