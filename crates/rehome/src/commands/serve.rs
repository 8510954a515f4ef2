//! `rehome serve`: the cloud with its console.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Args;
use cloud::{ADMIN_KEY_FILE, RunningServer, Server};

use crate::commands::StopSignals;
use crate::options::ServerOptions;

/// Arguments of `rehome serve`.
#[derive(Debug, Args)]
pub(crate) struct ServeArguments {
    #[command(flatten)]
    server: ServerOptions,
}

/// Serves until it is told to stop.
pub(crate) async fn run(arguments: ServeArguments) -> Result<ExitCode> {
    let config = arguments.server.into_config()?;
    let data_dir = config.data_dir.clone();
    let server = Server::start(config, cloud::ServerOptions::default()).await?;
    let stop_signals = StopSignals::listen()?;
    print_addresses(&server, &data_dir).await?;
    stop_signals.wait().await;
    server.shutdown().await;
    Ok(ExitCode::SUCCESS)
}

/// Tells a person where everything is and how to sign in.
pub(crate) async fn print_addresses(server: &RunningServer, data_dir: &Path) -> Result<()> {
    let code = server.create_sign_in_code().await.context("making the sign-in link")?;
    let address = server.plain_addr;
    println!("Rehome {}", env!("CARGO_PKG_VERSION"));
    println!("  console   http://{address}/");
    println!("  devices   {address} (plain), {} (TLS)", server.tls_addr);
    println!("  data      {} (key for programs: {ADMIN_KEY_FILE})", data_dir.display());
    println!("  sign in   http://{address}/#sign-in={code}");
    println!("The link works once, for 15 minutes. Stop with Ctrl-C.");
    Ok(())
}
