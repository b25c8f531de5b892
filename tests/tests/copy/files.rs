//! Files become rows: in flight, any form, upserts by key, once however often their events come, accounted for.

use crate::rig::{clients, gzip, route};

const FIRST: &str = "id,name,seen,balance\n1,Ann,2026-01-01T10:00:00Z,10.5\n2,\"Bob \"\"B\"\"\",2026-01-02T00:00:00+01:00,\n3,,,\n";

#[tokio::test]
async fn a_file_becomes_rows_a_ledger_line_and_rejects() {
    let route = route().await;
    route.load(&[("copy/clients/a.csv", FIRST.into())]).await.unwrap();
    assert_eq!(
        clients(&route).await,
        ["1|Ann|2026-01-01 10:00:00+00|10.50", "2|Bob \"B\"|2026-01-01 23:00:00+00|null"]
    );
    let ledger = "SELECT status, n_read, n_inserted, n_updated, n_unchanged, n_duplicate, n_rejected, source \
         FROM penstock.objects_clients";
    let source = format!("s3://{}/copy/clients/a.csv", route.landing.name);
    assert_eq!(route.lines(ledger).await.unwrap(), [format!("loaded|3|2|0|0|0|1|{source}")]);
    assert_eq!(route.quarantined_rules().await.unwrap(), ["required"]);
    assert_eq!(route.lines("SELECT DISTINCT _source FROM tgt.clients").await.unwrap(), [source]);
    route.check_ledger("clients").await.unwrap();
    route.check_clean().await.unwrap();
}

#[tokio::test]
async fn nested_binary_and_empty_values_come_through() {
    let route = route().await;
    let lines = concat!(
        r#"{"page":"/a","at":"2026-01-01T10:00:00.000001","device":{"v":[1,2.50],"os":"x"},"is_new":true,"mark":"00ff"}"#,
        "\n",
        r#"{"page":"","device":null}"#,
        "\n",
        r#"{"page":"/ä\\\"\u0041"}"#,
        "\n",
    );
    route.load(&[("copy/visits/a.json", gzip(lines))]).await.unwrap();
    let rows = route
        .lines(
            "SELECT page, at, JSON_SERIALIZE(device), is_new, TO_HEX(mark) FROM tgt.visits ORDER BY _order",
        )
        .await
        .unwrap();
    assert_eq!(
        rows,
        [
            "/a|2026-01-01 10:00:00.000001|{\"v\":[1,2.50],\"os\":\"x\"}|true|00ff",
            "|null|null|null|null",
            "/ä\\\"A|null|null|null|null",
        ]
    );
}

#[tokio::test]
async fn files_of_two_datasets_in_one_batch_are_one_load_each() {
    let route = route().await;
    let visits = "{\"page\":\"/1\"}\n{\"page\":\"/1\"}\n";
    route
        .load(&[
            ("copy/clients/a.csv", FIRST.into()),
            ("copy/visits/a.json", visits.into()),
            ("copy/clients/b.csv", "balance,id,name\n1,4,Dan\n".into()),
            ("copy/visits/b.json", visits.into()),
        ])
        .await
        .unwrap();
    assert_eq!(route.number("SELECT COUNT(*) FROM tgt.clients").await.unwrap(), 3);
    // Two equal lines are two rows, and so are those of another file.
    assert_eq!(route.number("SELECT COUNT(*) FROM tgt.visits").await.unwrap(), 4);
    for table in ["clients", "visits"] {
        let loads = format!("SELECT COUNT(DISTINCT load_id), COUNT(*) FROM penstock.objects_{table}");
        assert_eq!(route.lines(&loads).await.unwrap(), ["1|2"], "{table}");
        route.check_ledger(table).await.unwrap();
    }
    route.check_clean().await.unwrap();
}

#[tokio::test]
async fn the_latest_row_of_a_key_wins_whatever_comes_first() {
    let route = route().await;
    let rows =
        |name: &str, day: u32| format!("id,name,seen\n1,{name},2026-01-{day:02}T00:00:00Z\n").into_bytes();
    route.load(&[("copy/clients/2.csv", rows("second", 2))]).await.unwrap();
    route.load(&[("copy/clients/1.csv", rows("first", 1))]).await.unwrap();
    assert_eq!(clients(&route).await, ["1|second|2026-01-02 00:00:00+00|null"]);
    route
        .load(&[("copy/clients/3.csv", rows("third", 3)), ("copy/clients/4.csv", rows("late", 1))])
        .await
        .unwrap();
    assert_eq!(clients(&route).await, ["1|third|2026-01-03 00:00:00+00|null"]);
    let outcomes = "SELECT SUM(n_inserted), SUM(n_updated), SUM(n_duplicate) FROM penstock.objects_clients";
    assert_eq!(route.lines(outcomes).await.unwrap(), ["1|1|2"]);
    route.check_ledger("clients").await.unwrap();
}

#[tokio::test]
async fn events_that_come_again_in_any_grouping_add_nothing() {
    let route = route().await;
    let visits = "{\"page\":\"/1\"}\n";
    let first = route
        .load(&[("copy/visits/a.json", visits.into()), ("copy/visits/b.json", visits.into())])
        .await
        .unwrap();
    let new = route.landing.put_for_event("copy/visits/c.json", visits).await.unwrap();
    let again = [first[1].clone(), new.clone(), first[0].clone(), new.clone(), first[1].clone()];
    assert_eq!(route.take(&again).await.unwrap(), Vec::<usize>::new());
    assert_eq!(route.take(&again).await.unwrap(), Vec::<usize>::new());
    assert_eq!(route.number("SELECT COUNT(*) FROM tgt.visits").await.unwrap(), 3);
    assert_eq!(route.number("SELECT COUNT(*) FROM penstock.objects_visits").await.unwrap(), 3);
    route.check_clean().await.unwrap();
}
