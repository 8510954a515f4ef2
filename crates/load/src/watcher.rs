//! The dashboard's side: whoever sees what devices write.

use std::time::Instant;

use bytes::BytesMut;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use crate::api::{ApiConnection, ApiError, ApiKey};
use crate::connection::{Connection, Connector, LogInError};
use crate::protocol::{Answer, sequence_of};
use crate::target::Target;
use crate::tokens::Token;

/// Watches values, over the API's stream of events or over a connection of the devices' protocol.
pub(crate) enum Watcher {
    Events {
        body: Incoming,
        text: BytesMut,
        /// Held because the connection ends with it.
        _api: ApiConnection,
    },
    Subscription {
        connection: Connection,
    },
}

/// A value that was seen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) sequence: u64,
    pub(crate) at: Instant,
}

/// What a line of an event stream says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    Value { sequence: u64 },
    Other,
}

impl Watcher {
    /// Watches the server's live updates, as the console does.
    pub(crate) async fn events(target: Target, key: ApiKey) -> Result<Self, ApiError> {
        let mut api = ApiConnection::open(target, key).await?;
        let body = api.watch().await?;
        Ok(Self::Events { body, text: BytesMut::new(), _api: api })
    }

    /// Watches over the devices' protocol: a subscription in MQTT, a login with this token at the floor server.
    pub(crate) async fn subscription(connector: &Connector, token: &Token) -> Result<Self, LogInError> {
        let mut connection = connector.log_in(0, token).await?;
        let mut subscribe = Vec::new();
        connector.protocol.watch(&mut subscribe);
        if !subscribe.is_empty() {
            connection.write(&subscribe).await?;
            while connection.next_answer().await?.ok_or(LogInError::Closed)? != Answer::Subscribed {}
        }
        Ok(Self::Subscription { connection })
    }

    /// Waits for the next values of ours and appends them; `false` when the server has ended the stream.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub(crate) async fn next(&mut self, seen: &mut Vec<Seen>) -> bool {
        match self {
            Self::Subscription { connection } => match connection.next_answer().await {
                Ok(Some(Answer::Value(Some(sequence)))) => {
                    seen.push(Seen { sequence, at: Instant::now() });
                    true
                }
                Ok(Some(_)) => true,
                Ok(None) | Err(_) => false,
            },
            Self::Events { body, text, .. } => {
                let Some(Ok(frame)) = body.frame().await else { return false };
                let at = Instant::now();
                if let Some(data) = frame.data_ref() {
                    text.extend_from_slice(data);
                }
                while let Some(line) = take_line(text) {
                    if let Line::Value { sequence } = line {
                        seen.push(Seen { sequence, at });
                    }
                }
                true
            }
        }
    }
}

/// Takes one line out of a stream of events; `None` when it has not ended yet.
fn take_line(text: &mut BytesMut) -> Option<Line> {
    let end = text.iter().position(|byte| *byte == b'\n')?;
    let line = text.split_to(end.saturating_add(1));
    Some(meaning(&line))
}

/// Finds the value in `data: {…,"value":"00000042",…}` without reading the whole document: the watcher shares its
/// processor with the senders.
fn meaning(line: &[u8]) -> Line {
    const KEY: &[u8] = b"\"value\":\"";
    let Some(data) = line.strip_prefix(b"data:") else { return Line::Other };
    let Some(at) = data.windows(KEY.len()).position(|window| window == KEY) else { return Line::Other };
    let value = data.iter().skip(at.saturating_add(KEY.len()));
    let digits: Vec<u8> = value.copied().take_while(|byte| *byte != b'"').collect();
    sequence_of(&digits).map_or(Line::Other, |sequence| Line::Value { sequence })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_in_a_stream_that_arrives_in_pieces() {
        let stream =
            b"event: value\ndata: {\"device_id\":\"DEV1\",\"pin\":1,\"value\":\"00000042\",\"at\":\"x\"}\n\n";
        let mut text = BytesMut::new();
        let mut lines = Vec::new();
        for byte in stream {
            text.extend_from_slice(&[*byte]);
            lines.extend(take_line(&mut text));
        }
        assert_eq!(lines, [Line::Other, Line::Value { sequence: 42 }, Line::Other]);
    }

    #[test]
    fn what_is_no_value_of_ours_is_passed_over() {
        for line in
            [&b"retry: 2000\n"[..], b": \n", b"data: {\"value\":[\"1\"]}\n", b"data: {\"value\":\"warm\"}\n"]
        {
            assert_eq!(meaning(line), Line::Other, "{}", line.escape_ascii());
        }
    }
}
