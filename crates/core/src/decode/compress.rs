//! Decompression by magic bytes (gzip, zstd, or none), pushed piece by piece. A stream that ends early, that is
//! corrupt, or that unpacks to far more than it holds is told as such. Knows no records.

use std::io::Write;

use flate2::write::MultiGzDecoder;
use zstd::stream::raw::{DParameter, Decoder as RawZstd, InBuffer, Operation, OutBuffer};

use super::{Broken, Limits};
use crate::contract::Compression;
use crate::reject::Rule;

const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
/// Largest zstd window accepted: 32 MiB, so that a header of a few bytes cannot ask for gigabytes.
const MAX_WINDOW_LOG: u32 = 25;

/// Plain bytes of one zstd step.
const STEP_BYTES: usize = 64 << 10;

/// Turns compressed bytes into plain ones; the kind is found out from the first bytes.
pub struct Inflate {
    state: State,
    compression: Compression,
    limits: Limits,
    taken: u64,
    given: u64,
}

enum State {
    /// Too few bytes to tell.
    Unknown(Vec<u8>),
    Plain,
    Gzip(Box<MultiGzDecoder<Vec<u8>>>),
    Zstd(Zstd),
}

impl std::fmt::Debug for Inflate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inflate").field("taken", &self.taken).field("given", &self.given).finish()
    }
}

impl Inflate {
    /// A fresh stream, compressed as said or as its first bytes tell.
    pub fn new(compression: Compression, limits: Limits) -> Self {
        let state = match compression {
            Compression::None => State::Plain,
            Compression::Auto | Compression::Gzip | Compression::Zstd => State::Unknown(Vec::new()),
        };
        Self { state, compression, limits, taken: 0, given: 0 }
    }

    /// Whether the bytes are not compressed; not known before the first few of them.
    pub fn is_plain(&self) -> bool {
        matches!(self.state, State::Plain)
    }

    /// All bytes in steps, for tests.
    #[cfg(test)]
    fn push(&mut self, mut bytes: &[u8], plain: &mut dyn FnMut(&[u8])) -> Result<(), Broken> {
        while !bytes.is_empty() {
            let taken = self.step(bytes, plain)?;
            bytes = bytes.get(taken..).unwrap_or_default();
        }
        Ok(())
    }

    /// Takes some of the bytes, tells how many, and hands at most one buffer of plain ones (64 KiB) to `plain`: what
    /// a few bytes unpack to can be consumed before the next few are looked at.
    pub fn step(&mut self, bytes: &[u8], plain: &mut dyn FnMut(&[u8])) -> Result<usize, Broken> {
        if let State::Unknown(head) = &mut self.state {
            let taken = bytes.len().min(ZSTD.len() - head.len());
            head.extend_from_slice(bytes.get(..taken).unwrap_or_default());
            self.taken += taken as u64;
            if head.len() == ZSTD.len() {
                let head = std::mem::take(head);
                self.state = self.decide(&head)?;
                // Four bytes are a part of a header, or plain.
                self.unpack(&head, plain)?;
            }
            return Ok(taken);
        }
        let taken = self.unpack(bytes, plain)?;
        self.taken += taken as u64;
        Ok(taken)
    }

    fn decide(&self, head: &[u8]) -> Result<State, Broken> {
        let other = |name: &str| {
            Broken::new(Rule::CorruptCompression, format!("the contract says {name}, the bytes are none"))
        };
        match (self.compression, head.starts_with(GZIP), head.starts_with(ZSTD)) {
            (Compression::Zstd, _, false) => Err(other("zstd")),
            (Compression::Gzip, false, _) => Err(other("gzip")),
            (_, true, _) => Ok(State::Gzip(Box::new(MultiGzDecoder::new(Vec::new())))),
            (_, _, true) => Zstd::new().map(State::Zstd),
            _ => Ok(State::Plain),
        }
    }

    /// One step of the stream's own kind.
    fn unpack(&mut self, bytes: &[u8], plain: &mut dyn FnMut(&[u8])) -> Result<usize, Broken> {
        let (taken, given) = match &mut self.state {
            State::Gzip(decoder) => {
                (decoder.write(bytes).map_err(|e| corrupt(&e)), std::mem::take(decoder.get_mut()))
            }
            State::Zstd(decoder) => decoder.step(bytes),
            State::Unknown(_) | State::Plain => {
                let bytes = bytes.get(..STEP_BYTES).unwrap_or(bytes);
                self.given += bytes.len() as u64;
                plain(bytes);
                return Ok(bytes.len());
            }
        };
        self.hand_over(&given, plain)?;
        match taken? {
            0 if given.is_empty() => {
                Err(Broken::new(Rule::CorruptCompression, "bytes after the end of the compressed data"))
            }
            taken => Ok(taken),
        }
    }

    fn hand_over(&mut self, given: &[u8], plain: &mut dyn FnMut(&[u8])) -> Result<(), Broken> {
        self.given += given.len() as u64;
        plain(given);
        let allowed = self.limits.free_bytes.max(self.taken.saturating_mul(self.limits.max_ratio));
        if self.given <= allowed {
            return Ok(());
        }
        let reason = format!("unpacks to more than {} times its size", self.limits.max_ratio);
        Err(Broken::new(Rule::DecompressionLimit, reason))
    }

    /// The end of the bytes: hands over what is left, and tells a stream that is not complete.
    pub fn finish(mut self, plain: &mut dyn FnMut(&[u8])) -> Result<(), Broken> {
        let breaks_off = |given: u64| {
            let what = "the compressed data breaks off or its checksum is wrong";
            Broken::new(Rule::Truncated, format!("{what}, at byte {given} of what it unpacks to"))
        };
        match std::mem::replace(&mut self.state, State::Plain) {
            State::Plain => Ok(()),
            // Too few bytes for any compressed stream.
            State::Unknown(head) if head.is_empty() || self.compression == Compression::Auto => {
                plain(&head);
                Ok(())
            }
            State::Unknown(_) => Err(breaks_off(0)),
            State::Gzip(mut decoder) => {
                let ended = decoder.try_finish();
                self.hand_over(decoder.get_ref(), plain)?;
                ended.map_err(|_| breaks_off(self.given))
            }
            State::Zstd(mut decoder) => {
                loop {
                    let (taken, given) = decoder.step(&[]);
                    self.hand_over(&given, plain)?;
                    taken?;
                    if given.is_empty() {
                        break;
                    }
                }
                if decoder.frame_is_complete { Ok(()) } else { Err(breaks_off(self.given)) }
            }
        }
    }
}

/// zstd frames one after another.
struct Zstd {
    decoder: Box<RawZstd<'static>>,
    frame_is_complete: bool,
}

impl Zstd {
    fn new() -> Result<Self, Broken> {
        let mut decoder = RawZstd::new().map_err(|error| corrupt(&error))?;
        decoder.set_parameter(DParameter::WindowLogMax(MAX_WINDOW_LOG)).map_err(|error| corrupt(&error))?;
        Ok(Self { decoder: Box::new(decoder), frame_is_complete: false })
    }

    /// Bytes taken, and at most one buffer of plain ones.
    fn step(&mut self, bytes: &[u8]) -> (Result<usize, Broken>, Vec<u8>) {
        if self.frame_is_complete {
            if bytes.is_empty() {
                return (Ok(0), Vec::new());
            }
            if let Err(error) = self.decoder.reinit() {
                return (Err(corrupt(&error)), Vec::new());
            }
            self.frame_is_complete = false;
        }
        let mut out = Vec::with_capacity(STEP_BYTES);
        let mut input = InBuffer::around(bytes);
        let hint = self.decoder.run(&mut input, &mut OutBuffer::around(&mut out));
        let taken = input.pos();
        match hint {
            Ok(hint) => {
                self.frame_is_complete = hint == 0;
                (Ok(taken), out)
            }
            Err(error) => (Err(corrupt(&error)), out),
        }
    }
}

fn corrupt(error: &std::io::Error) -> Broken {
    Broken::new(Rule::CorruptCompression, format!("the compressed data is corrupt: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// Without its checksum a zstd frame can change unnoticed.
    fn zstd_with_checksum(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = zstd::Encoder::new(Vec::new(), 3).unwrap();
        encoder.include_checksum(true).unwrap();
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn unpack(bytes: &[u8], step: usize, limits: Limits) -> (Vec<u8>, Result<(), Broken>) {
        let mut out = Vec::new();
        let mut inflate = Inflate::new(Compression::Auto, limits);
        for piece in bytes.chunks(step) {
            if let Err(broken) = inflate.push(piece, &mut |plain| out.extend_from_slice(plain)) {
                return (out, Err(broken));
            }
        }
        let ended = inflate.finish(&mut |plain| out.extend_from_slice(plain));
        (out, ended)
    }

    fn samples() -> Vec<(&'static str, Vec<u8>, Vec<u8>)> {
        let text: Vec<u8> = (0..40_000u32).flat_map(|n| format!("{{\"n\":{n}}}\n").into_bytes()).collect();
        let two = [gzip(&text[..1000]), gzip(&text[1000..])].concat();
        let frames = [&text[..5], &text[5..]].map(zstd_with_checksum).concat();
        vec![
            ("plain", text.clone(), text.clone()),
            ("gzip members", two, text.clone()),
            ("zstd frames", frames, text),
        ]
    }

    #[test]
    fn every_kind_unpacks_whatever_the_pieces() {
        for (name, packed, text) in samples() {
            for step in [1, 7, 4096, usize::MAX >> 1] {
                let (out, ended) = unpack(&packed, step, Limits::default());
                assert_eq!(ended, Ok(()), "{name} {step}");
                assert!(out == text, "{name} {step}");
            }
        }
    }

    #[test]
    fn a_stream_that_breaks_off_gives_what_came_and_says_so() {
        for (name, packed, text) in samples().into_iter().skip(1) {
            let (out, ended) = unpack(&packed[..packed.len() - 3], 1000, Limits::default());
            let broken = ended.unwrap_err();
            assert_eq!(broken.rule, Rule::Truncated, "{name}");
            let place = format!("at byte {} of what it unpacks to", out.len());
            assert!(broken.reason.ends_with(&place), "{name}: {}", broken.reason);
            assert!(!out.is_empty() && text.starts_with(&out), "{name}");
        }
        assert_eq!(unpack(&[0x1f], 1, Limits::default()), (vec![0x1f], Ok(())));
    }

    #[test]
    fn corrupt_bytes_are_told_from_the_end_of_a_stream() {
        for (name, mut packed, _) in samples().into_iter().skip(1) {
            let middle = packed.len() / 2;
            packed[middle..middle + 40].fill(0xff);
            let (_, ended) = unpack(&packed, 1000, Limits::default());
            assert!(
                matches!(ended, Err(Broken { rule: Rule::CorruptCompression | Rule::Truncated, .. })),
                "{name} {ended:?}"
            );
        }
        let tail = [gzip(b"x"), b"tail that is no member".to_vec()].concat();
        assert_eq!(unpack(&tail, 5, Limits::default()).1.map_err(|b| b.rule), Err(Rule::CorruptCompression));
    }

    #[test]
    fn a_bomb_is_stopped_at_its_ratio() {
        let limits = Limits { max_ratio: 100, free_bytes: 1 << 20, ..Limits::default() };
        let zeros = vec![0u8; 64 << 20];
        for (name, packed) in [("gzip", gzip(&zeros)), ("zstd", zstd::encode_all(&zeros[..], 1).unwrap())] {
            let (out, ended) = unpack(&packed, 1 << 20, limits);
            assert_eq!(ended.map_err(|broken| broken.rule), Err(Rule::DecompressionLimit), "{name}");
            assert!(out.len() < 8 << 20, "{name} gave {}", out.len());
        }
    }
}
