//! E-mails by way of a mail server.

use std::path::PathBuf;
use std::time::Duration;

use lettre::message::Mailbox;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use store::Notification;

use crate::config::{Config, PasswordSource, SmtpSettings, SmtpTls, ValidateConfigError};

/// 30 s for each step of the conversation with the mail server.
const STEP_TIME_MAX: Duration = Duration::from_secs(30);

/// 120 s for a whole e-mail.
const SEND_TIME_MAX: Duration = Duration::from_mins(2);

/// Why e-mails cannot be sent at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenNotifierError {
    /// The settings do not fit together.
    #[error("the settings of the mail server do not fit together")]
    Settings(#[from] ValidateConfigError),
    /// A file cannot be read.
    #[error("cannot read {}; check `{key}`, its owner and permissions", path.display())]
    File {
        /// The setting that names it.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// TLS cannot be set up.
    #[error("TLS to the mail server cannot be set up; check `smtp_host` and `smtp_ca_file`")]
    Tls(#[source] lettre::transport::smtp::Error),
}

/// Why an e-mail was not taken. No text of it repeats a password: the library keeps none in its errors.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendEmailError {
    #[error("the recipient or the subject cannot be written into an e-mail")]
    Write(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the mail server refused it or could not be reached")]
    Send(#[from] lettre::transport::smtp::Error),
    #[error("the mail server took more than {} s", SEND_TIME_MAX.as_secs())]
    TooSlow,
}

/// Sends e-mails.
pub(super) struct Mailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    host: String,
}

impl std::fmt::Debug for Mailer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Mailer").field("from", &self.from).finish_non_exhaustive()
    }
}

impl Mailer {
    /// Makes a mailer; none where no mail server is configured.
    pub(super) fn open(config: &Config) -> Result<Option<Self>, OpenNotifierError> {
        let Some(settings) = config.smtp()? else { return Ok(None) };
        let host = config.host_for_devices();
        let tls = match settings.tls {
            SmtpTls::None => Tls::None,
            SmtpTls::Tls => Tls::Wrapper(tls_parameters(&settings)?),
            SmtpTls::Starttls => Tls::Required(tls_parameters(&settings)?),
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&settings.host)
            .port(settings.port)
            .tls(tls)
            .timeout(Some(STEP_TIME_MAX))
            .hello_name(ClientId::Domain(host.clone()));
        if let Some((user, source)) = settings.sign_in {
            builder = builder.credentials(Credentials::new(user, password(source)?));
        }
        Ok(Some(Self { transport: builder.build(), from: settings.from, host }))
    }

    pub(super) async fn send(
        &self,
        address: &str,
        notification: &Notification,
    ) -> Result<(), SendEmailError> {
        let message = self.write(address, notification)?;
        let sending = tokio::time::timeout(SEND_TIME_MAX, self.transport.send(message));
        sending.await.map_err(|_elapsed| SendEmailError::TooSlow)??;
        Ok(())
    }

    fn write(&self, address: &str, notification: &Notification) -> Result<Message, SendEmailError> {
        let address: Address = address
            .parse()
            .map_err(|source: lettre::address::AddressError| SendEmailError::Write(source.into()))?;
        // Nobody is to answer a machine that is away (RFC 3834 5).
        let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
        Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, address))
            .subject(notification.subject.clone())
            .message_id(Some(format!("<notification-{}@{}>", notification.id, self.host)))
            .raw_header(HeaderValue::new(automatic, "auto-generated".to_owned()))
            .header(ContentType::TEXT_PLAIN)
            .body(notification.body.clone())
            .map_err(|source| SendEmailError::Write(source.into()))
    }
}

fn tls_parameters(settings: &SmtpSettings) -> Result<TlsParameters, OpenNotifierError> {
    let mut builder = TlsParameters::builder(settings.host.clone());
    if let Some(path) = &settings.ca_file {
        let pem = std::fs::read(path).map_err(|source| file_error("smtp_ca_file", path, source))?;
        builder = builder.add_root_certificate(Certificate::from_pem(&pem).map_err(OpenNotifierError::Tls)?);
    }
    builder.build_rustls().map_err(OpenNotifierError::Tls)
}

fn password(source: PasswordSource) -> Result<String, OpenNotifierError> {
    match source {
        PasswordSource::Given(password) => Ok(password.expose().to_owned()),
        PasswordSource::File(path) => {
            let text = std::fs::read_to_string(&path)
                .map_err(|source| file_error("smtp_password_file", &path, source))?;
            Ok(text.trim_end_matches(['\r', '\n']).to_owned())
        }
    }
}

fn file_error(key: &'static str, path: &std::path::Path, source: std::io::Error) -> OpenNotifierError {
    OpenNotifierError::File { key, path: path.to_owned(), source }
}
