//! Every bound of the server in one place, each with its unit and its reason.

use std::time::Duration;

/// Largest body of a frame from a device, in bytes.
///
/// The format allows 65,535; the library builds 128, text up to 1,024 bytes per value is documented, and a multi-value
/// write may hold several. Source: reference/wire-protocol.md 1.
pub(crate) const FRAME_BODY_BYTES_MAX: usize = 8 * 1024;

/// Largest number of bytes read from a device in one go.
pub(crate) const READ_CHUNK_BYTES: usize = 4 * 1024;

/// Frames that may wait for one slow reader before its connection is cut.
pub(crate) const OUTBOUND_FRAMES_MAX: usize = 512;

/// Bytes that are joined into one write towards a device, so that one small command does not wait behind a large batch.
pub(crate) const WRITE_BATCH_BYTES_MAX: usize = 16 * 1024;

/// Largest plaintext of a TLS record, in bytes, the record's own overhead included by rustls.
///
/// ESP8266 has a receive buffer of 2,048 bytes; with up to 40 bytes of nonce, tag and header a record stays below it.
/// Source: reference/observed-clients.md, TLS.
pub(crate) const TLS_FRAGMENT_BYTES_MAX: usize = 1_984;

/// Open connections in all; each costs a few kB.
pub(crate) const CONNECTIONS_MAX: usize = 50_000;

/// Open connections of one address other than loopback. A workshop or an office sits behind one address.
pub(crate) const CONNECTIONS_PER_ADDRESS_MAX: u32 = 1_000;

/// Largest request body of the HTTP API, in bytes. The largest legal one is a multi-value write of a few kB.
pub(crate) const HTTP_BODY_BYTES_MAX: usize = 64 * 1024;

/// Smallest firmware image, in bytes: new Edgent refuses less. Source: reference/http-api.md 8.
pub(crate) const FIRMWARE_BYTES_MIN: u64 = 1_024;

/// Largest firmware image, in bytes: chips have 2 to 16 MB of flash, and programs for Linux machines up to some 40 MB.
pub(crate) const FIRMWARE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Largest number of bytes of HTTP request head.
pub(crate) const HTTP_HEAD_BYTES_MAX: usize = 32 * 1024;

/// How long an HTTP request may take to arrive and be answered; streams are exempt once their head is out.
pub(crate) const HTTP_REQUEST_TIME_MAX: Duration = Duration::from_secs(30);

/// Live updates that may wait for one slow watcher before it is told that it lagged.
pub(crate) const LIVE_EVENTS_MAX: usize = 1_024;

/// Watchers of live updates at the same time.
pub(crate) const LIVE_WATCHERS_MAX: usize = 256;

/// Largest number of entries in a page of a list, and the number when none is asked for.
pub(crate) const PAGE_ITEMS_MAX: u32 = 200;
/// Entries in a page when the request does not say.
pub(crate) const PAGE_ITEMS_DEFAULT: u32 = 50;

/// Addresses whose refused logins and sign-ins are remembered; the longest unused are forgotten first.
pub(crate) const REMEMBERED_ADDRESSES_MAX: usize = 10_000;

/// Passwords hashed at the same time; argon2id takes 19 MiB each.
pub(crate) const PASSWORD_HASHES_MAX: usize = 2;

/// Largest file a device may send, in bytes. Source: reference/http-api.md 7.
pub(crate) const UPLOAD_BYTES_MAX: usize = 5 * 1024 * 1024;

/// Largest body that carries such a file, in bytes: 64 kB for the form around it.
pub(crate) const UPLOAD_BODY_BYTES_MAX: usize = UPLOAD_BYTES_MAX + 64 * 1024;

/// Largest body of an import, in bytes. Source: reference/http-api.md 1, "Request (headers + body)".
pub(crate) const IMPORT_BODY_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Points of one import. Source: reference/http-api.md 5.
pub(crate) const IMPORT_POINTS_MAX: usize = 10_000;

/// Lines of one import by an owner: one transaction of about a tenth of a second.
pub(crate) const IMPORT_LINES_MAX: usize = 20_000;

/// Lines of an import that are named when they are not valid.
pub(crate) const IMPORT_MISTAKES_NAMED_MAX: usize = 10;

/// Points in a page of history when the request does not say.
pub(crate) const HISTORY_POINTS_DEFAULT: u32 = 1_000;

/// Files and imports being received at the same time; each is held in memory, 16 files of 5 MB at most.
pub(crate) const LARGE_BODIES_MAX: usize = 16;

/// Connections that may wait to be accepted. Linux caps it at `net.core.somaxconn` (4,096 by default); what does not fit is
/// repeated by the client after a second.
pub(crate) const LISTEN_BACKLOG: u32 = 4_096;
