//! What notifications go to: an HTTP listener and a mail server that do as they are told.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::harness::DEADLINE;

/// What came in so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Received(Arc<Mutex<Vec<String>>>);

impl Received {
    /// Waits until so many have come in, and returns all.
    pub(crate) async fn wait_for(&self, count: usize) -> Vec<String> {
        let started = tokio::time::Instant::now();
        loop {
            let received = self.0.lock().unwrap().clone();
            if received.len() >= count {
                return received;
            }
            assert!(started.elapsed() < DEADLINE, "only {received:?}");
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    fn push(&self, what: String) -> usize {
        let mut received = self.0.lock().unwrap();
        received.push(what);
        received.len() - 1
    }
}

/// Answers the first calls with these statuses, further ones with 200. Received are whole requests.
pub(crate) async fn listen_for_calls(listener: TcpListener, statuses: &'static [u16]) -> Received {
    let received = Received::default();
    let calls = received.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = Vec::new();
            while !is_whole(&request) {
                let mut chunk = [0; 4_096];
                match stream.read(&mut chunk).await {
                    Ok(0) | Err(_) => break,
                    Ok(count) => request.extend(&chunk[..count]),
                }
            }
            let index = calls.push(String::from_utf8(request).unwrap());
            let status = statuses.get(index).copied().unwrap_or(200);
            let elsewhere = format!("Location: http://{}/other\r\n", listener.local_addr().unwrap());
            let answer = format!("HTTP/1.1 {status} x\r\n{elsewhere}Content-Length: 0\r\n\r\n");
            drop(stream.write_all(answer.as_bytes()).await);
        }
    });
    received
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
    body.len() >= length.parse::<usize>().unwrap()
}

/// How a mail server is protected.
#[derive(Clone)]
pub(crate) enum MailTls {
    None,
    FromTheStart(TlsAcceptor),
    AfterStarttls(TlsAcceptor),
}

/// A mail server. It refuses the first e-mails for a time, as many as said. Received are the lines of the client, then the
/// e-mail.
pub(crate) async fn listen_for_mail(listener: TcpListener, tls: MailTls, refused_count: usize) -> Received {
    let received = Received::default();
    let mails = received.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let is_refused = mails.count() < refused_count;
            let conversation = match &tls {
                MailTls::None => converse(stream, Some("220 mail.test"), is_refused).await,
                MailTls::FromTheStart(tls) => match tls.accept(stream).await {
                    Ok(stream) => converse(stream, Some("220 mail.test"), is_refused).await,
                    Err(error) => error.to_string(),
                },
                MailTls::AfterStarttls(tls) => match tls.accept(ask_for_tls(stream).await).await {
                    Ok(stream) => converse(stream, None, is_refused).await,
                    Err(error) => error.to_string(),
                },
            };
            mails.push(conversation);
        }
    });
    received
}

/// Plays the readable part of a conversation that goes on over TLS.
async fn ask_for_tls(stream: TcpStream) -> TcpStream {
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 mail.test\r\n").await.unwrap();
    for (expected, answer) in [("EHLO", "250-mail.test\r\n250 STARTTLS\r\n"), ("STARTTLS", "220 go on\r\n")] {
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        assert!(line.starts_with(expected), "{line}");
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
    stream.into_inner()
}

async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    greeting: Option<&str>,
    is_refused: bool,
) -> String {
    let mut stream = BufReader::new(stream);
    let mut heard = String::new();
    if let Some(greeting) = greeting {
        stream.write_all(format!("{greeting}\r\n").as_bytes()).await.unwrap();
    }
    let mut is_message = false;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
            return heard;
        }
        heard.push_str(&line);
        let answer = match line.trim_end() {
            "." if is_message => {
                is_message = false;
                "250 queued\r\n"
            }
            _ if is_message => continue,
            command if command.starts_with("EHLO") => "250-mail.test\r\n250 AUTH PLAIN\r\n",
            command if command.starts_with("AUTH") => "235 welcome\r\n",
            command if command.starts_with("RCPT") && is_refused => "451 later\r\n",
            "DATA" => {
                is_message = true;
                "354 go on\r\n"
            }
            "QUIT" => {
                drop(stream.write_all(b"221 bye\r\n").await);
                return heard;
            }
            _ => "250 ok\r\n",
        };
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return heard;
        }
    }
}
