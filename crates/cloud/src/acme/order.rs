//! One order: account, challenges, certificate.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use instant_acme::{
    Account, AccountBuilder, AccountCredentials, AuthorizationStatus, ChallengeType, Identifier, NewAccount,
    NewOrder, Order, OrderStatus, RetryPolicy,
};
use serde::{Deserialize, Serialize};

use super::challenges::PrepareChallengeError;
use super::{ACCOUNT_FILE, Acme, DIRECTORY_LINE};
use crate::config::AcmeChallenge;
use crate::errors::ErrorChain;
use crate::secret_file::{read_text_file, write_secret_file};

/// 2 min for each of the authority's two pieces of work: it looks at every name from several places.
const WAIT_MAX: Duration = Duration::from_mins(2);

/// What an authority says about an account that it does not know (any more). Source: RFC 8555, section 6.7.
const ACCOUNT_UNKNOWN: &str = "urn:ietf:params:acme:error:accountDoesNotExist";

/// Why there is no new certificate. The one in use stays.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ObtainCertificateError {
    #[error("the ACME server {directory} could not be used")]
    Server {
        directory: String,
        #[source]
        source: instant_acme::Error,
    },
    #[error(
        "the ACME server did not accept that {domain} leads here ({reason}); check its DNS entry and that the port is open"
    )]
    NotAuthorized { domain: String, reason: String },
    #[error("the ACME server does not offer {challenge:?} for {domain}; try the other `acme.challenge`")]
    NoChallenge { domain: String, challenge: AcmeChallenge },
    #[error("the ACME server ended the order as {status:?}")]
    Refused { status: OrderStatus },
    #[error(transparent)]
    Prepare(#[from] PrepareChallengeError),
    #[error("{} cannot be read or written", path.display())]
    File {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{} holds no ACME account; remove it, and a new account is made", path.display())]
    AccountFile {
        path: PathBuf,
        #[source]
        source: serde_json::Error,
    },
    #[error("the ACME server took longer than {} s", after.as_secs())]
    TimedOut { after: Duration },
}

/// What lies in the account's file.
#[derive(Serialize, Deserialize)]
struct StoredAccount {
    directory: String,
    credentials: AccountCredentials,
}

impl Acme {
    /// Obtains a certificate for every configured name and stores it with its key.
    ///
    /// # Errors
    /// Says what went wrong; nothing was changed but perhaps the account.
    pub(crate) async fn obtain(&self) -> Result<(), ObtainCertificateError> {
        self.make_folder().map_err(at(&self.folder))?;
        let mut order = self.begin_order().await?;
        // The answers go when this function ends, however it does.
        let _answering = self.challenges.answering();
        self.answer_challenges(&mut order).await?;
        let retries = RetryPolicy::default().timeout(WAIT_MAX);
        match order.poll_ready(&retries).await {
            Ok(OrderStatus::Ready) => {}
            Ok(status) => {
                let why = self.why_not_authorized(&mut order).await;
                return Err(why.unwrap_or(ObtainCertificateError::Refused { status }));
            }
            Err(source) => {
                let why = self.why_not_authorized(&mut order).await;
                return Err(why.unwrap_or_else(|| self.server()(source)));
            }
        }
        let key_pem = order.finalize().await.map_err(self.server())?;
        let chain_pem = order.poll_certificate(&retries).await.map_err(self.server())?;
        let stored = format!("{DIRECTORY_LINE}{}\n{key_pem}{chain_pem}", self.settings.directory);
        let path = self.certificate_path();
        write_secret_file(&path, stored.as_bytes()).map_err(at(&path))
    }

    fn server(&self) -> impl Fn(instant_acme::Error) -> ObtainCertificateError {
        let directory = self.settings.directory.clone();
        move |source| ObtainCertificateError::Server { directory: directory.clone(), source }
    }

    fn builder(&self) -> Result<AccountBuilder, ObtainCertificateError> {
        match &self.settings.directory_ca {
            Some(path) => Account::builder_with_root(path),
            None => Account::builder(),
        }
        .map_err(self.server())
    }

    /// Begins an order with the stored account, or with a new one when there is none that the authority knows.
    async fn begin_order(&self) -> Result<Order, ObtainCertificateError> {
        let identifiers: Vec<Identifier> = self.domains.iter().cloned().map(Identifier::Dns).collect();
        let order = NewOrder::new(&identifiers);
        if let Some(account) = self.stored_account().await? {
            match account.new_order(&order).await {
                Err(instant_acme::Error::Api(problem))
                    if problem.r#type.as_deref() == Some(ACCOUNT_UNKNOWN) => {}
                begun => return begun.map_err(self.server()),
            }
        }
        self.new_account().await?.new_order(&order).await.map_err(self.server())
    }

    fn account_path(&self) -> PathBuf {
        self.folder.join(ACCOUNT_FILE)
    }

    async fn stored_account(&self) -> Result<Option<Account>, ObtainCertificateError> {
        let path = self.account_path();
        let Some(text) = read_text_file(&path).map_err(at(&path))? else { return Ok(None) };
        let stored: StoredAccount = serde_json::from_str(&text)
            .map_err(|source| ObtainCertificateError::AccountFile { path, source })?;
        if stored.directory != self.settings.directory {
            return Ok(None);
        }
        self.builder()?.from_credentials(stored.credentials).await.map(Some).map_err(self.server())
    }

    async fn new_account(&self) -> Result<Account, ObtainCertificateError> {
        let contact: Vec<&str> = self.settings.contact.iter().map(String::as_str).collect();
        let new = NewAccount {
            contact: &contact,
            terms_of_service_agreed: self.settings.terms_of_service_agreed,
            only_return_existing: false,
        };
        let directory = self.settings.directory.clone();
        let (account, credentials) =
            self.builder()?.create(&new, directory.clone(), None).await.map_err(self.server())?;
        let path = self.account_path();
        let stored = serde_json::to_vec(&StoredAccount { directory, credentials })
            .map_err(|error| at(&path)(error.into()))?;
        write_secret_file(&path, &stored).map_err(at(&path))?;
        Ok(account)
    }

    async fn answer_challenges(&self, order: &mut Order) -> Result<(), ObtainCertificateError> {
        let mut authorizations = order.authorizations();
        while let Some(next) = authorizations.next().await {
            let mut authorization = next.map_err(self.server())?;
            let domain = authorization.identifier().to_string();
            match authorization.status {
                AuthorizationStatus::Valid => continue,
                AuthorizationStatus::Pending => {}
                status => {
                    let reason = format!("{status:?}");
                    return Err(ObtainCertificateError::NotAuthorized { domain, reason });
                }
            }
            let challenge = self.settings.challenge;
            let kind = match challenge {
                AcmeChallenge::TlsAlpn01 => ChallengeType::TlsAlpn01,
                AcmeChallenge::Http01 => ChallengeType::Http01,
            };
            let Some(mut handle) = authorization.challenge(kind) else {
                return Err(ObtainCertificateError::NoChallenge { domain, challenge });
            };
            let key_authorization = handle.key_authorization();
            match challenge {
                AcmeChallenge::Http01 => {
                    self.challenges.answer_http(&handle.token, key_authorization.as_str());
                }
                AcmeChallenge::TlsAlpn01 => {
                    let mut digest = [0; 32];
                    let computed = key_authorization.digest();
                    for (to, from) in digest.iter_mut().zip(computed.as_ref()) {
                        *to = *from;
                    }
                    self.challenges.answer_tls(&domain, &digest)?;
                }
            }
            handle.set_ready().await.map_err(self.server())?;
        }
        Ok(())
    }

    /// The order says only that it failed; its authorizations say for which name.
    async fn why_not_authorized(&self, order: &mut Order) -> Option<ObtainCertificateError> {
        let mut authorizations = order.authorizations();
        while let Some(next) = authorizations.next().await {
            let mut authorization = next.ok()?;
            let domain = authorization.identifier().to_string();
            let state = authorization.refresh().await.ok()?;
            let problem = state.challenges.iter().find_map(|challenge| challenge.error.as_ref());
            if let Some(problem) = problem {
                let reason = ErrorChain(problem).to_string();
                return Some(ObtainCertificateError::NotAuthorized { domain, reason });
            }
        }
        None
    }
}

fn at(path: &Path) -> impl Fn(io::Error) -> ObtainCertificateError {
    let path = path.to_owned();
    move |source| ObtainCertificateError::File { path: path.clone(), source }
}
