//! The copy route of one deployed stage, from files in the landing bucket and stamped rows in the stage bucket to rows,
//! through the event source mapping alone; and what people look at when it goes wrong.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use penstock_tests::deployed::{ACCOUNT, Deployment};
use penstock_tests::{COPIER, MiniStack, workspace_root};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

const HEADER: &str = "customer_id,name,email,country,birthday,balance,updated_at";

/// The stage that all of [`drop_files`] went through. For looking only.
async fn copied() -> &'static Deployment<'static> {
    static COPIED: OnceCell<Deployment<'static>> = OnceCell::const_new();
    let start = || async {
        let deployment = Deployment::start(MiniStack::enforced().await?).await?;
        drop_files(&deployment).await?;
        anyhow::Ok(deployment)
    };
    COPIED.get_or_try_init(start).await.unwrap()
}

/// Two files of the same customers with bad rows among them, the first twice, one that cannot be read; stamped rows,
/// twice, and what Firehose could not deliver.
async fn drop_files(deployment: &Deployment<'_>) -> anyhow::Result<()> {
    let route = deployment.copy_route().await?;
    let first = gzip(&csv([customer(1, "2026-01-01"), customer(2, "2026-01-03"), "4,,,XXX,,,".to_owned()]));
    let second = csv([customer(2, "2026-01-02"), customer(1, "2026-01-02"), customer(3, "2026-01-02")]);
    route.drop_file(&route.landing, "copy/customers/first.csv.gz", first.clone()).await?;
    route.load_all().await?;
    route.drop_file(&route.landing, "copy/customers/second.csv", second).await?;
    route.drop_file(&route.landing, "copy/customers/first.csv.gz", first).await?;
    route.drop_file(&route.landing, "copy/customers/other.csv", "id,name\n1,Ann\n").await?;
    let rows = gzip(&[stamped(5), stamped(6), stamped(5)].map(|row| format!("{row}\n")).concat());
    for _ in 0..2 {
        route.drop_file(&route.stage, "customers/country=DE/a.gz", rows.clone()).await?;
    }
    route.drop_file(&route.stage, "_failed/processing-failed/x", "{}").await?;
    route.load_all().await
}

fn customer(n: u32, day: &str) -> String {
    format!("c-{n},Customer {n},c{n}@example.org,DE,1990-01-01,{n}.50,{day}T00:00:00Z")
}

fn csv<const N: usize>(rows: [String; N]) -> String {
    format!("{HEADER}\n{}\n", rows.join("\n"))
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// A customer as our transform writes it.
fn stamped(n: u32) -> Value {
    let id = format!("c-{n}");
    let record_id = penstock_core::ident::record_id_of_key([id.as_str()]);
    json!({
        "customer_id": id, "name": format!("Customer {n}"), "email": null, "country": "DE", "birthday": null,
        "balance": "1.00", "updated_at": "2026-01-04 00:00:00.000000+00", "_record_id": record_id.as_str(),
        "_row_hash": format!("{n:032x}"), "_order": format!("1767225600000/{n:056}/{:020}", 0), "_deleted": "false",
        "_source": "arn:aws:kinesis:us-east-1:1:stream/s", "_dataset": "customers", "_contract_version": "1.0.0",
    })
}

#[tokio::test]
async fn files_and_stamped_rows_end_as_rows_once_each_with_the_right_winner() {
    let route = copied().await.copy_route().await.unwrap();
    let query = "SELECT customer_id, balance, updated_at FROM tgt.customers ORDER BY customer_id";
    let wanted = [
        "c-1|1.50|2026-01-02 00:00:00+00",
        "c-2|2.50|2026-01-03 00:00:00+00",
        "c-3|3.50|2026-01-02 00:00:00+00",
        "c-5|1.00|2026-01-04 00:00:00+00",
        "c-6|1.00|2026-01-04 00:00:00+00",
    ];
    assert_eq!(route.lines(query).await.unwrap(), wanted);
    let twice = "SELECT COUNT(*) FROM (SELECT object_id FROM penstock.objects_customers GROUP BY object_id \
         HAVING COUNT(*) > 1) d";
    assert_eq!(route.number(twice).await.unwrap(), 0, "an object was loaded twice");
    route.check_ledger("customers").await.unwrap();
}

#[tokio::test]
async fn the_datasets_model_was_run_after_its_last_load() {
    let route = copied().await.copy_route().await.unwrap();
    let totals = "SELECT SUM(customers), SUM(balance) FROM mart.customers_daily";
    assert_eq!(route.lines(totals).await.unwrap(), ["5|9.50"]);
    let by_country = "SELECT country, customers FROM mart.customers_by_country";
    assert_eq!(route.lines(by_country).await.unwrap(), ["DE|5"]);
}

#[tokio::test]
async fn what_did_not_load_is_in_quarantine_and_nothing_is_left_behind() {
    let route = copied().await.copy_route().await.unwrap();
    let mut rules = route.quarantined_rules().await.unwrap();
    rules.sort();
    rules.dedup();
    assert_eq!(rules, ["header_mismatch", "required", "too_long"]);
    let receipts = route.receipts().await.unwrap();
    assert_eq!(receipts.len(), 1, "{receipts:?}");
    assert_eq!(receipts[0]["status"], "failed");
    route.check_clean().await.unwrap();
    assert_eq!(route.dead.depth().await.unwrap(), 0);
}

#[tokio::test]
async fn loads_run_as_the_user_of_the_functions_role_and_copy_as_its_own_role() {
    let deployment = copied().await;
    let log = deployment.redshift.statements();
    let own = log.iter().filter(|entry| entry["database"] == deployment.database);
    let copies: Vec<_> =
        own.filter(|entry| entry["sql"].as_str().is_some_and(|sql| sql.starts_with("COPY "))).collect();
    assert!(!copies.is_empty());
    let role = format!("IAM_ROLE '{}'", deployment.role("copy"));
    for copy in copies {
        assert_eq!(copy["user"], deployment.database_user(COPIER));
        assert!(copy["sql"].as_str().unwrap().contains(&role), "{copy}");
    }
}

#[tokio::test]
async fn every_metric_that_an_alarm_watches_is_one_that_its_function_writes() {
    let deployment = copied().await;
    let mut watched = Vec::new();
    for alarm in deployment.alarms().unwrap() {
        let math = alarm["Metrics"].as_array().into_iter().flatten();
        let metrics = math.map(|own| &own["MetricStat"]["Metric"]).filter(|own| own.is_object());
        watched.extend(metrics.chain([&alarm]).filter(|own| own["Namespace"] == "Penstock").cloned());
    }
    assert!(watched.len() > 8, "{watched:?}");
    for metric in watched {
        let function = metric["Dimensions"][0]["Value"].as_str().unwrap();
        let function = function.strip_prefix(&deployment.name("")).unwrap();
        let name = format!("\"{}\"", metric["MetricName"].as_str().unwrap());
        assert!(source_of(function).contains(&name), "{function} does not write {name}");
    }
}

/// All Rust of a function's crate, and of what functions share.
fn source_of(function: &str) -> String {
    let crates = workspace_root().join("crates");
    [function, "aws"].map(|own| source_below(&crates.join(own).join("src"))).concat()
}

fn source_below(folder: &Path) -> String {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let text = |path: PathBuf| match path.is_dir() {
        true => source_below(&path),
        false => std::fs::read_to_string(path).unwrap(),
    };
    entries.map(text).collect()
}

#[tokio::test]
async fn the_dashboard_shows_every_alarm_of_the_route() {
    let deployment = copied().await;
    let alarms = deployment.alarms().unwrap().into_iter();
    let of_route = deployment.name(COPIER);
    let mut own: Vec<_> = alarms
        .filter_map(|alarm| {
            alarm["AlarmName"].as_str().filter(|name| name.starts_with(&of_route)).map(str::to_owned)
        })
        .map(|name| json!(format!("arn:aws:cloudwatch:us-east-1:{ACCOUNT}:alarm:{name}")))
        .collect();
    // MiniStack knows no alarm on metrics that are reckoned with.
    own.push(json!(format!("arn:aws:cloudwatch:us-east-1:{ACCOUNT}:alarm:{of_route}-rows-rejected")));
    own.sort_by_key(Value::to_string);
    assert_eq!(shown_alarms(deployment, "copy-route"), own);
}

/// ARNs of the alarms that a dashboard shows, sorted.
pub fn shown_alarms(deployment: &Deployment<'_>, dashboard: &str) -> Vec<Value> {
    let name = deployment.name(dashboard);
    let get = ["cloudwatch", "get-dashboard", "--dashboard-name", &name];
    let found = deployment.cloud.aws(&get).unwrap();
    let body: Value = serde_json::from_str(found["DashboardBody"].as_str().unwrap()).unwrap();
    let mut shown = body["widgets"][0]["properties"]["alarms"].as_array().unwrap().clone();
    shown.sort_by_key(Value::to_string);
    shown
}
