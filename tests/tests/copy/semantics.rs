//! What contracts say of loads beyond columns, through the function: tombstones, histories, replaced files, and models
//! that run after a load and never stop one.

use penstock_core::sql::Model;
use penstock_tests::CopyRoute;
use serde_json::{Value, json};

use crate::rig::gzip;

const NONE: Vec<usize> = Vec::new();

/// A dataset `name` of CSV files in `copy/<name>/` with these columns and custom properties, all in flow style.
fn contract(name: &str, custom: &str, columns: &str) -> String {
    format!(
        "apiVersion: v3.1.0\nkind: DataContract\nid: {name}\nname: {name}\nversion: 1.0.0\nstatus: active\nservers:\n  \
         - {{server: landing, type: s3, location: 's3://${{LANDING_BUCKET}}/copy/{name}/*', format: csv}}\n  \
         - {{server: warehouse, type: redshift, database: '${{DATABASE}}', schema: tgt}}\n\
         schema:\n  - name: {name}\n    physicalType: table\n    customProperties: [{custom}]\n    properties: [{columns}]\n"
    )
}

const KEYED: &str = "{name: id, physicalType: bigint, primaryKey: true, required: true}, \
    {name: op, physicalType: varchar(8)}, {name: seen, physicalType: date}";
const KEYLESS: &str = "{name: item, physicalType: varchar(20)}, {name: n, physicalType: integer}";

/// The count of rows of `stock`, in a table of the model's own.
const TOTALS: &str = "CREATE TABLE IF NOT EXISTS mart.totals (items bigint, n bigint);
DELETE FROM mart.totals;
INSERT INTO mart.totals (items, n) SELECT COUNT(*), SUM(s.n) FROM tgt.stock AS s LEFT JOIN tgt.orders AS o ON o.id = s.n;
";

/// A route with these contracts and the model `totals`.
async fn route(contracts: &[(&str, String)]) -> CopyRoute {
    let scratch = tempfile::tempdir().unwrap();
    for (name, text) in contracts {
        std::fs::write(scratch.path().join(format!("{name}.odcs.yaml")), text).unwrap();
    }
    std::fs::create_dir(scratch.path().join("models")).unwrap();
    std::fs::write(scratch.path().join("models/totals.sql"), TOTALS).unwrap();
    CopyRoute::with_contracts(scratch).await.unwrap()
}

async fn orders() -> CopyRoute {
    let custom = "{property: penstock.orderBy, value: seen}, {property: penstock.keepHistory, value: true}, \
        {property: penstock.deletedWhen, value: \"op == 'D'\"}";
    route(&[("orders", contract("orders", custom, KEYED))]).await
}

async fn stock(more: &str) -> CopyRoute {
    let custom = format!("{{property: penstock.onReplace, value: replace}}{more}");
    let (stock, orders) = (contract("stock", &custom, KEYLESS), contract("orders", "", KEYED));
    route(&[("stock", stock), ("orders", orders)]).await
}

fn csv(rows: &[&str]) -> Vec<u8> {
    format!("id,op,seen\n{}\n", rows.join("\n")).into_bytes()
}

#[tokio::test]
async fn tombstones_leave_the_live_view_and_stay_in_the_table() {
    let route = orders().await;
    let live = "SELECT id, op FROM tgt.orders_live ORDER BY id";
    route
        .load(&[("copy/orders/1.csv", csv(&["1,I,2026-01-01", "2,I,2026-01-01", "3,,2026-01-01"]))])
        .await
        .unwrap();
    route.load(&[("copy/orders/3.csv", csv(&["1,D,2026-01-03", "2,D,2026-01-03"]))]).await.unwrap();
    assert_eq!(route.lines(live).await.unwrap(), ["3|null"]);
    // An older row that comes late, and a newer one.
    route.load(&[("copy/orders/2.csv", csv(&["1,U,2026-01-02"]))]).await.unwrap();
    route.load(&[("copy/orders/4.csv", csv(&["2,I,2026-01-04"]))]).await.unwrap();
    assert_eq!(route.lines(live).await.unwrap(), ["2|I", "3|null"]);
    let all = "SELECT id, op, _deleted FROM tgt.orders ORDER BY id";
    assert_eq!(route.lines(all).await.unwrap(), ["1|D|true", "2|I|false", "3|null|false"]);
    let history = "SELECT id, op, _deleted FROM stg.orders ORDER BY id, seen";
    let versions =
        ["1|I|false", "1|U|false", "1|D|true", "2|I|false", "2|D|true", "2|I|false", "3|null|false"];
    assert_eq!(route.lines(history).await.unwrap(), versions);
    route.check_ledger("orders").await.unwrap();
    route.check_clean().await.unwrap();
}

#[tokio::test]
async fn a_redelivery_in_any_grouping_adds_no_version() {
    let route = orders().await;
    let first = route.load(&[("copy/orders/1.csv", csv(&["1,I,2026-01-01"]))]).await.unwrap();
    // The same row in another file is the same version.
    let second =
        route.load(&[("copy/orders/2.csv", csv(&["1,I,2026-01-01", "2,I,2026-01-01"]))]).await.unwrap();
    assert_eq!(route.take(&[second[0].clone(), first[0].clone()]).await.unwrap(), NONE);
    assert_eq!(route.lines("SELECT id FROM stg.orders ORDER BY id").await.unwrap(), ["1", "2"]);
    route.check_ledger("orders").await.unwrap();
}

#[tokio::test]
async fn stamped_rows_keep_their_own_flag() {
    let route = orders().await;
    let row = |n: u32, op: &str, deleted: &str| -> Value {
        let record_id = penstock_core::ident::record_id_of_key([n.to_string().as_str()]);
        json!({
            "id": n.to_string(), "op": op, "seen": "2026-01-01", "_record_id": record_id.as_str(),
            "_row_hash": format!("{n:032x}"), "_order": format!("1767225600000/{n:056}/{:020}", 0), "_deleted": deleted,
            "_source": "arn:aws:kinesis:eu-central-1:1:stream/s", "_dataset": "orders", "_contract_version": "1.0.0",
        })
    };
    let lines = format!("{}\n{}\n", row(1, "I", "true"), row(2, "D", "false"));
    let event = route.stage.put_for_event("orders/a.gz", gzip(&lines)).await.unwrap();
    assert_eq!(route.take(&[event]).await.unwrap(), NONE);
    assert_eq!(route.lines("SELECT id, op FROM tgt.orders_live").await.unwrap(), ["2|D"]);
}

#[tokio::test]
async fn a_file_that_is_replaced_takes_its_rows_along() {
    let route = stock("").await;
    let rows = "SELECT item, n FROM tgt.stock ORDER BY item, n";
    let of = |text: &str| format!("item,n\n{text}").into_bytes();
    route
        .load(&[("copy/stock/a.csv", of("nut,1\nnut,1\nbolt,2\n")), ("copy/stock/b.csv", of("cog,3\n"))])
        .await
        .unwrap();
    assert_eq!(route.lines(rows).await.unwrap(), ["bolt|2", "cog|3", "nut|1", "nut|1"]);
    // S3 tells times in seconds: within the same one it is not known which content is the newer.
    next_second().await;
    let replaced = route.load(&[("copy/stock/a.csv", of("nut,5\n"))]).await.unwrap();
    assert_eq!(route.lines(rows).await.unwrap(), ["cog|3", "nut|5"]);
    assert_eq!(route.take(&replaced).await.unwrap(), NONE);
    assert_eq!(route.lines(rows).await.unwrap(), ["cog|3", "nut|5"]);
    next_second().await;
    route.load(&[("copy/stock/a.csv", of(""))]).await.unwrap();
    assert_eq!(route.lines(rows).await.unwrap(), ["cog|3"], "a file without a row empties its key");
    let counts = "SELECT SUM(n_read), SUM(n_inserted), SUM(n_duplicate) FROM penstock.objects_stock";
    assert_eq!(route.lines(counts).await.unwrap(), ["5|5|0"]);
    route.check_clean().await.unwrap();
}

/// Waits until the clock shows another second than now.
async fn next_second() {
    let second = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let started = second();
    penstock_tests::until("the next second", std::time::Duration::from_secs(5), async || {
        Ok((second() > started).then_some(()))
    })
    .await
    .unwrap();
}

/// Creates what the model defines, as `penstock migrate` does.
async fn define(route: &CopyRoute) {
    route.sql("CREATE SCHEMA IF NOT EXISTS mart").await.unwrap();
    for statement in Model::parse(TOTALS).unwrap().defined() {
        route.sql(&statement.sql).await.unwrap();
    }
}

fn count_of(route: &CopyRoute, metric: &str) -> u64 {
    route.copier.json_logs().iter().filter_map(|log| log[metric].as_u64()).sum()
}

const AFTER: &str = ", {property: penstock.afterLoad, value: totals}";
const TOTALS_NOW: &str = "SELECT items, n FROM mart.totals";

#[tokio::test]
async fn models_run_after_every_committed_load() {
    let route = stock(AFTER).await;
    define(&route).await;
    let first = route.load(&[("copy/stock/a.csv", "item,n\nnut,1\nbolt,2\n".into())]).await.unwrap();
    assert_eq!(route.lines(TOTALS_NOW).await.unwrap(), ["2|3"]);
    route.load(&[("copy/stock/b.csv", "item,n\ncog,3\n".into())]).await.unwrap();
    assert_eq!(route.lines(TOTALS_NOW).await.unwrap(), ["3|6"]);
    // A load of a dataset that names no model runs none.
    route.load(&[("copy/orders/a.csv", csv(&["1,I,2026-01-01"]))]).await.unwrap();
    assert_eq!(route.take(&first).await.unwrap(), NONE);
    assert_eq!((count_of(&route, "ModelsRun"), count_of(&route, "ModelsFailed")), (2, 0));
    assert_eq!(route.lines(TOTALS_NOW).await.unwrap(), ["3|6"]);
    route.check_clean().await.unwrap();
}

#[tokio::test]
async fn a_model_that_fails_is_told_and_costs_no_load_and_no_message() {
    let route = stock(AFTER).await;
    // Its table is not there.
    route.load(&[("copy/stock/a.csv", "item,n\nnut,1\n".into())]).await.unwrap();
    assert_eq!(route.lines("SELECT item FROM tgt.stock").await.unwrap(), ["nut"]);
    route.check_clean().await.unwrap();
    assert_eq!((count_of(&route, "ModelsRun"), count_of(&route, "ModelsFailed")), (0, 1));
    let logs = route.copier.json_logs();
    let errors: Vec<&Value> = logs.iter().filter(|log| log["level"] == "ERROR").collect();
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].to_string().contains("models were not run"), "{errors:?}");
    define(&route).await;
    route.load(&[("copy/stock/b.csv", "item,n\ncog,3\n".into())]).await.unwrap();
    assert_eq!(route.lines(TOTALS_NOW).await.unwrap(), ["2|4"], "the next load makes up for it");
}

#[tokio::test]
async fn a_conflict_of_models_is_tried_again() {
    let route = stock(AFTER).await;
    define(&route).await;
    let fault = json!({
        "fault": "fail", "contains": "mart", "kind": "INSERT", "sqlstate": "40001", "times": 2, "database": route.database,
    });
    route.redshift.add_fault(serde_json::from_value(fault).unwrap());
    route.load(&[("copy/stock/a.csv", "item,n\nnut,1\n".into())]).await.unwrap();
    assert_eq!(route.lines(TOTALS_NOW).await.unwrap(), ["1|1"]);
    assert_eq!((count_of(&route, "ModelsRun"), count_of(&route, "ModelsFailed")), (1, 0));
}

#[tokio::test]
async fn a_model_that_is_missing_is_told_after_each_load_and_stops_none() {
    let route = stock(", {property: penstock.afterLoad, value: [totals, not_there]}").await;
    define(&route).await;
    route.load(&[("copy/stock/a.csv", "item,n\nnut,1\n".into())]).await.unwrap();
    assert_eq!(route.lines("SELECT item FROM tgt.stock").await.unwrap(), ["nut"]);
    assert_eq!(count_of(&route, "ModelsFailed"), 1);
    assert!(route.copier.logs().iter().any(|log| log.contains("not_there.sql")), "the file is named");
}
