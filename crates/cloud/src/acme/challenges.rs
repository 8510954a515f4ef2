//! Answers to the questions by which an authority sees that a name leads here.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use rustls::server::ClientHello;
use rustls::sign::{CertifiedKey, SingleCertAndKey};

/// The protocol name of TLS-ALPN-01. Source: RFC 8737, section 6.2.
const ALPN_PROTOCOL: &[u8] = b"acme-tls/1";

/// The answers of the order under way; empty otherwise. Clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Challenges {
    pending: Arc<RwLock<Pending>>,
}

#[derive(Debug, Default)]
struct Pending {
    /// HTTP-01: token to key authorization.
    by_token: HashMap<String, String>,
    /// TLS-ALPN-01: domain to a configuration that shows its certificate.
    by_domain: HashMap<String, Arc<ServerConfig>>,
}

/// Why no certificate could be made that answers a challenge.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PrepareChallengeError {
    #[error("making the certificate that answers the challenge failed")]
    Make(#[from] rcgen::Error),
    #[error("the certificate that answers the challenge cannot be used")]
    Use(#[from] rustls::Error),
}

/// Answers are given while this lives.
#[must_use]
pub(super) struct Answering<'a>(&'a Challenges);

impl Drop for Answering<'_> {
    fn drop(&mut self) {
        *self.0.pending.write().unwrap_or_else(PoisonError::into_inner) = Pending::default();
    }
}

impl Challenges {
    pub(super) fn answering(&self) -> Answering<'_> {
        Answering(self)
    }

    /// Answers HTTP-01 for `token` from now on.
    pub(super) fn answer_http(&self, token: &str, key_authorization: &str) {
        let mut pending = self.pending.write().unwrap_or_else(PoisonError::into_inner);
        pending.by_token.insert(token.to_owned(), key_authorization.to_owned());
    }

    /// Answers TLS-ALPN-01 for `domain` from now on: a self-signed certificate for the one name, with the digest of the key
    /// authorization in an extension (RFC 8737, section 3).
    pub(super) fn answer_tls(&self, domain: &str, digest: &[u8; 32]) -> Result<(), PrepareChallengeError> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new([domain.to_owned()])?;
        params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
        let certificate = params.self_signed(&key)?;
        let key = ring::sign::any_supported_type(&PrivateKeyDer::Pkcs8(key.serialize_der().into()))?;
        // Not looked over as other certificates are: rustls knows nothing of the critical extension.
        let certified = CertifiedKey::new(vec![certificate.der().clone()], key);
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
        config.alpn_protocols = vec![ALPN_PROTOCOL.to_vec()];
        let mut pending = self.pending.write().unwrap_or_else(PoisonError::into_inner);
        pending.by_domain.insert(domain.to_owned(), Arc::new(config));
        Ok(())
    }

    /// The key authorization of a token.
    pub(crate) fn http_answer(&self, token: &str) -> Option<String> {
        self.pending.read().unwrap_or_else(PoisonError::into_inner).by_token.get(token).cloned()
    }

    /// What answers a client that asks TLS-ALPN-01; `None` for every other client.
    pub(crate) fn tls_answer(&self, hello: &ClientHello<'_>) -> Option<Arc<ServerConfig>> {
        let mut protocols = hello.alpn()?;
        if protocols.next() != Some(ALPN_PROTOCOL) || protocols.next().is_some() {
            return None;
        }
        let domain = hello.server_name()?.to_ascii_lowercase();
        self.pending.read().unwrap_or_else(PoisonError::into_inner).by_domain.get(&domain).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_end_with_their_order() {
        let challenges = Challenges::default();
        {
            let _answering = challenges.answering();
            challenges.answer_http("token", "token.thumbprint");
            challenges.answer_tls("a.example.org", &[7; 32]).unwrap();
            assert_eq!(challenges.http_answer("token").as_deref(), Some("token.thumbprint"));
            assert_eq!(challenges.http_answer("another"), None);
        }
        assert_eq!(challenges.http_answer("token"), None);
        assert!(challenges.pending.read().unwrap().by_domain.is_empty());
    }
}
