//! Events that a device logs and resolves. Source: reference/wire-protocol.md 7.

use metrics::counter;
use store::{LogEventError, ResolveScope, WriteValuesError};
use tracing::{debug, warn};
use wire::EventScope;

use super::{Flow, Session};
use crate::errors::ErrorChain;
use crate::timeline::{self, TakeEventError};

impl Session {
    /// Logs an event. No answer is documented, so none is sent; the ping after it is answered when it is on disk.
    pub(super) async fn take_event(&mut self, code: &str, description: Option<&[u8]>) -> Flow {
        counter!("gateway_events_total").increment(1);
        let Some(epoch) = self.link.epoch() else { return Flow::GoOn };
        let Some(device) = self.read_device().await else { return Flow::Close };
        let description = description.map(String::from_utf8_lossy);
        let logging = timeline::log_event(&self.app, &device, epoch, code, description.as_deref());
        match logging.await {
            // As for values: those who ended the ownership end the connection too.
            Ok(()) | Err(TakeEventError::Log(LogEventError::NotOwned)) => Flow::GoOn,
            Err(refusal @ (TakeEventError::UnknownCode | TakeEventError::Log(LogEventError::Quota(_)))) => {
                debug!(device.id = %device.id, reason = %refusal, "an event was not logged");
                self.send_notice(&format!("event {code}: not logged, {refusal}"));
                Flow::GoOn
            }
            Err(failure) => {
                warn!(device.id = %device.id, error = %ErrorChain(&failure), "an event of {} could not be stored", device.id);
                Flow::Close
            }
        }
    }

    pub(super) async fn clear_events(&self, code: &str, scope: EventScope) -> Flow {
        counter!("gateway_events_total").increment(1);
        let Some(epoch) = self.link.epoch() else { return Flow::GoOn };
        let scope = match scope {
            EventScope::Newest => ResolveScope::Newest,
            EventScope::All => ResolveScope::All,
        };
        match timeline::resolve_events(&self.app, self.link.device(), epoch, code, scope).await {
            Ok(()) | Err(WriteValuesError::NotOwned) => Flow::GoOn,
            Err(failure) => {
                warn!(error = %ErrorChain(&failure), "events could not be resolved");
                Flow::Close
            }
        }
    }
}
