//! Pages of a column chunk as bytes: compressed, each with its header. Knows no values.

use bytes::Bytes;
use parquet::basic::Encoding;
use parquet::column::page::{CompressedPage, Page, PageWriter};
use parquet::errors::{ParquetError, Result};
use parquet::file::writer::{SerializedPageWriter, TrackedWrite};
use zstd::bulk::Compressor;

/// What pyarrow packs with, unless told otherwise.
const ZSTD_LEVEL: i32 = 1;

/// Packs the pages of all columns; its memory is used again.
pub(super) struct Packer {
    zstd: Compressor<'static>,
    /// The page that is being put together.
    pub page: Vec<u8>,
}

/// Pages one after the other.
#[derive(Debug, Default)]
pub(super) struct Pages {
    bytes: Vec<u8>,
    /// What they would be without compression, their headers included.
    plain_bytes: usize,
    /// Data pages with indices into the dictionary, and those with plain values.
    pub indexed: i32,
    pub plain: i32,
}

impl Packer {
    pub fn new() -> Result<Self> {
        Ok(Self { zstd: Compressor::new(ZSTD_LEVEL)?, page: Vec::new() })
    }

    /// Packs what was put together, as the next page.
    pub fn data_page(&mut self, pages: &mut Pages, encoding: Encoding, num_values: u32) -> Result<()> {
        match encoding {
            Encoding::PLAIN => pages.plain += 1,
            _ => pages.indexed += 1,
        }
        let buf = Bytes::from(self.zstd.compress(&self.page)?);
        let (def_level_encoding, rep_level_encoding) = (Encoding::RLE, Encoding::RLE);
        let page = Page::DataPage {
            buf,
            num_values,
            encoding,
            def_level_encoding,
            rep_level_encoding,
            statistics: None,
        };
        pages.push(CompressedPage::new(page, self.page.len()))?;
        self.page.clear();
        Ok(())
    }

    /// A dictionary as the only page.
    pub fn dictionary_page(&mut self, plain: &[u8], len: usize) -> Result<Pages> {
        let num_values = u32::try_from(len).map_err(|error| ParquetError::External(Box::new(error)))?;
        let buf = Bytes::from(self.zstd.compress(plain)?);
        let page = Page::DictionaryPage { buf, num_values, encoding: Encoding::PLAIN, is_sorted: false };
        let mut pages = Pages::default();
        pages.push(CompressedPage::new(page, plain.len()))?;
        Ok(pages)
    }
}

impl Pages {
    fn push(&mut self, page: CompressedPage) -> Result<()> {
        let mut sink = TrackedWrite::new(std::mem::take(&mut self.bytes));
        self.plain_bytes += SerializedPageWriter::new(&mut sink).write_page(page)?.uncompressed_size;
        self.bytes = sink.into_inner()?;
        Ok(())
    }

    /// Puts other pages behind its own.
    pub fn append(&mut self, other: &mut Self) {
        self.bytes.append(&mut other.bytes);
        self.plain_bytes += other.plain_bytes;
        self.indexed += other.indexed;
        self.plain += other.plain;
    }

    /// Bytes of the pages and their headers, and the same before compression.
    pub fn sizes(&self) -> (usize, usize) {
        (self.bytes.len(), self.plain_bytes)
    }

    /// Bytes that they hold.
    pub fn memory(&self) -> usize {
        self.bytes.capacity()
    }

    /// All pages.
    pub fn into_bytes(self) -> Bytes {
        Bytes::from(self.bytes)
    }
}
