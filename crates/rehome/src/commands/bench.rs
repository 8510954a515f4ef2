//! `rehome bench`: the virtual bench alone, against any server.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use bench::handle::{LiveConfig, start_live};
use bench::live_net::LiveCloudConfig;
use clap::Args;

use crate::commands::StopSignals;
use crate::output::say;

/// Arguments of `rehome bench`.
#[derive(Debug, Args)]
pub(crate) struct BenchArguments {
    /// Address of the bench's own API; keep it on this machine.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8090")]
    listen: SocketAddr,

    /// Host name under which boards look for the cloud.
    #[arg(long, value_name = "HOST", default_value = "localhost")]
    cloud_host: String,

    /// Where that name leads for TLS.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8443")]
    cloud_tls: SocketAddr,

    /// Where that name leads without TLS.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    cloud_plain: SocketAddr,

    /// Certificate (PEM) that the boards trust, for example `rehome-data/tls/ca.pem`.
    #[arg(long, value_name = "FILE")]
    trust: PathBuf,

    /// Puts two places and three boards of this template on the bench.
    #[arg(long, value_name = "TMPL…")]
    demo_template: Option<String>,

    /// Seed of everything that is random on the bench.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Serves the bench until it is told to stop.
pub(crate) async fn run(arguments: BenchArguments) -> Result<ExitCode> {
    let trust_anchors_pem = fs::read_to_string(&arguments.trust).with_context(|| {
        format!(
            "reading {} (the server writes its own certificate on first start)",
            arguments.trust.display()
        )
    })?;
    // A file without any is read as no certificate at all, and then no board trusts its server.
    if !trust_anchors_pem.contains("-----BEGIN CERTIFICATE-----") {
        bail!("{} holds no certificate in PEM form", arguments.trust.display());
    }
    let cloud = LiveCloudConfig {
        hosts: vec![arguments.cloud_host],
        plain: Some(arguments.cloud_plain),
        tls: Some(arguments.cloud_tls),
        trust_anchors_pem,
    };
    let bench = start_live(LiveConfig { cloud, seed: arguments.seed, time_scale: 1.0 })
        .context("starting the bench")?;
    if let Some(template_id) = &arguments.demo_template {
        bench.add_demo_world(template_id).await.context("setting up the bench")?;
    }
    let listener = tokio::net::TcpListener::bind(arguments.listen)
        .await
        .with_context(|| format!("listening on {}; is another bench running?", arguments.listen))?;
    let stop_signals = StopSignals::listen()?;
    say!("Rehome bench {}: http://{}/bench/v1", env!("CARGO_PKG_VERSION"), listener.local_addr()?)?;
    let server = axum::serve(listener, bench::api::router(bench));
    tokio::select! {
        outcome = server => outcome.context("serving the bench")?,
        () = stop_signals.wait() => {}
    }
    Ok(ExitCode::SUCCESS)
}
