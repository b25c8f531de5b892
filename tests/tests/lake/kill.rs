//! The function is killed after any of its requests, again and again, while sources are converted and replaced, and
//! everything is delivered anew: the lake holds the rows of the newest contents, each once, and no other file.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::{Context as _, ensure};
use penstock_tests::{LakeRoute, Random, batch, given_back};
use serde_json::Value;

use crate::rig::{LOOK, contracts, expected, rides};

const SEEDS: u64 = 12;
/// How often the function dies at the most before the sources are replaced: a content that kills it thrice is given up.
const MOST_DEATHS: u64 = 2;
/// Packets that a delivery has about.
const PACKETS: u64 = 40;
/// Set to a number it is the only seed, to see a failure again.
const ONLY_SEED: &str = "PENSTOCK_KILL_SEED";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_that_is_killed_between_any_two_requests_leaves_the_newest_rows_once() {
    let only = std::env::var(ONLY_SEED).ok().map(|seed| seed.parse::<u64>().unwrap());
    let (next, end) = (AtomicU64::new(only.unwrap_or(0)), only.map_or(SEEDS, |only| only + 1));
    let all_deaths = AtomicU64::new(0);
    let lane = async || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end {
                return;
            }
            let started = Instant::now();
            let deaths = Box::pin(run(seed)).await.unwrap_or_else(|error| {
                next.store(end, Ordering::Relaxed);
                panic!("seed {seed} ({ONLY_SEED}={seed} runs it alone): {error:?}")
            });
            all_deaths.fetch_add(deaths, Ordering::Relaxed);
            println!("seed {seed}: {deaths} deaths, {:.1} s", started.elapsed().as_secs_f32());
        }
    };
    tokio::join!(lane(), lane());
    // When it dies in a run follows from packets, which are not the same ones everywhere.
    assert!(only.is_some() || all_deaths.load(Ordering::Relaxed) >= SEEDS, "the function hardly ever died");
}

/// What the days of a content begin with.
fn month(source: u64, version: u64) -> String {
    format!("2026-0{}-0", 1 + source + 2 * version)
}

/// A content of a source: so many rides from a number on, on days that are its own.
fn content(random: &mut Random, source: u64, version: u64) -> (std::ops::Range<u64>, String) {
    let (first, count) = (source * 1_000 + version * 100, random.below(30));
    let body = rides(first..first + count)
        .replace("\"day\":\"2026-01-0", &format!("\"day\":\"{}", month(source, version)));
    (first..first + count, body)
}

/// How often the function died.
async fn run(seed: u64) -> anyhow::Result<u64> {
    let mut random = Random::new(seed, 0);
    let route = LakeRoute::with_settings(contracts(), &[]).await?;
    let (mut deaths, mut newest, mut all) = (0, Vec::new(), Vec::new());
    for version in 0..3 {
        newest.clear();
        for source in 0..2 {
            let (range, body) = content(&mut random, source, version);
            all.push(route.landing.put_for_event(&format!("lake/rides/{source} ä.json"), body).await?);
            newest.push((source, version, range));
        }
        deaths += deliver(&route, &mut random, &all).await?;
    }
    let mut rows = Vec::new();
    for (source, version, range) in newest {
        let own = format!("|{}", month(source, version));
        rows.extend(expected(range).into_iter().map(|row| row.replace("|2026-01-0", &own)));
    }
    rows.sort();
    let found = route.rows("rides", &LOOK).await?;
    ensure!(found == rows, "{} rows instead of {}: {found:?}", found.len(), rows.len());
    route.check_notes().await?;
    Ok(deaths)
}

/// Has every message taken that was ever there, in any order, while the function dies.
async fn deliver(route: &LakeRoute, random: &mut Random, all: &[Value]) -> anyhow::Result<u64> {
    let (mut deaths, mut waiting) = (0, all.to_vec());
    let mut function = route.another().await?;
    while !waiting.is_empty() {
        random.shuffle(&mut waiting);
        let group: Vec<Value> = waiting.drain(..waiting.len().min(1 + random.below(3) as usize)).collect();
        if deaths < MOST_DEATHS {
            route.gate.hold_after(1 + random.below(PACKETS) as i64);
        }
        let event = batch(&group);
        let answer = tokio::select! {
            biased;
            () = route.gate.held() => None,
            answer = function.invoke(&event) => Some(answer.context("the function failed as a whole")?),
        };
        match answer {
            Some(answer) => {
                waiting.extend(given_back(&answer)?.into_iter().map(|n| group[n].clone()));
                // A dead function's note may have come through late.
                route.end_leases().await?;
            }
            None => {
                function.kill();
                deaths += 1;
                route.gate.cut();
                route.end_leases().await?;
                function = route.another().await?;
                waiting = all.to_vec();
            }
        }
        route.gate.open();
    }
    Ok(deaths)
}
