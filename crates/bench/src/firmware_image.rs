//! Firmware images of the bench: bytes with the tag by which servers and boards know what they are.

/// What a tag begins with. Source: wire-protocol.md, section 6.1.
const TAG_MARKER: &[u8] = b"blnkinf\0";
/// Key by which an image of the bench tells how it behaves; real tools skip it.
const CONDUCT_KEY: &str = "bench";

/// How a bench board behaves when it runs an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageConduct {
    /// As a firmware should.
    Works,
    /// It restarts soon after its start, before it has joined any network.
    Crashes,
    /// It runs and never reaches its cloud.
    Deaf,
}

/// What a tag says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirmwareTag {
    /// Firmware version, `mcu`.
    pub version: String,
    /// Firmware type, `fw-type`.
    pub firmware_type: String,
    /// Build date, `build`.
    pub build: String,
    /// How a bench board behaves with it.
    pub conduct: ImageConduct,
}

impl FirmwareTag {
    /// Finds the tag in an image; `None` when there is none that names version and type.
    #[must_use]
    pub fn find(image: &[u8]) -> Option<Self> {
        let start = image.windows(TAG_MARKER.len()).position(|window| window == TAG_MARKER)?;
        let mut fields = image.get(start.checked_add(TAG_MARKER.len())?..)?.split(|byte| *byte == 0);
        let mut tag = Self {
            version: String::new(),
            firmware_type: String::new(),
            build: String::new(),
            conduct: ImageConduct::Works,
        };
        while let (Some(key @ [_, ..]), Some(value)) = (fields.next(), fields.next()) {
            let value = String::from_utf8_lossy(value).into_owned();
            match key {
                b"mcu" => tag.version = value,
                b"fw-type" => tag.firmware_type = value,
                b"build" => tag.build = value,
                _ if key == CONDUCT_KEY.as_bytes() => tag.conduct = conduct_of(&value),
                _ => {}
            }
        }
        (!tag.version.is_empty() && !tag.firmware_type.is_empty()).then_some(tag)
    }

    /// Makes an image of this size that carries the tag; a size below the tag's own gives an image without an end.
    #[must_use]
    pub fn image(&self, image_bytes: usize) -> Vec<u8> {
        let Self { version, firmware_type, build, conduct } = self;
        let conduct = match conduct {
            ImageConduct::Works => "works",
            ImageConduct::Crashes => "crashes",
            ImageConduct::Deaf => "deaf",
        };
        let pairs = format!(
            "mcu\0{version}\0fw-type\0{firmware_type}\0build\0{build}\0blynk\x001.3.2\0{CONDUCT_KEY}\0{conduct}\0\0"
        );
        // Something that differs from place to place, so that a piece written to the wrong place is noticed.
        let mut image: Vec<u8> =
            (0_u32..256).flat_map(|word| word.wrapping_mul(0x9E37_79B1).to_le_bytes()).collect();
        image.extend_from_slice(TAG_MARKER);
        image.extend_from_slice(pairs.as_bytes());
        let mut word = 256_u32;
        while image.len() < image_bytes {
            image.extend_from_slice(&word.wrapping_mul(0x9E37_79B1).to_le_bytes());
            word = word.wrapping_add(1);
        }
        image.truncate(image_bytes);
        image
    }
}

fn conduct_of(value: &str) -> ImageConduct {
    match value {
        "crashes" => ImageConduct::Crashes,
        "deaf" => ImageConduct::Deaf,
        _ => ImageConduct::Works,
    }
}

#[cfg(test)]
mod tests {
    use super::{FirmwareTag, ImageConduct};

    #[test]
    fn the_tag_of_an_image_is_found_wherever_it_is() {
        let tag = FirmwareTag {
            version: "2.0.0".to_owned(),
            firmware_type: "TMPLtest".to_owned(),
            build: "Nov 22 2026 12:00:00".to_owned(),
            conduct: ImageConduct::Deaf,
        };
        let image = tag.image(10_001);
        assert_eq!((image.len(), FirmwareTag::find(&image)), (10_001, Some(tag)));
        let info = wire::Info::parse(image.split_at(1024 + 8).1).unwrap();
        assert_eq!((info.mcu, info.fw_type), (Some("2.0.0"), Some("TMPLtest")), "as servers read it");
    }

    #[test]
    fn bytes_without_a_whole_tag_have_none() {
        assert_eq!(FirmwareTag::find(b""), None);
        assert_eq!(FirmwareTag::find(b"xxblnkinf\0mcu\x001.0\0"), None);
        assert_eq!(FirmwareTag::find(b"blnkinf\0fw-type\0T\0build"), None);
        let whole = b"blnkinf\0mcu\x001.0\0fw-type\0T\0\0mcu\x002.0\0";
        assert_eq!(FirmwareTag::find(whole).unwrap().version, "1.0", "the second NUL ends it");
    }
}
