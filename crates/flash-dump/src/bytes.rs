//! Reads fields of fixed width from a dump, as far as it reaches.

pub(crate) fn slice_at(image: &[u8], offset: usize, length_bytes: usize) -> Option<&[u8]> {
    image.get(offset..offset.checked_add(length_bytes)?)
}

pub(crate) fn array_at<const N: usize>(image: &[u8], offset: usize) -> Option<[u8; N]> {
    slice_at(image, offset, N)?.try_into().ok()
}

pub(crate) fn u8_at(image: &[u8], offset: usize) -> Option<u8> {
    image.get(offset).copied()
}

pub(crate) fn u16_at(image: &[u8], offset: usize) -> Option<u16> {
    array_at(image, offset).map(u16::from_le_bytes)
}

pub(crate) fn u32_at(image: &[u8], offset: usize) -> Option<u32> {
    array_at(image, offset).map(u32::from_le_bytes)
}

/// Every offset at which four bytes stand, at any alignment.
pub(crate) fn positions_of(image: &[u8], magic: [u8; 4]) -> impl Iterator<Item = usize> {
    image
        .array_windows::<4>()
        .enumerate()
        .filter_map(move |(offset, window)| (*window == magic).then_some(offset))
}

/// What stands before the first NUL; `None` without one.
pub(crate) fn terminated(field: &[u8]) -> Option<&[u8]> {
    let end = field.iter().position(|&byte| byte == 0)?;
    field.get(..end)
}

/// Text of a dump for a person: printable ASCII as it is, everything else escaped.
pub(crate) fn shown(bytes: &[u8]) -> String {
    match str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(char::is_control) => text.to_owned(),
        _ => bytes.escape_ascii().to_string(),
    }
}
