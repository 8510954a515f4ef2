//! The two firmware slots of a board, its boot loader, and what an image does when it runs.
//!
//! Records of the boot loader change whole or not at all; that they do is shown elsewhere, where they are written. Pieces
//! of an image tear.

use device::{Download, FirmwareVersion, IMAGE_PIECE_BYTES, SlotState};

use crate::dice::Dice;

/// Bytes that a slot holds. Real ones are larger; nothing depends on it.
pub(crate) const SLOT_BYTES: u32 = 65_536;
/// First word of every image.
const IMAGE_MARK: &str = "IMAGE";
/// Version that a board leaves the maker with.
const FACTORY_VERSION: &str = "1.0.0";

/// What a firmware does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Conduct {
    /// What it should.
    Good,
    /// Hears no network.
    Deaf,
    /// Joins networks and reaches no cloud.
    Mute,
    /// Restarts after a while, by a fault.
    Crashes { after_ms: u64 },
}

/// What is wrong with the slots while an update is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SlotTrouble {
    None,
    /// The power fails at an operation, counted from 0, before or after it took effect.
    Cut {
        operation: u8,
        is_done: bool,
    },
    /// An operation fails.
    Fails {
        operation: u8,
    },
}

/// What the boot loader goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Candidate {
    None,
    /// Whole, and to be booted next.
    New,
    /// In its only boot.
    Trying,
    /// Had its boot, in vain.
    Failed,
}

/// Something that the judge must know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SlotNote {
    /// An image is to be booted next: its bytes as they stand in the slot.
    Installed(Vec<u8>),
    /// The running image boots from now on.
    Confirmed,
    /// The former image boots from now on.
    RolledBack,
}

/// What becomes of one operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fortune {
    Fine,
    Failed,
    /// The power is gone; nothing after this operation happens.
    Dead,
}

/// The slots of one board.
#[derive(Debug)]
pub(crate) struct Slots {
    content: [Vec<u8>; 2],
    image_bytes: [usize; 2],
    noted: Option<Download>,
    confirmed: usize,
    candidate: Candidate,
    trouble: SlotTrouble,
    operation_count: u8,
    notes: Vec<SlotNote>,
    /// What was written is not what is read back: for tests of the judge.
    pub(crate) is_reading_from_cache: bool,
    cache: Vec<u8>,
}

impl Slots {
    pub(crate) fn new() -> Self {
        let factory = format!("{IMAGE_MARK} {FACTORY_VERSION} good 0\n").into_bytes();
        Self {
            image_bytes: [factory.len(), 0],
            content: [factory, Vec::new()],
            noted: None,
            confirmed: 0,
            candidate: Candidate::None,
            trouble: SlotTrouble::None,
            operation_count: 0,
            notes: Vec::new(),
            is_reading_from_cache: false,
            cache: Vec::new(),
        }
    }

    /// What a boot loader does at every start: gives a new image its one boot, and takes back one that had it.
    pub(crate) fn boot(&mut self) {
        self.candidate = match self.candidate {
            Candidate::New => Candidate::Trying,
            Candidate::Trying => Candidate::Failed,
            other => other,
        };
    }

    pub(crate) fn is_on_trial(&self) -> bool {
        self.candidate == Candidate::Trying
    }

    pub(crate) fn state(&self) -> SlotState {
        let version = |slot| FirmwareVersion::try_from(self.read(slot).0.as_str()).unwrap_or_default();
        match self.candidate {
            Candidate::None | Candidate::New => SlotState::Confirmed,
            Candidate::Trying => SlotState::OnTrial { former: version(self.confirmed) },
            Candidate::Failed => SlotState::Restored { tried: version(self.other()) },
        }
    }

    pub(crate) fn running_version(&self) -> String {
        self.read(self.running()).0
    }

    pub(crate) fn conduct(&self) -> Conduct {
        self.read(self.running()).1
    }

    /// From now on this is wrong, until the next one.
    pub(crate) fn befall(&mut self, trouble: SlotTrouble) {
        (self.trouble, self.operation_count) = (trouble, 0);
    }

    pub(crate) fn take_notes(&mut self) -> Vec<SlotNote> {
        std::mem::take(&mut self.notes)
    }

    pub(crate) fn begin(&mut self) -> Fortune {
        self.operate(|slots| {
            slots.candidate = Candidate::None;
            slots.noted = None;
            let other = slots.other();
            slots.content.get_mut(other).into_iter().for_each(Vec::clear);
        })
    }

    pub(crate) fn note_download(&mut self, download: Option<&Download>) {
        self.noted = download.cloned();
    }

    pub(crate) fn noted_download(&self) -> Option<(Download, u32)> {
        let noted = self.noted.clone()?;
        let content_bytes = self.content.get(self.other()).map(Vec::len)?;
        // The last piece may be torn.
        let piece_count = (content_bytes / IMAGE_PIECE_BYTES).saturating_sub(1);
        let written_bytes = u32::try_from(piece_count * IMAGE_PIECE_BYTES).ok()?;
        (written_bytes > 0).then_some((noted, written_bytes))
    }

    pub(crate) fn write(&mut self, offset: usize, bytes: &[u8]) -> Fortune {
        let fortune = self.operate(|slots| slots.put(offset, bytes));
        if fortune == Fortune::Dead {
            // As much of it as the power sufficed for; the rest is what a torn write leaves.
            let (written, torn) = bytes.split_at(bytes.len() / 2);
            let torn: Vec<u8> = torn.iter().map(|byte| byte | 0x5A).collect();
            self.put(offset, &[written, torn.as_slice()].concat());
        }
        fortune
    }

    pub(crate) fn read_back(&self, offset: usize, buffer: &mut [u8]) -> Fortune {
        let content = self.content.get(self.other()).map(Vec::as_slice).unwrap_or_default();
        let content = if self.is_reading_from_cache { &self.cache } else { content };
        let stored = content.get(offset..).unwrap_or_default();
        buffer.iter_mut().zip(stored).for_each(|(to, from)| *to = *from);
        Fortune::Fine
    }

    pub(crate) fn boot_on_trial(&mut self, image_bytes: usize) -> Fortune {
        self.operate(|slots| {
            let other = slots.other();
            if let Some(bytes) = slots.image_bytes.get_mut(other) {
                *bytes = image_bytes;
            }
            slots.candidate = Candidate::New;
            slots.noted = None;
            let image = slots.image(other).to_vec();
            slots.notes.push(SlotNote::Installed(image));
        })
    }

    pub(crate) fn confirm(&mut self) -> Fortune {
        self.operate(|slots| {
            if slots.candidate == Candidate::Trying {
                slots.confirmed = slots.other();
                slots.notes.push(SlotNote::Confirmed);
            }
            slots.candidate = Candidate::None;
        })
    }

    pub(crate) fn roll_back(&mut self) -> Fortune {
        self.operate(|slots| {
            slots.candidate = Candidate::Failed;
            slots.notes.push(SlotNote::RolledBack);
        })
    }

    const fn other(&self) -> usize {
        1 - self.confirmed
    }

    fn running(&self) -> usize {
        if self.is_on_trial() { self.other() } else { self.confirmed }
    }

    fn image(&self, slot: usize) -> &[u8] {
        let image_bytes = self.image_bytes.get(slot).copied().unwrap_or_default();
        self.content.get(slot).and_then(|content| content.get(..image_bytes)).unwrap_or_default()
    }

    fn put(&mut self, offset: usize, bytes: &[u8]) {
        let other = self.other();
        let mut puts = vec![(&mut self.cache, 0)];
        if let Some(content) = self.content.get_mut(other) {
            puts.push((content, u8::from(self.is_reading_from_cache)));
        }
        for (content, flaw) in puts {
            content.resize(content.len().max(offset + bytes.len()), 0xFF);
            for (to, from) in content.iter_mut().skip(offset).zip(bytes) {
                *to = *from ^ flaw;
            }
        }
    }

    fn operate(&mut self, act: impl FnOnce(&mut Self)) -> Fortune {
        let index = self.operation_count;
        self.operation_count = index.saturating_add(1);
        match self.trouble {
            SlotTrouble::Cut { operation, is_done } if operation == index => {
                if is_done {
                    act(self);
                }
                Fortune::Dead
            }
            SlotTrouble::Fails { operation } if operation == index => Fortune::Failed,
            _ => {
                act(self);
                Fortune::Fine
            }
        }
    }

    /// Version and conduct of the image in a slot.
    fn read(&self, slot: usize) -> (String, Conduct) {
        let head = self.image(slot).split(|byte| *byte == b'\n').next().unwrap_or_default();
        let text = String::from_utf8_lossy(head);
        let mut words = text.split(' ');
        let (_mark, version) = (words.next(), words.next().unwrap_or_default().to_owned());
        let conduct = match (words.next(), words.next().and_then(|digits| digits.parse().ok())) {
            (Some("deaf"), _) => Conduct::Deaf,
            (Some("mute"), _) => Conduct::Mute,
            (Some("crashes"), Some(after_ms)) => Conduct::Crashes { after_ms },
            _ => Conduct::Good,
        };
        (version, conduct)
    }
}

/// Makes an image of a firmware that behaves like this.
pub(crate) fn make_image(version: &str, conduct: Conduct, dice: &mut Dice) -> Vec<u8> {
    let (word, number) = match conduct {
        Conduct::Good => ("good", 0),
        Conduct::Deaf => ("deaf", 0),
        Conduct::Mute => ("mute", 0),
        Conduct::Crashes { after_ms } => ("crashes", after_ms),
    };
    let mut image = format!("{IMAGE_MARK} {version} {word} {number}\n").into_bytes();
    let length = usize::try_from(dice.between(1_100, 12_000)).unwrap_or(4_096);
    while image.len() < length {
        image.extend(dice.next_u64().to_le_bytes());
    }
    image
}

#[cfg(test)]
mod tests {
    use super::{Conduct, Fortune, SlotNote, SlotTrouble, Slots, make_image};
    use crate::dice::Dice;

    fn installed(conduct: Conduct) -> Slots {
        let mut slots = Slots::new();
        let image = make_image("2.0.0", conduct, &mut Dice::for_part(1, "image", 0));
        slots.begin();
        for (index, piece) in image.chunks(2048).enumerate() {
            slots.write(index * 2048, piece);
        }
        slots.boot_on_trial(image.len());
        assert_eq!(slots.take_notes(), [SlotNote::Installed(image)]);
        slots
    }

    #[test]
    fn a_new_image_has_one_boot_unless_it_is_confirmed() {
        let mut slots = installed(Conduct::Crashes { after_ms: 700 });
        assert_eq!(slots.running_version(), "1.0.0", "before the restart");
        slots.boot();
        assert_eq!(slots.running_version(), "2.0.0");
        assert_eq!(slots.conduct(), Conduct::Crashes { after_ms: 700 });
        slots.boot();
        assert_eq!((slots.running_version().as_str(), slots.conduct()), ("1.0.0", Conduct::Good));

        let mut slots = installed(Conduct::Good);
        slots.boot();
        slots.confirm();
        slots.boot();
        assert_eq!(slots.running_version(), "2.0.0");
    }

    #[test]
    fn a_cut_comes_at_its_operation_and_tears_a_piece() {
        let mut slots = Slots::new();
        slots.befall(SlotTrouble::Cut { operation: 1, is_done: false });
        assert_eq!(slots.begin(), Fortune::Fine);
        assert_eq!(slots.write(0, &[0; 8]), Fortune::Dead);
        let mut stored = [0xFF; 8];
        slots.read_back(0, &mut stored);
        assert_eq!(stored, [0, 0, 0, 0, 0x5A, 0x5A, 0x5A, 0x5A]);
        assert_eq!(slots.write(0, &[0; 8]), Fortune::Fine, "it comes once");
    }
}
