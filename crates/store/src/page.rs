//! Pages of a list.

use crate::StorageError;

/// 50 items when the caller names no limit.
pub const PAGE_ITEMS_DEFAULT: u16 = 50;

/// 500 items at most, so that one request cannot hold a reader for long.
pub const PAGE_ITEMS_MAX: u16 = 500;

/// Which page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// How many items; brought into 1..=[`PAGE_ITEMS_MAX`].
    pub limit: u16,
    /// `next_cursor` of the page before; none for the first.
    pub cursor: Option<String>,
}

impl Default for Page {
    fn default() -> Self {
        Self { limit: PAGE_ITEMS_DEFAULT, cursor: None }
    }
}

/// One page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed<T> {
    /// The items, in the order of the list.
    pub items: Vec<T>,
    /// Cursor of the next page; none at the end.
    pub next_cursor: Option<String>,
}

/// Why a page could not be read.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ListError {
    /// The cursor is not one of ours.
    #[error("the cursor is not valid; start again without one")]
    BadCursor,
    /// Storage failed.
    #[error("reading the list failed")]
    Storage(#[from] StorageError),
}

impl From<rusqlite::Error> for ListError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Storage(error.into())
    }
}

/// Lists that grow at the end are read upwards, logs downwards.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    OldestFirst,
    NewestFirst,
}

/// A page request as the two numbers that a query needs.
pub(crate) struct Window {
    /// The row after which (or before which) the page starts; exclusive.
    pub(crate) after: i64,
    /// One more than the page holds, to learn whether there is a next one.
    pub(crate) rows: i64,
    limit: usize,
}

impl Page {
    pub(crate) fn window(&self, order: Order) -> Result<Window, ListError> {
        let after = match (&self.cursor, order) {
            (None, Order::OldestFirst) => 0,
            (None, Order::NewestFirst) => i64::MAX,
            (Some(cursor), _) => {
                let number = cursor.strip_prefix('c').and_then(|digits| digits.parse::<i64>().ok());
                number.filter(|seq| *seq > 0).ok_or(ListError::BadCursor)?
            }
        };
        let limit = self.limit.clamp(1, PAGE_ITEMS_MAX);
        Ok(Window { after, rows: i64::from(limit) + 1, limit: usize::from(limit) })
    }
}

impl Window {
    /// Cuts rows with their sequence numbers to the page.
    pub(crate) fn page<T>(&self, mut rows: Vec<(i64, T)>) -> Listed<T> {
        let has_more = rows.len() > self.limit;
        rows.truncate(self.limit);
        let next_cursor = if has_more { rows.last().map(|(seq, _)| format!("c{seq}")) } else { None };
        Listed { items: rows.into_iter().map(|(_, item)| item).collect(), next_cursor }
    }
}
