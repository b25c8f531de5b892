//! The page headers of a column chunk, looked at before anything is unpacked: what a page says that it unpacks to
//! decides how much memory its reading takes. Reads no values.

/// What the pages of a chunk may say.
#[derive(Debug, Clone, Copy)]
pub(super) struct PageLimits {
    pub bytes: usize,
    /// Values of a page of a repeated column: a record holds all of its own at once.
    pub values: Option<i64>,
}

/// Why a chunk is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PageFault {
    Invalid,
    TooLarge,
}

/// Walks a chunk's pages.
pub(super) fn check(chunk: &[u8], limits: PageLimits) -> Result<(), PageFault> {
    let mut compact = Compact(chunk);
    while !compact.0.is_empty() {
        let mut page = Page::default();
        compact
            .strukt(0, &mut |path, value| match path {
                [2] => page.unpacked = value,
                [3] => page.packed = value,
                // Data pages of both versions, and dictionaries.
                [5 | 7 | 8, 1] => page.values = value,
                _ => {}
            })
            .ok_or(PageFault::Invalid)?;
        let packed = usize::try_from(page.packed).map_err(|_| PageFault::Invalid)?;
        let unpacked = usize::try_from(page.unpacked).map_err(|_| PageFault::Invalid)?;
        let too_many = limits.values.is_some_and(|most| page.values > most);
        if unpacked > limits.bytes || packed > limits.bytes || too_many {
            return Err(PageFault::TooLarge);
        }
        compact.take(packed).ok_or(PageFault::Invalid)?;
    }
    Ok(())
}

#[derive(Default)]
struct Page {
    unpacked: i64,
    packed: i64,
    values: i64,
}

/// Thrift's compact protocol, as far as numbers are told by the ids of their fields.
struct Compact<'a>(&'a [u8]);

const MAX_DEPTH: usize = 8;

impl<'a> Compact<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn varint(&mut self) -> Option<u64> {
        let mut bits = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            bits |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(bits);
            }
        }
        None
    }

    fn number(&mut self) -> Option<i64> {
        let bits = self.varint()?;
        Some((bits >> 1) as i64 ^ -((bits & 1) as i64))
    }

    fn strukt(&mut self, depth: usize, tell: &mut dyn FnMut(&[i64], i64)) -> Option<()> {
        self.fields(&mut Vec::new(), depth, tell)
    }

    fn fields(&mut self, path: &mut Vec<i64>, depth: usize, tell: &mut dyn FnMut(&[i64], i64)) -> Option<()> {
        if depth > MAX_DEPTH {
            return None;
        }
        let mut id = 0i64;
        loop {
            let head = self.byte()?;
            if head == 0 {
                return Some(());
            }
            let delta = i64::from(head >> 4);
            id = if delta == 0 { self.number()? } else { id.checked_add(delta)? };
            path.push(id);
            self.value(head & 15, path, depth, tell)?;
            path.pop();
        }
    }

    fn value(
        &mut self,
        kind: u8,
        path: &mut Vec<i64>,
        depth: usize,
        tell: &mut dyn FnMut(&[i64], i64),
    ) -> Option<()> {
        match kind {
            1 | 2 => {}
            3 => {
                self.byte()?;
            }
            4..=6 => {
                let number = self.number()?;
                tell(path, number);
            }
            7 => {
                self.take(8)?;
            }
            8 => {
                let len = usize::try_from(self.varint()?).ok()?;
                self.take(len)?;
            }
            12 => self.fields(path, depth + 1, tell)?,
            // Page headers have neither lists nor maps.
            _ => return None,
        }
        Some(())
    }
}
