//! Tests of the JSON framer: which bytes make which record, whatever the pieces they come in.

use super::*;

type Seen = (u64, u64, String, Option<Rule>);

fn frames_in(delimiter: Delimiter, text: &[u8], step: usize, limits: Limits) -> Vec<Seen> {
    let mut framer = JsonFramer::new(delimiter, limits);
    let mut seen = Vec::new();
    let mut take = |framer: &mut JsonFramer| {
        while let Some(frame) = framer.next_frame().unwrap() {
            let bytes = String::from_utf8_lossy(frame.bytes).into_owned();
            seen.push((frame.position, frame.line, bytes, frame.fault.map(|(rule, _)| rule)));
        }
    };
    for piece in text.chunks(step.max(1)) {
        framer.push(piece);
        take(&mut framer);
    }
    framer.finish();
    take(&mut framer);
    seen
}

/// Frames must not depend on how the bytes arrive.
fn frames(delimiter: Delimiter, text: &str) -> Vec<Seen> {
    let whole = frames_in(delimiter, text.as_bytes(), text.len(), Limits::default());
    for step in [1, 2, 3, 5, 17] {
        assert_eq!(
            frames_in(delimiter, text.as_bytes(), step, Limits::default()),
            whole,
            "step {step} of {text:?}"
        );
    }
    whole
}

fn good(position: u64, line: u64, text: &str) -> Seen {
    (position, line, text.to_owned(), None)
}

fn bad(position: u64, line: u64, text: &str, rule: Rule) -> Seen {
    (position, line, text.to_owned(), Some(rule))
}

#[test]
fn lines_objects_and_arrays_give_the_same_records() {
    let auto = Delimiter::Auto;
    assert_eq!(frames(auto, "{\"a\":1}\r\n\n{\"a\":2}"), [good(0, 1, "{\"a\":1}"), good(10, 3, "{\"a\":2}")]);
    assert_eq!(
        frames(auto, "{\"a\":1}{\"a\":2} {}"),
        [good(0, 1, "{\"a\":1}"), good(7, 1, "{\"a\":2}"), good(15, 1, "{}")]
    );
    assert_eq!(
        frames(auto, " [ {\"a\":1},\n{\"a\":[{}]} ] "),
        [good(3, 1, "{\"a\":1}"), good(12, 2, "{\"a\":[{}]}")]
    );
    let pretty = "{\n  \"a\": {\n    \"b\": \"}\\\"{\"\n  }\n}\n";
    assert_eq!(frames(auto, pretty), [good(0, 1, pretty.trim_end())]);
    assert_eq!(frames(auto, "\u{feff}{\"a\":1}"), [good(3, 1, "{\"a\":1}")]);
    for empty in ["", " \n\t", "[]", "[ ]\n", "\u{feff}"] {
        assert_eq!(frames(auto, empty), [], "{empty:?}");
    }
}

#[test]
fn one_bad_record_costs_no_other() {
    let auto = Delimiter::Auto;
    assert_eq!(
        frames(auto, "{\"a\":1\n{\"b\":2}\n"),
        [bad(0, 1, "{\"a\":1", Rule::InvalidJson), good(7, 2, "{\"b\":2}")]
    );
    assert_eq!(
        frames(auto, "{\"a\":\"x\n{\"b\":2}\n{\"c\":"),
        [
            bad(0, 1, "{\"a\":\"x", Rule::InvalidJson),
            good(8, 2, "{\"b\":2}"),
            bad(16, 3, "{\"c\":", Rule::InvalidJson)
        ]
    );
    assert_eq!(
        frames(auto, "{\"a\":[1,\n{\"b\":2}\n{\"c\":3}\n"),
        [bad(0, 1, "{\"a\":[1,", Rule::InvalidJson), good(9, 2, "{\"b\":2}"), good(17, 3, "{\"c\":3}")]
    );
    assert_eq!(
        frames(auto, "garbage\n{\"b\":2}\n{\"c\":]}\n{}"),
        [
            bad(0, 1, "garbage", Rule::NotAnObject),
            good(8, 2, "{\"b\":2}"),
            bad(16, 3, "{\"c\":]}", Rule::InvalidJson),
            good(24, 4, "{}")
        ]
    );
    assert_eq!(
        frames(auto, "[{\"a\":1},\n  {\"b\":[},\n  {\"c\":3}, 4, \"x\"]\n trailing"),
        [
            good(1, 1, "{\"a\":1}"),
            bad(12, 2, "{\"b\":[},", Rule::InvalidJson),
            good(23, 3, "{\"c\":3}"),
            bad(32, 3, "4", Rule::NotAnObject),
            bad(35, 3, "\"x\"", Rule::NotAnObject),
            bad(41, 4, "trailing", Rule::InvalidJson)
        ]
    );
}

#[test]
fn under_new_line_every_line_is_a_record() {
    let lines = Delimiter::NewLine;
    assert_eq!(
        frames(lines, "{\"a\":\n1}\n[{}]\n"),
        [good(0, 1, "{\"a\":"), good(6, 2, "1}"), good(9, 3, "[{}]")]
    );
}

#[test]
fn an_array_contract_takes_only_arrays() {
    let mut framer = JsonFramer::new(Delimiter::Array, Limits::default());
    framer.push(b"{\"a\":1}");
    assert_eq!(framer.next_frame().map_err(|broken| broken.rule), Err(Rule::NotAnArray));
}

#[test]
fn deep_nesting_is_a_reject_and_not_a_crash() {
    let text = format!("{}\n{{\"b\":1}}\n", "{\"a\":".repeat(10_000));
    let seen = frames(Delimiter::Auto, &text);
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0].3, Some(Rule::InvalidJson));
    assert_eq!(seen[1].2, "{\"b\":1}");
}

#[test]
fn a_record_over_the_limit_is_told_once_and_memory_stays_bounded() {
    let limits = Limits { max_record_bytes: 100, ..Limits::default() };
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(5000));
    for delimiter in [Delimiter::Auto, Delimiter::NewLine] {
        let text = format!("{{\"n\":1}}\n{long}\n{{\"n\":2}}\n");
        for step in [1, 50, 10_000] {
            let seen = frames_in(delimiter, text.as_bytes(), step, limits);
            let good: Vec<&str> = seen.iter().filter(|s| s.3.is_none()).map(|s| s.2.as_str()).collect();
            assert_eq!(good, ["{\"n\":1}", "{\"n\":2}"], "{delimiter:?} {step}");
            let told = seen.iter().filter(|s| s.3 == Some(Rule::RecordTooLarge)).count();
            assert_eq!(told, 1, "{delimiter:?} {step}: {}", seen.len());
        }
    }
}
