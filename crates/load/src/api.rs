//! The HTTP API of the server under load, as far as it is needed: creating devices, watching events.

use std::fmt;
use std::io;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;

use crate::connection::connect_from;
use crate::target::Target;

/// Key of an owner; `Debug` shows nothing of it.
#[derive(Clone)]
pub struct ApiKey(HeaderValue);

/// Why the API could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApiError {
    /// The key has characters that a header cannot carry, or is empty.
    #[error("the key cannot be sent in a header")]
    Key,
    /// The connection failed.
    #[error("the connection to the API failed")]
    Connection(#[from] io::Error),
    /// HTTP went wrong.
    #[error("the request to the API failed")]
    Http(#[from] hyper::Error),
    /// The request could not be put together.
    #[error("the request to the API makes no sense")]
    Request(#[from] hyper::http::Error),
    /// The API said no.
    #[error("the API answered {path} with status {status}")]
    Status {
        /// Path of the request.
        path: &'static str,
        /// Status of the answer.
        status: u16,
    },
    /// The answer lacks something.
    #[error("the API's answer to {path} has no usable `{field}`")]
    Answer {
        /// Path of the request.
        path: &'static str,
        /// What is missing.
        field: &'static str,
    },
}

impl ApiKey {
    /// Reads a key as it stands in the server's `admin-api-key`; white space around it is dropped.
    ///
    /// # Errors
    /// When it cannot be a key.
    pub fn parse(text: &str) -> Result<Self, ApiError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(ApiError::Key);
        }
        let mut header = HeaderValue::try_from(format!("Bearer {text}")).map_err(|_value| ApiError::Key)?;
        header.set_sensitive(true);
        Ok(Self(header))
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// One connection to the API.
pub(crate) struct ApiConnection {
    sender: SendRequest<Full<Bytes>>,
    target: Target,
    key: ApiKey,
}

impl ApiConnection {
    pub(crate) async fn open(target: Target, key: ApiKey) -> Result<Self, ApiError> {
        let stream = connect_from(target.source_of(0, 1), target.address()).await?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        // It ends with the sender; an error reaches whoever waits for an answer.
        drop(tokio::spawn(connection));
        Ok(Self { sender, target, key })
    }

    /// Posts JSON and returns one text field of the answer.
    pub(crate) async fn create(
        &mut self,
        path: &'static str,
        body: &Value,
        field: &'static str,
    ) -> Result<String, ApiError> {
        let request = self.request(path).method("POST").header(CONTENT_TYPE, "application/json");
        let response = self.send(path, request.body(Full::from(body.to_string()))?).await?;
        let answer = response.into_body().collect().await?.to_bytes();
        let answer: Value = serde_json::from_slice(&answer).unwrap_or(Value::Null);
        answer.get(field).and_then(Value::as_str).map(str::to_owned).ok_or(ApiError::Answer { path, field })
    }

    /// Starts to watch live updates.
    pub(crate) async fn watch(&mut self) -> Result<Incoming, ApiError> {
        const PATH: &str = "/api/v1/events";
        let request = self.request(PATH).header(ACCEPT, "text/event-stream");
        Ok(self.send(PATH, request.body(Full::default())?).await?.into_body())
    }

    fn request(&self, path: &str) -> hyper::http::request::Builder {
        Request::builder()
            .uri(path)
            .header(HOST, self.target.to_string())
            .header(AUTHORIZATION, self.key.0.clone())
    }

    async fn send(
        &mut self,
        path: &'static str,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, ApiError> {
        self.sender.ready().await?;
        let response = self.sender.send_request(request).await?;
        if !response.status().is_success() {
            return Err(ApiError::Status { path, status: response.status().as_u16() });
        }
        Ok(response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_trimmed_never_printed_and_refused_when_it_is_none() {
        let key = ApiKey::parse(" abc-KEY-123\n").unwrap();
        assert_eq!(key.0, "Bearer abc-KEY-123");
        assert!(!format!("{key:?}{:?}", key.0).contains("KEY"));
        for text in ["", " \n", "a\nb"] {
            assert!(matches!(ApiKey::parse(text), Err(ApiError::Key)), "{text:?}");
        }
    }
}
