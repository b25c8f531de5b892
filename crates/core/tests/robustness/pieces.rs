//! Arbitrary bytes and changed files of every format, in arbitrary pieces: nothing panics or loops, the counts add up,
//! the pieces change nothing, and each row that comes out holds.

use penstock_core::decode::Limits;
use proptest::prelude::*;

use crate::datasets::{self, Dataset};
use crate::files::{gzip, seeds, zstd};
use crate::mutate::{Change, apply};
use crate::rig::{Outcome, cases, ingest};
use crate::rows::hold_all;

#[derive(Debug, Clone, Copy)]
enum Packing {
    None,
    Gzip,
    Zstd,
    /// Two members, the second changed.
    Members,
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let change =
        (any::<u8>(), any::<u32>(), any::<u32>()).prop_map(|(kind, at, with)| Change { kind, at, with });
    proptest::collection::vec(change, 0..12)
}

fn packings() -> impl Strategy<Value = Packing> {
    use Packing::{Gzip, Members, None, Zstd};
    prop_oneof![4 => Just(None), 1 => Just(Gzip), 1 => Just(Zstd), 1 => Just(Members)]
}

fn limits(max_record_bytes: usize) -> Limits {
    Limits {
        max_record_bytes,
        max_ratio: 50,
        free_bytes: 64 << 10,
        max_block_bytes: 8 << 10,
        max_whole_bytes: 128 << 10,
    }
}

fn shown(outcome: &Outcome) -> String {
    format!("{:?} {:?}", outcome.batch, outcome.ended)
}

fn packed(plain: &[u8], packing: Packing) -> Vec<u8> {
    match packing {
        Packing::None => plain.to_vec(),
        Packing::Gzip => gzip(plain),
        Packing::Zstd => zstd(plain),
        Packing::Members => {
            let (head, tail) = plain.split_at(plain.len() / 2);
            [gzip(head), gzip(tail)].concat()
        }
    }
}

/// The same however the bytes arrive. Of a corrupt packed stream the decompressor gives more or less before it tells;
/// of a corrupt block the reader tells what it sees first.
fn pieces_change_nothing(own: &Dataset, bytes: &[u8], lengths: &[usize], limits: Limits, is_intact: bool) {
    let whole = ingest(&own.checker, own.key, bytes, &[usize::MAX], limits);
    let pieces = ingest(&own.checker, own.key, bytes, lengths, limits);
    hold_all(&own.checker, &whole);
    if is_intact {
        let told = |it: &Outcome| {
            if ["avro", "parquet"].contains(&own.name) { format!("{:?}", it.batch) } else { shown(it) }
        };
        assert_eq!((told(&pieces), pieces.ended.is_ok()), (told(&whole), whole.ended.is_ok()));
    } else {
        hold_all(&own.checker, &pieces);
    }
}

proptest! {
    #![proptest_config(cases(6000))]
    #[test]
    fn changed_files_of_every_format_are_accounted_for_in_any_pieces(
        dataset in any::<prop::sample::Index>(), seed in any::<prop::sample::Index>(), packing in packings(),
        inner in changes(), outer in changes(), lengths in proptest::collection::vec(1usize..300, 1..6),
        max_record_bytes in prop_oneof![Just(4usize << 20), 20usize..400],
    ) {
        let own = dataset.get(datasets::all());
        let mut plain = seed.get(&seeds(own.name)).clone();
        inner.iter().for_each(|change| apply(&mut plain, *change));
        let mut bytes = packed(&plain, packing);
        let is_packed = !matches!(packing, Packing::None);
        let is_intact = !is_packed && ![&[0x1f, 0x8b][..], &[0x28, 0xb5]].iter().any(|magic| plain.starts_with(magic));
        if is_packed {
            outer.iter().take(2).for_each(|change| apply(&mut bytes, *change));
        }
        pieces_change_nothing(own, &bytes, &lengths, limits(max_record_bytes), is_intact);
    }

    #[test]
    fn arbitrary_bytes_are_accounted_for_in_every_format(
        dataset in any::<prop::sample::Index>(), bytes in proptest::collection::vec(any::<u8>(), 0..300),
        magic in prop::sample::select(vec![&b""[..], b"\x1f\x8b\x08\x00", b"\x28\xb5\x2f\xfd", b"Obj\x01", b"PAR1", b"{\"id\":"]),
        lengths in proptest::collection::vec(1usize..20, 1..6),
    ) {
        let own = dataset.get(datasets::all());
        let bytes = [magic, &bytes].concat();
        let is_packed = bytes.starts_with(&[0x1f, 0x8b]) || bytes.starts_with(&[0x28, 0xb5]);
        pieces_change_nothing(own, &bytes, &lengths, limits(4 << 20), !is_packed);
    }
}

#[test]
fn the_files_that_are_changed_are_good_ones() {
    for own in datasets::all() {
        for (i, seed) in seeds(own.name).into_iter().enumerate() {
            let outcome = ingest(&own.checker, own.key, &seed, &[7], Limits::default());
            hold_all(&own.checker, &outcome);
            let is_strange = ["array", "lines", "csv strict", "csv lines", "csv bare"].contains(&own.name);
            assert!(is_strange || outcome.ended.is_ok(), "{} {i}: {:?}", own.name, outcome.ended);
            assert!(is_strange || !outcome.rows.is_empty(), "{} {i}: {:?}", own.name, outcome.told());
        }
    }
}
