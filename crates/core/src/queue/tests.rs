//! Tests of messages: what is packed with what, limits, order, accounting, and what is no message of ours.

use std::collections::{HashMap, HashSet};

use proptest::prelude::*;

use super::*;
use crate::fixtures::{One, check_at, checker, origin, read_stamped};
use crate::row::Checker;

/// 4 groups, 5 rows a message; rows are grouped by `g`.
fn dataset() -> Checker {
    let columns = [
        "name: id, physicalType: bigint, primaryKey: true",
        "name: g, physicalType: bigint",
        "name: t, physicalType: varchar(65535)",
    ];
    checker("{property: penstock.groupBy, value: g}", &columns)
}

/// Rows of (id, group, text) at ascending positions.
fn rows(checker: &Checker, records: &[(u8, u8, String)]) -> Vec<One> {
    let of = |(i, (id, g, t)): (usize, &(u8, u8, String))| {
        let record = format!("{{\"id\":{id},\"g\":{g},\"t\":{}}}", serde_json::to_string(t).unwrap());
        let position = 100 * i as u64;
        check_at(checker, record.as_bytes(), position).unwrap()
    };
    records.iter().enumerate().map(of).collect()
}

struct Packed {
    messages: Vec<Message>,
    duplicates: u64,
    refused: u64,
}

fn pack(contract: &Contract, rows: &[One]) -> Packed {
    let origin = origin();
    let mut packer = Packer::new(contract, contract.queue().unwrap(), &origin);
    let (mut messages, mut refused) = (Vec::new(), 0);
    for row in rows {
        match packer.push(row.row()) {
            Ok(message) => messages.extend(message),
            Err(violation) => {
                assert_eq!(violation.rule, Rule::RowTooLarge);
                refused += 1;
            }
        }
    }
    messages.extend(packer.finish());
    Packed { messages, duplicates: packer.duplicates(), refused }
}

fn read(checker: &Checker, message: &Message) -> Vec<One> {
    let envelope = Envelope::parse(&message.body).unwrap();
    assert_eq!((envelope.dataset.as_str(), envelope.contract_version.as_str()), ("t", "1.2.3"));
    assert_eq!(envelope.source, origin().source);
    envelope.rows.iter().map(|raw| read_stamped(checker, raw.get()).unwrap()).collect()
}

fn any_records() -> impl Strategy<Value = Vec<(u8, u8, String)>> {
    let text = prop_oneof![8 => "[a-z\"\\\\]{0,20}", 1 => (0usize..40_000).prop_map(|n| "\"".repeat(n)), 1 => (0usize..65_000).prop_map(|n| "x".repeat(n))];
    proptest::collection::vec((0u8..12, 0u8..6, text), 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn messages_keep_both_limits_and_every_row_is_accounted_for(records in any_records()) {
        let own = dataset();
        let rows = rows(&own, &records);
        let packed = pack(own.contract(), &rows);
        let sent: u64 = packed.messages.iter().map(|message| message.rows).sum();
        prop_assert_eq!(sent + packed.duplicates + packed.refused, rows.len() as u64);
        for message in &packed.messages {
            prop_assert!((1..=5).contains(&message.rows) && message.body.len() <= MAX_MESSAGE_BYTES);
            prop_assert_eq!(read(&own, message).len() as u64, message.rows);
        }
    }

    #[test]
    fn what_is_read_of_the_messages_has_every_row_in_order_within_its_group(records in any_records()) {
        let own = dataset();
        let rows = rows(&own, &records);
        let mut last: HashMap<String, String> = HashMap::new();
        let mut seen: HashSet<HexId> = HashSet::new();
        for message in pack(own.contract(), &rows).messages {
            for row in read(&own, &message) {
                prop_assert_eq!(&message.group_id, &format!("t-{}", row.row().group(own.contract(), 4)));
                let order = row.stamp().order.to_owned();
                prop_assert!(last.insert(message.group_id.clone(), order.clone()).is_none_or(|before| before < order));
                prop_assert!(rows.contains(&row));
                seen.insert(row.stamp().record_id);
            }
        }
        let small = rows.iter().filter(|placed| placed.get(2).is_some_and(|text| text.len() < 30_000));
        prop_assert!(small.into_iter().all(|placed| seen.contains(&placed.stamp().record_id)));
    }

    #[test]
    fn packing_again_gives_the_same_messages(records in any_records()) {
        let own = dataset();
        let rows = rows(&own, &records);
        prop_assert_eq!(pack(own.contract(), &rows).messages, pack(own.contract(), &rows).messages);
    }

    #[test]
    fn ids_of_messages_differ_and_use_only_characters_that_sqs_takes(records in any_records()) {
        let own = dataset();
        let messages = pack(own.contract(), &rows(&own, &records)).messages;
        let ids: HashSet<HexId> = messages.iter().map(|message| message.deduplication_id).collect();
        prop_assert_eq!(ids.len(), messages.len());
        for message in &messages {
            prop_assert!(message.group_id.len() <= 128 && message.group_id.bytes().all(|b| b.is_ascii_graphic()));
            prop_assert!(message.deduplication_id.as_str().bytes().all(|b| b.is_ascii_alphanumeric()));
            let taken = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
            prop_assert!(message.body.chars().all(taken));
        }
    }
}

#[test]
fn two_packings_of_one_object_never_share_an_id_unless_their_messages_are_equal() {
    let own = dataset();
    let records: Vec<(u8, u8, String)> = (0..60).map(|i| (i, i % 6, "x".into())).collect();
    let all = rows(&own, &records);
    let few: Vec<One> =
        all.iter().enumerate().filter(|(i, _)| i % 7 != 3).map(|(_, row)| row.clone()).collect();
    let one_group = crate::contract::QueueServer { groups: 1, ..own.contract().queue().unwrap().clone() };
    let origin = origin();
    let mut packer = Packer::new(own.contract(), &one_group, &origin);
    let mut other: Vec<Message> = all.iter().filter_map(|row| packer.push(row.row()).unwrap()).collect();
    other.extend(packer.finish());
    let mut bodies: HashMap<HexId, String> = HashMap::new();
    for message in [pack(own.contract(), &all).messages, pack(own.contract(), &few).messages, other].concat()
    {
        let body = message.body.clone();
        let known = bodies.entry(message.deduplication_id).or_insert(message.body);
        assert_eq!(*known, body);
    }
}

#[test]
fn of_equal_rows_the_later_one_is_sent() {
    let own = dataset();
    let same = (1u8, 1u8, "x".to_owned());
    let placed = rows(&own, &[same.clone(), (1, 1, "y".into()), same]);
    let packed = pack(own.contract(), &placed);
    assert_eq!((packed.messages.len(), packed.duplicates), (1, 1));
    let positions: Vec<_> =
        read(&own, &packed.messages[0]).iter().map(|row| row.stamp().order.to_owned()).collect();
    assert_eq!(positions, [placed[1].stamp().order, placed[2].stamp().order]);
}

#[test]
fn equal_rows_without_end_take_no_memory() {
    let own = dataset();
    let record = "{\"id\":1,\"g\":1,\"t\":\"x\"}";
    let origin = origin();
    let mut packer = Packer::new(own.contract(), own.contract().queue().unwrap(), &origin);
    for position in 0..10_000 {
        assert_eq!(packer.push(check_at(&own, record.as_bytes(), position).unwrap().row()), Ok(None));
    }
    assert_eq!(
        packer.groups.values().map(|pending| pending.rows.len() + pending.by_identity.len()).sum::<usize>(),
        2
    );
    assert_eq!((packer.duplicates(), packer.finish().len()), (9_999, 1));
}

#[test]
fn a_row_that_no_message_can_hold_is_refused_and_the_others_go() {
    let own = dataset();
    let packed = pack(
        own.contract(),
        &rows(&own, &[(1, 1, "a".into()), (2, 1, "\"".repeat(33_000)), (3, 1, "b".into())]),
    );
    assert_eq!((packed.refused, packed.messages.len(), packed.messages[0].rows), (1, 1, 2));
}

#[test]
fn what_is_not_ours_is_refused() {
    let message = |format: &str, source: &str| {
        format!(
            "{{\"penstock\":{format},\"dataset\":\"t\",\"contract_version\":\"1\",\"source\":\"{source}\",\"rows\":[{{}}]}}"
        )
    };
    assert!(Envelope::parse(&message("1", "s3://b/k")).is_ok());
    let long = "x".repeat(MAX_SOURCE_BYTES + 1);
    let deep = format!("{{\"penstock\":1,\"x\":{}", "[".repeat(100_000));
    for body in [
        "",
        "{}",
        "[]",
        "null",
        "x",
        "{\"Records\":[]}",
        &deep,
        &message("2", "s"),
        &message("\"1\"", "s"),
        &message("1", &long),
        &message("1", "\\u0000"),
        &message("1", "s").replace("[{}]", "{}"),
        &message("1", "s").replace("\"t\"", "5"),
        &(message("1", "s") + "{}"),
        &message("1", "s").replace("\"rows\"", "\"row\""),
    ] {
        let refused = Envelope::parse(body).map(|_| ()).unwrap_err();
        assert_eq!(refused.rule, Rule::UnknownMessage, "{body:.80}");
    }
}
