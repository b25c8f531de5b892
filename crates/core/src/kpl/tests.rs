//! The codec of aggregated records, held to bytes written by hand, to its own inverse and to arbitrary bytes.

use proptest::prelude::*;

use super::*;

fn record<'a>(partition_key: &'a str, data: &'a [u8]) -> UserRecord<'a> {
    UserRecord { partition_key, explicit_hash_key: None, data }
}

fn aggregated(message: &[u8]) -> Vec<u8> {
    [MAGIC.as_slice(), message, Md5::digest(message).as_slice()].concat()
}

/// Table "k", table of hash keys "7", one record with both indices, data "ab" and a tag, and an unknown field 9.
const BY_HAND: &[u8] = &[
    0x0a, 1, b'k', 0x12, 1, b'7', //
    0x1a, 13, 0x08, 0, 0x10, 0, 0x1a, 2, b'a', b'b', 0x22, 3, 0x0a, 1, b't', //
    0x48, 0xac, 0x02,
];

#[test]
fn a_message_written_by_hand_is_read_without_its_tags() {
    let record = aggregated(BY_HAND);
    let records = decode(message(&record).unwrap()).unwrap();
    assert_eq!(records, [UserRecord { explicit_hash_key: Some("7"), ..self::record("k", b"ab") }]);
}

#[test]
fn what_is_written_is_the_form_of_the_producer_library() {
    let written = encode([record("k", b"a"), record("l", b""), record("k", b"b")]);
    let message: &[u8] = &[
        0x0a, 1, b'k', 0x0a, 1, b'l', //
        0x1a, 5, 0x08, 0, 0x1a, 1, b'a', 0x1a, 4, 0x08, 1, 0x1a, 0, 0x1a, 5, 0x08, 0, 0x1a, 1, b'b',
    ];
    assert_eq!(written, aggregated(message));
}

#[test]
fn a_partition_key_hashes_to_the_number_that_kinesis_sorts_it_by() {
    // As md5sum gives them.
    assert_eq!(hash_key(""), 0xd41d_8cd9_8f00_b204_e980_0998_ecf8_427e);
    assert_eq!(hash_key("a"), 0x0cc1_75b9_c0f1_b6a8_31c3_99e2_6977_2661);
}

#[test]
fn a_record_with_the_magic_but_another_digest_is_not_aggregated() {
    let mut record = aggregated(BY_HAND);
    *record.last_mut().unwrap() ^= 1;
    assert_eq!(message(&record), None);
    assert_eq!(message(&MAGIC), None);
    assert_eq!(message(b"{}"), None);
}

#[test]
fn keys_may_stand_behind_the_records_that_name_them() {
    let message = [0x1a, 5, 0x08, 0, 0x1a, 1, b'a', 0x0a, 1, b'k'];
    assert_eq!(decode(&message).unwrap(), [record("k", b"a")]);
}

#[test]
fn records_that_are_not_whole_are_told() {
    assert_eq!(decode(&[0x1a, 2, 0x08, 0]), Err(KplError::Incomplete));
    assert_eq!(decode(&[0x1a, 5, 0x08, 1, 0x1a, 1, b'a', 0x0a, 1, b'k']), Err(KplError::Incomplete));
    assert_eq!(decode(&[0x1a, 9, 0x08]), Err(KplError::Malformed));
    assert_eq!(decode(&[0x18, 1]), Err(KplError::Malformed));
    assert_eq!(decode(&[0x0a, 1, 0xff]), Err(KplError::Malformed));
}

#[test]
fn more_user_records_than_the_cap_are_refused() {
    let many = |count: usize| encode(std::iter::repeat_n(record("k", b""), count));
    let (most, more) = (many(MAX_USER_RECORDS), many(MAX_USER_RECORDS + 1));
    assert_eq!(decode(message(&most).unwrap()).unwrap().len(), MAX_USER_RECORDS);
    assert_eq!(decode(message(&more).unwrap()), Err(KplError::TooMany));
}

proptest! {
    #[test]
    fn decoding_undoes_encoding(
        records in prop::collection::vec(("[a-c]{0,2}|\\PC{0,9}", prop::option::of("[0-9]{1,3}"), any::<Vec<u8>>()), 0..40)
    ) {
        let records: Vec<_> = records
            .iter()
            .map(|(key, hash, data)| UserRecord { partition_key: key, explicit_hash_key: hash.as_deref(), data })
            .collect();
        let written = encode(records.iter().copied());
        prop_assert_eq!(decode(message(&written).unwrap()).unwrap(), records);
    }

    #[test]
    fn an_aggregation_foretells_its_length_and_reads_back_however_often_it_is_used(
        rounds in prop::collection::vec(
            prop::collection::vec(("[a-b]{0,2}|\\PC{0,9}|[x]{120,140}", prop::collection::vec(any::<u8>(), 0..300)), 1..200),
            1..3,
        )
    ) {
        let mut aggregation = Aggregation::new("170141183460469231731687303715884105728");
        for records in rounds {
            let mut foretold = 0;
            for (key, data) in &records {
                foretold = aggregation.bytes_with(key, data.len());
                aggregation.push(key, data);
            }
            prop_assert_eq!(aggregation.len(), records.len());
            let mut written = b"before".to_vec();
            aggregation.finish(&mut written);
            let written = written.strip_prefix(b"before").unwrap();
            prop_assert!(aggregation.is_empty());
            prop_assert_eq!(written.len(), foretold);
            let hash = Some("170141183460469231731687303715884105728");
            let expected: Vec<_> = records
                .iter()
                .map(|(key, data)| UserRecord { partition_key: key, explicit_hash_key: hash, data })
                .collect();
            prop_assert_eq!(decode(message(written).unwrap()).unwrap(), expected);
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in any::<Vec<u8>>()) {
        let _told = decode(&bytes);
        let _told = message(&[MAGIC.as_slice(), &bytes].concat());
    }

    #[test]
    fn a_message_with_any_byte_changed_never_panics(at in 0..BY_HAND.len(), byte in any::<u8>()) {
        let mut message = BY_HAND.to_vec();
        message[at] = byte;
        let _told = decode(&message);
    }
}
