//! What must hold for the head of any answer. Shared by the replayed corpus and the fuzz target.

use device::{HEAD_BYTES_MAX, ReadHeadError, ResponseHead, read_response_head};

/// Reads any bytes as a head, whole and in two portions, and reads what was understood once more.
pub(crate) fn check_response_head(input: &[u8]) {
    match read_response_head(input) {
        Ok(Some((head, head_bytes))) => {
            assert!(head_bytes <= input.len() && head_bytes <= HEAD_BYTES_MAX);
            check_values(&head);
            let exact = read_response_head(&input[..head_bytes]).expect("the same head without what follows");
            assert_eq!(exact, Some((head.clone(), head_bytes)), "what follows a head changes nothing");
            for split in [head_bytes / 2, head_bytes - 1] {
                // A duplicate or a bad value is only known at the end; what is there so far may not be taken for all.
                assert_eq!(read_response_head(&input[..split]), Ok(None), "half a head is none");
            }
            check_again(&head);
        }
        Ok(None) => assert!(input.len() < HEAD_BYTES_MAX, "a head has an end"),
        Err(ReadHeadError::TooLong | ReadHeadError::Malformed) => {
            let longer = [input, b"\r\n\r\n"].concat();
            assert!(read_response_head(&longer).is_err(), "nothing that follows makes it a head");
        }
        Err(_) => {}
    }
}

fn check_values(head: &ResponseHead<'_>) {
    assert!(head.status <= 999);
    if let Some(range) = head.range {
        assert!(range.first_byte <= range.last_byte && range.last_byte < range.whole_bytes);
    }
    for text in [head.etag, head.firmware_type, head.firmware_version, head.firmware_build] {
        let text = text.unwrap_or("x");
        // Such a text goes into a request, a log and an event.
        assert!(!text.is_empty() && text.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{text:?}");
    }
}

/// Builds a head of what was understood; it must be understood in the same way.
fn check_again(head: &ResponseHead<'_>) {
    let mut text = format!("HTTP/1.1 {:03} x\r\n", head.status);
    let mut line = |name: &str, value: Option<String>| {
        text.extend(
            value.into_iter().flat_map(|value| [name.to_owned(), ": ".to_owned(), value, "\r\n".to_owned()]),
        );
    };
    line("Content-Length", head.content_bytes.map(|bytes| bytes.to_string()));
    let range = head
        .range
        .map(|range| format!("bytes {}-{}/{}", range.first_byte, range.last_byte, range.whole_bytes));
    line("Content-Range", range);
    line("Transfer-Encoding", head.is_chunked.then(|| "chunked".to_owned()));
    line("Content-Encoding", head.is_compressed.then(|| "gzip".to_owned()));
    line("ETag", head.etag.map(str::to_owned));
    line("X-FW-Type", head.firmware_type.map(str::to_owned));
    line("X-FW-Ver", head.firmware_version.map(str::to_owned));
    line("X-FW-Build", head.firmware_build.map(str::to_owned));
    text.push_str("\r\n");
    let again = read_response_head(text.as_bytes()).expect("what was understood can be said");
    let expected = ResponseHead { sha256: None, signature: None, ..head.clone() };
    assert_eq!(again.map(|(head, _)| head), Some(expected));
}
