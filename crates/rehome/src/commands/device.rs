//! `rehome device`: the agent on this machine's own Wi-Fi.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use device_linux::{
    Config, Ended, LAUNCHER_VARIABLE, Launched, Launcher, SLOT_VARIABLE, SlotName, TRIAL_LIMIT, hand_back,
};
use figment::Figment;
use figment::providers::{Env, Serialized};
use serde::Serialize;

use crate::commands::{StopSignals, single_thread_runtime};
use crate::config_file::TomlFile;
use crate::output::say;

/// The options file that is read when it exists and `--config` names no other.
const CONFIG_FILE: &str = "/etc/rehome/device.toml";

/// Gives the proof of possession. Read apart from the others, because those are read as values: a PoP of digits alone would
/// become a number.
const POP_VARIABLE: &str = "REHOME_DEVICE_POP";

/// Arguments of `rehome device`. What is not here is set in the options file.
#[derive(Debug, Args, Serialize)]
pub(crate) struct DeviceArguments {
    /// Options file; /etc/rehome/device.toml is read when it exists.
    #[arg(long, value_name = "FILE", env = "REHOME_DEVICE_CONFIG")]
    #[serde(skip)]
    config: Option<PathBuf>,

    /// Prints the options as they would be used, secrets left out, and ends.
    #[arg(long)]
    #[serde(skip)]
    check_config: bool,

    /// Wi-Fi interface that joins networks [default: the first one].
    #[arg(long, value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    interface: Option<String>,

    /// Wi-Fi interface of the hotspot; while there is none, hotspot and network take turns [default: rehome-ap0].
    #[arg(long, value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    hotspot_interface: Option<String>,

    /// Folder of the device's memory [default: /var/lib/rehome-device].
    #[arg(long, value_name = "FOLDER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    state_dir: Option<PathBuf>,

    /// Socket of the local API [default: /run/rehome-device/device.sock].
    #[arg(long, value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    socket: Option<PathBuf>,

    /// Id of the template the device belongs to.
    #[arg(long, value_name = "TMPL…")]
    #[serde(skip_serializing_if = "Option::is_none")]
    template_id: Option<String>,

    /// Name of the template, part of the hotspot's name.
    #[arg(long, value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    template_name: Option<String>,

    /// Server used when the portal is given none.
    #[arg(long, value_name = "HOST")]
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<String>,

    /// Its port.
    #[arg(long, value_name = "PORT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<u16>,

    /// File (PEM) with the authorities to trust in place of the system's.
    #[arg(long, value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    ca_file: Option<PathBuf>,
}

/// Runs the agent until it is told to stop.
pub(crate) fn run(arguments: &DeviceArguments) -> Result<ExitCode> {
    let config = read_config(arguments)?;
    if arguments.check_config {
        say!("{config:#?}")?;
        return Ok(ExitCode::SUCCESS);
    }
    run_programs(&config)?;
    Ok(ExitCode::SUCCESS)
}

/// Runs the program that the device's slots name: this one, or one that was installed over the air.
fn run_programs(config: &Config) -> Result<()> {
    let slot = std::env::var(SLOT_VARIABLE).ok().and_then(|name| SlotName::parse(&name));
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    loop {
        if slot.is_none() {
            let program = std::env::current_exe().context("finding this program")?;
            let launcher = Launcher { program, arguments: arguments.clone(), trial_limit: TRIAL_LIMIT };
            let runtime = single_thread_runtime()?;
            let outcome = runtime.block_on(launcher.launch(config, until_stopped()));
            if outcome.context("starting the device's program")? == Launched::Stopped {
                return Ok(());
            }
        }
        match device_linux::run(config, slot, until_stopped()).context("running the device")? {
            Ended::OtherProgram if slot.is_none() => {}
            Ended::OtherProgram => {
                // A program on trial has no launcher to start: the one that watches it goes on by itself.
                let Some(launcher) = std::env::var_os(LAUNCHER_VARIABLE) else { return Ok(()) };
                let error = hand_back(launcher.as_ref(), &arguments);
                return Err(error).context("starting the installed program");
            }
            Ended::Stopped => return Ok(()),
        }
    }
}

async fn until_stopped() {
    match StopSignals::listen() {
        Ok(signals) => signals.wait().await,
        Err(error) => {
            tracing::error!(%error, "signals cannot be handled; stop the agent by ending its service");
            std::future::pending::<()>().await;
        }
    }
}

fn read_config(arguments: &DeviceArguments) -> Result<Config> {
    let figment = Figment::from(Serialized::defaults(Config::default()))
        .merge(TomlFile::open(arguments.config.as_deref(), Path::new(CONFIG_FILE)))
        .merge(Env::prefixed("REHOME_DEVICE_").ignore(&["config", "pop"]));
    let config: Config = with_pop(figment, std::env::var_os(POP_VARIABLE))?
        .merge(Serialized::defaults(arguments))
        .extract()
        .context("reading the device's options")?;
    config.validate().context("checking the device's options")?;
    Ok(config)
}

fn with_pop(figment: Figment, pop: Option<OsString>) -> Result<Figment> {
    match pop.map(OsString::into_string) {
        Some(Ok(pop)) => Ok(figment.merge(("pop", pop))),
        Some(Err(_secret)) => bail!("{POP_VARIABLE} is no text"),
        None => Ok(figment),
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
        arguments: DeviceArguments,
    }

    fn config_of(words: &[&str]) -> Result<Config> {
        read_config(&Line::parse_from([&["rehome"], words].concat()).arguments)
    }

    #[test]
    fn a_flag_wins_over_the_file_and_the_file_over_the_default() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("device.toml");
        fs::write(&file, "interface = 'wlan7'\nhost = 'one.test'\npop = 'correct horse'\n").unwrap();
        let config = config_of(&["--config", file.to_str().unwrap(), "--host", "two.test"]).unwrap();
        assert_eq!(config.interface.as_deref(), Some("wlan7"));
        assert_eq!(config.host, "two.test");
        assert_eq!(config.port, Config::default().port);
        assert!(!format!("{config:#?}").contains("correct horse"));
    }

    #[test]
    fn a_mistyped_key_in_the_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("device.toml");
        fs::write(&file, "interfaces = 'wlan7'\n").unwrap();
        let error = config_of(&["--config", file.to_str().unwrap()]).unwrap_err();
        assert!(format!("{error:#}").contains("interfaces"), "{error:#}");
    }

    #[test]
    fn a_short_proof_of_possession_is_refused_and_not_repeated() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("device.toml");
        fs::write(&file, "pop = 'qwertz7'\n").unwrap();
        let error = config_of(&["--config", file.to_str().unwrap()]).unwrap_err();
        let text = format!("{error:#}");
        assert!(text.contains("pop") && !text.contains("qwertz7"), "{text}");
    }

    #[test]
    fn a_proof_of_possession_that_is_written_wrongly_is_not_repeated() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("device.toml");
        let wrong = [
            ("host = 'a.test'\npop = \"k7f2-9mqd-x3\n", "line 2"),
            ("pop = k7f2-9mqd-x3\n", "line 1"),
            ("pop = 1234567890\n", "text in quotes"),
            ("pop = [\"k7f2-9mqd-x3\"]\n", "text in quotes"),
            ("pop = 7.25e9\n", "text in quotes"),
        ];
        for (text, expected) in wrong {
            fs::write(&file, text).unwrap();
            let error = config_of(&["--config", file.to_str().unwrap()]).unwrap_err();
            let error = format!("{error:#}");
            assert!(error.contains(expected) && error.contains("device.toml"), "{error}");
            for secret in ["k7f2", "9mqd", "1234567890", "7.25", "7250000000"] {
                assert!(!error.contains(secret), "{error}");
            }
        }
    }

    #[test]
    fn a_proof_of_possession_of_digits_stays_as_it_was_given() {
        let defaults = || Figment::from(Serialized::defaults(Config::default()));
        let config: Config = with_pop(defaults(), Some("0123456789".into())).unwrap().extract().unwrap();
        assert_eq!(config.pop.unwrap().expose(), "0123456789");
    }
}
