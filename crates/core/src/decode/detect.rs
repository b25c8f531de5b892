//! Which format an object has: the contract's, else by its first bytes, else by its key, else JSON. Reads no record.

use crate::contract::{CsvOptions, Format};

/// First plain bytes that are looked at.
pub(crate) const HEAD_BYTES: usize = 1024;

const PARQUET: &[u8] = b"PAR1";
const AVRO: &[u8] = b"Obj\x01";
const BOM: &[u8] = &[0xef, 0xbb, 0xbf];
const PACKED: [&str; 4] = [".gz", ".gzip", ".zst", ".zstd"];
const SUFFIXES: [(&str, Format); 7] = [
    (".csv", Format::Csv),
    (".tsv", Format::Csv),
    (".json", Format::Json),
    (".jsonl", Format::Json),
    (".ndjson", Format::Json),
    (".parquet", Format::Parquet),
    (".avro", Format::Avro),
];

/// The format of a stream without one in its contract. `head`: its first plain bytes; `is_whole`: no more come.
/// `None`: more bytes are needed, at most `HEAD_BYTES` in all.
pub(crate) fn format(head: &[u8], is_whole: bool, key: &str) -> Option<Format> {
    let may_grow = !is_whole && head.len() < HEAD_BYTES;
    let head = head.get(..HEAD_BYTES).unwrap_or(head);
    for (magic, format) in [(PARQUET, Format::Parquet), (AVRO, Format::Avro)] {
        if head.starts_with(magic) {
            return Some(format);
        }
        if may_grow && magic.starts_with(head) {
            return None;
        }
    }
    if may_grow && BOM.starts_with(head) {
        return None;
    }
    let text = head.strip_prefix(BOM).unwrap_or(head).trim_ascii_start();
    match text.first() {
        Some(b'{' | b'[') => Some(Format::Json),
        None if may_grow => None,
        _ => Some(of_key(key).unwrap_or(Format::Json)),
    }
}

fn of_key(key: &str) -> Option<Format> {
    let name = plain_name(key);
    SUFFIXES.iter().find(|(suffix, _)| name.ends_with(suffix)).map(|(_, format)| *format)
}

/// The key in lower case without what compression hangs behind it.
fn plain_name(key: &str) -> String {
    let name = key.to_ascii_lowercase();
    match PACKED.iter().find_map(|suffix| name.strip_suffix(suffix)) {
        Some(plain) => plain.to_owned(),
        None => name,
    }
}

/// The options with the delimiter decided: the contract's, else a tab for .tsv, else a comma.
pub(crate) fn csv_options(options: &CsvOptions, key: &str) -> CsvOptions {
    let by_key = if plain_name(key).ends_with(".tsv") { b'\t' } else { b',' };
    CsvOptions { delimiter: Some(options.delimiter.unwrap_or(by_key)), ..options.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_decide_before_the_key_and_json_is_last() {
        for (head, key, found) in [
            (&b"PAR1...."[..], "a.csv", Format::Parquet),
            (b"Obj\x01\x04", "a.json", Format::Avro),
            (b"\xef\xbb\xbf \r\n\t{\"a\":1}", "a.csv", Format::Json),
            (b"[", "a.parquet", Format::Json),
            (b"a,b\n", "x/a.CSV", Format::Csv),
            (b"a\tb\n", "x/a.tsv.gz", Format::Csv),
            (b"a,b\n", "x/a.csv.zst", Format::Csv),
            (b"no magic", "x/a.parquet", Format::Parquet),
            (b"no magic", "x/a.avro.gzip", Format::Avro),
            (b"a,b\n", "x/csv", Format::Json),
            (b"a,b\n", "x/a.txt", Format::Json),
            (b"", "x/a.ndjson", Format::Json),
            (b"", "x/a.csv", Format::Csv),
        ] {
            assert_eq!(format(head, true, key), Some(found), "{key}");
        }
    }

    #[test]
    fn too_few_bytes_are_no_answer_and_more_change_none() {
        for (head, rest) in
            [(&b"P"[..], &b"AR1"[..]), (b"Obj", b"\x01"), (b" \n ", b"{"), (b"\xef\xbb", b"\xbf[")]
        {
            assert_eq!(format(head, false, "a.csv"), None, "{head:?}");
            let whole = [head, rest].concat();
            let found = format(&whole, false, "a.csv");
            assert!(found.is_some_and(|found| found != Format::Csv), "{head:?}");
        }
        assert_eq!(format(&[b' '; HEAD_BYTES], false, "a.csv"), Some(Format::Csv));
        assert_eq!(format(b"PARI", false, "a.csv"), Some(Format::Csv));
    }

    #[test]
    fn the_delimiter_is_the_contracts_or_the_keys() {
        let options = |delimiter| CsvOptions {
            delimiter,
            header: crate::contract::CsvHeader::Names,
            quote: None,
            null_texts: Vec::new(),
            multiline: true,
        };
        for (own, key, found) in [
            (None, "a.csv", b','),
            (None, "A.TSV.gz", b'\t'),
            (Some(b';'), "a.tsv", b';'),
            (None, "tsv", b','),
        ] {
            assert_eq!(csv_options(&options(own), key).delimiter, Some(found), "{key}");
        }
    }
}
