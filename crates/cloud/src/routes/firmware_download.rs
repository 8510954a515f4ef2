//! Where devices fetch their firmware. Source: reference/http-api.md 8.
//!
//! The query holds a secret that is good for one device and one shipment; it is never logged.

use std::io::{self, SeekFrom};
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64ct::{Base64, Encoding as _};
use futures_util::stream;
use registry::{Delivery, DeviceId, ShipmentId, ShipmentState};
use store::{FirmwareImage, Shipment};
use subtle::ConstantTimeEq as _;
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};

use crate::app::App;
use crate::errors::{ApiError, ProblemKind};
use crate::secret_file::hex;

/// Bytes read from the file and handed on at once.
const CHUNK_BYTES: usize = 16 * 1024;

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new().route("/static/fw/{shipment}/{file}", get(download))
}

/// Why a device gets no file; firmware shows the status and gives up.
enum Refusal {
    NotFound,
    Forbidden,
    TooManyAttempts,
    Failed(ApiError),
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::NotFound => (StatusCode::NOT_FOUND, "There is no such file.\n").into_response(),
            Self::Forbidden => {
                (StatusCode::FORBIDDEN, "The address is not valid (any more).\n").into_response()
            }
            Self::TooManyAttempts => {
                (StatusCode::TOO_MANY_REQUESTS, "Too many downloads; try again tomorrow.\n").into_response()
            }
            Self::Failed(error) => error.into_response(),
        }
    }
}

async fn download(
    State(app): State<Arc<App>>,
    Path((shipment, file)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let (shipment, device, delivery) = admit(&app, &shipment, &file, query.as_deref()).await?;
    let image = &shipment.image;
    let part = Part::of(&headers, image).ok_or_else(|| {
        Refusal::Failed(ApiError::new(ProblemKind::RangeNotSatisfiable, "The range lies outside the file."))
    })?;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = if part.is_whole { StatusCode::OK } else { StatusCode::PARTIAL_CONTENT };
    *response.headers_mut() = describe(&app, image, &part);
    if method == Method::HEAD {
        return Ok(response);
    }
    let (is_continuation, attempts_max) = (part.from > 0, shipment.attempts_max);
    let mut file = app.firmware_folder.open_image(&image.sha256).await.map_err(|source| {
        tracing::error!(firmware.id = %image.id, error = %source, "the file of {} cannot be opened", image.id);
        Refusal::NotFound
    })?;
    file.seek(SeekFrom::Start(part.from)).await.map_err(|_source| Refusal::NotFound)?;
    let now = app.clock.now().utc;
    let request = move |delivery: Delivery| {
        delivery.may_fetch(attempts_max, is_continuation).then(|| delivery.requested(is_continuation, now))
    };
    let requested = app.change_delivery(&shipment.id, &device, request).await;
    let attempt = requested.ok_or_else(|| refusal(&delivery, attempts_max, is_continuation))?.attempts;
    let reaches_end = part.from + part.bytes == image.size_bytes;
    let transfer =
        Transfer { app, shipment: shipment.id, device, attempt, file, left: part.bytes, reaches_end };
    *response.body_mut() = Body::from_stream(stream::try_unfold(transfer, Transfer::next_chunk));
    Ok(response)
}

/// Why a download was not begun: no attempts left, or the store did not take it.
fn refusal(delivery: &Delivery, attempts_max: u32, is_continuation: bool) -> Refusal {
    if delivery.may_fetch(attempts_max, is_continuation) {
        let detail = "The download could not be noted. Try again.";
        Refusal::Failed(ApiError::new(ProblemKind::StoreUnavailable, detail))
    } else {
        Refusal::TooManyAttempts
    }
}

/// Checks the secret and finds the delivery.
async fn admit(
    app: &App,
    shipment: &str,
    file: &str,
    query: Option<&str>,
) -> Result<(Shipment, DeviceId, Delivery), Refusal> {
    let shipment = ShipmentId::parse(shipment).map_err(|_source| Refusal::NotFound)?;
    let device =
        file.strip_suffix(".bin").and_then(|id| DeviceId::parse(id).ok()).ok_or(Refusal::NotFound)?;
    let presented = query
        .and_then(|query| form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == "token"))
        .map(|(_, value)| value.into_owned())
        .ok_or(Refusal::Forbidden)?;
    let expected = app.store.download_token(&shipment, &device);
    if !bool::from(presented.as_bytes().ct_eq(expected.expose().as_bytes())) {
        return Err(Refusal::Forbidden);
    }
    let found = app.store.delivery(shipment, device.clone()).await;
    let (shipment, delivery) =
        found.map_err(|failure| Refusal::Failed(ApiError::store(&failure)))?.ok_or(Refusal::NotFound)?;
    // What was under way when a shipment was paused may end; a stopped or cancelled one gives nothing out any more.
    if !matches!(shipment.state, ShipmentState::Running | ShipmentState::Paused) {
        return Err(Refusal::Forbidden);
    }
    Ok((shipment, device, delivery))
}

/// The part of the file that is asked for.
#[derive(Debug, PartialEq, Eq)]
struct Part {
    from: u64,
    bytes: u64,
    is_whole: bool,
}

impl Part {
    /// Reads `Range` and `If-Range` (RFC 9110, sections 14.2 and 13.1.5); one range, or none. None when it lies outside.
    fn of(headers: &HeaderMap, image: &FirmwareImage) -> Option<Self> {
        let size = image.size_bytes;
        let whole = Self { from: 0, bytes: size, is_whole: true };
        let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        let Some(range) = text(header::RANGE).and_then(|range| range.strip_prefix("bytes=")) else {
            return Some(whole);
        };
        let is_other_file = text(header::IF_RANGE).is_some_and(|condition| condition != etag(image));
        // What cannot be read is passed over, as the RFC asks.
        let Some((first, last)) = range.split_once('-').filter(|_| !is_other_file && !range.contains(','))
        else {
            return Some(whole);
        };
        let (from, to) = match (first.trim().parse::<u64>(), last.trim().parse::<u64>()) {
            (Ok(from), Ok(last)) => (from, last.saturating_add(1).min(size)),
            (Ok(from), Err(_)) if last.trim().is_empty() => (from, size),
            (Err(_), Ok(suffix)) if first.trim().is_empty() => (size.saturating_sub(suffix), size),
            _ => return Some(whole),
        };
        (from < to).then(|| Self { from, bytes: to - from, is_whole: false })
    }
}

fn etag(image: &FirmwareImage) -> String {
    format!("\"{}\"", hex(&image.sha256))
}

/// Says what the file is, in the headers that the firmwares look for.
fn describe(app: &App, image: &FirmwareImage, part: &Part) -> HeaderMap {
    let mut described = vec![
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_LENGTH, part.bytes.to_string()),
        (header::ACCEPT_RANGES, "bytes".to_owned()),
        (header::CACHE_CONTROL, "no-store".to_owned()),
        (header::ETAG, etag(image)),
        (HeaderName::from_static("x-md5"), hex(&image.md5)),
        (HeaderName::from_static("x-sha256"), Base64::encode_string(&image.sha256)),
        (HeaderName::from_static("x-fw-type"), image.tag.kind.clone()),
        (HeaderName::from_static("x-fw-ver"), image.tag.version.clone()),
    ];
    if let Some(build) = &image.tag.build {
        described.push((HeaderName::from_static("x-fw-build"), build.clone()));
    }
    if let Some(signer) = &app.firmware_signer {
        let signature = Base64::encode_string(&signer.sign(image));
        described.push((HeaderName::from_static("x-rehome-signature"), signature));
    }
    if !part.is_whole {
        let range = format!("bytes {}-{}/{}", part.from, part.from + part.bytes - 1, image.size_bytes);
        described.push((header::CONTENT_RANGE, range));
    }
    described
        .into_iter()
        .filter_map(|(name, value)| Some((name, HeaderValue::try_from(value).ok()?)))
        .collect()
}

/// A file on its way to a device. When it ends, whole or not, the delivery learns of it.
struct Transfer {
    app: Arc<App>,
    shipment: ShipmentId,
    device: DeviceId,
    /// Which download of the day this is; a newer one is not ended by this one's end.
    attempt: u32,
    file: File,
    left: u64,
    reaches_end: bool,
}

impl Transfer {
    async fn next_chunk(mut self) -> io::Result<Option<(Bytes, Self)>> {
        let wanted = usize::try_from(self.left).map_or(CHUNK_BYTES, |left| left.min(CHUNK_BYTES));
        if wanted == 0 {
            return Ok(None);
        }
        let mut chunk = vec![0; wanted];
        let count = self.file.read(&mut chunk).await?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        chunk.truncate(count);
        self.left = self.left.saturating_sub(u64::try_from(count).unwrap_or(u64::MAX));
        Ok(Some((Bytes::from(chunk), self)))
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        let (app, shipment, device) = (Arc::clone(&self.app), self.shipment.clone(), self.device.clone());
        let is_delivered = self.left == 0 && self.reaches_end;
        let attempt = self.attempt;
        self.app.tasks.spawn(async move {
            let now = app.clock.now().utc;
            let end = move |delivery: Delivery| {
                let ended = if is_delivered { delivery.downloaded(now) } else { delivery.broke(now) };
                (delivery.attempts == attempt).then_some(ended)
            };
            app.change_delivery(&shipment, &device, end).await;
        });
    }
}

#[cfg(test)]
mod tests {
    use registry::{FirmwareId, FirmwareTag, UtcTime};

    use super::*;

    fn image() -> FirmwareImage {
        FirmwareImage {
            id: FirmwareId::from_random([1; 10]),
            file_name: "a.bin".to_owned(),
            tag: FirmwareTag { kind: "T".to_owned(), version: "1".to_owned(), build: None, library: None },
            size_bytes: 5_000,
            sha256: [0xAB; 32],
            md5: [0; 16],
            created_at: UtcTime::from_unix_ms(0),
        }
    }

    fn part(range: &str, if_range: Option<&str>) -> Option<(u64, u64)> {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, HeaderValue::from_str(range).unwrap());
        if let Some(if_range) = if_range {
            headers.insert(header::IF_RANGE, HeaderValue::from_str(if_range).unwrap());
        }
        Part::of(&headers, &image()).map(|part| (part.from, part.bytes))
    }

    #[test]
    fn one_range_is_served_and_anything_odd_gets_the_whole_file() {
        assert_eq!(part("bytes=0-", None), Some((0, 5_000)));
        assert_eq!(part("bytes=1200-", None), Some((1_200, 3_800)));
        assert_eq!(part("bytes=1200-1299", None), Some((1_200, 100)));
        assert_eq!(part("bytes=1200-999999", None), Some((1_200, 3_800)));
        assert_eq!(part("bytes=-100", None), Some((4_900, 100)));
        for odd in ["bytes=a-b", "bytes=0-1,3-4", "lines=1-2", "bytes=-", "bytes=5"] {
            assert_eq!(part(odd, None), Some((0, 5_000)), "{odd}");
        }
        for outside in ["bytes=5000-", "bytes=9-3", "bytes=-0"] {
            assert_eq!(part(outside, None), None, "{outside}");
        }
    }

    #[test]
    fn a_range_of_another_file_gets_the_whole_new_one() {
        let ours = etag(&image());
        assert_eq!(part("bytes=1200-", Some(&ours)), Some((1_200, 3_800)));
        assert_eq!(part("bytes=1200-", Some("\"other\"")), Some((0, 5_000)));
    }
}
