//! Tests of stamped rows: what goes out comes back, and nothing else does.

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::fixtures::{One, check, check_at, checker, contract, object_id, origin, read_stamped};
use crate::ident;

fn every_type() -> Contract {
    contract(
        "",
        &[
            "name: id, physicalName: key, physicalType: bigint, primaryKey: true",
            "name: t, physicalType: varchar(4000)",
            "name: c, physicalType: char(9)",
            "name: n, physicalType: 'numeric(38,37)'",
            "name: f, physicalType: float8",
            "name: r, physicalType: real",
            "name: b, physicalType: boolean",
            "name: d, physicalType: date",
            "name: m, physicalType: time",
            "name: ts, physicalType: timestamp",
            "name: tz, physicalType: timestamptz",
            "name: s, physicalType: super",
            "name: x, physicalType: varbyte(9)",
            "name: w, physicalType: varchar(9), transformLogic: \"b ? 'y' : 'n'\"",
        ],
    )
}

fn any_text() -> impl Strategy<Value = String> {
    let hostile = prop_oneof![
        Just('"'),
        Just('\\'),
        Just('\''),
        Just('\n'),
        Just('\u{1}'),
        Just('\u{7f}'),
        Just('\u{2028}'),
        Just('\u{fffe}'),
        Just('\u{ffff}'),
        Just('😀'),
        Just('é'),
        Just(':'),
        Just('\u{feff}'),
        Just(' '),
        any::<char>(),
    ];
    proptest::collection::vec(hostile, 0..40).prop_map(|own| own.into_iter().filter(|c| *c != '\0').collect())
}

fn any_number() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("9.9999999999999999999999999999999999999".to_owned()),
        Just("-9.9999999999999999999999999999999999999".to_owned()),
        Just("1e-37".to_owned()),
        Just("-0".to_owned()),
        (-9i32..=9, 0u64..=u64::MAX).prop_map(|(whole, rest)| format!("{whole}.{rest}")),
    ]
}

prop_compose! {
    fn any_record()(
        id in prop_oneof![Just(i64::MIN), Just(i64::MAX), any::<i64>()], t in proptest::option::of(any_text()), c in "[ -~]{0,9}",
        n in any_number(), f in proptest::num::f64::NORMAL, r in proptest::num::f32::NORMAL, b in any::<bool>(),
        s in proptest::option::of(any_text()), x in proptest::option::of("([0-9a-f]{2}){0,9}"), year in 1u32..=9999, second in 0u32..60, micros in 0u32..1_000_000,
    ) -> String {
        let day = format!("{year:04}-06-15");
        let time = format!("23:59:{second:02}.{micros:06}");
        // U+FFFE and U+FFFF inside nested JSON go out escaped: the same JSON, another text.
        let s = s.map(|own| own.replace(['\u{fffe}', '\u{ffff}'], ""));
        let json = |own: &Option<String>| serde_json::to_string(own).unwrap();
        format!(
            "{{\"id\":{id},\"t\":{},\"c\":{},\"n\":{n},\"f\":{f:?},\"r\":{r:?},\"b\":{b},\"d\":\"{day}\",\"m\":\"{time}\",\
              \"ts\":\"{day} {time}\",\"tz\":\"{day}T{time}+05:30\",\"s\":{{\"k\":[{}, 1e5 ,{n}]}},\"x\":{}}}",
            json(&t), json(&Some(c)), json(&s), json(&x),
        )
    }
}

proptest! {
    #[test]
    fn a_stamped_row_reads_back_equal(record in any_record()) {
        let own = Checker::compile(Arc::new(every_type())).unwrap();
        let row = check(&own, &record).map_err(|e| TestCaseError::fail(format!("{record}: {e:?}")))?;
        let json = row.json(own.contract());
        let refused_by_sqs = json.contains(['\n', '\u{fffe}', '\u{ffff}']);
        prop_assert!(!refused_by_sqs);
        prop_assert!(serde_json::from_str::<Value>(&json).is_ok());
        prop_assert_eq!(read_stamped(&own, &json), Ok(row));
    }

    #[test]
    fn no_bytes_can_panic_the_checker(bytes in proptest::collection::vec(any::<u8>(), 0..200), json in "[\\[\\]{}\",:a-e0-9\\\\ .u-]{0,60}") {
        let own = Checker::compile(Arc::new(every_type())).unwrap();
        let record = format!("{{\"id\":1,\"s\":{json}}}");
        let is_refused = check_at(&own, &bytes, 0).is_err();
        prop_assert!(is_refused || bytes.contains(&0x7b));
        if let Ok(row) = check(&own, &record) {
            let out = row.json(own.contract());
            prop_assert_eq!(read_stamped(&own, &out), Ok(row));
        }
    }
}

fn stamped(own: &Checker, record: &str) -> (One, Value) {
    let row = check(own, record).unwrap();
    let json = serde_json::from_str(&row.json(own.contract())).unwrap();
    (row, json)
}

#[test]
fn the_hand_over_format_has_texts_null_and_nested_json() {
    let own = Checker::compile(Arc::new(every_type())).unwrap();
    let (row, json) = stamped(&own, r#"{"id":1,"t":"","n":1,"b":true,"s":[1.0, {"a":"b c"}]}"#);
    assert_eq!(
        (&json["key"], &json["t"], &json["c"], &json["b"]),
        (&"1".into(), &"".into(), &Value::Null, &"true".into())
    );
    assert_eq!(json["n"], "1.0000000000000000000000000000000000000");
    assert_eq!(json["s"], serde_json::json!([1.0, {"a": "b c"}]));
    assert_eq!(json["_record_id"], row.stamp().record_id.as_str());
    assert_eq!((&json["_order"], &json["_deleted"]), (&row.stamp().order.into(), &"false".into()));
    assert_eq!(row.stamp().order, format!("{:013}/{}/{:020}", origin().source_ms, object_id(), 7));
}

#[test]
fn a_row_of_an_older_contract_still_reads() {
    let old = checker(
        "",
        &["name: id, physicalType: bigint, primaryKey: true", "name: gone, physicalType: varchar(9)"],
    );
    let (row, json) = stamped(&old, r#"{"id":1,"gone":"x"}"#);
    let newer = checker(
        "",
        &["name: id, physicalType: bigint, primaryKey: true", "name: added, physicalType: varchar(9)"],
    );
    let read = read_stamped(&newer, &json.to_string()).unwrap();
    assert_eq!((read.get(0), read.get(1), read.stamp()), (Some("1"), None, row.stamp()));
    let strict = checker(
        "",
        &[
            "name: id, physicalType: bigint, primaryKey: true",
            "name: added, physicalType: varchar(9), required: true",
        ],
    );
    let refused = read_stamped(&strict, &json.to_string()).unwrap_err();
    assert_eq!((refused[0].rule, refused[0].column.as_deref()), (Rule::Required, Some("added")));
}

#[test]
fn stamps_of_another_shape_are_refused() {
    let own = checker("", &["name: id, physicalType: bigint, primaryKey: true"]);
    let (row, json) = stamped(&own, r#"{"id":1}"#);
    let with = |name: &str, value: Value| {
        let mut changed = json.clone();
        changed[name] = value;
        read_stamped(&own, &changed.to_string())
    };
    let id = row.stamp().record_id.to_string();
    let other = ident::record_id_of_key(["2"]);
    for (name, value) in [
        ("_record_id", Value::Null),
        ("_record_id", id.to_uppercase().into()),
        ("_record_id", id[1..].into()),
        ("_record_id", format!("{id}0").into()),
        ("_record_id", other.as_str().into()),
        ("_record_id", 5.into()),
        ("_row_hash", Value::Null),
        ("_row_hash", "x".repeat(32).into()),
        ("_row_hash", "é".repeat(16).into()),
        ("_order", Value::Null),
        ("_order", "".into()),
        ("_order", "1".repeat(129).into()),
        ("_order", "1'; DROP".into()),
        ("_order", 1.into()),
        ("_order", "é".into()),
        ("_deleted", "yes".into()),
        ("_deleted", true.into()),
        ("_deleted", 1.into()),
    ] {
        let found = with(name, value.clone()).expect_err(&format!("{name} {value}"));
        assert_eq!(found[0].rule, Rule::BadStamp, "{name} {value}");
    }
    assert!(with("_deleted", "true".into()).unwrap().stamp().deleted);
    assert!(!with("_deleted", Value::Null).unwrap().stamp().deleted);
    for text in ["", "[]", "{", "null", "{\"id\":\"1\",\"id\":\"1\"}"] {
        assert!(read_stamped(&own, text).is_err(), "{text}");
    }
}

#[test]
fn what_the_warehouse_would_refuse_is_told_of_a_stamped_row_too() {
    let own = checker(
        "",
        &[
            "name: id, physicalName: key, physicalType: bigint, primaryKey: true",
            "name: t, physicalType: varchar(3)",
        ],
    );
    let (_, mut json) = stamped(&own, r#"{"id":1,"t":"abc"}"#);
    json["key"] = "x".into();
    json["t"] = "abcd".into();
    json["_row_hash"] = Value::Null;
    let found: Vec<Rule> =
        read_stamped(&own, &json.to_string()).unwrap_err().iter().map(|own| own.rule).collect();
    assert_eq!(found, [Rule::NotANumber, Rule::TooLong, Rule::BadStamp]);
}
