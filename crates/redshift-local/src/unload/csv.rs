//! Rows as lines of CSV: a field is quoted where it has to be. Knows no S3.

use std::fs::File;
use std::io::{self, BufWriter, Write};

use flate2::write::GzEncoder;

/// Writes one file.
pub struct Csv {
    file: Sink,
    delimiter: u8,
    null_as: String,
}

enum Sink {
    Plain(BufWriter<File>),
    Gzip(Box<GzEncoder<BufWriter<File>>>),
}

impl Csv {
    /// Into this file.
    pub fn new(file: File, delimiter: u8, null_as: &str, is_gzip: bool) -> Self {
        let file = BufWriter::new(file);
        let file = if is_gzip {
            Sink::Gzip(Box::new(GzEncoder::new(file, flate2::Compression::default())))
        } else {
            Sink::Plain(file)
        };
        Self { file, delimiter, null_as: null_as.to_owned() }
    }

    /// Adds a line.
    pub fn write<'a>(&mut self, fields: impl Iterator<Item = Option<&'a str>>) -> io::Result<()> {
        let mut line = Vec::new();
        for (i, field) in fields.enumerate() {
            if i > 0 {
                line.push(self.delimiter);
            }
            match field {
                None => line.extend_from_slice(self.null_as.as_bytes()),
                Some(text) if self.needs_quotes(text) => {
                    line.push(b'"');
                    line.extend_from_slice(text.replace('"', "\"\"").as_bytes());
                    line.push(b'"');
                }
                Some(text) => line.extend_from_slice(text.as_bytes()),
            }
        }
        line.push(b'\n');
        match &mut self.file {
            Sink::Plain(file) => file.write_all(&line),
            Sink::Gzip(file) => file.write_all(&line),
        }
    }

    fn needs_quotes(&self, text: &str) -> bool {
        let special = |byte: u8| byte == self.delimiter || b"\"\r\n".contains(&byte);
        text.is_empty() || text == self.null_as || text.bytes().any(special)
    }

    /// Writes what is left.
    pub fn finish(self) -> io::Result<()> {
        match self.file {
            Sink::Plain(mut file) => file.flush(),
            Sink::Gzip(file) => file.finish()?.flush(),
        }
    }
}
