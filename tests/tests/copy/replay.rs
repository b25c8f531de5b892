//! `penstock replay` on the copy route: rejects of a contract that was too strict, and files that failed by it, come in
//! when it is loosened, each record once, whatever is replayed beside or after it.

use penstock_tests::{Bootstrap, COPIER, CopyRoute, Told, penstock};

use crate::rig::contracts;

/// Append only, CSV; a text has at most so many letters.
fn notes(letters: usize) -> String {
    format!(
        "apiVersion: v3.1.0
kind: DataContract
id: notes
name: notes
version: 1.0.0
status: active
servers:
  - {{server: landing, type: s3, location: 's3://${{LANDING_BUCKET}}/copy/notes/*', format: csv}}
  - {{server: warehouse, type: redshift, database: '${{DATABASE}}', schema: tgt}}
schema:
  - name: notes
    physicalType: table
    customProperties:
      - {{property: penstock.maxRejectedFraction, value: 0.6}}
    properties:
      - {{name: n, logicalType: integer, physicalType: bigint, required: true}}
      - {{name: text, logicalType: string, physicalType: varchar(20), logicalTypeOptions: {{maxLength: {letters}}}}}
"
    )
}

/// The route under the strict contract; S3 tells its queue of the stage bucket's objects.
async fn strict() -> CopyRoute {
    let route = CopyRoute::with_contracts(contracts(&[("notes", &notes(3))])).await.unwrap();
    route.stage.notify(&route.queue, "notes/").await.unwrap();
    route.landing.notify(&route.queue, "copy/").await.unwrap();
    route
}

/// Deploys the loose contract.
async fn loosen(route: &mut CopyRoute) {
    let (_, directory) = route.vars.iter().find(|(name, _)| name == "CONTRACTS_DIR").unwrap();
    std::fs::write(format!("{directory}/notes.odcs.yaml"), notes(20)).unwrap();
    route.copier = Bootstrap::start(COPIER, route.vars.clone()).await.unwrap();
}

async fn replay(route: &CopyRoute, arguments: &[&str]) -> Told {
    let told = penstock(&route.vars, &[&["replay"], arguments].concat()).await.unwrap();
    assert_eq!((told.code, told.err.as_str()), (0, ""), "{}", told.out);
    route.work_off(&route.copier, None).await.unwrap();
    told
}

async fn rows(route: &CopyRoute) -> Vec<String> {
    route.lines("SELECT n, text, _record_id, _order, _source FROM tgt.notes ORDER BY _order").await.unwrap()
}

const LINES: &str = "text,n\nabc,1\nlonger,2\nlonger,2\nabc,x\n\"q\"\"uoted,\nlong\",3\n";

#[tokio::test]
async fn rejects_come_in_once_as_the_rows_that_their_file_would_have_had() {
    let mut route = strict().await;
    route.landing.put("copy/notes/a.csv", LINES).await.unwrap();
    route.work_off(&route.copier, None).await.unwrap();
    assert_eq!(route.number("SELECT COUNT(*) FROM tgt.notes").await.unwrap(), 0, "the file failed");
    // Less of this one is rejected, so that it loads.
    let file = format!("{LINES}a,4\nb,5\nc,6\n");
    route.landing.put("copy/notes/b.csv", file).await.unwrap();
    route.work_off(&route.copier, None).await.unwrap();
    assert_eq!(rows(&route).await.len(), 4);
    loosen(&mut route).await;
    let told = replay(&route, &["--dataset", "notes"]).await;
    assert!(
        told.out.contains("not_a_number") && told.out.contains("the file failed as a whole"),
        "{}",
        told.out
    );
    let after = rows(&route).await;
    assert_eq!(after.len(), 7, "two equal lines stay two rows: {after:#?}");
    // As if the process had died before it noted anything.
    for key in route.work.list("replays/").await.unwrap() {
        route.work.delete(&key).await.unwrap();
    }
    replay(&route, &["--dataset", "notes"]).await;
    let told = replay(&route, &["--dataset", "notes"]).await;
    // Of the file that loaded three were replayed, and one is still wrong; of the other one nothing is.
    assert_eq!(told.counts("notes"), [9, 0, 1, 3, 5], "{}", told.out);
    // The failed file itself, and its stale rejects beside it.
    replay(&route, &["--objects", "--prefix", &format!("s3://{}/copy/notes/a", route.landing.name)]).await;
    let all = rows(&route).await;
    assert_eq!(all.len(), 11, "{all:#?}");
    replay(&route, &["--dataset", "notes", "--again"]).await;
    replay(&route, &["--objects", "--dataset", "notes"]).await;
    assert_eq!(rows(&route).await, all);
    route.check_ledger("notes").await.unwrap();
    // The very rows of a table that never saw the strict contract.
    route.sql("DELETE FROM tgt.notes").await.unwrap();
    route.sql("DELETE FROM penstock.objects_notes").await.unwrap();
    replay(&route, &["--objects", "--dataset", "notes"]).await;
    assert_eq!(rows(&route).await, all);
}

#[tokio::test]
async fn files_of_a_load_are_found_by_its_id() {
    let mut route = strict().await;
    for (key, text) in
        [("copy/notes/a.csv", "n,text\n1,a\n2,longer\n"), ("copy/notes/b.csv", "n,text\n3,b\n4,longer\n")]
    {
        route.landing.put(key, text).await.unwrap();
        route.work_off(&route.copier, None).await.unwrap();
    }
    loosen(&mut route).await;
    let load =
        route.lines("SELECT load_id FROM penstock.objects_notes WHERE source LIKE '%/b.csv'").await.unwrap();
    let told = replay(&route, &["--dataset", "notes", "--load", &load[0]]).await;
    assert_eq!(told.counts("notes"), [1, 1, 0, 0, 0], "{}", told.out);
    assert_eq!(route.lines("SELECT n FROM tgt.notes ORDER BY n").await.unwrap(), ["1", "3", "4"]);
}
