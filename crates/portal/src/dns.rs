//! Answers DNS queries at the hotspot, where every name is this device.
//!
//! Decision 0011 tells why this is ours and not a library's, and how the time to live was chosen.

use crate::byte_cursor::{ByteReader, ByteWriter};
use crate::dialect::{Dialect, HOTSPOT_ADDRESS, PortalMode};

/// UDP port of the responder. Source: RFC 1035 §4.2.1.
pub const DNS_PORT: u16 = 53;

/// Longest query that is read and longest answer that is written, in bytes. Source: RFC 1035 §2.3.4.
///
/// The longest name fits with room for EDNS padding (RFC 8467 §4.1: to a multiple of 128); a longer query is malformed.
pub const DNS_MESSAGE_BYTES_MAX: usize = 512;

/// How long a phone may keep our answer, in seconds.
///
/// The answer is wrong as soon as the phone leaves. Joining another network and getting an address there takes longer
/// than this. It is not 0, so that the requests of one page load share a query.
pub const DNS_TTL_S: u32 = 2;

/// Source: `reference/edgent-device.md` §5.
const STOCK_TTL_S: u32 = 300;

const HEADER_BYTES: usize = 12;

/// Longest name with its length bytes. Source: RFC 1035 §2.3.4.
const NAME_BYTES_MAX: usize = 255;

/// Longest label. Source: RFC 1035 §2.3.4.
const LABEL_BYTES_MAX: u8 = 63;

/// The two highest bits of a length byte announce a pointer. Source: RFC 1035 §4.1.4.
const POINTER_MARK: u8 = 0xC0;

/// A name that points to the question's, right behind the header.
const QUESTION_NAME_POINTER: u16 = 0xC00C;

const FLAG_RESPONSE: u16 = 0x8000;
const OPCODE_MASK: u16 = 0x7800;
const FLAG_AUTHORITATIVE: u16 = 0x0400;
const FLAG_RECURSION_DESIRED: u16 = 0x0100;
const FLAG_RECURSION_AVAILABLE: u16 = 0x0080;
const FLAG_CHECKING_DISABLED: u16 = 0x0010;

const TYPE_A: u16 = 1;
const TYPE_OPT: u16 = 41;
const TYPE_ANY: u16 = 255;
const CLASS_IN: u16 = 1;
const CLASS_ANY: u16 = 255;

/// Response codes. Source: RFC 1035 §4.1.1; `BadVersion` RFC 6891 §6.1.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ResponseCode {
    NoError = 0,
    FormatError = 1,
    ServerFailure = 2,
    NotImplemented = 4,
    Refused = 5,
    BadVersion = 16,
}

/// Writes the answer to one UDP payload into `out` and returns its length, or `None` where silence is right.
///
/// Silence for what has no whole header, and for answers, so that two responders never talk to each other. An answer is
/// at most 16 bytes longer than its query. A buffer of [`DNS_MESSAGE_BYTES_MAX`] is always enough; in a shorter one an
/// answer that does not fit is left out. The work is linear in the query.
#[must_use]
pub fn answer_dns(query: &[u8], mode: &PortalMode<'_>, out: &mut [u8]) -> Option<usize> {
    let mut reader = ByteReader::new(query);
    let header = Header::read(&mut reader)?;
    if header.flags & FLAG_RESPONSE != 0 {
        return None;
    }
    let mut answer = ByteWriter::new(out);
    if header.flags & OPCODE_MASK != 0 {
        write_header(&mut answer, &header, ResponseCode::NotImplemented, &Sections::default())?;
        return Some(answer.written_bytes());
    }
    let Some(body) = Body::read(query, &header, reader) else {
        write_header(&mut answer, &header, ResponseCode::FormatError, &Sections::default())?;
        return Some(answer.written_bytes());
    };
    let code = body.response_code(mode);
    let sections = Sections {
        has_question: true,
        has_address: code == ResponseCode::NoError && matches!(body.question.kind, TYPE_A | TYPE_ANY),
        has_options: body.options_version.is_some(),
    };
    write_header(&mut answer, &header, code, &sections)?;
    answer.bytes(body.question.bytes)?;
    if sections.has_address {
        write_address(&mut answer, mode)?;
    }
    if sections.has_options {
        write_options(&mut answer, code)?;
    }
    Some(answer.written_bytes())
}

#[derive(Debug)]
struct Header {
    id: u16,
    flags: u16,
    question_count: u16,
    answer_count: u16,
    authority_count: u16,
    additional_count: u16,
}

impl Header {
    fn read(reader: &mut ByteReader<'_>) -> Option<Self> {
        Some(Self {
            id: reader.u16()?,
            flags: reader.u16()?,
            question_count: reader.u16()?,
            answer_count: reader.u16()?,
            authority_count: reader.u16()?,
            additional_count: reader.u16()?,
        })
    }
}

#[derive(Debug)]
struct Question<'a> {
    /// Name, type and class as they came: the answer repeats them, letter case included.
    bytes: &'a [u8],
    kind: u16,
    class: u16,
}

#[derive(Debug)]
struct Body<'a> {
    question: Question<'a>,
    /// EDNS version, where the query has an OPT record.
    options_version: Option<u8>,
}

impl<'a> Body<'a> {
    /// Reads what follows the header, or returns `None` where it is malformed.
    fn read(query: &'a [u8], header: &Header, mut reader: ByteReader<'a>) -> Option<Self> {
        // More than one question is malformed: RFC 9619 §4. None at all asks nothing that we could answer.
        if query.len() > DNS_MESSAGE_BYTES_MAX || header.question_count != 1 {
            return None;
        }
        // The first name of a message has nothing to point to but the header.
        skip_name(&mut reader, Pointers::Refused)?;
        let question = Question {
            kind: reader.u16()?,
            class: reader.u16()?,
            bytes: query.get(HEADER_BYTES..reader.position_bytes())?,
        };
        for _ in 0..u32::from(header.answer_count) + u32::from(header.authority_count) {
            let record = Record::read(&mut reader)?;
            // RFC 6891 §6.1.1: OPT belongs into the additional section.
            (record.kind != TYPE_OPT).then_some(())?;
        }
        let mut options_version = None;
        for _ in 0..header.additional_count {
            let record = Record::read(&mut reader)?;
            if record.kind == TYPE_OPT {
                // RFC 6891 §6.1.1: at most one, and its name is the root.
                (options_version.is_none() && record.has_root_name).then_some(())?;
                options_version = Some(record.options_version);
            }
        }
        reader.is_at_end().then_some(Self { question, options_version })
    }

    fn response_code(&self, mode: &PortalMode<'_>) -> ResponseCode {
        if self.options_version.is_some_and(|version| version != 0) {
            return ResponseCode::BadVersion;
        }
        if !matches!(self.question.class, CLASS_IN | CLASS_ANY) {
            return ResponseCode::Refused;
        }
        if mode.dialect != Dialect::Rehome && !is_name(self.question.bytes, mode.host_name) {
            return ResponseCode::ServerFailure;
        }
        ResponseCode::NoError
    }
}

/// What matters of a resource record.
struct Record {
    kind: u16,
    has_root_name: bool,
    /// Byte of the "time to live" that an OPT record uses for its version.
    options_version: u8,
}

impl Record {
    fn read(reader: &mut ByteReader<'_>) -> Option<Self> {
        let start = reader.position_bytes();
        skip_name(reader, Pointers::Allowed)?;
        let has_root_name = reader.position_bytes() - start == 1;
        let kind = reader.u16()?;
        reader.u16()?;
        let [_, options_version, _, _] = reader.array()?;
        let data_bytes = reader.u16()?;
        reader.take(usize::from(data_bytes))?;
        Some(Self { kind, has_root_name, options_version })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pointers {
    Refused,
    Allowed,
}

/// Steps over a name. A pointer is stepped over and never followed, so nothing can go round in circles.
fn skip_name(reader: &mut ByteReader<'_>, pointers: Pointers) -> Option<()> {
    let start = reader.position_bytes();
    loop {
        match reader.byte()? {
            0 => break,
            length @ 1..=LABEL_BYTES_MAX => {
                reader.take(usize::from(length))?;
            }
            mark if mark & POINTER_MARK == POINTER_MARK && pointers == Pointers::Allowed => {
                reader.byte()?;
                break;
            }
            _ => return None,
        }
        if reader.position_bytes() - start > NAME_BYTES_MAX {
            return None;
        }
    }
    (reader.position_bytes() - start <= NAME_BYTES_MAX).then_some(())
}

/// Whether the name at the start of a question is `expected`, which is written with dots.
fn is_name(question: &[u8], expected: &str) -> bool {
    let mut reader = ByteReader::new(question);
    let is_prefix = expected.split('.').filter(|label| !label.is_empty()).all(|label| {
        let asked = reader.byte().and_then(|length| reader.take(usize::from(length)));
        asked.is_some_and(|asked| asked.eq_ignore_ascii_case(label.as_bytes()))
    });
    is_prefix && reader.position_bytes() > 0 && reader.byte() == Some(0)
}

#[derive(Debug, Default)]
struct Sections {
    has_question: bool,
    has_address: bool,
    has_options: bool,
}

fn write_header(
    answer: &mut ByteWriter<'_>,
    query: &Header,
    code: ResponseCode,
    sections: &Sections,
) -> Option<()> {
    let kept = OPCODE_MASK | FLAG_RECURSION_DESIRED | FLAG_CHECKING_DISABLED;
    // Some resolvers distrust an answer that is neither authoritative nor from a recursive server.
    let own = FLAG_RESPONSE | FLAG_AUTHORITATIVE | FLAG_RECURSION_AVAILABLE;
    answer.u16(query.id)?;
    answer.u16(query.flags & kept | own | (code as u16 & 0xF))?;
    answer.u16(u16::from(sections.has_question))?;
    answer.u16(u16::from(sections.has_address))?;
    // No SOA record with an empty answer: without one the absence may not be cached either. Source: RFC 2308 §5.
    answer.u16(0)?;
    answer.u16(u16::from(sections.has_options))
}

fn write_address(answer: &mut ByteWriter<'_>, mode: &PortalMode<'_>) -> Option<()> {
    answer.u16(QUESTION_NAME_POINTER)?;
    answer.u16(TYPE_A)?;
    answer.u16(CLASS_IN)?;
    answer.u32(if mode.dialect == Dialect::Rehome { DNS_TTL_S } else { STOCK_TTL_S })?;
    answer.u16(4)?;
    answer.bytes(&HOTSPOT_ADDRESS.octets())
}

/// Writes our OPT record, which a query with one must get. Source: RFC 6891 §6.1.1 and §6.1.2.
fn write_options(answer: &mut ByteWriter<'_>, code: ResponseCode) -> Option<()> {
    answer.bytes(&[0])?;
    answer.u16(TYPE_OPT)?;
    // Its class is the size of the queries that we read.
    answer.u16(512)?;
    answer.u16(code as u16 >> 4 << 8)?;
    answer.u16(0)?;
    answer.u16(0)
}

#[cfg(test)]
mod tests;
