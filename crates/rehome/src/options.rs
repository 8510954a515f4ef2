//! Server options: flags, environment and file alike.
//!
//! One key has one spelling everywhere: `--listen-tls`, `REHOME_LISTEN_TLS`, `listen_tls = …`. A flag wins over the environment,
//! the environment over the file, the file over the default.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::Args;
use cloud::Config;
use figment::Figment;
use figment::providers::{Env, Serialized};
use serde::Serialize;

use crate::config_file::TomlFile;

/// Name of the file that is read when it exists and `--config` names no other.
const CONFIG_FILE: &str = "rehome.toml";

/// Settings that an environment variable `REHOME_<NAME>` can give.
const ENVIRONMENT_KEYS: [&str; 18] = [
    "data_dir",
    "listen",
    "listen_tls",
    "listen_extra",
    "listen_tls_extra",
    "tls_cert",
    "tls_key",
    "public_host",
    "time_zone",
    "redirect_devices_to",
    "smtp_host",
    "smtp_port",
    "smtp_tls",
    "smtp_user",
    "smtp_password_file",
    "smtp_ca_file",
    "smtp_from",
    "webhooks_to_private_addresses",
];

/// Gives the password of the mail server. Read apart from the others, because those are read as values: a password of digits
/// alone would become a number.
const PASSWORD_VARIABLE: &str = "REHOME_SMTP_PASSWORD";

/// Options of every command that runs the cloud.
#[derive(Debug, Clone, Args, Serialize)]
pub(crate) struct ServerOptions {
    /// Configuration file; `rehome.toml` in the current folder is read when it exists.
    #[arg(long, value_name = "FILE", env = "REHOME_CONFIG")]
    #[serde(skip)]
    config: Option<PathBuf>,

    /// Folder of the database, keys and certificates; made when missing [default: ./rehome-data].
    #[arg(long, value_name = "FOLDER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    data_dir: Option<PathBuf>,

    /// Address for HTTP, WebSocket and Blynk binary on one port [default: 127.0.0.1:8080].
    #[arg(long, value_name = "ADDRESS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    listen: Option<SocketAddr>,

    /// Address for the same over TLS [default: 127.0.0.1:8443].
    #[arg(long, value_name = "ADDRESS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    listen_tls: Option<SocketAddr>,

    /// A further plain address, for example 0.0.0.0:80; may be repeated.
    #[arg(long, value_name = "ADDRESS")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    listen_extra: Vec<SocketAddr>,

    /// A further TLS address, for example 0.0.0.0:443; may be repeated.
    #[arg(long, value_name = "ADDRESS")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    listen_tls_extra: Vec<SocketAddr>,

    /// Certificate chain (PEM), together with --tls-key; a self-signed one is made without it.
    #[arg(long, value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    tls_cert: Option<PathBuf>,

    /// Private key (PEM), together with --tls-cert.
    #[arg(long, value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    tls_key: Option<PathBuf>,

    /// Host name or address by which devices and people reach this server.
    #[arg(long, value_name = "HOST")]
    #[serde(skip_serializing_if = "Option::is_none")]
    public_host: Option<String>,

    /// IANA time zone of devices that told none, for example Europe/Berlin [default: UTC].
    #[arg(long, value_name = "ZONE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    time_zone: Option<String>,
}

impl ServerOptions {
    /// Merges defaults, file, environment and flags into one validated configuration.
    ///
    /// # Errors
    /// Names the file or key that cannot be used.
    pub(crate) fn into_config(self) -> Result<Config> {
        let file = self.config.as_deref().unwrap_or(Path::new(CONFIG_FILE));
        let figment = Figment::from(Serialized::defaults(Config::default()))
            .merge(TomlFile::open(self.config.as_deref(), Path::new(CONFIG_FILE)))
            .merge(Env::prefixed("REHOME_").only(&ENVIRONMENT_KEYS));
        let config: Config = with_password(figment, std::env::var(PASSWORD_VARIABLE).ok())
            .merge(Serialized::defaults(&self))
            .extract()
            .with_context(|| {
                format!("reading the configuration from flags, REHOME_… variables and {}", file.display())
            })?;
        config.validate().context("checking the configuration")?;
        Ok(config)
    }
}

fn with_password(figment: Figment, password: Option<String>) -> Figment {
    match password {
        Some(password) => figment.merge(("smtp_password", password)),
        None => figment,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        options: ServerOptions,
    }

    fn config_of(words: &[&str]) -> Result<Config> {
        Line::parse_from([&["rehome"], words].concat()).options.into_config()
    }

    #[test]
    fn a_flag_wins_over_the_file_and_the_file_over_the_default() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rehome.toml");
        fs::write(&file, "listen = '127.0.0.1:1111'\nlisten_tls = '127.0.0.1:2222'\n").unwrap();
        let config = config_of(&["--config", file.to_str().unwrap(), "--listen", "127.0.0.1:3333"]).unwrap();
        assert_eq!(config.listen.port(), 3333);
        assert_eq!(config.listen_tls.port(), 2222);
        assert_eq!(config.data_dir, Config::default().data_dir);
    }

    #[test]
    fn a_mistyped_key_in_the_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rehome.toml");
        fs::write(&file, "lisen = '127.0.0.1:1111'\n").unwrap();
        let error = config_of(&["--config", file.to_str().unwrap()]).unwrap_err();
        assert!(format!("{error:#}").contains("lisen"), "{error:#}");
    }

    #[test]
    fn a_password_of_digits_stays_as_it_was_typed() {
        let defaults = Figment::from(Serialized::defaults(Config::default()));
        let config: Config = with_password(defaults, Some("0123".to_owned())).extract().unwrap();
        assert_eq!(config.smtp_password, Some(cloud::SmtpPassword::new("0123".to_owned())));
    }

    #[test]
    fn a_password_that_is_no_text_is_refused_without_repeating_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rehome.toml");
        fs::write(&file, "smtp_password = 271828\n").unwrap();
        let error = format!("{:#}", config_of(&["--config", file.to_str().unwrap()]).unwrap_err());
        assert!(error.contains("text in quotes") && !error.contains("271828"), "{error}");
    }

    #[test]
    fn a_password_without_its_closing_quote_is_not_repeated() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rehome.toml");
        fs::write(&file, "smtp_host = 'mail.test'\nsmtp_password=\"hunter2secret\n").unwrap();
        let error = format!("{:#}", config_of(&["--config", file.to_str().unwrap()]).unwrap_err());
        assert!(error.contains("line 2") && error.contains("rehome.toml"), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }

    #[test]
    fn a_missing_file_that_was_asked_for_is_an_error() {
        assert!(config_of(&["--config", "/nonexistent/rehome.toml"]).is_err());
    }
}
