//! The quick way gives what the interpreter gives, or leaves it to it.

use std::sync::Arc;

use proptest::prelude::*;

use super::super::derive::Derivations;
use super::super::rows::{Draft, Rows};
use crate::fixtures::{check, contract};
use crate::reject::Rule;
use crate::row::Checker;

/// Expressions over `t` varchar, `c` char, `n` bigint, `m` numeric(18,2), `b` boolean, `ts` timestamptz, `d` date.
fn any_expression() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("t"),
        Just("c"),
        Just("n"),
        Just("m"),
        Just("b"),
        Just("ts"),
        Just("d"),
        Just("null"),
        Just("'a'"),
        Just("'-'"),
        Just("''"),
        Just("true"),
        Just("0"),
        Just("7"),
        Just("minor(m, 2)"),
        Just("minor(m, 4)"),
        Just("minor(n, 3)"),
        Just("minor(m, 1)"),
        Just("date(ts)"),
        Just("date(d)"),
        Just("date(t)"),
    ]
    .prop_map(str::to_owned);
    leaf.prop_recursive(3, 12, 3, |inner| {
        let two = (inner.clone(), inner.clone());
        prop_oneof![
            (two.clone(), "==|!=|<|<=|>|>=|\\|\\||&&").prop_map(|((a, b), op)| format!("({a} {op} {b})")),
            (two.clone(), "startsWith|endsWith|contains").prop_map(|((a, b), f)| format!("{a}.{f}({b})")),
            (inner.clone(), "upper|lower|trim|date").prop_map(|(a, f)| format!("{f}({a})")),
            two.prop_map(|(a, b)| format!("coalesce({a}, {b})")),
            inner.clone().prop_map(|a| format!("({a} in ['a', '-', 'B'])")),
            inner.clone().prop_map(|a| format!("!({a})")),
            (inner.clone(), inner.clone(), inner).prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
        ]
    })
}

const COLUMNS: [&str; 7] = [
    "name: t, physicalType: varchar(100)",
    "name: c, physicalType: char(3)",
    "name: n, physicalType: bigint",
    "name: m, physicalType: 'numeric(18,2)'",
    "name: b, physicalType: boolean",
    "name: ts, physicalType: timestamptz",
    "name: d, physicalType: date",
];

fn any_row() -> impl Strategy<Value = Vec<Option<String>>> {
    let of = |texts: &'static [&'static str]| {
        proptest::option::weighted(0.8, proptest::sample::select(texts).prop_map(str::to_owned))
    };
    (
        of(&["", "a", "-x", "B", " a ", "2026-01-02", "2026-01-02T03:04:05Z", "\u{df}é"]),
        of(&["", "a", "B"]),
        of(&["0", "-7", "7", "9223372036854775807", "-9223372036854775808"]),
        of(&["0.00", "-0.05", "12.50", "9999999999999999.99", "-12.00"]),
        of(&["true", "false"]),
        of(&["2026-01-02 23:59:59.000001+00", "0001-01-01 00:00:00.000000+00"]),
        of(&["2026-01-02", "9999-12-31"]),
    )
        .prop_map(|(t, c, n, m, b, ts, d)| vec![t, c, n, m, b, ts, d])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn what_the_quick_way_gives_the_interpreter_gives(expression in any_expression(), row in any_row()) {
        let contract = contract("", &COLUMNS);
        let mut rows = Rows::default();
        let mut draft = Draft::begin(&mut rows, COLUMNS.len());
        for (i, text) in row.iter().enumerate() {
            if let Some(text) = text {
                let cell = draft.text(text);
                draft.set(i, cell);
            }
        }
        let (quick, interpreted) = Derivations::both_ways(&contract, &expression, &draft);
        if let Some(quick) = quick {
            // Numeric columns are numbers here, and texts there: the interpreter is asked about the others only.
            let mut words = expression.split(|c: char| !c.is_ascii_alphanumeric());
            if !words.any(|word| word == "m") {
                prop_assert_eq!(Ok(quick), interpreted, "{} {:?}", expression, row);
            }
        }
    }
}

/// Pieces of expressions in any order: most are none, and some are one in the eyes of one parser alone.
fn any_pieces() -> impl Strategy<Value = String> {
    const PIECES: [&str; 52] = [
        "t",
        "c",
        "n",
        "m",
        "b",
        "d",
        "ts",
        "null",
        "true",
        "false",
        "'a'",
        "\"b\"",
        "'''x'''",
        "r'\\n'",
        "'\\u00e9'",
        "'\\x41'",
        "b'x'",
        "7",
        "007",
        "0x1F",
        "1u",
        "1.5",
        "-2.5",
        "1e3",
        ".5",
        "==",
        "!=",
        "<",
        "<=",
        ">",
        ">=",
        "&&",
        "||",
        "!",
        "-",
        "?",
        ":",
        "(",
        ")",
        "[",
        "]",
        ",",
        " in ",
        "date(",
        "minor(",
        ".startsWith(",
        " ",
        "//x\n",
        "\n",
        "`t`",
        ".",
        "t_1",
    ];
    proptest::collection::vec(proptest::sample::select(&PIECES[..]), 1..9).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40_000))]

    #[test]
    fn what_is_read_without_the_interpreter_is_read_by_it_in_the_same_way(expression in any_pieces()) {
        let contract = contract("", &COLUMNS);
        if let Err(reason) = Derivations::read_both_ways(&contract, &expression) {
            prop_assert!(false, "{}: {}", expression, reason);
        }
    }
}

#[test]
fn what_only_the_small_parser_takes_is_refused_when_the_contract_is_checked() {
    let own = |logic: &str| {
        let derived = format!("name: x, physicalType: boolean, transformLogic: '{logic}'");
        Checker::compile(Arc::new(contract("", &["name: n, physicalType: bigint", &derived])))
    };
    assert_eq!(own("n == 1").unwrap().check_expressions(), Ok(()));
    let error = own("n == 1 || !--2.5").unwrap().check_expressions().unwrap_err();
    assert_eq!(error.path, "schema[0].properties[1].transformLogic");
    assert!(error.reason.starts_with("not CEL"), "{}", error.reason);
}

#[test]
fn what_contracts_usually_say_goes_the_quick_way() {
    let contract = contract("", &COLUMNS);
    let mut rows = Rows::default();
    let mut draft = Draft::begin(&mut rows, COLUMNS.len());
    for (i, text) in
        ["a", "b", "5", "-12.50", "true", "2026-01-02 03:04:05.000000+00", "2026-01-02"].iter().enumerate()
    {
        let cell = draft.text(text);
        draft.set(i, cell);
    }
    for (expression, want) in [
        ("date(ts)", "2026-01-02"),
        ("minor(m, 2)", "-1250"),
        ("minor(m, 3)", "-12500"),
        ("t == 'refunded' || m.startsWith('-')", "true"),
        ("b && n == 5 ? upper(t) : null", "A"),
        ("t in ['x', 'a']", "true"),
        ("coalesce(t, 'none')", "a"),
        ("!(t != c)", "false"),
        ("ts >= '2026-01-01' && d < '2026-02-01'", "true"),
    ] {
        let (quick, interpreted) = Derivations::both_ways(&contract, expression, &draft);
        assert_eq!((quick.as_deref(), interpreted.as_deref()), (Some(want), Ok(want)), "{expression}");
    }
    for (expression, want) in [
        ("m < 0", "true"),
        ("m == -12.5", "true"),
        ("m >= -9", "false"),
        ("m != -12.50 || m > -13", "true"),
        ("n > m", "true"),
    ] {
        let (quick, _) = Derivations::both_ways(&contract, expression, &draft);
        assert_eq!(quick.as_deref(), Some(want), "{expression}");
    }
}

#[test]
fn an_expression_whose_result_no_row_could_hold_is_refused() {
    for (logic, ty, told) in [
        ("t == 'a'", "bigint", "gives true or false, which is no bigint"),
        ("minor(n, 2)", "varchar(9)", "gives a whole number, which is no varchar(9)"),
        ("n == 1 ? 1 : 2", "date", "gives a whole number, which is no date"),
    ] {
        let derived = format!("name: x, physicalType: {ty}, transformLogic: \"{logic}\"");
        let columns = ["name: t, physicalType: varchar(9)", "name: n, physicalType: bigint", &derived];
        let contract = Arc::new(contract("", &columns));
        let error = Checker::compile(contract).unwrap_err();
        assert_eq!(
            (error.path.as_str(), error.reason.as_str()),
            ("schema[0].properties[2].transformLogic", told)
        );
    }
}

#[test]
fn decimals_are_compared_as_numbers_or_not_at_all() {
    let columns = |rule: &str| {
        let quality = format!("quality: [{{type: custom, engine: cel, implementation: \"{rule}\"}}]");
        let a = format!("name: a, physicalType: 'numeric(10,2)', {quality}");
        [a, "name: b, physicalType: 'numeric(10,2)'".to_owned(), "name: f, physicalType: boolean".to_owned()]
    };
    let own = |rule: &str| {
        let columns = columns(rule);
        let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
        Checker::compile(Arc::new(contract("", &columns)))
    };
    let checker = own("f || a < b").unwrap();
    for (record, holds) in [
        (r#"{"a":9,"b":10,"f":false}"#, true),
        (r#"{"a":10,"b":9,"f":false}"#, false),
        (r#"{"a":10,"b":9,"f":true}"#, true),
        // Texts would say that 10.00 comes before 9.00.
        (r#"{"a":10,"b":9,"f":null}"#, false),
        (r#"{"a":9,"b":null,"f":false}"#, false),
    ] {
        let found = check(&checker, record).map(|_| ()).map_err(|broken| broken[0].rule);
        assert_eq!(found, if holds { Ok(()) } else { Err(Rule::Quality) }, "{record}");
    }
    for rule in ["a <= '100.00'", "size('x') > 0 && coalesce(a, b) < f", "a + b > 0"] {
        assert!(own(rule).is_err(), "{rule}");
    }
}
