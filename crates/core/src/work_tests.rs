//! Keys and accounts of objects that are read in pieces.

use super::*;

fn account(n: u64) -> Account {
    let file = File { url: format!("s3://w/{n}"), bytes: n };
    Account {
        read: n,
        rejected: 1,
        rows: n - 1,
        extra_fields: 2,
        warnings: 3,
        parts: vec![file],
        broken: None,
    }
}

#[test]
fn accounts_add_up_and_the_first_break_is_told() {
    let mut all = account(5);
    all.append(Account { broken: Some("first".into()), ..account(7) });
    all.append(Account { broken: Some("second".into()), ..account(2) });
    assert_eq!((all.read, all.rejected, all.rows, all.extra_fields, all.warnings), (14, 3, 11, 6, 9));
    assert_eq!(all.parts.iter().map(|file| file.bytes).collect::<Vec<_>>(), [5, 7, 2]);
    assert_eq!(all.broken.as_deref(), Some("first"));
}

#[test]
fn a_range_is_known_by_the_key_of_its_account_and_no_other_file_is_one() {
    assert_eq!(range_of(&range_key("objects/t/f/", 12)), Some(12));
    for other in ["_split.json", "ranges/", "ranges/x.json", "ranges/000001.json.zst", "ranges/-1.json"] {
        assert_eq!(range_of(&format!("objects/t/f/{other}")), None, "{other}");
    }
}

#[test]
fn what_earlier_versions_wrote_is_read() {
    let prepared: Prepared = serde_json::from_str(
        r#"{"receipt":{"dataset":"t","object_id":"o","source":"s","bytes":1,"source_ms":2,"contract_version":"1",
        "status":"complete","read":1,"rejected":0,"duplicate":0,"sent":1,"extra_fields":0},"parts":[]}"#,
    )
    .unwrap();
    assert!(!prepared.in_pieces);
    assert!(!serde_json::to_string(&prepared).unwrap().contains("in_pieces"));
}
