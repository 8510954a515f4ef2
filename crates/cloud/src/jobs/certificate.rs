//! Keeps the certificate current: renews the server's own one, takes over a supplied one that was replaced.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::clock::Clock;
use crate::errors::ErrorChain;
use crate::tls::Tls;

/// 12 h: often enough for a renewal that is due 30 days before the end.
const CHECK_EVERY_MS: u64 = 12 * 3_600 * 1_000;

/// 1 min: a program that renews certificates need not tell the server, and reading two small files costs nothing.
const LOOK_EVERY_MS: u64 = 60 * 1_000;

/// Takes over a supplied certificate whose files were replaced. While they hold no pair that fits together, the one in use
/// stays; that is said once for each reason, not every minute.
pub(crate) async fn reload_certificate(tls: Arc<Tls>, clock: Clock, stop: CancellationToken) {
    let mut said = None;
    loop {
        let next = clock.now().mono.plus_ms(LOOK_EVERY_MS);
        tokio::select! {
            () = stop.cancelled() => return,
            () = clock.wait_until(next) => {}
        }
        match tls.reload_supplied() {
            Ok(has_changed) => {
                if has_changed {
                    info!("the supplied certificate was replaced; new connections get the new one");
                }
                said = None;
            }
            Err(failure) => {
                let reason = ErrorChain(&failure).to_string();
                if said.as_ref() != Some(&reason) {
                    error!(error = %reason, "the supplied certificate could not be read again; the old one stays in use");
                    said = Some(reason);
                }
            }
        }
    }
}

pub(crate) async fn renew_certificate(tls: Arc<Tls>, clock: Clock, stop: CancellationToken) {
    loop {
        let next = clock.now().mono.plus_ms(CHECK_EVERY_MS);
        tokio::select! {
            () = stop.cancelled() => return,
            () = clock.wait_until(next) => {}
        }
        if let Err(failure) = tls.renew_when_due(clock.now().utc) {
            error!(error = %ErrorChain(&failure), "the server's certificate could not be renewed; the old one stays in use");
        }
    }
}
