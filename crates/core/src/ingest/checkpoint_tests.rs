//! One reading, readings from checkpoint to checkpoint, and readings of ranges give the same rows and rejects.

use std::io::Write as _;

use proptest::prelude::*;

use super::*;
use crate::contract::Contract;
use crate::fixtures::{QUEUE, contract_text, origin};
use crate::ingest::Progress;
use crate::range::{LineCut, Ranges};
use crate::reject::Rule;

/// A dataset in files of this format.
fn dataset(format: &str) -> Arc<Checker> {
    dataset_with(format, &["name: a, physicalType: varchar(65535)", "name: n, physicalType: 'numeric(38,2)'"])
}

fn dataset_with(format: &str, columns: &[&str]) -> Arc<Checker> {
    let s3 = format!("{{server: landing, type: s3, location: 's3://b/t/*', {format}}}");
    let text = contract_text(&format!("{s3}, {QUEUE}"), "", columns);
    Arc::new(Checker::compile(Arc::new(Contract::parse(&text).unwrap())).unwrap())
}

const LINES: &str = "format: json, delimiter: new_line";
const ANY_JSON: &str = "format: json";
const CSV: &str = "format: csv";
const CSV_LINES: &str = "format: csv, customProperties: [{property: penstock.multiline, value: false}]";
const BARE_CSV: &str = "format: csv, customProperties: [{property: penstock.header, value: none}, {property: penstock.quote, value: none}]";

fn limits() -> Limits {
    Limits { max_record_bytes: 48, ..Limits::default() }
}

/// What a reading told: rows, and rejects without their lines.
#[derive(Debug, Default, PartialEq)]
struct Told {
    rows: Vec<String>,
    rejects: Vec<(Option<u64>, Vec<Rule>, Vec<u8>)>,
    lines: Vec<Option<u64>>,
    read: u64,
    broken: Option<Rule>,
}

impl Told {
    fn take(&mut self, ingest: &mut Ingest, batch: &mut Batch) {
        self.read += batch.read;
        for reject in batch.rejects.drain(..) {
            let rules = reject.violations.iter().map(|own| own.rule).collect();
            self.rejects.push((reject.position, rules, reject.raw));
            self.lines.push(reject.line);
        }
        self.rows.extend(ingest.stamp(batch).iter().map(|row| format!("{row:?}")));
        batch.clear();
    }

    fn without_lines(self) -> Self {
        Self { lines: Vec::new(), ..self }
    }
}

/// Reads to the end or to the stop.
fn read(ingest: &mut Ingest, bytes: &[u8], piece: usize, told: &mut Told) -> Option<Checkpoint> {
    let mut batch = Batch::default();
    let stopped = (|| {
        for mut rest in bytes.chunks(piece) {
            while !rest.is_empty() {
                let taken = ingest.step(rest, &mut batch)?;
                told.take(ingest, &mut batch);
                rest = &rest[taken..];
                if let Some(at) = ingest.stopped() {
                    return Ok(Some(at));
                }
            }
        }
        loop {
            let ended = ingest.finish(&mut batch);
            told.take(ingest, &mut batch);
            match (ended?, ingest.stopped()) {
                (Progress::More, Some(at)) => return Ok(Some(at)),
                (Progress::More, None) => {}
                (Progress::Done, stopped) => {
                    assert_eq!(stopped, None, "done although something is left");
                    return Ok(None);
                }
            }
        }
    })();
    stopped.unwrap_or_else(|broken: Broken| {
        told.take(ingest, &mut batch);
        told.broken = Some(broken.rule);
        None
    })
}

fn at_once(checker: &Arc<Checker>, bytes: &[u8]) -> Told {
    let mut told = Told::default();
    let mut ingest = Ingest::new(Arc::clone(checker), origin(), limits()).unwrap();
    assert_eq!(read(&mut ingest, bytes, 1 << 20, &mut told), None);
    told
}

/// Each section in a reading of its own, from a checkpoint that was written down.
fn in_sections(checker: &Arc<Checker>, bytes: &[u8], section: u64, piece: usize) -> Told {
    let mut told = Told::default();
    let mut ingest = Ingest::new(Arc::clone(checker), origin(), limits()).unwrap();
    let (mut rest, mut stop) = (bytes, section);
    for _ in 0..10_000 {
        ingest.stop_at(stop);
        let Some(at) = read(&mut ingest, rest, piece, &mut told) else { return told };
        assert!(at.position() >= stop, "stopped at {} before {stop}", at.position());
        stop = (at.position() / section + 1) * section;
        let at: Checkpoint = serde_json::from_str(&serde_json::to_string(&at).unwrap()).unwrap();
        rest = &bytes[at.fetch_from() as usize..];
        ingest = Ingest::resume(Arc::clone(checker), origin(), limits(), &at).unwrap();
    }
    panic!("no progress");
}

/// One reading that goes on after each stop.
fn with_stops(checker: &Arc<Checker>, bytes: &[u8], section: u64, piece: usize) -> Told {
    let mut told = Told::default();
    let mut ingest = Ingest::new(Arc::clone(checker), origin(), limits()).unwrap();
    ingest.stop_at(section);
    let mut rest = bytes;
    let mut batch = Batch::default();
    let mut broken = None;
    while broken.is_none() {
        let next = &rest[..piece.min(rest.len())];
        let is_end = next.is_empty();
        let ended = match is_end {
            true => ingest.finish(&mut batch).map(|own| own == Progress::Done),
            false => ingest.step(next, &mut batch).map(|taken| {
                rest = &rest[taken..];
                false
            }),
        };
        told.take(&mut ingest, &mut batch);
        match ended {
            Ok(true) => return told,
            Ok(false) => {}
            Err(own) => broken = Some(own.rule),
        }
        while let (Some(at), None) = (ingest.stopped(), broken) {
            broken = ingest.go_on(at.position() + section, &mut batch).err().map(|own| own.rule);
            told.take(&mut ingest, &mut batch);
        }
    }
    told.broken = broken;
    told
}

/// Each range in a reading of its own; `None` if the object cannot be cut.
fn in_ranges(checker: &Arc<Checker>, bytes: &[u8], step: u64, piece: usize) -> Option<Told> {
    let mut head = Ingest::new(Arc::clone(checker), origin(), limits()).unwrap();
    // As much as is looked at of any object.
    let head_bytes = &bytes[..bytes.len().min(64 << 10)];
    let mut looked = Batch::default();
    let mut rest = head_bytes;
    while !rest.is_empty() {
        let taken = head.step(rest, &mut looked).ok()?;
        rest = &rest[taken..];
    }
    let lines = head.line_wise()?;
    let ranges = Ranges::of(bytes.len() as u64, step);
    let mut told = Told::default();
    for number in 0..ranges.count() {
        let mut cut = LineCut::new(ranges.bounds(number));
        let mut own = Vec::new();
        for piece in bytes[cut.fetch_from() as usize..].chunks(piece) {
            own.extend_from_slice(cut.own(piece));
        }
        let Some(begin) = cut.begin() else { continue };
        let (checker, at) = (Arc::clone(checker), lines.at_line(begin));
        let mut ingest = match begin {
            0 => Ingest::new(checker, origin(), limits()).unwrap(),
            _ => Ingest::resume(checker, origin(), limits(), &at).unwrap(),
        };
        assert_eq!(read(&mut ingest, &own, piece, &mut told), None);
    }
    Some(told)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Pieces of which texts are made: records, broken ones, blanks, line ends of all kinds.
const PIECES: [&str; 22] = [
    "{\"a\":\"x\",\"n\":1}",
    "{\"a\":\"é }{\"}",
    "{\"n\":\"no\"}",
    "{\"a\":",
    "}",
    "\n",
    "\n",
    "\n",
    "\r\n",
    "\n\n  \n",
    " \t",
    "[",
    "]",
    ",",
    "x,1",
    "\"q,\"\"q\",2",
    "\"open\nand closed\",3",
    "\"never closed",
    "a,n",
    "n,a\n",
    "\u{feff}",
    "{\"a\":\"0123456789012345678901234567890123456789012345678901234567890123456789\"}",
];

fn text() -> impl Strategy<Value = String> {
    proptest::collection::vec(0..PIECES.len(), 0..60)
        .prop_map(|picks| picks.into_iter().map(|at| PIECES[at]).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn readings_from_checkpoint_to_checkpoint_tell_what_one_reading_tells(
        text in text(), section in 1u64..90, piece in 1usize..70, begins in 0usize..3,
    ) {
        for format in [LINES, ANY_JSON, CSV, CSV_LINES, BARE_CSV] {
            let checker = dataset(format);
            // Most texts would be refused for their first line.
            let text = match begins { 0 => text.clone(), 1 => format!("a,n\n{text}"), _ => format!("[{text}]") };
            for bytes in [text.clone().into_bytes(), gzip(text.as_bytes())] {
                let whole = at_once(&checker, &bytes);
                prop_assert_eq!(&in_sections(&checker, &bytes, section, piece), &whole, "{}", format);
                prop_assert_eq!(&with_stops(&checker, &bytes, section, piece), &whole, "{}", format);
            }
        }
    }

    #[test]
    fn ranges_together_tell_what_one_reading_tells(
        text in text(), step in 1u64..90, piece in 1usize..70, begins in 0usize..2,
    ) {
        for format in [LINES, CSV_LINES, BARE_CSV] {
            let checker = dataset(format);
            let text = if begins == 0 { format!("{{\"a\":1}}\n{text}") } else { format!("a,n\n{text}") };
            let whole = at_once(&checker, text.as_bytes());
            match in_ranges(&checker, text.as_bytes(), step, piece) {
                Some(told) => prop_assert_eq!(told.without_lines(), whole.without_lines(), "{}", format),
                None => prop_assert!(format == CSV_LINES && begins == 0, "{} cannot be cut", format),
            }
        }
    }
}

#[test]
fn only_lines_that_stand_for_themselves_are_cut() {
    let json = b"{\"a\":\"x\"}\n".repeat(10);
    let csv = b"a,n\nx,1\n".to_vec();
    let is_cut = |format: &str, bytes: &[u8]| in_ranges(&dataset(format), bytes, 20, 7).is_some();
    assert!(is_cut(LINES, &json) && is_cut(CSV_LINES, &csv) && is_cut(BARE_CSV, &csv));
    assert!(!is_cut(ANY_JSON, &json), "objects may have several lines");
    assert!(!is_cut(CSV, &csv), "quoted fields may have several lines");
    assert!(!is_cut(LINES, &gzip(&json)) && !is_cut(CSV_LINES, &gzip(&csv)));
    assert!(!is_cut(CSV_LINES, b"other\n1\n"), "its header is refused");
    let unique = dataset_with(LINES, &["name: a, physicalType: varchar(9), unique: true"]);
    assert!(in_ranges(&unique, &json, 20, 7).is_none(), "lines are held against each other");
}

#[test]
fn values_that_stand_twice_are_told_across_checkpoints() {
    let unique = dataset_with(ANY_JSON, &["name: a, physicalType: varchar(9), unique: true"]);
    let bytes: Vec<u8> = (0..40).flat_map(|n| format!("{{\"a\":\"{}\"}}\n", n % 30).into_bytes()).collect();
    let whole = at_once(&unique, &bytes);
    assert_eq!((whole.rows.len(), whole.rejects.len()), (30, 10));
    assert_eq!(in_sections(&unique, &bytes, 25, 10), whole);
}

#[test]
fn bytes_that_look_compressed_in_the_middle_of_a_text_are_text() {
    let bytes = b"{\"a\":\"1\"}\n\x1f\x8b\x08\x00 no gzip\n{\"a\":\"2\"}\n";
    let checker = dataset(LINES);
    let whole = at_once(&checker, bytes);
    assert_eq!((whole.rows.len(), whole.rejects.len()), (2, 1));
    assert_eq!(in_sections(&checker, bytes, 10, 5), whole);
    assert_eq!(in_ranges(&checker, bytes, 10, 5).map(Told::without_lines), Some(whole.without_lines()));
}
