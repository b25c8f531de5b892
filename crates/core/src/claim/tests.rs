//! Claims as they are written, and the protocol step by step where one answer decides.

use serde_json::json;

use super::*;
use crate::contract::ContractSet;

const CONTRACT: &str = "apiVersion: v3.1.0
kind: DataContract
id: t
name: t
version: 1.2.0
status: active
schema:
  - name: t
    physicalType: table
    properties:
      - {name: Day, physicalName: day, logicalType: date, partitioned: true, partitionKeyPosition: 1}
      - {name: id, logicalType: string, physicalType: varchar(32), primaryKey: true, primaryKeyPosition: 2}
      - {name: part, logicalType: integer, primaryKey: true, primaryKeyPosition: 1}
      - {name: twice, logicalType: integer, transformLogic: 'part * 2', transformSourceObjects: [part]}
";

pub(super) fn draft() -> Claim {
    let set = ContractSet::parse([("t.odcs.yaml", CONTRACT)]).unwrap();
    Claim::draft(set.iter().next().unwrap(), "curated", "work")
}

fn object(n: usize) -> Piece {
    put(n, &format!("e{n}"), "p")
}

fn put(n: usize, etag: &str, put: &str) -> Piece {
    Piece::Object(Entry {
        url: format!("s3://stage/t/{n}.gz"),
        etag: etag.to_owned(),
        bytes: 7,
        put: put.to_owned(),
    })
}

fn lease() -> Lease {
    Lease { holder: "me".into(), ms: 90_000 }
}

fn stored(number: u64, claim: &Claim) -> Answer {
    Answer::Read(vec![Stored { number, etag: "tag".into(), body: claim.to_bytes() }])
}

fn listed(numbers: &[u64]) -> Answer {
    Answer::Listed(numbers.iter().map(|number| Listed { number: *number, modified_ms: 5_000 }).collect())
}

/// What is written, if something is.
fn written(step: &Step) -> (u64, Option<&str>, Claim) {
    let Step::Ask(Ask::Write { number, over, body }) = step else { panic!("{step:?}") };
    (*number, over.as_deref(), Claim::parse(body).unwrap())
}

fn started(claim: &Claim, pieces: &[Piece]) -> Claim {
    let mut claim = Claim { state: State::Started, holder: "other".into(), ..claim.clone() };
    pieces.iter().for_each(|piece| claim.add(piece));
    claim
}

#[test]
fn a_claim_is_the_manifest_that_a_job_reads() {
    let mut claim = Claim { holder: "h".into(), claimed_ms: 1, until_ms: 2, ..draft() };
    claim.add(&object(1));
    let column = |name: &str, source: &str, ty: &str, required, key, partition, derived| {
        json!({"name": name, "source_name": source, "type": ty, "required": required, "key": key,
            "partition": partition, "derived": derived})
    };
    let none = Option::<u32>::None;
    let found: serde_json::Value = serde_json::from_slice(&claim.to_bytes()).unwrap();
    let expected = json!({
        "version": 1, "dataset": "t", "contract_version": "1.2.0", "target": "s3://curated", "work": "s3://work",
        "stamps": true, "holder": "h", "claimed_ms": 1, "until_ms": 2, "state": "claimed", "run_id": null,
        "columns": [
            column("day", "Day", "date", false, none, Some(1), false),
            column("id", "id", "varchar(32)", true, Some(2), none, false),
            column("part", "part", "bigint", true, Some(1), none, false),
            column("twice", "twice", "bigint", false, none, none, true),
        ],
        "entries": [{"url": "s3://stage/t/1.gz", "etag": "e1", "bytes": 7, "put": "p"}],
        "unstamped_needs": ["the derivation of twice"],
    });
    assert_eq!(found, expected);
    assert_eq!(Claim::parse(&claim.to_bytes()), Some(claim));
}

#[test]
fn names_count_down_and_only_names_of_claims_are_read() {
    let folder = folder("t", Kind::LakeJob);
    assert_eq!(folder, "claims/t/lake-job/");
    assert_eq!(key(&folder, 1), "claims/t/lake-job/9999999998.json");
    assert!(key(&folder, 2) < key(&folder, 1));
    for n in [1, 2, 77, 1_000_000_000] {
        assert_eq!(number(&folder, &key(&folder, n)), Some(n));
    }
    for other in
        ["9999999999.json", "999999999.json", "+999999999.json", "a.json", "9999999998.json.gz", "9999999998"]
    {
        assert_eq!(number(&folder, &format!("{folder}{other}")), None, "{other}");
    }
    assert_eq!(number(&folder, "claims/t/job/9999999998.json"), None);
}

#[test]
fn the_usual_way_is_three_writes() {
    let (draft, wanted) = (draft(), [object(1), object(2)]);
    let mut own = Claiming::new(&draft, lease(), &wanted, None);
    assert_eq!(own.begin(), Step::Ask(Ask::List { since_ms: 0 }));
    let claim = own.next(listed(&[]), 10_000);
    let (number, over, claim) = written(&claim);
    assert_eq!((number, over, claim.entries.len(), claim.until_ms), (1, None, 2, 100_000));
    let start = own.next(Answer::Written(Some("tag".into())), 10_000);
    assert_eq!(start, Step::Ask(Ask::Start { number: 1, within_ms: 10_000 }));
    let close = own.next(Answer::Started(Some("jr".into())), 11_000);
    let (number, over, claim) = written(&close);
    assert_eq!(
        (number, over, claim.state, claim.run_id.as_deref()),
        (1, Some("tag"), State::Started, Some("jr"))
    );
    assert!(!own.is_done(0));
    assert_eq!(own.next(Answer::Written(Some("next".into())), 11_000), Step::Done(Why::Started));
    assert!(own.is_done(0) && own.is_done(1) && own.runs() == 1);
}

#[test]
fn work_of_started_claims_is_done_and_other_content_under_the_same_key_is_not() {
    let draft = draft();
    let other = put(1, "new", "p");
    let tick = Piece::Tick(Tick { id: "s3://stage/t/1.gz".into(), time: String::new() });
    let wanted = [object(1), other, tick];
    let mut own = Claiming::new(&draft, lease(), &wanted, Some(0));
    own.begin();
    assert_eq!(own.next(listed(&[2, 1]), 9_000), Step::Ask(Ask::Read(vec![1, 2])));
    let found = [(1, vec![object(1)]), (2, vec![object(9)])].map(|(number, pieces)| Stored {
        number,
        etag: "tag".into(),
        body: started(&draft, &pieces).to_bytes(),
    });
    let claim = own.next(Answer::Read(found.into()), 9_000);
    let (number, over, claim) = written(&claim);
    assert_eq!((number, over), (3, None));
    assert_eq!((claim.entries.len(), claim.entries[0].etag.as_str(), claim.ticks.len()), (1, "new", 1));
    assert!(own.is_done(0) && !own.is_done(1) && !own.is_done(2));
}

#[test]
fn content_that_comes_back_under_its_key_is_new_work_and_what_is_told_again_is_not() {
    let draft = draft();
    let wanted = [put(1, "a", "3"), put(1, "a", "1"), put(1, "b", "2")];
    let mut own = Claiming::new(&draft, lease(), &wanted, Some(0));
    own.begin();
    own.next(listed(&[2, 1]), 9_000);
    let found = [(1, put(1, "a", "1")), (2, put(1, "b", "2"))].map(|(number, piece)| Stored {
        number,
        etag: "tag".into(),
        body: started(&draft, &[piece]).to_bytes(),
    });
    let claim = own.next(Answer::Read(found.into()), 9_000);
    let (number, over, claim) = written(&claim);
    assert_eq!((number, over, claim.entries.len(), claim.entries[0].put.as_str()), (3, None, 1, "3"));
    assert!(!own.is_done(0) && own.is_done(1) && own.is_done(2));
}

#[test]
fn an_entry_from_before_puts_were_written_down_is_read_and_is_no_put_that_is_told() {
    let text = r#"{"url":"s3://stage/t/1.gz","etag":"e1","bytes":7}"#;
    let old: Entry = serde_json::from_str(text).unwrap();
    assert_eq!((old.put.as_str(), serde_json::to_string(&old).unwrap().as_str()), ("", text));
    let (draft, wanted) = (draft(), [object(1)]);
    let mut own = Claiming::new(&draft, lease(), &wanted, None);
    own.begin();
    own.next(listed(&[1]), 9_000);
    let claim = own.next(stored(1, &started(&draft, &[Piece::Object(old)])), 9_000);
    assert_eq!((written(&claim).0, written(&claim).2.entries.len()), (2, 1));
    assert!(!own.is_done(0));
}

#[test]
fn only_claims_that_may_hold_the_work_are_read_and_the_newest_always_is() {
    let (draft, wanted) = (draft(), [object(1)]);
    let day = 86_400_000;
    let claims = |times: &[u64]| {
        let number = |(at, ms): (usize, &u64)| Listed { number: (times.len() - at) as u64, modified_ms: *ms };
        Answer::Listed(times.iter().enumerate().map(number).collect())
    };
    let mut own = Claiming::new(&draft, lease(), &wanted, Some(10 * day));
    assert_eq!(own.begin(), Step::Ask(Ask::List { since_ms: 10 * day - 3_600_000 }));
    assert_eq!(own.next(claims(&[11 * day, 10 * day - 1, 9 * day]), 0), Step::Ask(Ask::Read(vec![2, 3])));
    let mut own = Claiming::new(&draft, lease(), &wanted, Some(10 * day));
    own.begin();
    assert_eq!(own.next(claims(&[2 * day, day]), 0), Step::Ask(Ask::Read(vec![2])));
}

#[test]
fn a_held_claim_is_left_alone_until_its_lease_is_over() {
    let (draft, wanted) = (draft(), [object(1)]);
    let held = Claim { holder: "other".into(), claimed_ms: 4_000, until_ms: 94_000, ..draft.clone() };
    for (now_ms, expected) in [
        (94_000, Step::Done(Why::Held(94_000))),
        (94_001, Step::Ask(Ask::Find { number: 1, since_ms: 4_000 })),
    ] {
        let mut own = Claiming::new(&draft, lease(), &wanted, None);
        own.begin();
        own.next(listed(&[1]), now_ms);
        assert_eq!(own.next(stored(1, &held), now_ms), expected);
    }
}

#[test]
fn a_young_claim_is_waited_for_a_few_seconds() {
    let (draft, wanted) = (draft(), [object(1)]);
    let held = Claim { holder: "other".into(), claimed_ms: 4_000, until_ms: 94_000, ..draft.clone() };
    let mut own = Claiming::new(&draft, lease(), &wanted, None);
    own.begin();
    // A holder whose clock is ahead: still no more than ten times.
    for _ in 0..10 {
        own.next(listed(&[1]), 3_000);
        assert_eq!(own.next(stored(1, &held), 3_000), Step::Ask(Ask::Wait(500)));
        assert_eq!(own.next(Answer::Waited, 3_000), Step::Ask(Ask::List { since_ms: 0 }));
    }
    own.next(listed(&[1]), 3_000);
    assert_eq!(own.next(stored(1, &held), 3_000), Step::Done(Why::Held(94_000)));
}

#[test]
fn a_claim_that_nobody_can_read_is_held_for_a_lease_from_its_last_change() {
    let (draft, wanted) = (draft(), [object(1)]);
    for body in ["", "{", "[]", r#"{"version":2}"#] {
        let read = || Answer::Read(vec![Stored { number: 1, etag: "tag".into(), body: body.into() }]);
        let mut own = Claiming::new(&draft, lease(), &wanted, None);
        own.begin();
        own.next(listed(&[1]), 95_000);
        assert_eq!(own.next(read(), 95_000), Step::Done(Why::Held(95_000)), "{body}");
        let mut own = Claiming::new(&draft, lease(), &wanted, None);
        own.begin();
        own.next(listed(&[1]), 95_001);
        assert_eq!(own.next(read(), 95_001), Step::Ask(Ask::Find { number: 1, since_ms: 5_000 }), "{body}");
        // No run: the claim is replaced, and its work starts anew.
        let claim = own.next(Answer::Found(None), 95_001);
        let (number, over, claim) = written(&claim);
        assert_eq!((number, over, claim.entries.len()), (1, Some("tag"), 1), "{body}");
    }
}

#[test]
fn a_run_that_is_found_closes_its_claim_and_the_new_work_gets_the_next_one() {
    let (draft, wanted) = (draft(), [object(1), object(2)]);
    let mut dead = Claim { holder: "dead".into(), until_ms: 6_000, ..draft.clone() };
    dead.add(&object(1));
    let mut own = Claiming::new(&draft, lease(), &wanted, None);
    own.begin();
    own.next(listed(&[1]), 7_000);
    own.next(stored(1, &dead), 7_000);
    let close = own.next(Answer::Found(Some(Some("jr".into()))), 7_000);
    let (number, over, closed) = written(&close);
    assert_eq!((number, over, closed.state, closed.entries.len()), (1, Some("tag"), State::Started, 1));
    assert_eq!(own.next(Answer::Written(Some("t2".into())), 7_000), Step::Ask(Ask::List { since_ms: 0 }));
    assert!(own.is_done(0) && !own.is_done(1) && own.runs() == 0 && own.taken_over() == 1);
    let claim = own.next(listed(&[1]), 7_000);
    assert_eq!((written(&claim).0, written(&claim).2.entries.len()), (2, 1));
}

#[test]
fn a_refused_start_frees_its_claim_and_the_next_starter_takes_the_work_along() {
    let (draft, wanted) = (draft(), [object(1)]);
    let mut own = Claiming::new(&draft, lease(), &wanted, None);
    own.begin();
    own.next(listed(&[]), 1_000);
    own.next(Answer::Written(Some("tag".into())), 1_000);
    let release = own.next(Answer::Refused, 1_000);
    let (number, over, released) = written(&release);
    assert_eq!((number, over, released.state), (1, Some("tag"), State::Released));
    assert_eq!(own.next(Answer::Written(Some("t2".into())), 1_000), Step::Done(Why::Refused));
    assert!(!own.is_done(0));
    let others = [object(2)];
    let mut next = Claiming::new(&draft, Lease { holder: "next".into(), ms: 90_000 }, &others, None);
    next.begin();
    next.next(listed(&[1]), 2_000);
    let claim = next.next(stored(1, &released), 2_000);
    let (number, over, claim) = written(&claim);
    assert_eq!((number, over, claim.state, claim.entries.len()), (1, Some("tag"), State::Claimed, 2));
}

#[test]
fn a_write_whose_answer_was_lost_is_told_by_its_name_and_a_run_is_never_started_for_it_again() {
    let (draft, wanted) = (draft(), [object(1)]);
    let mut own = Claiming::new(&draft, lease(), &wanted, None);
    own.begin();
    let claim = own.next(listed(&[]), 1_000);
    let (_, _, ours) = written(&claim);
    assert_eq!(own.next(Answer::Written(None), 1_000), Step::Ask(Ask::List { since_ms: 0 }));
    own.next(listed(&[1]), 1_000);
    assert_eq!(own.next(stored(1, &ours), 1_000), Step::Ask(Ask::Start { number: 1, within_ms: 10_000 }));
    own.next(Answer::Started(Some("jr".into())), 1_000);
    // The closing fails, and the claim is as it was.
    own.next(Answer::Written(None), 1_000);
    own.next(listed(&[1]), 1_000);
    let close = own.next(stored(1, &ours), 1_000);
    assert_eq!((written(&close).2.state, written(&close).2.run_id.as_deref()), (State::Started, Some("jr")));
    assert_eq!(own.runs(), 1);
}

#[test]
fn nothing_is_started_when_the_lease_is_over_before() {
    let (draft, wanted) = (draft(), [object(1)]);
    let mut own = Claiming::new(&draft, lease(), &wanted, None);
    own.begin();
    own.next(listed(&[]), 1_000);
    assert_eq!(own.next(Answer::Written(Some("tag".into())), 91_000), Step::Done(Why::Raced));
}

#[test]
fn a_manifest_holds_ten_thousand_objects_and_the_rest_gets_the_next_one() {
    let (draft, wanted) = (draft(), (0..10_005).map(object).collect::<Vec<_>>());
    let mut own = Claiming::new(&draft, lease(), &wanted, None);
    own.begin();
    let claim = own.next(listed(&[]), 1_000);
    assert_eq!(written(&claim).2.entries.len(), 10_000);
    own.next(Answer::Written(Some("tag".into())), 1_000);
    own.next(Answer::Started(None), 1_000);
    assert_eq!(own.next(Answer::Written(Some("t2".into())), 1_000), Step::Ask(Ask::List { since_ms: 0 }));
    let claim = own.next(listed(&[1]), 1_000);
    assert_eq!((written(&claim).0, written(&claim).2.entries.len()), (2, 5));
}
