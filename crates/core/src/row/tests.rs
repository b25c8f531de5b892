//! Tests of records: every rule that one can break, overflow, and derived columns.

use super::*;
use crate::contract::Inclusive;
use crate::fixtures::{One, broken, check, check_at, checker, origin, transaction, transactions};

/// Column `v` under a rule, a value that breaks it, and the rule.
const BROKEN_VALUES: &[(&str, &str, Rule)] = &[
    ("physicalType: bigint, required: true", "null", Rule::Required),
    ("physicalType: bigint", "{\"secret77\":1}", Rule::WrongType),
    ("physicalType: varchar(9)", "77", Rule::WrongType),
    ("physicalType: boolean", "\"secret77\"", Rule::WrongType),
    ("physicalType: date", "20260101", Rule::WrongType),
    ("physicalType: super, logicalType: object", "[\"secret77\"]", Rule::WrongType),
    ("physicalType: super, logicalType: array", "{\"secret77\":1}", Rule::WrongType),
    ("physicalType: varbyte(2)", "\"secret77\"", Rule::WrongType),
    ("physicalType: bigint", "\"secret77\"", Rule::NotANumber),
    ("physicalType: float8", "\"NaN\"", Rule::NotANumber),
    ("physicalType: 'numeric(4,2)'", "1.777", Rule::TooManyDigits),
    ("physicalType: time", "\"10:00:00.1234567\"", Rule::TooManyDigits),
    ("physicalType: smallint", "77777", Rule::OutOfRange),
    ("physicalType: real", "1e39", Rule::OutOfRange),
    ("physicalType: float8", "1e400", Rule::OutOfRange),
    ("physicalType: date", "\"2026-02-30\"", Rule::InvalidDate),
    ("physicalType: time", "\"77:00:00\"", Rule::InvalidTime),
    ("physicalType: timestamp", "\"2026-01-01T00:00:00Z\"", Rule::InvalidTimestamp),
    ("physicalType: timestamptz", "\"2026-01-01t00:00:00z\"", Rule::InvalidTimestamp),
    ("physicalType: varchar(99)", "\"secret77\\u0000\"", Rule::NulCharacter),
    ("physicalType: super", "[\"secret77\\u0000\"]", Rule::NulCharacter),
    ("physicalType: super", "{\"secret77\":1,\"secret77\":1}", Rule::DuplicateKey),
    ("physicalType: super", "[\"\\ud800 secret77\"]", Rule::InvalidJson),
    ("physicalType: varchar(99)", "\"\\ud800 secret77\"", Rule::InvalidJson),
    ("physicalType: char(99)", "\"sécret77\"", Rule::NotAscii),
    ("physicalType: varchar(7)", "\"secret77\"", Rule::TooLong),
    ("physicalType: char(7)", "\"secret77\"", Rule::TooLong),
    ("physicalType: varbyte(3)", "\"77777777\"", Rule::TooLong),
    ("physicalType: varchar(99), logicalTypeOptions: {maxLength: 7}", "\"secret77\"", Rule::TooLong),
    ("physicalType: varchar(99), logicalTypeOptions: {minLength: 9}", "\"secret77\"", Rule::TooShort),
    ("physicalType: varchar(99), logicalTypeOptions: {pattern: '^x'}", "\"secret77\"", Rule::Pattern),
    (
        "physicalType: varchar(99), quality: [{metric: invalidValues, mustBe: 0, arguments: {pattern: '^x'}}]",
        "\"secret77\"",
        Rule::Pattern,
    ),
    (
        "physicalType: varchar(99), quality: [{metric: invalidValues, mustBe: 0, arguments: {validValues: [x]}}]",
        "\"secret77\"",
        Rule::ValidValues,
    ),
    ("physicalType: bigint, logicalTypeOptions: {minimum: 100}", "77", Rule::Minimum),
    ("physicalType: bigint, logicalTypeOptions: {exclusiveMinimum: 77}", "77", Rule::Minimum),
    ("physicalType: 'numeric(9,2)', logicalTypeOptions: {maximum: 0.5}", "77", Rule::Maximum),
    ("physicalType: float8, logicalTypeOptions: {exclusiveMaximum: 77}", "77", Rule::Maximum),
    ("physicalType: 'numeric(9,2)', logicalTypeOptions: {multipleOf: 0.05}", "77.77", Rule::MultipleOf),
    ("physicalType: varchar(99), logicalTypeOptions: {format: uuid}", "\"secret77\"", Rule::Format),
    ("physicalType: super, logicalTypeOptions: {minItems: 2}", "[\"secret77\"]", Rule::TooFewItems),
    ("physicalType: super, logicalTypeOptions: {maxItems: 0}", "[\"secret77\"]", Rule::TooManyItems),
];

#[test]
fn each_rule_names_its_column_and_never_tells_the_value() {
    for (column, value, rule) in BROKEN_VALUES {
        let checker = checker("", &[&format!("name: v, {column}")]);
        let violations = check(&checker, &format!("{{\"v\":{value}}}")).expect_err(column);
        assert_eq!(violations.len(), 1, "{column} {value}: {violations:?}");
        assert_eq!(
            (violations[0].rule, violations[0].column.as_deref()),
            (*rule, Some("v")),
            "{column} {value}"
        );
        let reason = &violations[0].reason;
        assert!(!reason.contains("secret77") && !reason.contains("777"), "{column} {value}: {reason}");
    }
}

#[test]
fn rules_of_the_record_as_a_whole_are_told() {
    let own = checker("{property: penstock.extraColumns, value: reject}", &["name: v, physicalType: bigint"]);
    for (record, rule) in [
        ("[1]", Rule::NotAnObject),
        ("\"x\"", Rule::NotAnObject),
        ("", Rule::NotAnObject),
        ("{\"v\":1", Rule::InvalidJson),
        ("{\"v\":01}", Rule::InvalidJson),
        ("{'v':1}", Rule::InvalidJson),
        ("{\"v\":1,}", Rule::InvalidJson),
        ("{\"v\":NaN}", Rule::InvalidJson),
        ("{\"v\":1}{}", Rule::InvalidJson),
        ("{\"v\":1,\"v\":1}", Rule::DuplicateKey),
        ("{\"v\":1,\"\\u0076\":1}", Rule::DuplicateKey),
        ("{\"v\":1,\"x\":1}", Rule::ExtraColumn),
    ] {
        let found = broken(&own, record);
        assert_eq!(found[0].0, rule, "{record}");
    }
    let utf8 = check_at(&own, b"{\"v\":\"\xff\"}", 0).unwrap_err();
    assert_eq!(utf8[0].rule, Rule::NotUtf8);
}

#[test]
fn all_broken_rules_are_told_and_not_only_the_first() {
    let record = r#"{"transaction_id":"","amount":"1.005","currency":"eur","booked_at":"soon","status":null,"note":7,"merchant":[]}"#;
    let found = broken(&transactions(), record);
    let found: Vec<(Rule, &str)> =
        found.iter().map(|(rule, column)| (*rule, column.as_deref().unwrap())).collect();
    assert_eq!(
        found,
        [
            (Rule::TooShort, "transaction_id"),
            (Rule::Required, "account_id"),
            (Rule::TooManyDigits, "amount"),
            (Rule::Pattern, "currency"),
            (Rule::ValidValues, "currency"),
            (Rule::InvalidTimestamp, "booked_at"),
            (Rule::WrongType, "merchant"),
            (Rule::Required, "status"),
            (Rule::WrongType, "note"),
        ]
    );
}

#[test]
fn a_hostile_number_of_extra_fields_is_told_in_short() {
    let own = checker("{property: penstock.extraColumns, value: reject}", &["name: v, physicalType: bigint"]);
    let many: Vec<String> = (0..1000).map(|i| format!("\"{}{i}\":1", "x".repeat(1000))).collect();
    let found = broken(&own, &format!("{{{}}}", many.join(",")));
    assert_eq!(found.len(), 32);
    assert!(found.iter().all(|(_, name)| name.as_ref().unwrap().len() <= 128));
}

#[test]
fn extra_fields_are_counted_where_they_are_ignored() {
    let own =
        checker("", &["name: a, physicalType: bigint", "name: b, physicalType: bigint, transformLogic: a"]);
    let mut rows = Rows::default();
    let place = Place::Object { origin: &origin(), position: 0 };
    let record = br#"{"a":1,"b":5,"x":{"y":1},"z":null}"#;
    let accepted = own.check_json(&mut Session::default(), record, &place, &mut rows).unwrap();
    let row = rows.get(0).unwrap();
    // A source cannot set a derived column.
    assert_eq!((row.get(0), row.get(1), accepted.extra_fields), (Some("1"), Some("1"), 3));
}

#[test]
fn a_record_of_a_stream_may_name_its_dataset_and_has_no_other_stamp() {
    let own = checker("{property: penstock.extraColumns, value: reject}", &["name: v, physicalType: bigint"]);
    let sequence = Sequence::Number("495");
    let stream = Place::Stream(StreamPlace { arrival_ms: 1, sequence, subsequence: 0, index: 0 });
    let object = Place::Object { origin: &origin(), position: 0 };
    let check = |record: &str, place| {
        let accepted =
            own.check_json(&mut Session::default(), record.as_bytes(), place, &mut Rows::default());
        accepted
            .map(|own| own.extra_fields)
            .map_err(|broken| broken.into_iter().map(|own| own.rule).collect())
    };
    assert_eq!(check("{\"v\":1,\"_dataset\":\"d\"}", &stream), Ok(0));
    for record in ["{\"v\":1,\"_order\":\"9\"}", "{\"v\":1,\"_source\":\"s\",\"_dataset\":\"d\"}"] {
        assert_eq!(check(record, &stream), Err(vec![Rule::ExtraColumn]), "{record}");
    }
    assert_eq!(check("{\"v\":1,\"_dataset\":\"d\"}", &object), Err(vec![Rule::ExtraColumn]));
}

#[test]
fn a_column_may_be_called_as_the_dataset_of_a_streams_record_is() {
    let own = checker("", &["name: _dataset, physicalName: set, physicalType: varchar(9)"]);
    let mut rows = Rows::default();
    let sequence = Sequence::Number("495");
    let place = Place::Stream(StreamPlace { arrival_ms: 1, sequence, subsequence: 0, index: 0 });
    own.check_json(&mut Session::default(), br#"{"_dataset":"d"}"#, &place, &mut rows).unwrap();
    assert_eq!(rows.get(0).unwrap().get(0), Some("d"));
}

#[test]
fn a_missing_field_and_null_are_the_same() {
    let own =
        checker("", &["name: a, physicalType: bigint, required: true", "name: b, physicalType: varchar(9)"]);
    for record in ["{\"b\":\"\"}", "{\"a\":null}"] {
        assert_eq!(broken(&own, record), [(Rule::Required, Some("a".to_owned()))]);
    }
    let (null, missing) = (check(&own, "{\"a\":1,\"b\":null}").unwrap(), check(&own, "{\"a\":1}").unwrap());
    assert_eq!(null, missing);
    let empty = check(&own, "{\"a\":1,\"b\":\"\"}").unwrap();
    assert_eq!((null.get(1), empty.get(1)), (None, Some("")));
    assert_ne!(null.stamp().row_hash, empty.stamp().row_hash);
}

#[test]
fn overflow_truncates_at_a_character_or_gives_null() {
    let own = |ty: &str, overflow: &str, more: &str| {
        checker(
            "",
            &[&format!(
                "name: v, physicalType: {ty}{more}, customProperties: [{{property: penstock.overflow, value: '{overflow}'}}]"
            )],
        )
    };
    let value = |checker: &Checker, text: &str| {
        check(checker, &format!("{{\"v\":{text:?}}}")).unwrap().get(0).map(str::to_owned)
    };
    let cut = own("varchar(5)", "truncate", "");
    assert_eq!(value(&cut, "aaaaa").as_deref(), Some("aaaaa"));
    assert_eq!(value(&cut, "aaaaéx").as_deref(), Some("aaaa"));
    assert_eq!(value(&cut, "a😀é").as_deref(), Some("a😀"));
    assert_eq!(value(&cut, "😀😀").as_deref(), Some("😀"));
    // What is cut has one canonical text too.
    assert_eq!(value(&own("char(4)", "truncate", ""), "ab  cd").as_deref(), Some("ab"));
    assert_eq!(value(&own("char(4)", "truncate", ""), "ab      ").as_deref(), Some("ab"));
    assert_eq!(value(&own("varchar(3)", "null", ""), "abcd"), None);
    assert_eq!(
        broken(&own("varchar(3)", "null", ", required: true"), "{\"v\":\"abcd\"}"),
        [(Rule::Required, Some("v".into()))]
    );
    assert_eq!(
        broken(&own("varchar(3)", "reject", ""), "{\"v\":\"abcd\"}"),
        [(Rule::TooLong, Some("v".into()))]
    );
}

#[test]
fn floats_have_one_text_that_reads_back() {
    for (ty, value, want) in [
        ("real", "3.4028235e38", "3.4028235e38"),
        ("real", "-1e-60", "0.0"),
        ("real", "-0.0", "0.0"),
        ("real", "0.1", "0.1"),
        ("real", "16777217", "16777216.0"),
        ("float8", "1.7976931348623157e308", "1.7976931348623157e308"),
        ("float8", "-0", "0.0"),
        ("float8", "\".5\"", "0.5"),
        ("float8", "1e16", "1e16"),
        ("float8", "0.30000000000000004", "0.30000000000000004"),
    ] {
        let own = checker("", &[&format!("name: v, physicalType: {ty}")]);
        let row =
            check(&own, &format!("{{\"v\":{value}}}")).unwrap_or_else(|e| panic!("{ty} {value}: {e:?}"));
        assert_eq!(row.get(0), Some(want), "{ty} {value}");
        let again = check(&own, &format!("{{\"v\":\"{want}\"}}")).unwrap();
        assert_eq!(again.get(0), Some(want));
    }
}

#[test]
fn derived_columns_are_exact() {
    let own = transactions();
    let row = check(&own, &transaction("")).unwrap();
    let value =
        |row: &One, name: &str| own.contract().column_index(name).and_then(|i| row.get(i)).map(str::to_owned);
    assert_eq!(value(&row, "booked_date").as_deref(), Some("2026-01-03"));
    assert_eq!(value(&row, "amount_minor").as_deref(), Some("1250"));
    assert_eq!(value(&row, "is_refund").as_deref(), Some("false"));
    for (amount, minor, refund) in [
        ("-0.01", "-1", "true"),
        ("9007199254740993.01", "900719925474099301", "false"),
        ("-0", "0", "false"),
        ("9999999999999999.99", "999999999999999999", "false"),
        ("1e3", "100000", "false"),
        ("\"+00.10\"", "10", "false"),
    ] {
        let row = check(&own, &transaction("").replace("12.50", amount)).unwrap();
        assert_eq!(value(&row, "amount_minor").as_deref(), Some(minor), "{amount}");
        assert_eq!(value(&row, "is_refund").as_deref(), Some(refund), "{amount}");
    }
    let refunded = check(&own, &transaction("").replace("booked\"", "refunded\"")).unwrap();
    assert_eq!(value(&refunded, "is_refund").as_deref(), Some("true"));
}

fn derived(logic: &str, ty: &str, record: &str) -> Result<Option<String>, Violation> {
    let column = format!("name: d, physicalType: '{ty}', transformLogic: \"{logic}\"");
    let own = checker(
        "",
        &[
            "name: n, physicalType: bigint",
            "name: a, physicalType: 'numeric(38,10)'",
            "name: t, physicalType: varchar(99)",
            "name: ts, physicalType: timestamp",
            "name: f, physicalType: float8",
            "name: s, physicalType: super",
            &column,
        ],
    );
    check(&own, record)
        .map(|row| row.get(6).map(str::to_owned))
        .map_err(|mut violations| violations.remove(0))
}

#[test]
fn functions_of_derived_columns_keep_null_and_lose_nothing() {
    let ok = |logic: &str, ty: &str, record: &str| {
        derived(logic, ty, record).unwrap_or_else(|e| panic!("{logic}: {e:?}"))
    };
    let record = r#"{"n":9007199254740993,"a":"12345678901234567890.1200000000","t":" Grüße ","ts":"2026-12-31 23:59:59.999999","f":0.1,"s":{"k":[1,2.50]}}"#;
    for (logic, ty, want) in [
        ("n", "bigint", "9007199254740993"),
        ("a", "numeric(38,2)", "12345678901234567890.12"),
        ("date(ts)", "date", "2026-12-31"),
        ("upper(trim(t))", "varchar(9)", "GRÜSSE"),
        ("lower(t)", "varchar(9)", " grüße "),
        ("size(t)", "bigint", "7"),
        ("coalesce(null, t)", "varchar(9)", " Grüße "),
        ("f", "float8", "0.1"),
        ("s.k[1]", "numeric(4,2)", "2.50"),
        ("s.k.exists(x, x == 1)", "boolean", "true"),
        ("minor('0.5', 1)", "bigint", "5"),
        ("minor(n, 0)", "bigint", "9007199254740993"),
        ("n > 5 ? 'big' : 'small'", "varchar(9)", "big"),
        ("sha256('')", "varchar(64)", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    ] {
        assert_eq!(ok(logic, ty, record).as_deref(), Some(want), "{logic}");
    }
    for (logic, ty) in [
        ("date(ts)", "date"),
        ("minor(a, 2)", "bigint"),
        ("upper(t)", "varchar(99)"),
        ("sha256(t)", "varchar(99)"),
        ("coalesce(t, n)", "varchar(99)"),
        ("n", "bigint"),
    ] {
        assert_eq!(ok(logic, ty, "{}"), None, "{logic}");
    }
}

#[test]
fn a_derivation_that_fails_is_a_reject_without_values() {
    for (logic, ty, rule) in [
        ("minor(a, 2)", "bigint", Rule::Derivation),
        ("minor(t, 2)", "bigint", Rule::Derivation),
        ("n / 0", "bigint", Rule::Derivation),
        ("n + 9223372036854775807", "bigint", Rule::Derivation),
        ("int(t)", "bigint", Rule::Derivation),
        ("date(t)", "date", Rule::Derivation),
        ("s[t]", "bigint", Rule::Derivation),
        ("s.missing", "bigint", Rule::Derivation),
        ("f", "numeric(9,2)", Rule::Derivation),
        ("t < n", "boolean", Rule::Derivation),
        ("t.matches(t + '(')", "boolean", Rule::Derivation),
        ("s", "varchar(9)", Rule::Derivation),
        ("[1][n]", "bigint", Rule::Derivation),
        ("t", "varchar(3)", Rule::TooLong),
        ("t", "bigint", Rule::NotANumber),
    ] {
        let found = derived(logic, ty, r#"{"n":77777,"a":"1.2345","t":"secret77","f":1.5,"s":{"x":1}}"#)
            .expect_err(logic);
        assert_eq!((found.rule, found.column.as_deref()), (rule, Some("d")), "{logic}: {found:?}");
        assert!(
            !found.reason.contains("secret77") && !found.reason.contains("77777"),
            "{logic}: {}",
            found.reason
        );
    }
    let required = checker(
        "",
        &[
            "name: n, physicalType: bigint",
            "name: d, physicalType: bigint, required: true, transformLogic: n",
        ],
    );
    assert_eq!(broken(&required, "{}"), [(Rule::Required, Some("d".into()))]);
}

#[test]
fn allowed_values_and_bounds_are_compared_by_value() {
    let own = checker(
        "",
        &[
            "name: n, physicalType: 'numeric(9,2)', quality: [{metric: invalidValues, mustBe: 0, arguments: {validValues: [1, '2.50']}}]",
            "name: c, physicalType: char(3), quality: [{metric: invalidValues, mustBe: 0, arguments: {validValues: [NO, 'a ']}}]",
            "name: f, physicalType: float8, logicalTypeOptions: {minimum: 0.1, maximum: 1.0e+20}",
        ],
    );
    assert_eq!(own.contract().columns[2].rules.minimum.as_ref().unwrap().1, Inclusive::Yes);
    for record in [
        r#"{"n":1.00}"#,
        r#"{"n":"25e-1"}"#,
        r#"{"c":"NO"}"#,
        r#"{"c":"a"}"#,
        r#"{"f":0.1}"#,
        r#"{"f":1e20}"#,
    ] {
        assert!(check(&own, record).is_ok(), "{record}");
    }
    for record in [r#"{"n":2}"#, r#"{"c":"no"}"#, r#"{"f":0.09}"#, r#"{"f":1.1e20}"#] {
        assert!(check(&own, record).is_err(), "{record}");
    }
}

#[test]
fn without_a_key_equal_lines_stay_two_rows() {
    let own = checker("", &["name: v, physicalType: bigint"]);
    let at = |position| check_at(&own, b"{\"v\":1}", position).unwrap();
    assert_ne!(at(0).stamp().record_id, at(8).stamp().record_id);
    assert_eq!(at(0).stamp().row_hash, at(8).stamp().row_hash);
    assert!(at(0).stamp().order < at(8).stamp().order);
}
