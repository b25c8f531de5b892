//! Stamped rows in the stage bucket: COPY reads them where they lie.

use penstock_tests::CopyRoute;
use serde_json::{Value, json};

use crate::rig::{gzip, route};

/// A stamped row as our transform writes it.
fn stamped(n: u32, name: &str) -> Value {
    let record_id = penstock_core::ident::record_id_of_key([n.to_string().as_str()]);
    json!({
        "id": n.to_string(), "name": name, "seen": "2026-01-01 00:00:00.000000+00", "balance": "1.00",
        "_record_id": record_id.as_str(), "_row_hash": format!("{:032x}", name.len()), "_order": format!("1767225600000/{n:056}/{:020}", 0),
        "_deleted": "false", "_source": "arn:aws:kinesis:eu-central-1:1:stream/s", "_dataset": "clients",
        "_contract_version": "1.0.0",
    })
}

async fn stage(route: &CopyRoute, key: &str, rows: &[Value]) -> Value {
    let lines: String = rows.iter().map(|row| format!("{row}\n")).collect();
    route.stage.put_for_event(key, gzip(&lines)).await.unwrap()
}

#[tokio::test]
async fn stamped_rows_load_as_they_are_and_once() {
    let route = route().await;
    let a = stage(&route, "clients/dt=2026-01-01/a.gz", &[stamped(1, "Ann"), stamped(2, "Bob")]).await;
    // The same stamped line twice, and once more in another object: at least once is what Firehose gives.
    let b =
        stage(&route, "clients/dt=2026-01-01/b.gz", &[stamped(2, "Bob"), stamped(3, "Cy"), stamped(3, "Cy")])
            .await;
    assert_eq!(route.take(&[a.clone(), b.clone()]).await.unwrap(), Vec::<usize>::new());
    assert_eq!(route.take(&[b, a]).await.unwrap(), Vec::<usize>::new());
    assert_eq!(
        route.lines("SELECT id, name FROM tgt.clients ORDER BY id").await.unwrap(),
        ["1|Ann", "2|Bob", "3|Cy"]
    );
    let counts =
        "SELECT n_read, n_inserted, n_duplicate FROM penstock.objects_clients WHERE n_read IS NOT NULL";
    assert_eq!(route.lines(counts).await.unwrap(), ["5|3|2"]);
    // Objects stay where they are: the stage bucket is not ours to clean.
    assert_eq!(route.stage.list("").await.unwrap().len(), 2);
    route.check_clean().await.unwrap();
    route.check_ledger("clients").await.unwrap();
}

#[tokio::test]
async fn an_object_without_stamps_is_refused_and_the_others_load() {
    let route = route().await;
    let mut bare = stamped(7, "Bare");
    bare.as_object_mut().unwrap().retain(|name, _| !name.starts_with('_'));
    let a = stage(&route, "clients/a.gz", &[stamped(1, "Ann")]).await;
    let b = stage(&route, "clients/b.gz", &[bare]).await;
    let c = stage(&route, "clients/c.gz", &[stamped(3, "Cy")]).await;
    assert_eq!(route.take(&[a, b, c]).await.unwrap(), Vec::<usize>::new());
    assert_eq!(route.lines("SELECT id FROM tgt.clients ORDER BY id").await.unwrap(), ["1", "3"]);
    let quarantined = route.quarantined().await.unwrap();
    assert_eq!(quarantined.len(), 1);
    assert!(quarantined[0]["source"].as_str().unwrap().ends_with("/clients/b.gz"), "{quarantined:?}");
    route.check_clean().await.unwrap();
}

#[tokio::test]
async fn what_firehose_failed_to_deliver_is_left_alone() {
    let route = route().await;
    let failed = route.stage.put_for_event("_failed/processing-failed/x", "{}").await.unwrap();
    assert_eq!(route.take(&[failed]).await.unwrap(), Vec::<usize>::new());
    assert!(route.quarantined().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_stamped_line_that_comes_in_two_loads_is_one_row() {
    let route = route().await;
    for key in ["clients/a.gz", "clients/b.gz"] {
        let event = stage(&route, key, &[stamped(1, "Ann"), stamped(2, "Bob")]).await;
        assert_eq!(route.take(&[event]).await.unwrap(), Vec::<usize>::new());
    }
    let visit = |page: &str| {
        json!({"page": page, "_record_id": format!("{:032x}", page.len()), "_row_hash": format!("{:032x}", 1),
            "_order": format!("1767225600000/{:032x}/{:020}", 1, 0), "_deleted": "false", "_source": "s",
            "_dataset": "visits", "_contract_version": "1.0.0"})
    };
    for key in ["visits/a.gz", "visits/b.gz"] {
        let event = stage(&route, key, &[visit("/"), visit("/1")]).await;
        assert_eq!(route.take(&[event]).await.unwrap(), Vec::<usize>::new());
    }
    for (table, outcome) in [("clients", "n_unchanged"), ("visits", "n_duplicate")] {
        assert_eq!(route.number(&format!("SELECT COUNT(*) FROM tgt.{table}")).await.unwrap(), 2);
        let counts = format!("SELECT SUM(n_inserted), SUM({outcome}) FROM penstock.objects_{table}");
        assert_eq!(route.lines(&counts).await.unwrap(), ["2|2"], "{table}");
        route.check_ledger(table).await.unwrap();
    }
    route.check_clean().await.unwrap();
}

#[tokio::test]
async fn one_object_at_fault_among_a_thousand_is_found_and_the_others_load() {
    const OBJECTS: u32 = 1_000;
    const CULPRIT: u32 = 637;
    let route = route().await;
    let mut events = Vec::new();
    for n in 0..OBJECTS {
        // Longer than the table's column: our transform would never have let it pass.
        let name = if n == CULPRIT { "longer than the twenty bytes of the column" } else { "Ann" };
        events.push(stage(&route, &format!("clients/{n}.gz"), &[stamped(n, name)]).await);
    }
    assert_eq!(route.take(&events).await.unwrap(), Vec::<usize>::new());
    let rows = "SELECT COUNT(*), COUNT(DISTINCT id) FROM tgt.clients";
    assert_eq!(route.lines(rows).await.unwrap(), ["999|999"]);
    let objects = "SELECT COUNT(*) FROM penstock.objects_clients WHERE source LIKE 's3://%'";
    assert_eq!(route.number(objects).await.unwrap(), 999);
    assert_eq!(route.quarantined_rules().await.unwrap(), ["refused_by_warehouse"]);
    let line = &route.quarantined().await.unwrap()[0];
    assert!(line["source"].as_str().unwrap().ends_with(&format!("/clients/{CULPRIT}.gz")), "{line}");
    route.check_ledger("clients").await.unwrap();
    route.check_clean().await.unwrap();
}
