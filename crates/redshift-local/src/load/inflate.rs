//! Takes the packing off an object, piece by piece. Knows neither where it comes from nor what it holds.

use std::io::{self, Write};

use zstd::stream::raw::{Decoder, InBuffer, Operation, OutBuffer};

use crate::sql::Compression;

/// What zstd gives out at a time.
const ZSTD_PIECE_BYTES: usize = 128 * 1024;

/// Packed bytes go in, plain ones come out.
#[derive(Debug)]
pub struct Inflate {
    packing: Packing,
    is_untouched: bool,
}

enum Packing {
    None(Vec<u8>),
    Gzip(Box<flate2::write::MultiGzDecoder<Vec<u8>>>),
    Zstd(Box<Zstd>),
}

impl std::fmt::Debug for Packing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None(_) => "None",
            Self::Gzip(_) => "Gzip",
            Self::Zstd(_) => "Zstd",
        })
    }
}

impl Inflate {
    /// For one object.
    pub fn new(compression: Compression) -> io::Result<Self> {
        let packing = match compression {
            Compression::None => Packing::None(Vec::new()),
            Compression::Gzip => Packing::Gzip(Box::new(flate2::write::MultiGzDecoder::new(Vec::new()))),
            Compression::Zstd => Packing::Zstd(Box::new(Zstd::new()?)),
        };
        Ok(Self { packing, is_untouched: true })
    }

    /// Takes bytes of the object.
    pub fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.is_untouched &= bytes.is_empty();
        match &mut self.packing {
            Packing::None(out) => {
                out.extend_from_slice(bytes);
                Ok(())
            }
            Packing::Gzip(decoder) => decoder.write_all(bytes),
            Packing::Zstd(frames) => frames.push(bytes),
        }
    }

    /// The object is over; an error where it ends in the middle.
    pub fn finish(&mut self) -> io::Result<()> {
        match &mut self.packing {
            // An object of no bytes holds no rows, packed or not.
            _ if self.is_untouched => Ok(()),
            Packing::None(_) => Ok(()),
            Packing::Gzip(decoder) => decoder.try_finish(),
            Packing::Zstd(frames) if frames.is_between => Ok(()),
            Packing::Zstd(_) => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "incomplete zstd frame")),
        }
    }

    /// What has come out since the last time.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(match &mut self.packing {
            Packing::None(out) => out,
            Packing::Gzip(decoder) => decoder.get_mut(),
            Packing::Zstd(frames) => &mut frames.out,
        })
    }
}

/// Frames that follow each other. The crate's own writer takes a frame whose end it has still to give out for cut off.
struct Zstd {
    decoder: Decoder<'static>,
    piece: Vec<u8>,
    out: Vec<u8>,
    /// No frame is open.
    is_between: bool,
}

impl Zstd {
    fn new() -> io::Result<Self> {
        let piece = vec![0; ZSTD_PIECE_BYTES];
        Ok(Self { decoder: Decoder::new()?, piece, out: Vec::new(), is_between: true })
    }

    fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut input = InBuffer::around(bytes);
        while input.pos < bytes.len() || !self.is_between {
            let mut output = OutBuffer::around(&mut self.piece[..]);
            let hint = self.decoder.run(&mut input, &mut output)?;
            let filled = output.pos();
            self.out.extend_from_slice(self.piece.get(..filled).unwrap_or_default());
            self.is_between = hint == 0;
            if input.pos == bytes.len() && filled < self.piece.len() {
                break;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inflated(compression: Compression, bytes: &[u8], piece: usize) -> io::Result<Vec<u8>> {
        let mut inflate = Inflate::new(compression)?;
        let mut plain = Vec::new();
        for piece in bytes.chunks(piece) {
            inflate.push(piece)?;
            plain.extend(inflate.take());
        }
        inflate.finish()?;
        plain.extend(inflate.take());
        Ok(plain)
    }

    fn packed(compression: Compression, plain: &[u8]) -> Vec<u8> {
        match compression {
            Compression::None => plain.to_vec(),
            Compression::Zstd => zstd::encode_all(plain, 1).unwrap(),
            Compression::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(plain).unwrap();
                encoder.finish().unwrap()
            }
        }
    }

    #[test]
    fn members_and_frames_follow_each_other_however_they_are_cut() {
        let plain: Vec<u8> = (0..400_000u32).map(|n| (n % 251) as u8).collect();
        for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
            let (first, second) = plain.split_at(123_456);
            let bytes = [packed(compression, first), packed(compression, second)].concat();
            for piece in [1, 7, 1000, bytes.len()] {
                assert_eq!(inflated(compression, &bytes, piece).unwrap(), plain, "{compression:?} {piece}");
            }
            assert!(inflated(compression, &[], 1).unwrap().is_empty());
        }
    }

    #[test]
    fn an_object_that_ends_in_the_middle_is_an_error() {
        for compression in [Compression::Gzip, Compression::Zstd] {
            let bytes = packed(compression, &[7; 100_000]);
            for cut in [1, bytes.len() / 2, bytes.len() - 1] {
                assert!(inflated(compression, &bytes[..cut], 64).is_err(), "{compression:?} {cut}");
            }
            assert!(inflated(compression, b"{\"a\":1}", 64).is_err(), "{compression:?}");
        }
    }
}
