//! One column of a row group: values in, compressed pages out. Values are numbered in a dictionary as long as that
//! pays, as pyarrow does it, and stand as they are from there on. Knows no rows and no files.

use parquet::basic::{Encoding, PageType};
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::Result;
use parquet::file::metadata::{ColumnChunkMetaData, PageEncodingStats};
use parquet::schema::types::ColumnDescPtr;

use bytes::Bytes;

use super::dictionary::{Dictionary, LENGTH_BYTES, Place};
use super::levels;
use super::pages::{Packer, Pages};
use super::schema::CODEC;
use super::statistics::Range;
use super::value::{Form, Value};

/// Rows of a page, and bytes of its plain values, but for the value that crosses it.
const MAX_PAGE_ROWS: usize = 1 << 16;
const MAX_PAGE_BYTES: usize = 1 << 20;
/// After so many values the dictionary must show that values come again.
const TRIAL_VALUES: usize = 1 << 14;

/// A column chunk that grows.
#[derive(Debug)]
pub(super) struct Chunk {
    form: Form,
    is_optional: bool,
    /// Of the open page: for each row of an optional column whether it has a value.
    levels: Vec<u8>,
    values: Values,
    /// Rows of the open page, and of those before it.
    page_rows: usize,
    rows: usize,
    nulls: u64,
    dictionary: Dictionary,
    range: Range,
    pages: Pages,
}

/// Values of the open page.
#[derive(Debug)]
enum Values {
    /// Numbers of the dictionary's values.
    Indices(Vec<u32>),
    /// As they stand in the page.
    Plain(Vec<u8>),
    /// One byte for each; in the page one bit.
    Bits(Vec<u8>),
}

impl Chunk {
    /// An empty one.
    pub fn new(form: Form, is_optional: bool) -> Self {
        let values = match form {
            Form::Boolean => Values::Bits(Vec::new()),
            _ => Values::Indices(Vec::new()),
        };
        Self {
            form,
            is_optional,
            levels: Vec::new(),
            values,
            page_rows: 0,
            rows: 0,
            nulls: 0,
            dictionary: Dictionary::new(form.width().is_none()),
            range: Range::Empty,
            pages: Pages::default(),
        }
    }

    /// Bytes that it holds.
    pub fn memory(&self) -> usize {
        let values = match &self.values {
            Values::Indices(indices) => indices.capacity() * size_of::<u32>(),
            Values::Plain(plain) | Values::Bits(plain) => plain.capacity(),
        };
        let parts =
            [self.dictionary.memory(), self.range.memory(), self.pages.memory(), self.levels.capacity()];
        size_of::<Self>() + values + parts.iter().sum::<usize>()
    }

    /// The next row's value, `None` for NULL, which only an optional column has.
    #[inline]
    pub fn push(&mut self, value: Option<Value<'_>>, packer: &mut Packer) -> Result<()> {
        self.page_rows += 1;
        if self.is_optional {
            self.levels.push(value.is_some().into());
        }
        match value {
            Some(value) => self.add(value, packer)?,
            None => self.nulls += 1,
        }
        match self.page_rows >= MAX_PAGE_ROWS {
            true => self.end_page(packer),
            false => Ok(()),
        }
    }

    #[inline]
    fn add(&mut self, value: Value<'_>, packer: &mut Packer) -> Result<()> {
        let mut own = [0; 16];
        let plain = value.plain(self.form, &mut own);
        if let Values::Indices(indices) = &mut self.values {
            match self.dictionary.place(plain) {
                Place::Known(index) => indices.push(index),
                Place::New(index) => {
                    indices.push(index);
                    self.range.add(value);
                }
                Place::Full => {
                    self.leave_dictionary(packer)?;
                    return self.add(value, packer);
                }
            }
            if indices.len() == TRIAL_VALUES && self.is_vain() {
                self.leave_dictionary(packer)?;
            }
            return Ok(());
        }
        self.range.add(value);
        match &mut self.values {
            Values::Plain(page) => {
                if self.form.width().is_none() {
                    page.extend_from_slice(&(plain.len() as u32).to_le_bytes());
                }
                page.extend_from_slice(plain);
                if page.len() >= MAX_PAGE_BYTES { self.end_page(packer) } else { Ok(()) }
            }
            Values::Bits(bits) => {
                bits.extend_from_slice(plain);
                Ok(())
            }
            Values::Indices(_) => Ok(()),
        }
    }

    /// Whether hardly any value of the chunk's first page came twice: then a dictionary only adds to it.
    fn is_vain(&self) -> bool {
        match &self.values {
            Values::Indices(indices) => {
                self.pages.indexed == 0 && self.dictionary.len() * 8 > indices.len() * 7
            }
            _ => false,
        }
    }

    /// From here on values stand as they are; those of a page that is worth it keep their numbers.
    fn leave_dictionary(&mut self, packer: &mut Packer) -> Result<()> {
        let Values::Indices(indices) = &self.values else { return Ok(()) };
        let mut plain = Vec::new();
        match self.is_vain() {
            true => {
                indices.iter().for_each(|index| plain.extend_from_slice(self.dictionary.entry(*index)));
                self.dictionary = Dictionary::default();
            }
            false if indices.is_empty() => {}
            // The row whose value is not in it yet begins the next page.
            false => {
                let level = self.is_optional.then(|| self.levels.pop()).flatten();
                self.page_rows -= 1;
                self.end_page(packer)?;
                self.page_rows = 1;
                self.levels.extend(level);
            }
        }
        self.values = Values::Plain(plain);
        Ok(())
    }

    fn end_page(&mut self, packer: &mut Packer) -> Result<()> {
        if self.page_rows == 0 {
            return Ok(());
        }
        let page = &mut packer.page;
        if self.is_optional {
            page.extend_from_slice(&[0; LENGTH_BYTES]);
            levels::encode(&self.levels, 1, page);
            let len = (page.len() - LENGTH_BYTES) as u32;
            if let Some(own) = page.first_chunk_mut() {
                *own = len.to_le_bytes();
            }
            self.levels.clear();
        }
        let encoding = match &mut self.values {
            // Nothing but NULLs so far: an empty dictionary is what readers know least.
            Values::Indices(_) if self.dictionary.len() == 0 => Encoding::PLAIN,
            Values::Indices(indices) => {
                let width = levels::width_of(self.dictionary.len());
                page.push(width as u8);
                levels::encode(indices, width, page);
                indices.clear();
                Encoding::RLE_DICTIONARY
            }
            Values::Plain(plain) => {
                page.append(plain);
                Encoding::PLAIN
            }
            Values::Bits(bits) => {
                let byte = |bits: &[u8]| bits.iter().rev().fold(0, |byte, bit| byte << 1 | bit);
                page.extend(bits.chunks(8).map(byte));
                bits.clear();
                Encoding::PLAIN
            }
        };
        packer.data_page(&mut self.pages, encoding, self.page_rows as u32)?;
        self.rows += std::mem::take(&mut self.page_rows);
        Ok(())
    }

    /// The whole chunk, and what the footer says of it.
    pub fn finish(
        mut self,
        column: ColumnDescPtr,
        packer: &mut Packer,
    ) -> Result<(Bytes, ColumnCloseResult)> {
        if self.is_vain() {
            self.leave_dictionary(packer)?;
        }
        self.end_page(packer)?;
        let mut pages = Pages::default();
        if self.pages.indexed > 0 {
            pages = packer.dictionary_page(self.dictionary.plain(), self.dictionary.len())?;
        }
        let dictionary_bytes = pages.sizes().0;
        pages.append(&mut self.pages);
        let (bytes, plain_bytes) = pages.sizes();
        let metadata = ColumnChunkMetaData::builder(column)
            .set_compression_codec(CODEC)
            .set_encodings(encodings(&pages))
            .set_page_encoding_stats(page_stats(&pages))
            .set_num_values(self.rows as i64)
            .set_total_compressed_size(bytes as i64)
            .set_total_uncompressed_size(plain_bytes as i64)
            .set_dictionary_page_offset((dictionary_bytes > 0).then_some(0))
            .set_data_page_offset(dictionary_bytes as i64)
            .set_statistics(self.range.statistics(self.form, self.nulls))
            .build()?;
        let closed = ColumnCloseResult {
            bytes_written: bytes as u64,
            rows_written: self.rows as u64,
            metadata,
            bloom_filter: None,
            column_index: None,
            offset_index: None,
        };
        Ok((pages.into_bytes(), closed))
    }
}

fn encodings(pages: &Pages) -> Vec<Encoding> {
    let indexed = (pages.indexed > 0).then_some(Encoding::RLE_DICTIONARY);
    [Encoding::PLAIN, Encoding::RLE].into_iter().chain(indexed).collect()
}

/// Readers that look for a value in a chunk's dictionary alone need to know that all pages have it.
fn page_stats(pages: &Pages) -> Vec<PageEncodingStats> {
    let of =
        |page_type, encoding, count| (count > 0).then_some(PageEncodingStats { page_type, encoding, count });
    let all = [
        of(PageType::DICTIONARY_PAGE, Encoding::PLAIN, i32::from(pages.indexed > 0)),
        of(PageType::DATA_PAGE, Encoding::RLE_DICTIONARY, pages.indexed),
        of(PageType::DATA_PAGE, Encoding::PLAIN, pages.plain),
    ];
    all.into_iter().flatten().collect()
}
