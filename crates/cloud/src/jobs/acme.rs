//! Keeps the ACME certificate current.

use std::sync::Arc;
use std::time::Duration;

use metrics::counter;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::acme::{Acme, ObtainCertificateError};
use crate::clock::Clock;
use crate::errors::ErrorChain;
use crate::tls::{OpenTlsError, Tls};

/// 1 h: the last third of the shortest certificates (6 days) is two days.
const CHECK_EVERY_MS: u64 = 3_600 * 1_000;

/// Waits after failures, the last one for ever: a wrong DNS entry shows at once, and a name gets no more than five refusals
/// an hour, which is what Let's Encrypt allows.
const RETRY_AFTER_MS: [u64; 5] = [60_000, 5 * 60_000, 30 * 60_000, 2 * 3_600_000, 6 * 3_600_000];

/// 10 min for one attempt, beyond every wait inside it.
const ATTEMPT_TIME_MAX: Duration = Duration::from_mins(10);

/// Why the certificate in use stays.
#[derive(Debug, thiserror::Error)]
enum RenewError {
    #[error("no certificate was obtained")]
    Obtain(#[from] ObtainCertificateError),
    #[error("the certificate that was obtained cannot be used")]
    Use(#[from] OpenTlsError),
}

pub(crate) async fn keep_certificate(acme: Arc<Acme>, tls: Arc<Tls>, clock: Clock, stop: CancellationToken) {
    let mut failed_count = 0_usize;
    loop {
        let mut wait_ms = CHECK_EVERY_MS;
        if acme.is_due(tls.facts().as_ref(), clock.now().utc) {
            let renewed = tokio::select! {
                () = stop.cancelled() => return,
                renewed = renew(&acme, &tls) => renewed,
            };
            if let Err(failure) = renewed {
                counter!("acme_orders_total", "outcome" => "failed").increment(1);
                acme.note(Some(clock.now().utc));
                wait_ms = retry_after_ms(failed_count);
                failed_count += 1;
                error!(
                    error = %ErrorChain(&failure), retry_s = wait_ms / 1_000,
                    "the certificate could not be obtained over ACME; the one in use stays"
                );
            } else {
                counter!("acme_orders_total", "outcome" => "obtained").increment(1);
                acme.note(None);
                failed_count = 0;
                info!("a certificate was obtained over ACME; new connections get it");
            }
        }
        let next = clock.now().mono.plus_ms(wait_ms);
        tokio::select! {
            () = stop.cancelled() => return,
            () = clock.wait_until(next) => {}
        }
    }
}

async fn renew(acme: &Acme, tls: &Tls) -> Result<(), RenewError> {
    // Boxed: an attempt is large and rare.
    tokio::time::timeout(ATTEMPT_TIME_MAX, Box::pin(acme.obtain()))
        .await
        .unwrap_or(Err(ObtainCertificateError::TimedOut { after: ATTEMPT_TIME_MAX }))?;
    tls.take_over(&acme.certificate_path())?;
    Ok(())
}

fn retry_after_ms(failed_count: usize) -> u64 {
    let last = RETRY_AFTER_MS.last().copied().unwrap_or(CHECK_EVERY_MS);
    RETRY_AFTER_MS.get(failed_count).copied().unwrap_or(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_hour_sees_more_than_five_attempts() {
        let mut at_ms = 0;
        let moments: Vec<u64> = (0..20)
            .map(|failed_count| {
                at_ms += retry_after_ms(failed_count);
                at_ms
            })
            .collect();
        for start_ms in [&0].into_iter().chain(&moments) {
            let within =
                moments.iter().filter(|at_ms| (*start_ms..start_ms + 3_600_000).contains(at_ms)).count();
            assert!(within <= 5, "{within} attempts in the hour from {start_ms} ms on");
        }
    }
}
