//! Ranges cover an object once, whatever its lines; tasks come back as they were sent.

use proptest::prelude::*;

use super::*;
use crate::ident;

/// What a range owns, with the position that it gives its first byte; the bytes come in pieces.
fn owned(bytes: &[u8], bounds: (u64, u64), piece: usize) -> (u64, Vec<u8>) {
    let mut cut = LineCut::new(bounds);
    let mut own = Vec::new();
    for piece in bytes[cut.fetch_from() as usize..].chunks(piece) {
        own.extend_from_slice(cut.own(piece));
        if cut.is_done() {
            break;
        }
    }
    (cut.begin().unwrap_or(bounds.1), own)
}

proptest! {
    #[test]
    fn every_line_has_one_owner_wherever_the_cuts_fall(
        text in "[ab\n\r ]{0,60}", step in 1u64..20, piece in 1usize..9,
    ) {
        let bytes = text.as_bytes();
        let ranges = Ranges::of(bytes.len() as u64, step);
        let mut all = Vec::new();
        for number in 0..ranges.count() {
            let bounds = ranges.bounds(number);
            let (begin, own) = owned(bytes, bounds, piece);
            if !own.is_empty() {
                prop_assert_eq!(begin, all.len() as u64);
                prop_assert!(bounds.0 <= begin && begin < bounds.1);
                // Its last line began in it.
                let last = own[..own.len() - 1].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
                prop_assert!(begin + (last as u64) < bounds.1);
            }
            all.extend_from_slice(&own);
        }
        prop_assert_eq!(all, bytes);
    }
}

#[test]
fn a_range_that_begins_right_at_a_line_owns_it_and_one_within_a_long_line_owns_nothing() {
    let bytes = b"0123\n5678\n";
    assert_eq!(owned(bytes, (5, 10), 3), (5, b"5678\n".to_vec()));
    assert_eq!(owned(bytes, (4, 5), 3).1, b"");
    assert_eq!(owned(bytes, (1, 4), 3).1, b"");
    assert_eq!(owned(bytes, (0, 1), 3), (0, b"0123\n".to_vec()));
}

#[test]
fn ranges_are_of_one_size_and_never_too_many() {
    let ranges = Ranges::of(1_000, 300);
    let bounds: Vec<_> = (0..ranges.count()).map(|n| ranges.bounds(n)).collect();
    assert_eq!(bounds, [(0, 300), (300, 600), (600, 900), (900, 1_000)]);
    assert_eq!(Ranges::of(5 << 40, 1 << 20).count(), 10_000);
    assert_eq!(Ranges::of(0, 0).count(), 0);
    assert_eq!((Ranges::one(9).count(), Ranges::one(9).bounds(0)), (1, (0, 9)));
}

fn task() -> RangeTask {
    let object = ObjectRef { bucket: "b".into(), key: "copy/ä b.json".into(), size: None, etag: None };
    let object_id = ident::stable_id(["o"]);
    let of = Pinned {
        object: &object,
        etag: "e",
        object_id,
        fingerprint: ident::stable_id(["c"]),
        modified_ms: 7,
    };
    RangeTask::new(of, Ranges::of(250, 100), 2)
}

#[test]
fn a_task_comes_back_as_it_was_sent_and_an_event_is_none() {
    let task = task();
    assert_eq!((task.number, task.count, task.start, task.end), (2, 3, 200, 250));
    assert_eq!(RangeTask::parse(&task.text()), Some(Ok(task.clone())));
    assert_eq!(task.object().etag.as_deref(), Some("e"));
    for event in ["{}", "no JSON", "{\"Records\":[]}", "[]", "\"read_range\""] {
        assert_eq!(RangeTask::parse(event), None, "{event}");
    }
}

#[test]
fn a_task_for_no_range_is_refused() {
    let text = task().text();
    for (good, bad) in [
        ("\"number\":2", "\"number\":3"),
        ("\"start\":200", "\"start\":250"),
        ("\"end\":250", "\"end\":251"),
        ("read_range", "read_other"),
        ("\"etag\":\"e\",", ""),
    ] {
        let bad = text.replace(good, bad);
        assert_ne!(bad, text);
        assert!(matches!(RangeTask::parse(&bad), Some(Err(_))), "{bad}");
    }
}
