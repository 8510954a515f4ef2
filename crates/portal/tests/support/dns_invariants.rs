//! What must hold for any bytes that reach the DNS responder. Shared by the property tests, the replay and the fuzz target.

#![expect(clippy::indexing_slicing, reason = "a broken invariant must stop the run")]

use portal::{Access, DNS_MESSAGE_BYTES_MAX, Dialect, PortalMode, answer_dns};

/// Answers `query` in every dialect and panics where an answer is not well formed.
pub(crate) fn check_dns(query: &[u8]) {
    for dialect in [Dialect::Rehome, Dialect::EdgentOld, Dialect::EdgentNew] {
        let mode = PortalMode::new(dialect, Access::Provisioning);
        let mut out = [0; DNS_MESSAGE_BYTES_MAX];
        let is_question = query.len() >= 12 && query[2] & 0x80 == 0;
        let answer_bytes = answer_dns(query, &mode, &mut out);
        assert_eq!(answer_bytes.is_some(), is_question, "an answer to every question and to nothing else");
        let Some(answer_bytes) = answer_bytes else { continue };
        let answer = &out[..answer_bytes];
        check_answer(query, answer);
        // Two responders must never talk to each other.
        assert_eq!(answer_dns(answer, &mode, &mut [0; DNS_MESSAGE_BYTES_MAX]), None);
        let mut short = [0; DNS_MESSAGE_BYTES_MAX];
        assert_eq!(answer_dns(query, &mode, &mut short[..answer_bytes - 1]), None);
    }
}

fn check_answer(query: &[u8], answer: &[u8]) {
    // Nobody can turn the responder into an amplifier.
    assert!(answer.len() <= query.len() + 16, "{} bytes for {}", answer.len(), query.len());
    assert_eq!(answer[..2], query[..2], "the id comes back");
    assert_eq!(answer[2] & 0xF9, 0x80 | query[2] & 0x79, "an answer to the same operation, not cut short");
    let counts: Vec<u16> =
        answer[4..12].chunks(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
    assert!(counts[0] <= 1 && counts[1] <= counts[0] && counts[2] == 0 && counts[3] <= 1, "{counts:?}");
    let response_code = answer[3] & 0x0F;
    assert!(matches!(response_code, 0 | 1 | 2 | 4 | 5), "{response_code}");
    assert!(response_code == 0 || counts[1] == 0, "an error carries no address");
    if counts[0] == 0 {
        assert_eq!(answer.len(), 12);
        return;
    }
    let options_bytes = usize::from(counts[3]) * 11;
    let address_bytes = usize::from(counts[1]) * 16;
    let question_bytes = answer.len() - 12 - options_bytes - address_bytes;
    assert_eq!(answer[12..12 + question_bytes], query[12..12 + question_bytes], "the question comes back");
    if counts[1] == 1 {
        let record = &answer[12 + question_bytes..][..16];
        assert_eq!(record[..6], [0xC0, 0x0C, 0, 1, 0, 1]);
        assert_eq!(record[10..], [0, 4, 192, 168, 4, 1]);
    }
}
