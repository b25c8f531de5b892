//! The function is killed after the first and before the last record that the stream takes, again and again, and
//! everything is delivered anew: the rows in the warehouse are the files' good rows, each once.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::{Context as _, ensure};
use penstock_tests::{Bootstrap, Conduct, Random, STREAMER, StreamRoute, batch, given_back};
use serde_json::Value;

use crate::files::{clicks, customers, put};
use crate::model::Object;
use crate::rig::{check, check_accounts, contracts};

const SEEDS: u64 = 20;
const ROWS: usize = 800;
/// How often the function dies in one run at the most.
const MOST_DEATHS: u64 = 4;
/// Most messages that are delivered at once.
const MOST_AT_ONCE: u64 = 6;
/// Whole files, or ranges of them: a file has more than twice as many bytes.
const SPLITS: [&str; 2] = ["268435456", "65536"];
/// Set to a number it is the only seed, to see a failure again.
const ONLY_SEED: &str = "PENSTOCK_KILL_SEED";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_that_is_killed_between_any_two_records_loses_no_row_and_doubles_none() {
    let only = std::env::var(ONLY_SEED).ok().map(|seed| seed.parse::<u64>().unwrap());
    let (next, end) = (AtomicU64::new(only.unwrap_or(0)), only.map_or(SEEDS, |only| only + 1));
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
            println!("seed {seed}: {deaths} deaths, {:.1} s", started.elapsed().as_secs_f32());
        }
    };
    // Three at a time: most of a run is waiting for the warehouse.
    tokio::join!(lane(), lane(), lane());
}

/// How often the function died.
async fn run(seed: u64) -> anyhow::Result<u64> {
    let mut random = Random::new(seed, 0);
    let aggregate = if random.percent(30) { "kpl" } else { "none" };
    let settings = [("SPLIT_BYTES", random.one(&SPLITS))];
    let route = StreamRoute::with_settings(contracts(aggregate), &settings).await?;
    let (objects, events) = files(&route, &mut random).await?;
    let most = if aggregate == "kpl" { [3, 10] } else { [20, 500] };
    let deaths = send_with_deaths(&route, &mut random, events, most).await?;
    ensure!(deaths > 0, "the function never died");
    deliver(&route, &mut random).await?;
    check_accounts(&route, &objects).await?;
    check(&route, &objects).await?;
    Ok(deaths)
}

async fn files(route: &StreamRoute, random: &mut Random) -> anyhow::Result<(Vec<Object>, Vec<Value>)> {
    let mut all = Vec::new();
    for n in 0..2 {
        let (keyed, keyless) = (customers(random, ROWS), clicks(random, ROWS));
        let packed = if n == 0 { "" } else { ".gz" };
        all.push(put(route, "customers", &format!("stream/customers/{n} ä+.csv{packed}"), &keyed).await?);
        all.push(put(route, "clicks", &format!("stream/clicks/{n}.json{packed}"), &keyless).await?);
    }
    Ok(all.into_iter().unzip())
}

/// Has every message taken: the events, the tasks that come of them, and whatever is given back. When the function dies,
/// everything that was ever there comes again. It dies after at most so many records, the first time and later.
async fn send_with_deaths(
    route: &StreamRoute,
    random: &mut Random,
    events: Vec<Value>,
    [first, later]: [u64; 2],
) -> anyhow::Result<u64> {
    let (mut all, mut deaths) = (events, 0);
    let mut waiting = all.clone();
    let mut function = Bootstrap::start(STREAMER, route.vars.clone()).await?;
    behave(route, random, first);
    while !waiting.is_empty() {
        random.shuffle(&mut waiting);
        let most = 1 + random.below(MOST_AT_ONCE) as usize;
        let group: Vec<Value> = waiting.drain(..most.min(waiting.len())).collect();
        let event = batch(&group);
        let answer = tokio::select! {
            biased;
            () = route.kinesis.stopped() => None,
            answer = function.invoke(&event) => Some(answer.context("the function failed as a whole")?),
        };
        let tasks = route.take_tasks().await?;
        all.extend(tasks.iter().cloned());
        match answer {
            Some(answer) => {
                waiting.extend(given_back(&answer)?.into_iter().map(|n| group[n].clone()));
                waiting.extend(tasks);
            }
            None => {
                function.kill();
                deaths += 1;
                function = Bootstrap::start(STREAMER, route.vars.clone()).await?;
                waiting.clone_from(&all);
                match deaths < MOST_DEATHS {
                    true => behave(route, random, later),
                    false => route.kinesis.behave(Conduct::default()),
                }
            }
        }
    }
    // All of it once more, when everything is done.
    route.kinesis.behave(Conduct::default());
    let given_back = given_back(&function.invoke(&batch(&all)).await?)?;
    ensure!(given_back.is_empty(), "{given_back:?} were given back at last");
    route.tasks.work_off(async |event| function.invoke(event).await).await?;
    Ok(deaths)
}

/// The stream takes some more records and then no other one, and on the way it refuses some and loses answers.
fn behave(route: &StreamRoute, random: &mut Random, most: u64) {
    let stops_after = Some(1 + random.below(most));
    let (refused, lost) = (random.one(&[0, 0, 20]), random.one(&[0, 0, 0, 3]));
    route.kinesis.behave(Conduct { is_missing: false, refused, lost, stops_after });
}

/// What the stream took, in batches of any size, some of them twice; each object's event comes twice too.
async fn deliver(route: &StreamRoute, random: &mut Random) -> anyhow::Result<()> {
    let records = route.kinesis.records_from(0);
    let mut events = Vec::new();
    let mut rest = records.as_slice();
    while !rest.is_empty() {
        let (own, later) = rest.split_at(rest.len().min(1 + random.below(2_000) as usize));
        for _ in 0..if random.percent(20) { 2 } else { 1 } {
            events.extend(route.firehose.deliver(own, 1 + random.below(500) as usize).await?);
        }
        rest = later;
    }
    for _ in 0..2 {
        random.shuffle(&mut events);
        for group in events.chunks(1 + random.below(40) as usize) {
            let given_back = route.take(group).await?;
            ensure!(given_back.is_empty(), "the loader gave back {given_back:?}");
        }
    }
    let failed = route.stage.list("_failed/").await?;
    ensure!(failed.is_empty(), "the transformation refused rows of ours: {failed:?}");
    Ok(())
}
