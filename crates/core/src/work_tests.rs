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
fn the_account_of_a_range_is_not_taken_for_one_of_another_cut() {
    let keys = [100, 60, 50].map(|bytes| range_key("objects/t/f/", Ranges::of(110, bytes), 1));
    assert!(keys.iter().all(|key| key.starts_with(&ranges_folder("objects/t/f/"))));
    assert!(keys[0] != keys[1] && keys[1] != keys[2] && keys[0] != keys[2], "{keys:?}");
}

#[test]
fn the_same_content_put_again_is_read_in_another_folder_of_its_object() {
    let contract = crate::fixtures::contract("", &["name: a, physicalType: integer"]);
    let (fingerprint, id) = (contract_fingerprint(&contract), crate::fixtures::object_id());
    let folders = [1, 2].map(|ms| object_folder(COPIED, &contract, &fingerprint, &id, ms));
    assert_ne!(folders[0], folders[1]);
    let root = object_root(COPIED, &contract, &fingerprint, &id);
    assert!(folders.iter().all(|folder| folder.starts_with(&root)));
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
