//! Starts and stops the server.

mod listening;
mod named_template;

pub use named_template::NamedTemplateError;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use registry::{ReleaseState, Token};
use store::{CommitHook, OpenStoreError, StorageError, Store, StoreSettings};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use crate::acme::{Acme, Challenges};
use crate::admin_key::{AdminKey, OpenAdminKeyError};
use crate::app::{App, ClientLimits, password_places};
use crate::catalogue::Catalogue;
use crate::clock::Clock;
use crate::config::{Config, ValidateConfigError};
use crate::contacts::Contacts;
use crate::firmware_folder::FirmwareFolder;
use crate::firmware_signer::FirmwareSigner;
use crate::gateway::{Gateway, Links};
use crate::hot_counters::HotCounters;
use crate::jobs::release_driver::{ReleaseDriver, Surroundings};
use crate::jobs::{acme as acme_job, certificate, connection_lifecycle, history, housekeeping, store_watch};
use crate::large_bodies::LargeBodies;
use crate::limits::{CONNECTIONS_MAX, CONNECTIONS_PER_ADDRESS_MAX};
use crate::listener::{Admission, Listeners};
use crate::live::Live;
use crate::notices::Notices;
use crate::notifier::{Notifier, OpenNotifierError, deliver_notifications};
use crate::release_signer::{OpenReleaseKeyError, ReleaseSigner};
use crate::routes;
use crate::tls::{OpenTlsError, Tls};
use listening::Listening;

/// 15 minutes for a one-time sign-in code. Source: the HTTP contract, auth link.
const SIGN_IN_CODE_LIFETIME_MS: i64 = 15 * 60 * 1_000;

/// How long connections may take to end when the server stops.
const SHUTDOWN_TIME_MAX: Duration = Duration::from_secs(5);

/// What the program around the server adds.
#[derive(Debug, Default)]
pub struct ServerOptions {
    /// Routes of the virtual bench; served to this machine alone.
    pub bench_router: Option<Router>,
    /// A clock that tests can put forward; the machine's when left out.
    pub clock: Option<Clock>,
    /// Listening sockets that a service manager holds, so that nobody is refused while the server is started again. Each
    /// takes the place of the configured address that it is bound to.
    pub sockets: Vec<TcpListener>,
    /// Called before the database commits; for tests of a slow disk and of faults.
    pub before_commit: Option<CommitHook>,
}

/// Why the server could not start. Each text says what to do; nothing was damaged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartServerError {
    /// The configuration makes no sense.
    #[error("the configuration cannot be used")]
    Config(#[from] ValidateConfigError),
    /// The data folder cannot be used.
    #[error("the data folder cannot be opened")]
    Store(#[from] OpenStoreError),
    /// The database cannot be read.
    #[error("the database cannot be read")]
    Read(#[from] StorageError),
    /// The admin key cannot be used.
    #[error("the admin key cannot be used")]
    AdminKey(#[from] OpenAdminKeyError),
    /// The key that signs release orders cannot be used.
    #[error("the release key cannot be used")]
    ReleaseKey(#[from] OpenReleaseKeyError),
    /// The key that signs firmware images cannot be used.
    #[error("the firmware key cannot be used")]
    FirmwareKey(#[source] OpenReleaseKeyError),
    /// E-mails cannot be sent as the configuration says.
    #[error("the mail server cannot be used")]
    Notifier(#[from] OpenNotifierError),
    /// The folder of firmware images cannot be used.
    #[error("the folder `firmware` in {folder} cannot be used; check that this user owns the data folder")]
    FirmwareFolder {
        /// The data folder.
        folder: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Tls(#[from] OpenTlsError),
    /// Another program listens there.
    #[error(
        "{address} is in use by another program; stop it, or choose another address with --listen or --listen-tls"
    )]
    AddressInUse {
        /// The address.
        address: SocketAddr,
    },
    /// Ports below 1024 need a permission.
    #[error(
        "this user may not listen on {address}; choose a port from 1024 on, or grant CAP_NET_BIND_SERVICE"
    )]
    NotPermitted {
        /// The address.
        address: SocketAddr,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}; check that this machine has the address")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The service manager holds a socket that nobody asked for.
    #[error(
        "the service manager passed a socket that listens on {address}, which is none of `listen`, `listen_tls`, \
         `listen_extra` and `listen_tls_extra`; add it there, or take it out of the socket unit"
    )]
    UnexpectedSocket {
        /// The address.
        address: SocketAddr,
    },
    /// What the service manager passed cannot be listened on.
    #[error("a socket that the service manager passed cannot be used; check the socket unit")]
    PassedSocket {
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The task that opens files ended abnormally.
    #[error("opening the data folder {folder} ended abnormally")]
    Interrupted {
        /// The data folder.
        folder: PathBuf,
    },
}

/// Starts servers.
#[derive(Debug)]
pub struct Server;

/// A server that runs. Dropping it stops it without waiting; [`RunningServer::shutdown`] waits.
#[derive(Debug)]
pub struct RunningServer {
    /// Where HTTP, WebSocket and Blynk binary are spoken without TLS.
    pub plain_addr: SocketAddr,
    /// The same over TLS.
    pub tls_addr: SocketAddr,
    /// The certificate of the server's own authority; `None` when a certificate was supplied.
    pub ca_certificate_pem: Option<String>,
    store: Store,
    links: Links,
    clock: Clock,
    stop: CancellationToken,
    failed: CancellationToken,
    tasks: TaskTracker,
}

impl Server {
    /// Opens the data folder, binds every address and begins to serve.
    ///
    /// # Errors
    /// Says what to do; whatever was opened is closed again.
    pub async fn start(config: Config, options: ServerOptions) -> Result<RunningServer, StartServerError> {
        config.validate()?;
        let clock = options.clock.unwrap_or_else(Clock::system);
        let opened = open_files(config.clone(), options.before_commit, &clock).await?;
        let catalogue = Catalogue::load(&opened.store).await?;
        let notices = Notices::load(&opened.store).await?;
        let listening = Listening::bind(&config, options.sockets)?;
        let stop = CancellationToken::new();
        let tasks = TaskTracker::new();
        let live = Live::new();
        let surroundings = Surroundings {
            store: opened.store.clone(),
            clock: clock.clone(),
            live: live.clone(),
            signer: opened.release_signer.clone(),
            stop: stop.clone(),
        };
        let (releases, driver) = ReleaseDriver::new(surroundings);
        tasks.spawn(driver);
        let tls = Arc::new(opened.tls);
        let metrics = metrics_recorder();
        let app = Arc::new(App {
            addresses: listening.addresses_for_devices(&config),
            zone: config.zone(),
            clock: clock.clone(),
            store: opened.store.clone(),
            links: Links::default(),
            catalogue,
            notices,
            contacts: Contacts::default(),
            notifier: opened.notifier,
            notifications_queued: Notify::new(),
            live,
            releases,
            admin_key: opened.admin_key,
            release_signer: opened.release_signer,
            firmware_folder: opened.firmware_folder,
            firmware_signer: opened.firmware_signer,
            tls: Arc::clone(&tls),
            acme: Acme::new(&config, opened.challenges.clone()).map(Arc::new),
            challenges: opened.challenges,
            has_bench: options.bench_router.is_some(),
            metrics,
            counters: HotCounters::new(),
            limits: ClientLimits::default(),
            stop: stop.clone(),
            tasks: tasks.clone(),
            password_places: password_places(),
            large_bodies: LargeBodies::default(),
            config,
        });
        resume_releases(&app).await?;
        let failed = spawn_jobs(&app);
        let running = RunningServer {
            plain_addr: listening.plain_addr,
            tls_addr: listening.tls_addr,
            ca_certificate_pem: tls.ca_certificate_pem().map(str::to_owned),
            store: opened.store,
            links: app.links.clone(),
            clock,
            stop: stop.clone(),
            failed,
            tasks: tasks.clone(),
        };
        serve(&app, &tls, options.bench_router, listening);
        info!(plain = %running.plain_addr, tls = %running.tls_addr, "the server listens on {} and, over TLS, on {}", running.plain_addr, running.tls_addr);
        Ok(running)
    }
}

impl RunningServer {
    /// Makes a one-time sign-in code for the console, good for 15 minutes. Put it into a link's fragment.
    ///
    /// # Errors
    /// When the store cannot write.
    pub async fn create_sign_in_code(&self) -> Result<String, StorageError> {
        // 24 random bytes in 32 characters that need no escaping.
        let code = Token::from_random(rand::random());
        let expires_at = self.clock.now().utc.plus_ms(SIGN_IN_CODE_LIFETIME_MS);
        self.store.create_sign_in_code(code.expose(), expires_at).await?;
        Ok(code.expose().to_owned())
    }

    /// Waits until the server can do no more and only a new start helps: the thread that writes the database has ended.
    /// Devices are told to try later meanwhile; shut the server down and start it again.
    pub async fn wait_for_failure(&self) {
        self.failed.cancelled().await;
    }

    /// Stops accepting, ends every connection and closes the store; what was acknowledged is on disk already.
    pub async fn shutdown(self) {
        self.stop.cancel();
        self.tasks.close();
        if tokio::time::timeout(SHUTDOWN_TIME_MAX, self.tasks.wait()).await.is_err() {
            warn!("some connections did not end in time; they are dropped");
        }
        housekeeping::note_last_seen(&self.store, &self.links, &self.clock).await;
    }
}

impl Drop for RunningServer {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// What lies in the data folder.
struct Opened {
    store: Store,
    admin_key: AdminKey,
    release_signer: ReleaseSigner,
    firmware_folder: FirmwareFolder,
    firmware_signer: Option<FirmwareSigner>,
    notifier: Notifier,
    tls: Tls,
    challenges: Challenges,
}

async fn open_files(
    config: Config,
    before_commit: Option<CommitHook>,
    clock: &Clock,
) -> Result<Opened, StartServerError> {
    let now = clock.now().utc;
    let folder = config.data_dir.clone();
    let opening = tokio::task::spawn_blocking(move || {
        // The store first: it makes the folder and takes its lock.
        let settings = StoreSettings { before_commit, ..StoreSettings::default() };
        let store = Store::open_with(&config.data_dir, &settings)?;
        let admin_key = AdminKey::open(&config.data_dir)?;
        let release_signer = ReleaseSigner::open(&config.data_dir)?;
        let firmware_signer =
            FirmwareSigner::open(&config.data_dir).map_err(StartServerError::FirmwareKey)?;
        if let Some(signer) = &firmware_signer {
            info!("firmware images are signed; the public key for devices is {}", signer.public_key());
        }
        let firmware_folder = FirmwareFolder::open(&config.data_dir)
            .map_err(|source| StartServerError::FirmwareFolder { folder: config.data_dir.clone(), source })?;
        let notifier = Notifier::open(&config)?;
        let challenges = Challenges::default();
        let tls = Tls::open(&config, challenges.clone(), now)?;
        Ok(Opened {
            store,
            admin_key,
            release_signer,
            firmware_folder,
            firmware_signer,
            notifier,
            tls,
            challenges,
        })
    });
    opening.await.unwrap_or(Err(StartServerError::Interrupted { folder }))
}

/// Starts what goes on by itself. What is returned is cancelled when the server can do no more.
fn spawn_jobs(app: &Arc<App>) -> CancellationToken {
    let (tasks, clock, stop, tls) = (&app.tasks, &app.clock, &app.stop, &app.tls);
    let failed = CancellationToken::new();
    tasks.spawn(housekeeping::keep_house(Arc::clone(app), stop.clone()));
    tasks.spawn(connection_lifecycle::keep_statuses(Arc::clone(app), stop.clone()));
    tasks.spawn(deliver_notifications(Arc::clone(app), stop.clone()));
    tasks.spawn(history::keep_history(Arc::clone(app), stop.clone()));
    tasks.spawn(store_watch::watch_store(Arc::clone(app), stop.clone(), failed.clone()));
    if let Some(acme) = app.acme.clone() {
        tasks.spawn(acme_job::keep_certificate(acme, Arc::clone(tls), clock.clone(), stop.clone()));
    }
    tasks.spawn(certificate::renew_certificate(Arc::clone(tls), clock.clone(), stop.clone()));
    tasks.spawn(certificate::reload_certificate(Arc::clone(tls), clock.clone(), stop.clone()));
    failed
}

/// Goes on listening for boards that were told to wipe themselves before the server was stopped.
async fn resume_releases(app: &App) -> Result<(), StorageError> {
    for (device, record) in app.store.releases_in(ReleaseState::Sent).await? {
        app.releases.attach(device, record, None, None).await;
    }
    Ok(())
}

fn serve(app: &Arc<App>, tls: &Tls, bench_router: Option<Router>, listening: Listening) {
    let gateway = Gateway::new(Arc::clone(app));
    let listeners = Arc::new(Listeners {
        handshake: tls.handshake(),
        router: routes::router(app, gateway.clone(), bench_router),
        app: Arc::clone(app),
        gateway,
        admission: Admission::new(CONNECTIONS_MAX, CONNECTIONS_PER_ADDRESS_MAX),
        timings: app.config.timings,
        stop: app.stop.clone(),
        connections: app.tasks.clone(),
    });
    for (listener, transport) in listening.listeners {
        app.tasks.spawn(Arc::clone(&listeners).accept(listener, transport));
    }
}

/// The recorder of metrics, one for the process; `None` when the program around the server has its own.
fn metrics_recorder() -> Option<PrometheusHandle> {
    static RECORDER: OnceLock<Option<PrometheusHandle>> = OnceLock::new();
    RECORDER.get_or_init(|| PrometheusBuilder::new().install_recorder().ok()).clone()
}
