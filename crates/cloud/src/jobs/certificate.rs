//! Renews the server's own certificate.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tracing::error;

use crate::clock::Clock;
use crate::errors::ErrorChain;
use crate::tls::Tls;

/// 12 h: often enough for a renewal that is due 30 days before the end.
const CHECK_EVERY_MS: u64 = 12 * 3_600 * 1_000;

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
