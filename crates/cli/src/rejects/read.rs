//! The lines of a quarantine object, packed or plain, as a stream: neither a long line nor what unpacks without end
//! is held in memory. Knows no contract.

use aws_sdk_s3::primitives::ByteStream;
use penstock_core::contract::Compression;
use penstock_core::decode::{Inflate, Limits};

/// Longest line: a megabyte of record takes six when every byte is escaped, and its rules come on top.
const MAX_LINE_BYTES: usize = 16 << 20;
/// A part has at most 8 MiB of records; many short ones can take far more with their rules, and pack well.
const FREE_BYTES: u64 = 512 << 20;

fn limits() -> Limits {
    Limits { max_record_bytes: MAX_LINE_BYTES, free_bytes: FREE_BYTES, ..Limits::default() }
}

/// An object's lines.
#[derive(Debug)]
pub struct Lines {
    body: ByteStream,
    /// None once the end was reached, or a fault that ends it.
    inflate: Option<Inflate>,
    /// Told when the lines before it are read.
    fault: Option<String>,
    packed: Vec<u8>,
    taken: usize,
    plain: Vec<u8>,
    /// Where no line end is, from the beginning of `plain`.
    searched: usize,
}

impl Lines {
    /// Lines of a body.
    pub fn new(body: ByteStream) -> Self {
        Self {
            body,
            inflate: Some(Inflate::new(Compression::Auto, limits())),
            fault: None,
            packed: Vec::new(),
            taken: 0,
            plain: Vec::new(),
            searched: 0,
        }
    }

    /// The next line without its end; none after the last one. An error tells why nothing more can be read.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, String> {
        loop {
            let unseen = self.plain.get(self.searched..).unwrap_or_default();
            if let Some(at) = unseen.iter().position(|byte| *byte == b'\n') {
                let rest = self.plain.split_off(self.searched + at + 1);
                let mut line = std::mem::replace(&mut self.plain, rest);
                self.searched = 0;
                line.pop();
                return Ok(Some(line));
            }
            self.searched = self.plain.len();
            if self.searched > MAX_LINE_BYTES {
                return Err(format!("a line is longer than {MAX_LINE_BYTES} bytes"));
            }
            if self.inflate.is_some() {
                if let Err(fault) = self.fill().await {
                    (self.inflate, self.fault) = (None, Some(fault));
                }
            } else if let Some(fault) = self.fault.take() {
                self.plain.clear();
                self.searched = 0;
                return Err(fault);
            } else {
                let last = std::mem::take(&mut self.plain);
                self.searched = 0;
                return Ok((!last.is_empty()).then_some(last));
            }
        }
    }

    /// Unpacks some bytes more.
    async fn fill(&mut self) -> Result<(), String> {
        if self.taken >= self.packed.len() {
            let piece = self.body.try_next().await.map_err(|error| format!("broke off: {error}"))?;
            (self.packed, self.taken) = (piece.as_deref().unwrap_or_default().to_vec(), 0);
            if piece.is_none() {
                let inflate = self.inflate.take();
                let ended = inflate.map(|own| own.finish(&mut |plain| self.plain.extend_from_slice(plain)));
                return ended.unwrap_or(Ok(())).map_err(|broken| broken.reason);
            }
        }
        let packed = self.packed.get(self.taken..).unwrap_or_default();
        if let (Some(inflate), false) = (&mut self.inflate, packed.is_empty()) {
            let taken = inflate.step(packed, &mut |plain| self.plain.extend_from_slice(plain));
            self.taken += taken.map_err(|broken| broken.reason)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    async fn read(bytes: Vec<u8>) -> (Vec<Vec<u8>>, Option<String>) {
        let (mut lines, mut found) = (Lines::new(ByteStream::from(bytes)), Vec::new());
        loop {
            match lines.next().await {
                Ok(Some(line)) => found.push(line),
                Ok(None) => return (found, None),
                Err(error) => return (found, Some(error)),
            }
        }
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[tokio::test]
    async fn packed_and_plain_lines_are_the_same() {
        let text: String = (0..50_000).map(|n| format!("{{\"n\":{n}}}\n")).collect();
        let expected: Vec<_> = text.lines().map(|line| line.as_bytes().to_vec()).collect();
        for bytes in [text.clone().into_bytes(), gzip(text.as_bytes()), gzip(text.trim_end().as_bytes())] {
            assert_eq!(read(bytes).await, (expected.clone(), None));
        }
        assert_eq!(read(Vec::new()).await, (Vec::new(), None));
        assert_eq!(read(b"a".to_vec()).await, (vec![b"a".to_vec()], None));
    }

    #[tokio::test]
    async fn a_part_that_breaks_off_still_gives_the_lines_before() {
        let packed = gzip("one\ntwo\n".as_bytes());
        let (lines, error) = read(packed[..packed.len() - 4].to_vec()).await;
        assert_eq!(lines, [b"one", b"two"]);
        assert!(error.unwrap().contains("breaks off"));
    }

    #[tokio::test]
    async fn a_line_without_end_is_not_held_in_memory() {
        let (lines, error) = read(gzip(&vec![b'x'; 64 << 20])).await;
        assert!(lines.is_empty() && error.unwrap().contains("longer than"));
    }
}
