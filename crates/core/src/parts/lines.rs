//! Rows told by what the rows before them had: names stand where they stood, and a value often begins as its column's
//! last one did. Knows no columns, only their numbers.

use super::seen::{MIN_SEARCHED, Seen};
use crate::frame::{Frame, MAX_REPEAT, MIN_REPEAT, WINDOW};
use crate::ident::HexId;
use crate::row::{HEAD, Pieces, Roomy};

/// Most bytes of a value that later ones are held against.
const KEPT_BYTES: usize = 512;
/// Where nothing stood yet: further back than any repeat may lie.
const NOWHERE: i64 = -(WINDOW as i64) - 1;

/// After so many values that were like none before, only some of a column's values are looked at.
const DULL: u32 = 32;
/// About how many are not, and how many then are, of which the first has none before it.
const LEFT_OUT: u32 = 60;
const LOOKED_AT: u32 = 4;

/// Values of a column that are kept, and how many may be missed before there are too many to be kept.
const FEW_BITS: u32 = 6;
const MOST_MISSED: u32 = 64;

/// Lines of one file.
#[derive(Debug, Default)]
pub(super) struct Lines {
    frame: Frame,
    columns: Vec<Column>,
    fixed: Vec<Place>,
    seen: Seen,
    /// A quote is still to come: it stands before the next key.
    has_quote: bool,
}

/// Where a text stood last: alone, and behind a quote.
#[derive(Debug, Clone, Copy)]
struct Place([i64; 2]);

/// What a column had last.
#[derive(Debug)]
struct Column {
    key: Place,
    /// Of the last value that was held against one before it: where it stood, its length and its first bytes; those
    /// behind them and the rest, which are an older one's if it has not so many.
    at: i64,
    len: usize,
    head: u128,
    next: u128,
    rest: Vec<u8>,
    /// Values in a row that were like none before.
    dull: u32,
    few: Few,
}

/// Short values of a column that has few: each stood somewhere, behind its key.
#[derive(Debug)]
struct Few {
    values: [Short; 1 << FEW_BITS],
    /// How many more values were none of them than were.
    missed: u32,
}

/// A value of at most `HEAD` bytes, and where its key stood, with a quote before it or without.
#[derive(Debug, Clone, Copy)]
struct Short {
    head: u128,
    at: i64,
    len: u32,
    quoted: bool,
}

impl Default for Few {
    fn default() -> Self {
        let none = Short { head: 0, at: NOWHERE, len: 0, quoted: false };
        Self { values: [none; 1 << FEW_BITS], missed: 0 }
    }
}

impl Lines {
    /// Plain bytes so far.
    pub fn len(&self) -> usize {
        self.frame.len()
    }

    /// The file, if there is a line in it: what comes next begins another one.
    pub fn finish(&mut self) -> Option<Vec<u8>> {
        self.columns.clear();
        self.fixed.clear();
        self.seen.forget();
        self.frame.finish()
    }

    /// Tells a key, which has at least `MIN_REPEAT` bytes: two quotes, a colon and what stands before and between them.
    #[inline]
    fn key(frame: &mut Frame, quoted: bool, place: &mut Place, key: &str) {
        let (here, len) = (frame.len() as i64, key.len() + usize::from(quoted));
        let distance = (here - std::mem::replace(&mut place.0[usize::from(quoted)], here)) as usize;
        debug_assert!(len >= MIN_REPEAT);
        if distance <= WINDOW && len <= MAX_REPEAT {
            return frame.again(distance, len);
        }
        if quoted {
            frame.literal(b"\"");
        }
        frame.literal(key.as_bytes());
    }

    #[cold]
    fn new_column(&mut self, number: usize, key: &str, value: Roomy<'_>) {
        self.columns.resize_with(number + 1, Column::default);
        self.column(number, key, value);
    }

    #[inline]
    fn column(&mut self, number: usize, key: &str, value: Roomy<'_>) {
        let Some(column) = self.columns.get_mut(number) else { return self.new_column(number, key, value) };
        let quoted = std::mem::take(&mut self.has_quote);
        if column.few.missed < MOST_MISSED && column.again(&mut self.frame, quoted, key, value) {
            return;
        }
        Self::key(&mut self.frame, quoted, &mut column.key, key);
        let same = if column.is_dull() { 0 } else { column.same(&mut self.frame, value) };
        if value.len() - same >= MIN_SEARCHED {
            self.seen.tell(&mut self.frame, value.as_bytes().get(same..).unwrap_or_default());
        } else {
            self.frame.literal_text(value, same);
        }
    }
}

impl Place {
    const NOWHERE: Self = Self([NOWHERE; 2]);
}

impl Default for Column {
    fn default() -> Self {
        let (key, few) = (Place::NOWHERE, Few::default());
        Self { key, at: NOWHERE, len: 0, head: 0, next: 0, rest: Vec::new(), dull: 0, few }
    }
}

impl Column {
    /// Tells key and value at once if they stood somewhere.
    #[inline]
    fn again(&mut self, frame: &mut Frame, quoted: bool, key: &str, value: Roomy<'_>) -> bool {
        if value.len() > HEAD {
            return false;
        }
        let (here, head, len) = (frame.len() as i64, value.head(), value.len() as u32);
        let last = std::mem::replace(&mut self.few.values[slot(head)], Short { head, at: here, len, quoted });
        let distance = (here - last.at) as usize;
        if last.head != head || last.len != len || last.quoted != quoted || distance > WINDOW {
            self.few.missed += 1;
            return false;
        }
        self.few.missed = self.few.missed.saturating_sub(1);
        self.key.0[usize::from(quoted)] = here;
        frame.again(distance, usize::from(quoted) + key.len() + value.len());
        true
    }

    /// Whether this value is not worth a look.
    #[inline]
    fn is_dull(&mut self) -> bool {
        if self.dull < DULL {
            return false;
        }
        self.dull += 1;
        if self.dull > DULL + LEFT_OUT {
            self.dull = DULL - LOOKED_AT;
            self.at = NOWHERE;
        }
        true
    }

    /// Tells what a value begins with if it is the last one's beginning; how many bytes these are.
    #[inline]
    fn same(&mut self, frame: &mut Frame, value: Roomy<'_>) -> usize {
        let (here, head) = (frame.len() as i64, value.head());
        let differ = head ^ std::mem::replace(&mut self.head, head);
        let mut same = differ.trailing_zeros() as usize / 8;
        if value.len() > HEAD {
            let next = value.sixteen(HEAD);
            let differ = next ^ std::mem::replace(&mut self.next, next);
            if same == HEAD {
                same += differ.trailing_zeros() as usize / 8;
            }
            if value.len() > 2 * HEAD {
                same += self.same_behind(value, same == 2 * HEAD);
            }
        }
        // What stands behind a shorter last value is an older one's: its length cuts that off.
        let same = same.min(value.len()).min(self.len);
        self.len = value.len();
        let distance = (here - std::mem::replace(&mut self.at, here)) as usize;
        self.dull = if same >= MIN_REPEAT || same == value.len() { 0 } else { self.dull + 1 };
        if distance <= WINDOW && (same >= MIN_REPEAT || same > 0 && frame.goes_on(distance)) {
            frame.again(distance, same);
            return same;
        }
        0
    }

    /// The same of what stands behind the first bytes, if these are the same.
    fn same_behind(&mut self, value: Roomy<'_>, is_same: bool) -> usize {
        let behind = value.as_bytes().get(2 * HEAD..value.len().min(KEPT_BYTES)).unwrap_or_default();
        let more = if is_same { common(&self.rest, behind) } else { 0 };
        self.rest.truncate(more);
        self.rest.extend_from_slice(behind.get(more..).unwrap_or_default());
        more
    }
}

impl Pieces for Lines {
    #[inline]
    fn text(&mut self, column: usize, key: &str, value: Roomy<'_>) {
        self.column(column, key, value);
        self.has_quote = true;
    }

    #[inline]
    fn json(&mut self, column: usize, key: &str, value: Roomy<'_>) {
        self.column(column, key, value);
    }

    #[inline]
    fn hash(&mut self, number: usize, key: &str, hash: &HexId) {
        self.fixed(number, key);
        self.frame.literal_bytes(hash.as_bytes());
        self.has_quote = true;
    }

    #[inline]
    fn fixed(&mut self, number: usize, text: &str) {
        if self.fixed.len() <= number {
            self.fixed.resize(number + 1, Place::NOWHERE);
        }
        let quoted = std::mem::take(&mut self.has_quote);
        if let Some(place) = self.fixed.get_mut(number) {
            Self::key(&mut self.frame, quoted, place, text);
        }
    }
}

/// Where among few values one is kept.
#[inline]
fn slot(head: u128) -> usize {
    let folded = head as u64 ^ (head >> 64) as u64;
    (folded.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - FEW_BITS)) as usize
}

/// How many bytes two texts begin with alike.
#[inline]
pub(super) fn common(a: &[u8], b: &[u8]) -> usize {
    let mut same = 0;
    for (a, b) in a.chunks_exact(8).zip(b.chunks_exact(8)) {
        let (Some(a), Some(b)) = (a.first_chunk::<8>(), b.first_chunk::<8>()) else { break };
        let differ = u64::from_le_bytes(*a) ^ u64::from_le_bytes(*b);
        if differ != 0 {
            return same + differ.trailing_zeros() as usize / 8;
        }
        same += 8;
    }
    same + a.iter().zip(b).skip(same).take_while(|(a, b)| a == b).count()
}
