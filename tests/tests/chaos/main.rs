//! The copy route under everything at once: mixed datasets, functions side by side that die at any point, messages at
//! least twice in other groupings, and a warehouse that conflicts, throttles and loses answers. What is in the tables
//! afterwards is held to a model that knows nothing of Penstock's code.

#![allow(clippy::unwrap_used, reason = "a test may panic, and so may what only tests call")]

mod deliveries;
mod model;
mod objects;

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use penstock_tests::{CopyRoute, Random, until};
use serde_json::{Value, json};

use deliveries::Deliveries;

const SEEDS: u64 = 20;
const OBJECTS: usize = 200;
/// Set to a number it is the only seed, to see a failure again.
const ONLY_SEED: &str = "PENSTOCK_CHAOS_SEED";

static DEATHS: AtomicUsize = AtomicUsize::new(0);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_dies_or_comes_again_every_object_is_loaded_once_and_the_tables_are_the_models() {
    let only = std::env::var(ONLY_SEED).ok().map(|seed| seed.parse::<u64>().unwrap());
    let (next, end) = (AtomicU64::new(only.unwrap_or(0)), only.map_or(SEEDS, |only| only + 1));
    let lane = async || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end {
                return;
            }
            let started = Instant::now();
            Box::pin(run(seed)).await.unwrap_or_else(|error| {
                next.store(end, Ordering::Relaxed);
                panic!("seed {seed} ({ONLY_SEED}={seed} runs it alone): {error:?}")
            });
            println!("seed {seed}: {:.1} s", started.elapsed().as_secs_f32());
        }
    };
    // Three at a time: most of a run is waiting for the warehouse.
    tokio::join!(lane(), lane(), lane());
    let (died, runs) = (DEATHS.load(Ordering::Relaxed), (end - only.unwrap_or(0)) as usize);
    assert!(died >= runs * deliveries::DEATHS / 2, "only {died} functions died in {runs} runs");
}

async fn run(seed: u64) -> anyhow::Result<()> {
    let mut random = Random::new(seed, 0);
    let contracts = tempfile::tempdir()?;
    for (name, text) in [("clients", objects::CLIENTS), ("visits", objects::VISITS)] {
        std::fs::write(contracts.path().join(format!("{name}.odcs.yaml")), text)?;
    }
    let route = CopyRoute::with_contracts(contracts).await?;
    let (objects, messages) = objects::put(&route, &mut random, OBJECTS).await?;
    for mut fault in faults(&mut random) {
        fault["database"] = json!(route.database);
        route.redshift.add_fault(serde_json::from_value(fault)?);
    }
    let deliveries = Deliveries::new(&route, &messages);
    let [first, second, third] = [1, 2, 3].map(|lane| deliveries.work_off(Random::new(seed, lane)));
    tokio::try_join!(first, second, third)?;
    DEATHS.fetch_add(deliveries.deaths(), Ordering::Relaxed);
    route.redshift.clear_faults(Some(&route.database));
    check(&route, &objects).await
}

/// Faults of the warehouse, each of which strikes somewhere in the run.
fn faults(random: &mut Random) -> Vec<Value> {
    let mut all = Vec::new();
    for _ in 0..4 {
        let kind = random.one(&["COPY", "INSERT", "DELETE", "CALL", "LOCK"]);
        let sqlstate = random.one(&["40001", "40P01"]);
        all.push(json!({"fault": "fail", "kind": kind, "sqlstate": sqlstate, "skip": random.below(20)}));
    }
    for (kind, error) in [
        ("COPY", "S3ServiceException:Access Denied,Status 403,Error AccessDenied"),
        ("INSERT", "out of memory"),
        ("SELECT", "connection to compute node was lost"),
    ] {
        all.push(json!({"fault": "fail", "kind": kind, "error": error, "skip": random.below(20)}));
    }
    for operation in ["BatchExecuteStatement", "ExecuteStatement", "DescribeStatement"] {
        let (exception, times) = ("ActiveStatementsExceededException", 1 + random.below(4));
        all.push(
            json!({"fault": "throttle", "operation": operation, "exception": exception, "times": times}),
        );
        all.push(json!({"fault": "lose-answer", "operation": operation, "times": 1 + random.below(4)}));
    }
    for when in ["after-lock", "during-copy", "before-commit"] {
        let ms = 100 + random.below(900);
        all.push(json!({"fault": "delay", "when": when, "ms": ms, "times": 2}));
    }
    // Of two that apply, the first set strikes.
    random.shuffle(&mut all);
    all
}

async fn check(route: &CopyRoute, objects: &[model::Object]) -> anyhow::Result<()> {
    until("all transactions to have ended, and their locks with them", Duration::from_secs(30), async || {
        let own = route.redshift.statements().into_iter().filter(|own| own["database"] == route.database);
        let open = own.filter(|own| {
            let status = own["status"].as_str().unwrap_or_default();
            !["FINISHED", "FAILED", "ABORTED"].contains(&status)
        });
        Ok((open.count() == 0).then_some(()))
    })
    .await?;
    for (table, columns) in [("clients", "id, name, seen"), ("visits", "page, at")] {
        let rows = format!("SELECT {columns}, _record_id, _order, _source FROM tgt.{table}");
        same(&format!("rows of {table}"), route.lines(&rows).await?, model::rows(objects, table))?;
        let lines = "SELECT object_id, source, status, n_read, n_rejected FROM penstock.objects_";
        let of_objects = format!("{lines}{table} WHERE source LIKE 's3://%'");
        same(&format!("ledger of {table}"), route.lines(&of_objects).await?, model::ledger(objects, table))?;
        let read = route.number(&format!("SELECT SUM(n_read) FROM penstock.objects_{table}")).await?;
        let expected = model::read(objects, table) as i64;
        ensure!(read == expected, "{table}: loads have read {read} records of {expected}");
        route.check_ledger(table).await.context(table)?;
        is_free(route, table).await?;
    }
    let rejected: usize = objects.iter().map(|own| own.rejected).sum();
    let quarantined = route.quarantined().await?.len();
    ensure!(quarantined == rejected, "{quarantined} records in quarantine, {rejected} are bad");
    route.check_clean().await
}

/// Two lists of lines that have to be the same; what is only in one of them is told.
fn same(what: &str, mut found: Vec<String>, expected: Vec<String>) -> anyhow::Result<()> {
    const TOLD: usize = 5;
    found.sort();
    let only = |these: &[String], those: &[String]| {
        let missing = these.iter().filter(|line| those.binary_search(line).is_err());
        missing.take(TOLD).cloned().collect::<Vec<_>>()
    };
    let (surplus, missing) = (only(&found, &expected), only(&expected, &found));
    ensure!(
        found == expected,
        "{what}: {} instead of {}; too many: {surplus:#?}; missing: {missing:#?}",
        found.len(),
        expected.len()
    );
    Ok(())
}

/// A dataset's lock can be had at once.
async fn is_free(route: &CopyRoute, table: &str) -> anyhow::Result<()> {
    let lock = format!("LOCK TABLE penstock.lock_{table}");
    let locked = tokio::time::timeout(Duration::from_secs(10), route.sql(&lock)).await;
    locked.with_context(|| format!("{table} is locked"))??;
    Ok(())
}
