//! Files that devices send. Source: reference/http-api.md 7.

use std::sync::Arc;

use api_types::{DeviceFile, DeviceFileKind, DeviceFileList};
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{FromRequest, Multipart, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use registry::Token;
use store::{AddUploadError, Change, NewUpload, Upload, UploadKind};

use super::call::{Call, CallError, INVALID_TOKEN};
use super::values::plain_text;
use crate::app::App;
use crate::errors::{ApiError, ProblemKind};
use crate::limits::{HTTP_REQUEST_TIME_MAX, UPLOAD_BODY_BYTES_MAX, UPLOAD_BYTES_MAX};
use crate::listener::Peer;
use crate::routes::access::Actor;
use crate::routes::devices::find_device;
use crate::routes::extract::ApiPath;
use crate::views::timestamp;

/// Characters of a file's name that are kept.
const NAME_CHARS_MAX: usize = 100;

/// Characters of a file's ending that go into its address.
const EXTENSION_CHARS_MAX: usize = 10;

/// `upfile` in a form; `type=DUMP` marks a crash dump.
pub(super) async fn upload(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    request: Request,
) -> Result<Response, CallError> {
    let call = Call::parse(&app, peer, request.uri().query()).await?;
    let kind = match call.parameter("type") {
        None => UploadKind::File,
        Some("DUMP") => UploadKind::Dump,
        Some(_) => return Err(CallError::bad("Wrong type.")),
    };
    let _place = app.large_bodies.enter(&call.device.id).ok_or_else(CallError::busy)?;
    let (name, content) = read_file(request).await?;
    // 24 random bytes in 32 characters that need no escaping.
    let key = Token::from_random(rand::random()).expose().to_owned();
    let address = public_address(&app, &call, &key, &name);
    let new = NewUpload { kind, key, name, content: content.to_vec() };
    let stored = app.store.add_upload(call.device.id.clone(), call.epoch, new, app.clock.now().utc);
    stored.await.map_err(|error| match error {
        AddUploadError::NotOwned => CallError::bad(INVALID_TOKEN),
        AddUploadError::LimitReached => {
            CallError::new(StatusCode::FORBIDDEN, "File uploads limit has been reached.")
        }
        error => CallError::storage(&error),
    })?;
    app.publish_device(&call.device.id, api_types::DeviceChange::Updated);
    match kind {
        UploadKind::File => Ok(plain_text(address)),
        // A dump holds what was in memory: it has no public address.
        UploadKind::Dump => Ok(StatusCode::OK.into_response()),
    }
}

async fn read_file(request: Request) -> Result<(String, Bytes), CallError> {
    let malformed = || CallError::bad("No file in the field upfile.");
    let (parts, body) = request.into_parts();
    let reading = to_bytes(body, UPLOAD_BODY_BYTES_MAX);
    let body = match tokio::time::timeout(HTTP_REQUEST_TIME_MAX, reading).await {
        Ok(Ok(body)) => body,
        Ok(Err(_too_large)) => return Err(too_large()),
        Err(_elapsed) => return Err(CallError::new(StatusCode::REQUEST_TIMEOUT, "The file took too long.")),
    };
    let request = Request::from_parts(parts, Body::from(body));
    let mut form = Multipart::from_request(request, &()).await.map_err(|_source| malformed())?;
    while let Some(field) = form.next_field().await.map_err(|_source| malformed())? {
        if field.name() != Some("upfile") {
            continue;
        }
        let name = clean_name(field.file_name().unwrap_or_default()).ok_or_else(malformed)?;
        let content = field.bytes().await.map_err(|_source| malformed())?;
        return if content.len() > UPLOAD_BYTES_MAX { Err(too_large()) } else { Ok((name, content)) };
    }
    Err(malformed())
}

fn too_large() -> CallError {
    CallError::new(StatusCode::PAYLOAD_TOO_LARGE, "The file is too large.")
}

/// The last part of a path, without anything that means something in an address or a header.
fn clean_name(name: &str) -> Option<String> {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let kept: String = last
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ' '))
        .take(NAME_CHARS_MAX)
        .collect();
    let kept = kept.trim().trim_start_matches('.');
    if kept.is_empty() { None } else { Some(kept.to_owned()) }
}

fn extension_of(name: &str) -> String {
    let (_stem, extension) = name.rsplit_once('.').unwrap_or((name, "bin"));
    extension.chars().filter(char::is_ascii_alphanumeric).take(EXTENSION_CHARS_MAX).collect()
}

fn public_address(app: &App, call: &Call, key: &str, name: &str) -> String {
    let origin = app.addresses.https_origin();
    format!("{origin}/device_uploads/{}/{key}.{}", call.device.id, extension_of(name))
}

/// A file by its unguessable address, for whoever has it.
pub(in crate::routes) async fn get_public_file(
    State(app): State<Arc<App>>,
    ApiPath((device, file)): ApiPath<(String, String)>,
) -> Result<Response, ApiError> {
    let key = file.split('.').next().unwrap_or_default();
    let found = find_upload(&app, &device, key).await;
    match found {
        Ok((upload, content)) if upload.kind == UploadKind::File => Ok(attachment(&upload, content)),
        Ok(_dump) => Err(no_file()),
        Err(error) if error.kind() == ProblemKind::StoreUnavailable => Err(error),
        // Whether the device exists is nobody's business here.
        Err(_unknown) => Err(no_file()),
    }
}

/// Any file of a device, for its maker.
pub(in crate::routes) async fn get_file(
    State(app): State<Arc<App>>,
    ApiPath((device, key)): ApiPath<(String, String)>,
) -> Result<Response, ApiError> {
    let (upload, content) = find_upload(&app, &device, &key).await?;
    Ok(attachment(&upload, content))
}

pub(in crate::routes) async fn list_files(
    State(app): State<Arc<App>>,
    ApiPath(device): ApiPath<String>,
) -> Result<Json<DeviceFileList>, ApiError> {
    let device = find_device(&app, &device).await?;
    let items = app.store.uploads(device.id).await?.into_iter().map(file_view).collect();
    Ok(Json(DeviceFileList { items }))
}

pub(in crate::routes) async fn delete_file(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    ApiPath((device, key)): ApiPath<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let device = find_device(&app, &device).await?;
    let change = Change::by(actor.as_str(), app.clock.now().utc);
    if !app.store.delete_upload(device.id.clone(), key, change).await? {
        return Err(no_file());
    }
    app.publish_device(&device.id, api_types::DeviceChange::Updated);
    Ok(StatusCode::NO_CONTENT)
}

async fn find_upload(app: &App, device: &str, key: &str) -> Result<(Upload, Vec<u8>), ApiError> {
    let device = find_device(app, device).await?;
    app.store.upload(device.id, key.to_owned()).await?.ok_or_else(no_file)
}

fn no_file() -> ApiError {
    ApiError::new(ProblemKind::FileNotFound, "There is no such file, or it was replaced.")
}

fn file_view(upload: Upload) -> DeviceFile {
    DeviceFile {
        key: upload.key,
        kind: match upload.kind {
            UploadKind::File => DeviceFileKind::File,
            UploadKind::Dump => DeviceFileKind::Dump,
        },
        name: upload.name,
        size_bytes: upload.size_bytes,
        at: timestamp(upload.at),
    }
}

/// A device's file is never shown by a browser as a page of this server: it is saved.
fn attachment(upload: &Upload, content: Vec<u8>) -> Response {
    // The name has no quotes and no control characters.
    let disposition = HeaderValue::from_str(&format!("attachment; filename=\"{}\"", upload.name))
        .unwrap_or(HeaderValue::from_static("attachment"));
    let headers: [(HeaderName, HeaderValue); 4] = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream")),
        (header::CONTENT_DISPOSITION, disposition),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::CACHE_CONTROL, HeaderValue::from_static("private, no-store")),
    ];
    (headers, content).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_lose_what_means_something_elsewhere() {
        for (sent, kept) in [
            ("photo.jpg", Some("photo.jpg")),
            ("../../etc/passwd", Some("passwd")),
            ("C:\\x\\y.txt", Some("y.txt")),
            ("a\"b\r\nc.png", Some("abc.png")),
            ("...", None),
            ("", None),
        ] {
            assert_eq!(clean_name(sent).as_deref(), kept, "{sent}");
        }
        assert_eq!(extension_of("a.tar.gz"), "gz");
        assert_eq!(extension_of("core"), "bin");
    }
}
