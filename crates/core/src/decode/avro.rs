//! Avro object container files, pushed piece by piece: header, blocks, and their rows as JSON texts that the check of
//! JSON records takes. Holds one block at a time. A file that is corrupt is so from its first bad byte on.

use std::io::Read;

use super::avro_datum::{Input, Writer};
use super::avro_schema::Schema;
use super::{Broken, Limits};
use crate::reject::Rule;

const MAGIC: &[u8] = b"Obj\x01";
const SYNC_BYTES: usize = 16;
/// Values without any bytes that a file may have beside some a byte.
const FREE_VALUES: u64 = 1 << 24;
const FREE_VALUES_PER_BYTE: u64 = 16;

/// Push reader: `push` bytes, take rows until there is none; `finish` says that no more bytes come.
#[derive(Debug)]
pub(crate) struct AvroReader {
    limits: Limits,
    buffer: Vec<u8>,
    /// Start of what is not read yet.
    at: usize,
    /// Bytes that must be there before it is worth to look again.
    wanted: usize,
    finished: bool,
    header: Option<Header>,
    block: Block,
    ordinal: u64,
    free_values: u64,
}

#[derive(Debug)]
struct Header {
    schema: Schema,
    codec: Codec,
    sync: [u8; SYNC_BYTES],
}

#[derive(Debug, Clone, Copy)]
enum Codec {
    Null,
    Deflate,
    Snappy,
    Zstandard,
}

/// An unpacked block.
#[derive(Debug, Default)]
struct Block {
    bytes: Vec<u8>,
    at: usize,
    rows: u64,
}

impl AvroReader {
    /// A reader at the beginning of a file.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            buffer: Vec::new(),
            at: 0,
            wanted: 0,
            finished: false,
            header: None,
            block: Block::default(),
            ordinal: 0,
            free_values: FREE_VALUES,
        }
    }

    /// Adds bytes. All rows must have been taken before, else the buffer grows.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.at * 2 >= self.buffer.len() {
            self.buffer.drain(..self.at);
            self.at = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// No more bytes come.
    pub fn finish(&mut self) {
        self.finished = true;
    }

    /// Writes the next row into `out` and tells its number, counted from 0; `None` when more bytes are needed (or,
    /// after `finish`, at the end). A row longer than a record may be is cut, and still is longer.
    pub fn next_record(&mut self, out: &mut String) -> Result<Option<u64>, Broken> {
        out.clear();
        loop {
            if self.block.rows > 0 {
                return self.row(out).map(Some);
            }
            if self.block.at < self.block.bytes.len() {
                return Err(invalid("a block has bytes behind its rows"));
            }
            if !self.read_on()? {
                return Ok(None);
            }
        }
    }

    fn row(&mut self, out: &mut String) -> Result<u64, Broken> {
        let Some(header) = &self.header else { return Err(invalid("rows stand before the header")) };
        let bytes = self.block.bytes.get(self.block.at..).unwrap_or_default();
        let mut input = Input(bytes);
        let max = self.limits.max_record_bytes;
        let mut writer = Writer { schema: &header.schema, max, free_values: self.free_values };
        writer.record(&mut input, out).map_err(invalid)?;
        self.free_values = writer.free_values;
        self.block.at += bytes.len() - input.0.len();
        self.block.rows -= 1;
        self.ordinal += 1;
        Ok(self.ordinal - 1)
    }

    /// Reads the header or the next block; false when more bytes are needed, or at the end.
    fn read_on(&mut self) -> Result<bool, Broken> {
        let rest = self.buffer.get(self.at..).unwrap_or_default();
        if rest.is_empty() && (!self.finished || self.header.is_some()) {
            return Ok(false);
        }
        if rest.len() < self.wanted && !self.finished {
            return Ok(false);
        }
        let mut input = Input(rest);
        let is_read = match &self.header {
            None => {
                let header = read_header(&mut input)?;
                if rest.len() - input.0.len() > self.limits.max_record_bytes {
                    return Err(header_too_large());
                }
                let is_read = header.is_some();
                self.header = header;
                is_read
            }
            Some(header) => match read_block(&mut input, header, &self.limits, &mut self.block)? {
                Ok(()) => true,
                Err(wanted) => {
                    self.wanted = wanted;
                    false
                }
            },
        };
        if is_read {
            self.at += rest.len() - input.0.len();
            self.wanted = 0;
            self.free_values += self.block.bytes.len() as u64 * FREE_VALUES_PER_BYTE;
        } else if self.finished {
            return Err(Broken::new(Rule::Truncated, "the Avro file breaks off"));
        } else if self.header.is_none() {
            self.want_more_header()?;
        }
        Ok(is_read)
    }

    /// A header tells no length: it is read again only when as many bytes more have come.
    fn want_more_header(&mut self) -> Result<(), Broken> {
        let len = self.buffer.len() - self.at;
        self.wanted = len * 2;
        if len > self.limits.max_record_bytes {
            return Err(header_too_large());
        }
        Ok(())
    }
}

/// `None` when it is not complete.
fn read_header(input: &mut Input<'_>) -> Result<Option<Header>, Broken> {
    let start = input.0.get(..MAGIC.len()).unwrap_or(input.0);
    if !MAGIC.starts_with(start) {
        return Err(invalid("the file does not begin as an Avro file"));
    }
    if input.take(MAGIC.len()).is_none() {
        return Ok(None);
    }
    let (mut schema, mut codec) = (None, Codec::Null);
    loop {
        let Some(count) = input.long().map_err(invalid)? else { return Ok(None) };
        if count < 0 && input.long().map_err(invalid)?.is_none() {
            return Ok(None);
        }
        if count == 0 {
            break;
        }
        for _ in 0..count.unsigned_abs() {
            let Some(name) = header_bytes(input)? else { return Ok(None) };
            let Some(value) = header_bytes(input)? else { return Ok(None) };
            match name {
                b"avro.schema" => schema = Some(value),
                b"avro.codec" => codec = codec_of(value)?,
                _ => {}
            }
        }
    }
    let Some(sync) = input.take(SYNC_BYTES).and_then(|sync| sync.first_chunk().copied()) else {
        return Ok(None);
    };
    let schema = schema.ok_or_else(|| invalid("the header has no schema"))?;
    Ok(Some(Header { schema: Schema::parse(schema).map_err(invalid)?, codec, sync }))
}

fn header_bytes<'a>(input: &mut Input<'a>) -> Result<Option<&'a [u8]>, Broken> {
    let Some(len) = input.long().map_err(invalid)? else { return Ok(None) };
    let len = usize::try_from(len).map_err(|_| invalid("a length is negative"))?;
    Ok(input.take(len))
}

fn codec_of(name: &[u8]) -> Result<Codec, Broken> {
    match name {
        b"null" | b"" => Ok(Codec::Null),
        b"deflate" => Ok(Codec::Deflate),
        b"snappy" => Ok(Codec::Snappy),
        b"zstandard" => Ok(Codec::Zstandard),
        b"bzip2" | b"xz" => {
            let name = String::from_utf8_lossy(name);
            Err(invalid(&format!("the codec {name} cannot be read; null, deflate, snappy and zstandard can")))
        }
        _ => Err(invalid("the codec is unknown")),
    }
}

/// `Ok(Err(bytes))` when so many bytes are wanted first.
fn read_block(
    input: &mut Input<'_>,
    header: &Header,
    limits: &Limits,
    block: &mut Block,
) -> Result<Result<(), usize>, Broken> {
    let len = input.0.len();
    let Some(rows) = input.long().map_err(invalid)? else { return Ok(Err(len + 1)) };
    let Some(size) = input.long().map_err(invalid)? else { return Ok(Err(len + 1)) };
    let (Ok(rows), Ok(size)) = (u64::try_from(rows), usize::try_from(size)) else {
        return Err(invalid("a block has a negative length"));
    };
    if size > limits.max_block_bytes {
        return Err(too_large());
    }
    let head = len - input.0.len();
    let (Some(packed), Some(sync)) = (input.take(size), input.take(SYNC_BYTES)) else {
        return Ok(Err(head + size + SYNC_BYTES));
    };
    if sync != header.sync {
        return Err(invalid("a block does not end with the file's mark"));
    }
    block.bytes.clear();
    unpack(header.codec, packed, limits.max_block_bytes, &mut block.bytes)?;
    (block.at, block.rows) = (0, rows);
    Ok(Ok(()))
}

fn unpack(codec: Codec, packed: &[u8], max: usize, out: &mut Vec<u8>) -> Result<(), Broken> {
    let corrupt = |_| invalid("a block's packed data is corrupt");
    let most = max as u64 + 1;
    match codec {
        Codec::Null => out.extend_from_slice(packed),
        Codec::Deflate => {
            flate2::read::DeflateDecoder::new(packed).take(most).read_to_end(out).map_err(corrupt)?;
        }
        Codec::Zstandard => {
            let decoder = zstd::stream::read::Decoder::new(packed).map_err(corrupt)?;
            decoder.take(most).read_to_end(out).map_err(corrupt)?;
        }
        Codec::Snappy => return snappy(packed, max, out),
    }
    if out.len() > max { Err(too_large()) } else { Ok(()) }
}

/// Behind the data stands its CRC-32, big-endian.
fn snappy(packed: &[u8], max: usize, out: &mut Vec<u8>) -> Result<(), Broken> {
    let corrupt = || invalid("a block's packed data is corrupt");
    let (packed, sum) = packed.split_last_chunk::<4>().ok_or_else(corrupt)?;
    let len = snap::raw::decompress_len(packed).map_err(|_| corrupt())?;
    if len > max {
        return Err(too_large());
    }
    out.resize(len, 0);
    let given = snap::raw::Decoder::new().decompress(packed, out).map_err(|_| corrupt())?;
    out.truncate(given);
    let mut crc = flate2::Crc::new();
    crc.update(out);
    if crc.sum() == u32::from_be_bytes(*sum) { Ok(()) } else { Err(corrupt()) }
}

fn invalid(reason: &str) -> Broken {
    Broken::new(Rule::InvalidAvro, reason)
}

fn header_too_large() -> Broken {
    Broken::new(Rule::TooLargeForFormat, "the header of the Avro file is longer than the limit")
}

fn too_large() -> Broken {
    Broken::new(Rule::TooLargeForFormat, "a block of the Avro file is longer than the limit")
}

#[cfg(test)]
#[path = "avro_tests.rs"]
mod tests;
