//! What must hold for any factory partition. Shared by the replayed corpus and the fuzz target.

use factory_image::{
    FactoryImage, POP_BYTES_MAX, POP_BYTES_MIN, ParseFactoryImageError, RECORD_BYTES, UID_BYTES_MAX,
};

/// Byte 0 says whether the checksum is made right (1): it is no secret, and hardly any input would get past it. The rest is
/// the partition.
pub(crate) fn check_partition(input: &[u8]) {
    let Some((flags, partition)) = input.split_first() else { return };
    let mut partition = partition.to_vec();
    if flags & 1 != 0
        && let Some(record) = partition.first_chunk_mut::<RECORD_BYTES>()
    {
        let crc = crc32(&record[..RECORD_BYTES - 4]);
        record[RECORD_BYTES - 4..].copy_from_slice(&crc.to_le_bytes());
    }
    let result = FactoryImage::parse(&partition);
    if let Some(record) = partition.get(..RECORD_BYTES) {
        assert_eq!(FactoryImage::parse(record), result, "what follows the record changes nothing");
    } else {
        assert_eq!(result, Err(ParseFactoryImageError::TooShort));
    }
    let Ok(image) = result else { return };
    let uid = image.uid.as_str();
    assert!((1..=UID_BYTES_MAX).contains(&uid.len()));
    assert!(uid.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'), "{uid:?}");
    if let Some(pop) = &image.pop {
        let text = pop.expose();
        assert!(
            (POP_BYTES_MIN..=POP_BYTES_MAX).contains(&text.len())
                && text.bytes().all(|byte| byte.is_ascii_graphic())
        );
        assert!(!format!("{image:?}").contains(text) || uid.contains(text) || "FactoryImage".contains(text));
    }
    assert_eq!(FactoryImage::parse(&image.encode()), Ok(image), "what was understood can be written");
    let mut damaged = partition;
    damaged[20] ^= 4;
    assert_eq!(FactoryImage::parse(&damaged), Err(ParseFactoryImageError::Damaged));
}

/// Independent of the product's.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for bit in bytes.iter().flat_map(|byte| (0..8).map(move |bit| u32::from(*byte >> bit & 1))) {
        crc = (crc >> 1) ^ if (crc ^ bit) & 1 == 1 { 0xEDB8_8320 } else { 0 };
    }
    !crc
}
