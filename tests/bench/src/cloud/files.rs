//! Objects of the cloud: bytes that are held, or a head and a block that is repeated, as many bytes as one likes. Knows
//! no HTTP.

use std::convert::Infallible;

use axum::body::Bytes;
use futures_util::stream::{self, Stream};

/// As S3's answers come.
const PIECE_BYTES: u64 = 256 << 10;

/// An object.
#[derive(Debug, Clone)]
pub struct File {
    head: Bytes,
    block: Bytes,
    /// Size.
    pub bytes: u64,
}

impl File {
    /// Held as it is.
    pub fn of(bytes: Bytes) -> Self {
        Self { bytes: bytes.len() as u64, head: bytes, block: Bytes::new() }
    }

    /// Only its size is told.
    pub fn of_size(bytes: u64) -> Self {
        Self { head: Bytes::new(), block: Bytes::new(), bytes }
    }

    /// A head, and a block so often that it has at least so many bytes.
    pub fn repeated(head: Bytes, block: Bytes, at_least: u64) -> Self {
        let times = at_least.saturating_sub(head.len() as u64).div_ceil((block.len() as u64).max(1));
        let bytes = head.len() as u64 + times * block.len() as u64;
        Self { head, block, bytes }
    }

    /// Size of the block that is repeated.
    pub fn block_bytes(&self) -> u64 {
        self.block.len() as u64
    }

    /// What of it is held as it is.
    pub fn held(&self) -> &[u8] {
        &self.head
    }

    /// Its bytes of a range, piece by piece.
    pub fn read(&self, from: u64, to: u64) -> impl Stream<Item = Result<Bytes, Infallible>> + use<> {
        let file = self.clone();
        let next = move |at: u64| {
            let piece = file.piece(at, to.min(at + PIECE_BYTES));
            async move { (!piece.is_empty()).then(|| (Ok(piece.clone()), at + piece.len() as u64)) }
        };
        stream::unfold(from, next)
    }

    /// What stands there, up to the end of the head or of a block; empty at the end.
    fn piece(&self, at: u64, to: u64) -> Bytes {
        let head = self.head.len() as u64;
        let (own, start) = match at < head {
            true => (&self.head, at),
            false if self.block.is_empty() => return Bytes::new(),
            false => (&self.block, (at - head) % self.block.len() as u64),
        };
        let end = (own.len() as u64).min(start + to.saturating_sub(at));
        own.slice(start as usize..end as usize)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt as _;

    use super::*;

    #[tokio::test]
    async fn any_range_of_a_repeated_file_is_that_of_the_whole() {
        let file = File::repeated(Bytes::from("head,"), Bytes::from("0123456789"), 28);
        let whole = b"head,012345678901234567890123456789";
        assert_eq!(file.bytes, whole.len() as u64);
        for from in 0..whole.len() {
            for to in from..=whole.len() {
                let pieces: Vec<_> = file.read(from as u64, to as u64).collect().await;
                let found: Vec<u8> = pieces.into_iter().flat_map(Result::unwrap).collect();
                assert_eq!(found, whole[from..to]);
            }
        }
    }
}
