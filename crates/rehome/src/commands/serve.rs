//! `rehome serve`: the cloud with its console.

use std::net::TcpListener;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use cloud::{ADMIN_KEY_FILE, Config, RunningServer, Server};

use crate::commands::{StopSignals, service_manager};
use crate::options::ServerOptions;
use crate::output::say;

/// Arguments of `rehome serve`.
#[derive(Debug, Args)]
pub(crate) struct ServeArguments {
    #[command(flatten)]
    server: ServerOptions,
}

/// Serves until it is told to stop, on the `sockets` of a service manager where there are any.
pub(crate) async fn run(arguments: ServeArguments, sockets: Vec<TcpListener>) -> Result<ExitCode> {
    let config = arguments.server.into_config()?;
    let data_dir = config.data_dir.clone();
    let has_name_to_give = has_name_to_give(&config);
    let server =
        Server::start(config, cloud::ServerOptions { sockets, ..cloud::ServerOptions::default() }).await?;
    let stop_signals = StopSignals::listen()?;
    print_addresses(&server, &data_dir).await?;
    if !has_name_to_give {
        print_missing_name()?;
    }
    service_manager::say_ready();
    let ending = serve_until_ended(&server, stop_signals).await;
    service_manager::say_stopping();
    server.shutdown().await;
    ending.map(|()| ExitCode::SUCCESS)
}

/// Waits until the program is told to stop, or the server can do no more.
///
/// # Errors
/// Says why the server can do no more: a service manager starts it again then, and a person knows what happened.
pub(crate) async fn serve_until_ended(server: &RunningServer, stop_signals: StopSignals) -> Result<()> {
    tokio::select! {
        () = stop_signals.wait() => Ok(()),
        () = server.wait_for_failure() => bail!(
            "the thread that writes the database has ended abnormally; start the server again. Nothing that was \
             acknowledged is lost; please report the lines before this one"
        ),
    }
}

/// Returns whether devices elsewhere can be told where this server is.
pub(crate) fn has_name_to_give(config: &Config) -> bool {
    config.public_host.is_some() || !config.listen_tls.ip().is_unspecified()
}

/// Says why no device elsewhere finds this server, and what to do.
pub(crate) fn print_missing_name() -> Result<()> {
    say!("Devices are told to connect to `localhost`; give this server's name with --public-host.")
}

/// Tells a person where everything is and how to sign in.
pub(crate) async fn print_addresses(server: &RunningServer, data_dir: &Path) -> Result<()> {
    let code = server.create_sign_in_code().await.context("making the sign-in link")?;
    let address = server.plain_addr;
    say!("Rehome {}", env!("CARGO_PKG_VERSION"))?;
    say!("  console   http://{address}/")?;
    say!("  devices   {address} (plain), {} (TLS)", server.tls_addr)?;
    say!("  data      {} (key for programs: {ADMIN_KEY_FILE})", data_dir.display())?;
    say!("  sign in   http://{address}/#sign-in={code}")?;
    say!("The link works once, for 15 minutes. Stop with Ctrl-C.")?;
    Ok(())
}
