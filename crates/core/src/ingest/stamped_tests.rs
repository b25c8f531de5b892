//! Tests of objects whose rows brought their stamps along.

use std::io::Write as _;

use super::*;
use crate::fixtures::{checker, object_id, origin};
use crate::reject::Rule;
use crate::row::HandOver;

fn dataset() -> Arc<Checker> {
    Arc::new(checker(
        "",
        &[
            "name: Id, physicalName: id, physicalType: bigint, primaryKey: true",
            "name: s, physicalType: super",
        ],
    ))
}

/// Rows of an unstamped object in the hand-over format, one a line.
fn staged(checker: &Arc<Checker>, lines: &str) -> (Vec<String>, String) {
    let mut batch = Batch::default();
    let mut ingest = Ingest::new(Arc::clone(checker), origin(), Limits::default()).unwrap();
    ingest.push(lines.as_bytes(), &mut batch).unwrap();
    assert_eq!(ingest.finish(&mut batch).unwrap(), Progress::Done);
    let (mut told, mut text) = (Vec::new(), String::new());
    for row in ingest.stamp(&mut batch).iter() {
        HandOver::new(checker.contract()).write_whole(row, "s3://landing/x", &mut text);
        text.push('\n');
        told.push(format!("{:?} {:?} {:?}", row.get(0), row.get(1), row.stamp()));
    }
    (told, text)
}

fn read(checker: &Arc<Checker>, bytes: &[u8]) -> (Batch, Ingest) {
    let stage = Origin::new("s3://stage/t/1", object_id(), 5);
    let mut ingest = Ingest::of_stamped(Arc::clone(checker), stage, Limits::default());
    let mut batch = Batch::default();
    for piece in bytes.chunks(7) {
        ingest.push(piece, &mut batch).unwrap();
    }
    assert_eq!(ingest.finish(&mut batch).unwrap(), Progress::Done);
    (batch, ingest)
}

#[test]
fn stamped_rows_keep_their_stamps_and_their_source_packed_or_not() {
    let checker = dataset();
    let (told, text) =
        staged(&checker, "{\"Id\":1,\"s\":{\"a\":[1]}}\n{\"Id\":2}\n{\"Id\":-3,\"s\":\"x\"}\n");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(text.as_bytes()).unwrap();
    for bytes in [text.clone().into_bytes(), gzip.finish().unwrap()] {
        let (mut batch, mut ingest) = read(&checker, &bytes);
        assert_eq!((batch.read, batch.rejects.len()), (3, 0));
        let rows = ingest.stamp(&mut batch);
        assert!(rows.iter().all(|row| row.source() == Some("s3://landing/x")));
        let read: Vec<String> =
            rows.iter().map(|row| format!("{:?} {:?} {:?}", row.get(0), row.get(1), row.stamp())).collect();
        assert_eq!(read, told);
    }
}

#[test]
fn a_record_without_stamps_or_with_wrong_ones_is_a_reject_with_its_place() {
    let checker = dataset();
    let (_, text) = staged(&checker, "{\"Id\":1}\n{\"Id\":2}\n");
    let (first, second) = text.split_once('\n').unwrap();
    let forged = second.replace("\"id\":\"2\"", "\"id\":\"7\"");
    let (batch, _) = read(&checker, format!("{first}\n{{\"id\":\"3\"}}\n{forged}no row\n").as_bytes());
    assert_eq!((batch.read, batch.rows.len()), (4, 1));
    let told: Vec<_> =
        batch.rejects.iter().map(|own| (own.line, own.position, own.violations[0].rule)).collect();
    let at = first.len() as u64 + 1;
    assert_eq!(told[0], (Some(2), Some(at), Rule::BadStamp));
    assert_eq!(told[1], (Some(3), Some(at + 11), Rule::BadStamp));
    assert_eq!(told[2].0, Some(4));
}
