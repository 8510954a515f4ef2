//! `rehome provision`: sets up a device over its hotspot's portal.

mod visit;

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Args;
use provision::{
    CloudTarget, DEFAULT_PORTAL_URL, Outcome, PortalClient, ProvisionOptions, Secret, SessionClient, Setup,
    WallPace, check_claim_code, provision,
};
use serde_json::json;

use crate::output::say;
use crate::secret_input::{read_file_or_stdin, refuse_shared_stdin, usage_error};

/// Arguments of `rehome provision`.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub(crate) struct ProvisionArguments {
    /// Address of the device's portal, where this computer has joined the hotspot already: usually `http://192.168.4.1`.
    ///
    /// Without it the hotspot is looked for and joined.
    #[arg(long, value_name = "URL")]
    portal_url: Option<String>,

    /// Name of the hotspot to join [default: the only one in reach with a device's name].
    #[arg(long, value_name = "NAME", conflicts_with = "portal_url")]
    hotspot: Option<OsString>,

    /// Wi-Fi interface that joins the hotspot [default: the first one].
    #[arg(long, value_name = "NAME", conflicts_with = "portal_url")]
    interface: Option<String>,

    /// Network that the device shall join.
    #[arg(long)]
    ssid: OsString,

    /// File with the network's password, or `-`.
    #[arg(long, value_name = "FILE", required_unless_present = "open_network")]
    password_file: Option<PathBuf>,

    /// The network has no password.
    #[arg(long, conflicts_with = "password_file")]
    open_network: bool,

    /// File with the proof of possession from the label, or `-`; for a Rehome device whose hotspot asks for it.
    #[arg(long, value_name = "FILE")]
    pop_file: Option<PathBuf>,

    #[command(flatten)]
    cloud: CloudArguments,

    /// The device must belong to this template, `TMPL…`.
    #[arg(long)]
    template: Option<String>,

    /// Let old Edgent store the settings at once, instead of after its first connection.
    #[arg(long)]
    save: bool,

    /// Test a Rehome device with a label: it keeps this home in RAM, and its next restart forgets it.
    #[arg(long, conflicts_with = "save")]
    bench: bool,

    /// How long the device is followed after it took the settings, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 150)]
    follow_s: u64,

    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct CloudArguments {
    /// File with the device token, or `-`.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["token_env", "session"])]
    token_file: Option<PathBuf>,

    /// File with a claim code like ABCD-2345, or `-`; for a Rehome device, in place of a token.
    // No alias `--claim-code`: a name like that invites the code itself, and the command line is read by everybody here.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["token_file", "token_env", "session"])]
    claim_code_file: Option<PathBuf>,

    /// Environment variable with the device token.
    #[arg(long, value_name = "NAME", conflicts_with = "session")]
    token_env: Option<String>,

    /// Server that the device shall connect to.
    #[arg(long)]
    host: Option<String>,

    /// TLS port of that server.
    #[arg(long)]
    port: Option<u16>,

    /// Open a provisioning session at a Rehome server, use its token, and watch it to the end.
    ///
    /// In the hotspot this computer needs another way to the server, such as a cable.
    #[arg(long, requires = "server", requires = "api_key_file", requires = "template")]
    session: bool,

    /// Address of the Rehome server for `--session`.
    #[arg(long, value_name = "URL", requires = "session")]
    server: Option<String>,

    /// File with an API key of that server, or `-`.
    #[arg(long, value_name = "FILE", requires = "session")]
    api_key_file: Option<PathBuf>,

    /// File with the certificates (PEM) to trust for that server, instead of the public ones.
    #[arg(long, value_name = "FILE", requires = "session")]
    server_ca: Option<PathBuf>,
}

/// Sets up the device and says how it ended.
pub(crate) fn run(arguments: ProvisionArguments) -> Result<ExitCode> {
    let cloud = &arguments.cloud;
    refuse_shared_stdin(
        [
            &arguments.password_file,
            &arguments.pop_file,
            &cloud.token_file,
            &cloud.claim_code_file,
            &cloud.api_key_file,
        ]
        .into_iter()
        .flatten(),
    );
    let portal_url = arguments.portal_url.as_deref().unwrap_or(DEFAULT_PORTAL_URL);
    let portal = match PortalClient::new(portal_url) {
        Ok(portal) => portal,
        Err(error) => usage_error(&format!("--portal-url: {error}")),
    };
    let session = session_client(cloud)?;
    let target = CloudTarget { token: token(cloud)?, host: cloud.host.clone(), port: cloud.port };
    let setup = Setup {
        ssid: arguments.ssid.into_vec(),
        password: secret("--password-file", arguments.password_file.as_ref())?
            .unwrap_or_else(|| Secret::new(Vec::new())),
        pop: secret("--pop-file", arguments.pop_file.as_ref())?,
        is_save_requested: arguments.save,
        is_for_bench: arguments.bench,
    };
    let flow = Flow {
        portal,
        setup,
        target,
        template_id: arguments.template,
        session,
        follow_for: Duration::from_secs(arguments.follow_s),
    };
    let outcome = if arguments.portal_url.is_some() {
        flow.run()?
    } else {
        let hotspot = arguments.hotspot.map(OsString::into_vec);
        match visit::run(flow, hotspot, arguments.interface)? {
            Some(outcome) => outcome,
            None => return Ok(ExitCode::FAILURE),
        }
    };
    if arguments.json {
        say!("{:#}", json!(outcome))?;
    } else {
        say!("{outcome}")?;
    }
    let is_set_up = matches!(outcome, Outcome::Connected { .. } | Outcome::Accepted);
    if is_set_up && arguments.bench {
        eprintln!("on the bench: nothing is stored, and the device's next restart forgets this home");
    }
    Ok(if is_set_up { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Everything that setting a device up needs.
#[derive(Debug)]
struct Flow {
    portal: PortalClient,
    setup: Setup,
    target: CloudTarget,
    template_id: Option<String>,
    session: Option<SessionClient>,
    follow_for: Duration,
}

impl Flow {
    fn run(&self) -> Result<Outcome> {
        let options = ProvisionOptions {
            template_id: self.template_id.as_deref(),
            session: self.session.as_ref(),
            follow_for: self.follow_for,
        };
        let mut report = |progress: &provision::Progress| eprintln!("{progress}");
        let mut pace = WallPace::start();
        Ok(provision(&self.portal, &self.setup, &self.target, &options, &mut pace, &mut report)?)
    }
}

fn session_client(cloud: &CloudArguments) -> Result<Option<SessionClient>> {
    let (Some(server), Some(key)) = (&cloud.server, secret("--api-key-file", cloud.api_key_file.as_ref())?)
    else {
        return Ok(None);
    };
    let trusted = cloud.server_ca.as_deref().map(read_file_or_stdin).transpose().context("--server-ca")?;
    match SessionClient::new(server, key, trusted.as_deref()) {
        Ok(client) => Ok(Some(client)),
        Err(error) => usage_error(&format!("--server: {error}")),
    }
}

fn token(cloud: &CloudArguments) -> Result<Option<Secret>> {
    if let Some(name) = &cloud.token_env {
        let value =
            std::env::var_os(name).with_context(|| format!("the environment has no variable {name}"))?;
        return Ok(Some(Secret::from_file(value.into_vec())));
    }
    match &cloud.claim_code_file {
        Some(file) => {
            let code = secret("--claim-code-file", Some(file))?;
            code.as_ref().map(check_claim_code).transpose().context("--claim-code-file")?;
            Ok(code)
        }
        None => secret("--token-file", cloud.token_file.as_ref()),
    }
}

fn secret(option: &'static str, path: Option<&PathBuf>) -> Result<Option<Secret>> {
    path.map(|path| Ok(Secret::from_file(read_file_or_stdin(path).context(option)?))).transpose()
}
