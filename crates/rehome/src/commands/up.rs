//! `rehome up`: cloud, console and virtual bench in one process.

use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use anyhow::{Context as _, Result};
use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use bench::demo_world::DEMO_TEMPLATE_NAME;
use bench::handle::{BenchHandle, LiveConfig, start_live};
use bench::live_net::LiveCloudConfig;
use clap::Args;
use cloud::{RunningServer, Server};
use tower::ServiceExt as _;

use crate::commands::{StopSignals, serve};
use crate::options::ServerOptions;

/// Name under which the boards of the bench look for the cloud; its certificate carries it.
const LOCAL_HOST_NAME: &str = "localhost";

/// Arguments of `rehome up`.
#[derive(Debug, Args)]
pub(crate) struct UpArguments {
    #[command(flatten)]
    server: ServerOptions,

    /// Seed of everything that is random on the bench.
    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// Starts with an empty bench instead of two places and three boards.
    #[arg(long)]
    empty_bench: bool,
}

/// Serves until it is told to stop.
pub(crate) async fn run(arguments: UpArguments) -> Result<ExitCode> {
    let mut config = arguments.server.into_config()?;
    let has_name_to_give = serve::has_name_to_give(&config);
    if config.listen_tls.ip().is_loopback() {
        config.public_host.get_or_insert_with(|| LOCAL_HOST_NAME.to_owned());
    }
    let data_dir = config.data_dir.clone();
    let host = config.host_for_devices();
    let bench_routes = LateRoutes::default();
    let options =
        cloud::ServerOptions { bench_router: Some(bench_routes.router()), ..cloud::ServerOptions::default() };
    let server = Server::start(config, options).await?;
    let bench = start_bench(&server, host, arguments.seed)?;
    if !arguments.empty_bench {
        let template_id = server
            .template_named(DEMO_TEMPLATE_NAME)
            .await
            .context("making the template of the demo boards")?;
        bench.add_demo_world(&template_id).await.context("setting up the bench")?;
    }
    bench_routes.set(bench::api::router(bench));
    let stop_signals = StopSignals::listen()?;
    serve::print_addresses(&server, &data_dir).await?;
    if !has_name_to_give {
        serve::print_missing_name()?;
    }
    let ending = serve::serve_until_ended(&server, stop_signals).await;
    server.shutdown().await;
    ending.map(|()| ExitCode::SUCCESS)
}

fn start_bench(server: &RunningServer, host: String, seed: u64) -> Result<BenchHandle> {
    let cloud = LiveCloudConfig {
        hosts: vec![host, LOCAL_HOST_NAME.to_owned(), server.plain_addr.ip().to_string()],
        plain: Some(server.plain_addr),
        tls: Some(server.tls_addr),
        trust_anchors_pem: server.ca_certificate_pem.clone().unwrap_or_default(),
    };
    start_live(LiveConfig { cloud, seed, time_scale: 1.0 }).context("starting the bench")
}

/// Routes that are known only after the server has its addresses, which the bench needs in turn.
#[derive(Debug, Clone, Default)]
struct LateRoutes(Arc<OnceLock<Router>>);

impl LateRoutes {
    fn router(&self) -> Router {
        let routes = self.clone();
        let answer = move |request: Request| async move { routes.answer(request).await };
        Router::new().route("/bench/v1/{*path}", any(answer))
    }

    /// Only the first call counts.
    fn set(&self, router: Router) {
        self.0.get_or_init(|| router);
    }

    async fn answer(&self, request: Request) -> Response {
        let Some(router) = self.0.get() else {
            return (StatusCode::SERVICE_UNAVAILABLE, "the bench is starting; try again in a moment")
                .into_response();
        };
        // Without the extensions: the path that the outer route matched must not count as arguments of the inner one.
        let (parts, body) = request.into_parts();
        let mut request = Request::new(body);
        *request.method_mut() = parts.method;
        *request.uri_mut() = parts.uri;
        *request.headers_mut() = parts.headers;
        router.clone().oneshot(request).await.into_response()
    }
}
