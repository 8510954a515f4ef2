//! The journal: small facts that change often, appended as complete records so that wear is spread and every record is
//! all-or-nothing.
//!
//! The valid record with the greatest sequence number holds. A sector is erased only when the newest record lies in
//! another one.

use embedded_storage_async::nor_flash::NorFlash;

use crate::access::{self, CELL_BYTES, FlashFault, usize_to_u32};
use crate::layout::{StoreLayout, sector_bytes};
use crate::slots::{close_cell, open_cell};

const RECORD_MAGIC: [u8; 4] = *b"rhJ1";
const RECORD_VERSION: u8 = 1;
const RECORD_BYTES: u32 = usize_to_u32(CELL_BYTES);

/// Number of the first record. After the last number the journal begins anew with this one: flash wears out long before
/// so many records are written, so such a number is damage or forgery, and must not keep a wipe from being recorded.
const SEQUENCE_FIRST: u32 = 1;

const WIPE_IS_PENDING: u8 = 1 << 0;
const HAS_LAST_ERROR: u8 = 1 << 1;

/// Number of the ownership: grows by one with each wipe and never goes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u32);

/// Everything a record says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) epoch: Epoch,
    pub(crate) boot_count: u32,
    pub(crate) gesture_count: u8,
    pub(crate) last_error: Option<u16>,
    /// Position in the stored home of the network over which the cloud was reached last.
    pub(crate) last_network: Option<u8>,
    /// A wipe has begun and is not known to be finished; its epoch is already counted in `epoch`.
    pub(crate) is_wipe_pending: bool,
    /// No home of this generation or an earlier one exists any more, or it is what a pending wipe erases.
    pub(crate) wiped_generation: u32,
}

/// A record could not be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AppendRecordError {
    /// The flash driver failed.
    #[error("the journal could not be accessed")]
    Flash {
        /// The driver's failure.
        #[source]
        source: FlashFault,
    },
    /// What was read back is not what was written.
    #[error("the record at {offset:#x} did not read back as written")]
    NotVerified {
        /// Where the record was written.
        offset: u32,
    },
    /// A newer firmware wrote the journal. It is left as it is.
    #[error("the journal has version {found}, this firmware reads up to {RECORD_VERSION}")]
    NewerVersion {
        /// The version byte.
        found: u8,
    },
}

impl From<FlashFault> for AppendRecordError {
    fn from(source: FlashFault) -> Self {
        Self::Flash { source }
    }
}

/// Where the next record goes.
#[derive(Clone, Copy, Debug)]
struct Cursor {
    sector_index: u32,
    /// Equal to the cells of a sector when it is full.
    cell_index: u32,
}

impl Cursor {
    const fn after(self) -> Self {
        Self { cell_index: self.cell_index.saturating_add(1), ..self }
    }

    const fn after_last_cell<F: NorFlash>(self) -> Self {
        Self { cell_index: Journal::cells_per_sector::<F>(), ..self }
    }
}

#[derive(Debug)]
pub(crate) struct Journal {
    layout: StoreLayout,
    facts: Facts,
    sequence: u32,
    cursor: Option<Cursor>,
    /// Set while a write is under way: after a failure or a dropped future the flash has to be read again, because
    /// nobody knows whether the record is there.
    is_stale: bool,
}

impl Journal {
    /// A journal that was not read yet: [`Self::refresh`] does that.
    pub(crate) fn new(layout: StoreLayout) -> Self {
        Self { layout, facts: Facts::default(), sequence: 0, cursor: None, is_stale: true }
    }

    /// Whether the flash holds a record, so that this is not somebody else's flash.
    pub(crate) const fn is_begun(&self) -> bool {
        self.cursor.is_some()
    }

    pub(crate) fn facts(&self) -> Facts {
        self.facts
    }

    /// Takes over an epoch that a stored home proves, in case the journal lost its newest records.
    pub(crate) fn raise_epoch(&mut self, floor: Epoch) {
        self.facts.epoch = self.facts.epoch.max(floor);
    }

    /// Reads the journal, or reads it again if the last write did not come back. Without any valid record the facts are
    /// those of a new device.
    pub(crate) async fn refresh<F: NorFlash>(&mut self, flash: &mut F) -> Result<(), AppendRecordError> {
        if !self.is_stale {
            return Ok(());
        }
        // A floor learned from a home stays: the flash may know less.
        let epoch_floor = self.facts.epoch;
        let newest = self.find_newest(flash).await?;
        if let Some((record, cursor)) = newest {
            self.facts = record.facts;
            self.sequence = record.sequence;
            self.cursor = Some(self.skip_written(flash, cursor).await?);
        } else {
            self.facts = Facts::default();
            self.sequence = 0;
            self.cursor = None;
        }
        self.raise_epoch(epoch_floor);
        self.is_stale = false;
        Ok(())
    }

    /// Changes facts durably: when this returns `Ok`, they survive a power cut. No change costs no write.
    pub(crate) async fn update<F: NorFlash>(
        &mut self,
        flash: &mut F,
        change: impl FnOnce(&mut Facts),
    ) -> Result<(), AppendRecordError> {
        self.refresh(flash).await?;
        let mut facts = self.facts;
        change(&mut facts);
        if facts == self.facts { Ok(()) } else { self.append(flash, facts).await }
    }

    async fn append<F: NorFlash>(&mut self, flash: &mut F, facts: Facts) -> Result<(), AppendRecordError> {
        self.is_stale = true;
        let next_sequence = self.sequence.checked_add(1);
        let record = Record { sequence: next_sequence.unwrap_or(SEQUENCE_FIRST), facts };
        let cell = record.to_cell();
        let in_full_sector = Cursor::after_last_cell::<F>;
        let end = if next_sequence.is_some() { self.cursor } else { self.cursor.map(in_full_sector) };
        let mut cursor = self.free_cell(flash, end).await?;
        if access::write(flash, self.cell_offset::<F>(cursor), &cell).await.is_err() {
            // A write that was cut before its first bit leaves a cell that reads as erased. Flash with error correction
            // refuses to write it again, and would do so for ever.
            cursor = self.free_cell(flash, Some(cursor.after())).await?;
            access::write(flash, self.cell_offset::<F>(cursor), &cell).await?;
        }
        let offset = self.cell_offset::<F>(cursor);
        self.cursor = Some(cursor.after());
        if access::read_cell(flash, offset).await? != cell {
            return Err(AppendRecordError::NotVerified { offset });
        }
        if next_sequence.is_none() {
            self.erase_other_sectors(flash, cursor).await?;
        }
        self.facts = facts;
        self.sequence = record.sequence;
        self.is_stale = false;
        Ok(())
    }

    /// Returns the cell at the cursor, or the first one of the next sector where this one is full.
    async fn free_cell<F: NorFlash>(
        &self,
        flash: &mut F,
        cursor: Option<Cursor>,
    ) -> Result<Cursor, FlashFault> {
        match cursor {
            Some(cursor) if cursor.cell_index < Self::cells_per_sector::<F>() => Ok(cursor),
            full_or_none => self.begin_next_sector(flash, full_or_none).await,
        }
    }

    /// Always erases, even a sector that reads as erased: after a power cut it may be only half erased.
    async fn begin_next_sector<F: NorFlash>(
        &self,
        flash: &mut F,
        current: Option<Cursor>,
    ) -> Result<Cursor, FlashFault> {
        let next_index = current.map_or(0, |cursor| cursor.sector_index.saturating_add(1));
        let sector_index = if next_index < self.layout.journal_sector_count { next_index } else { 0 };
        let cursor = Cursor { sector_index, cell_index: 0 };
        access::erase(flash, self.cell_offset::<F>(cursor), sector_bytes::<F>()).await?;
        Ok(cursor)
    }

    /// Makes the only record in a sector count, although its number is lower. Until the former newest one, which is in the
    /// sector before, is gone as the last of all, the earlier facts hold.
    async fn erase_other_sectors<F: NorFlash>(&self, flash: &mut F, kept: Cursor) -> Result<(), FlashFault> {
        let sector_count = self.layout.journal_sector_count;
        let after = kept.sector_index.saturating_add(1)..sector_count;
        for sector_index in after.chain(0..kept.sector_index) {
            access::erase(
                flash,
                self.cell_offset::<F>(Cursor { sector_index, cell_index: 0 }),
                sector_bytes::<F>(),
            )
            .await?;
        }
        Ok(())
    }

    /// Returns the newest record and the cell after it.
    async fn find_newest<F: NorFlash>(
        &self,
        flash: &mut F,
    ) -> Result<Option<(Record, Cursor)>, AppendRecordError> {
        let mut newest: Option<(Parsed, Cursor)> = None;
        for sector_index in 0..self.layout.journal_sector_count {
            for cell_index in 0..Self::cells_per_sector::<F>() {
                let offset = self.cell_offset::<F>(Cursor { sector_index, cell_index });
                let Some(parsed) = Parsed::from_cell(&access::read_cell(flash, offset).await?) else {
                    continue;
                };
                if newest.is_none_or(|(known, _)| parsed.sequence() > known.sequence()) {
                    newest =
                        Some((parsed, Cursor { sector_index, cell_index: cell_index.saturating_add(1) }));
                }
            }
        }
        match newest {
            None => Ok(None),
            Some((Parsed::Record(record), cursor)) => Ok(Some((record, cursor))),
            Some((Parsed::Newer { version, .. }, _)) => {
                Err(AppendRecordError::NewerVersion { found: version })
            }
        }
    }

    /// Moves past everything in the sector that is not erased: torn records must not be written over.
    async fn skip_written<F: NorFlash>(&self, flash: &mut F, cursor: Cursor) -> Result<Cursor, FlashFault> {
        let mut free = cursor;
        for cell_index in cursor.cell_index..Self::cells_per_sector::<F>() {
            let cell =
                access::read_cell(flash, self.cell_offset::<F>(Cursor { cell_index, ..cursor })).await?;
            if !access::is_erased(&cell) {
                free.cell_index = cell_index.saturating_add(1);
            }
        }
        Ok(free)
    }

    fn cell_offset<F: NorFlash>(&self, cursor: Cursor) -> u32 {
        let sector =
            self.layout.offset.saturating_add(cursor.sector_index.saturating_mul(sector_bytes::<F>()));
        sector.saturating_add(cursor.cell_index.saturating_mul(RECORD_BYTES))
    }

    const fn cells_per_sector<F: NorFlash>() -> u32 {
        sector_bytes::<F>() / RECORD_BYTES
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Record {
    sequence: u32,
    facts: Facts,
}

impl Record {
    fn to_cell(self) -> [u8; CELL_BYTES] {
        let facts = self.facts;
        let mut flags = 0;
        if facts.is_wipe_pending {
            flags |= WIPE_IS_PENDING;
        }
        if facts.last_error.is_some() {
            flags |= HAS_LAST_ERROR;
        }
        let [a, b, c, d] = RECORD_MAGIC;
        let [s0, s1, s2, s3] = self.sequence.to_le_bytes();
        let [e0, e1, e2, e3] = facts.epoch.0.to_le_bytes();
        let [b0, b1, b2, b3] = facts.boot_count.to_le_bytes();
        let [w0, w1, w2, w3] = facts.wiped_generation.to_le_bytes();
        let [l0, l1] = facts.last_error.unwrap_or(0).to_le_bytes();
        let gestures = facts.gesture_count;
        // 0 is none: firmware that knew no such fact wrote it.
        let last_network = facts.last_network.map_or(0, |position| position.saturating_add(1));
        close_cell(&[
            a,
            b,
            c,
            d,
            RECORD_VERSION,
            flags,
            gestures,
            last_network,
            s0,
            s1,
            s2,
            s3,
            e0,
            e1,
            e2,
            e3,
            b0,
            b1,
            b2,
            b3,
            w0,
            w1,
            w2,
            w3,
            l0,
            l1,
            0,
            0,
        ])
    }
}

#[derive(Clone, Copy)]
enum Parsed {
    Record(Record),
    /// Written by a newer firmware: magic, version, sequence number and checksum keep their places.
    Newer {
        version: u8,
        sequence: u32,
    },
}

impl Parsed {
    fn sequence(&self) -> u32 {
        match self {
            Self::Record(record) => record.sequence,
            Self::Newer { sequence, .. } => *sequence,
        }
    }

    fn from_cell(cell: &[u8; CELL_BYTES]) -> Option<Self> {
        let body = open_cell(cell, RECORD_MAGIC)?;
        let mut words = body.as_chunks::<4>().0.iter().skip(1).copied();
        let [version, flags, gesture_count, last_network] = words.next()?;
        let mut next_u32 = || words.next().map(u32::from_le_bytes);
        let sequence = next_u32()?;
        if version > RECORD_VERSION {
            return Some(Self::Newer { version, sequence });
        }
        let (epoch, boot_count, wiped_generation) = (next_u32()?, next_u32()?, next_u32()?);
        let [low, high, ..] = words.next()?;
        let last_error = (flags & HAS_LAST_ERROR != 0).then_some(u16::from_le_bytes([low, high]));
        let facts = Facts {
            epoch: Epoch(epoch),
            boot_count,
            gesture_count,
            last_error,
            last_network: last_network.checked_sub(1),
            is_wipe_pending: flags & WIPE_IS_PENDING != 0,
            wiped_generation,
        };
        Some(Self::Record(Record { sequence, facts }))
    }
}
