//! What `scan` accepts is what `strict` reads, field by field; and it accepts what plain records look like.

use proptest::prelude::*;

use super::super::compact::compact;
use super::super::strict::{compact_nested, read_fields};
use super::*;

const KEYS: [&str; 4] = ["a", "b", "json", "é"];

fn names() -> Names {
    Names::new(KEYS.iter().enumerate().map(|(i, name)| ((*name).to_owned(), i, *name == "json")))
}

fn told(fields: &Fields, record: &str) -> Vec<String> {
    let values = (0..KEYS.len()).map(|slot| format!("{:?}", fields.scalar(slot, record)));
    let extra = fields.extra_names(record).map(str::to_owned);
    values.chain(extra).chain([fields.extra().to_string()]).collect()
}

fn any_json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,5})?([eE][+-]?[0-9]{1,3})?",
        Just("null".to_owned()),
        Just("true".to_owned()),
        "[a-zé \\\\\"/\u{0}-\u{1f}]{0,12}".prop_map(|text| serde_json::to_string(&text).unwrap()),
        "\"(\\\\u[0-9a-fdD]{4}|\\\\[\"\\\\nrt/bfx]|[a-z]){0,6}\"",
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        let blank = "[ \n\t]{0,2}";
        prop_oneof![
            proptest::collection::vec((inner.clone(), blank), 0..4).prop_map(|items| {
                let items: Vec<String> = items.into_iter().map(|(item, blank)| blank + &item).collect();
                format!("[{}]", items.join(","))
            }),
            proptest::collection::vec(("[ab]", inner), 0..4).prop_map(|members| {
                let members: Vec<String> =
                    members.into_iter().map(|(key, value)| format!("\"{key}\": {value}")).collect();
                format!("{{{}}}", members.join(" ,"))
            }),
        ]
    })
}

/// Mostly records, some of them with a byte changed.
fn any_record() -> impl Strategy<Value = Vec<u8>> {
    let key = prop_oneof![4 => "a|b|json|é", 1 => "[a-d]{1,3}", 1 => "\\\\u0061"];
    let members = proptest::collection::vec((key, any_json(), "[ \t]{0,1}"), 0..6);
    (members, prop_oneof![3 => Just(None), 1 => any::<(prop::sample::Index, u8)>().prop_map(Some)]).prop_map(
        |(members, change)| {
            let members: Vec<String> = members
                .into_iter()
                .map(|(key, value, blank)| format!("{blank}\"{key}\"{blank}:{blank}{value}"))
                .collect();
            let mut record = format!("{{{}}}", members.join(",")).into_bytes();
            if let Some((at, byte)) = change {
                let at = at.index(record.len());
                record[at] = byte;
            }
            record
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_scan_accepts_is_what_strict_reads(first in any_record(), record in any_record()) {
        let (names, mut hint, mut fields) = (names(), Hint::default(), Fields::default());
        // A hint of another record must not matter.
        let _first = scan(&first, &names, &mut hint, &mut fields);
        if let Some(Scanned { len, .. }) = scan(&record, &names, &mut hint, &mut fields)
            && let Ok(text) = std::str::from_utf8(&record[..len])
        {
            let mut strict = Fields::default();
            let read = read_fields(text.as_bytes(), &names, &mut strict);
            prop_assert!(read.is_ok(), "{text}: {read:?}");
            prop_assert_eq!(told(&fields, text), told(&strict, text), "{}", text);
        }
    }

    #[test]
    fn compacting_fast_and_slowly_gives_the_same(nested in any_json()) {
        let (mut fast, mut slow) = (String::from("x"), String::from("x"));
        match compact(&nested, &mut fast) {
            Some(()) => {
                // A duplicate far away is what only the slow way tells.
                let wrapped = format!("[{nested},\"\\u0061\"]");
                prop_assert_eq!(compact_nested(&wrapped, &mut slow), Ok(()), "{}", nested);
                prop_assert_eq!(format!("x[{},\"\\u0061\"]", &fast[1..]), slow);
            }
            None => prop_assert_eq!(fast, "x"),
        }
    }
}

#[test]
fn plain_records_are_accepted_in_any_order_of_their_fields() {
    let (names, mut hint, mut fields) = (names(), Hint::default(), Fields::default());
    for (record, want) in [
        (r#"{"a":1,"b":"x","json":{"k":[1, 2]},"é":true} tail"#, ["1", "x", "{\"k\":[1, 2]}", "true"]),
        (r#"{ "b" : "x" , "a" : 1 , "é" : false , "json" : 5 }"#, ["1", "x", "5", "false"]),
        (
            r#"{"json":"t","other":[],"b":"line\nbreak","a":-0.5e3}"#,
            ["-0.5e3", "line\nbreak", "\"t\"", "null"],
        ),
    ] {
        let Scanned { len, is_one_line } = scan(record.as_bytes(), &names, &mut hint, &mut fields).unwrap();
        assert!(is_one_line);
        assert_eq!(len, record.find(" tail").unwrap_or(record.len()));
        let values: Vec<String> = (0..4)
            .map(|slot| match fields.scalar(slot, record) {
                super::super::Scalar::Null => "null".to_owned(),
                super::super::Scalar::Bool(flag) => flag.to_string(),
                super::super::Scalar::Number(text)
                | super::super::Scalar::Text(text)
                | super::super::Scalar::Nested(text)
                | super::super::Scalar::Canonical(text) => text.to_owned(),
            })
            .collect();
        assert_eq!(values, want);
    }
}
