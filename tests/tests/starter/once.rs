//! The same events again and again, at once and in other groupings.

use futures_util::future::join_all;
use penstock_tests::{Random, until};
use serde_json::Value;

use crate::rig::{Rig, WITHIN, as_put, take, together};

#[tokio::test]
async fn one_batch_is_one_run_whose_manifest_has_every_object_and_column() {
    let rig = Rig::start().await;
    let events = rig.staged("clients", 0..12).await;
    assert!(rig.take(&events).await.is_empty());
    let runs = rig.glue.runs();
    assert_eq!(runs.len(), 1);
    let claims = rig.claims("clients/job").await;
    let (key, claim) = &claims[0];
    assert_eq!(runs[0].manifest.as_deref(), Some(format!("s3://{}/{key}", rig.work.name).as_str()));
    assert_eq!(
        (&claim["run_id"], &claim["version"], &claim["stamps"]),
        (&"jr_0".into(), &1.into(), &true.into())
    );
    assert_eq!(claim["columns"][0]["name"], "id");
    assert!(claim["target"].as_str().unwrap().starts_with("s3://curated-"), "{claim}");
    let entries = claim["entries"].as_array().unwrap();
    assert_eq!(entries.len(), 12);
    let url = format!("s3://{}/clients/dt=2026-03-01/7.gz", rig.stage.name);
    let own = entries.iter().find(|entry| entry["url"] == url.as_str()).unwrap();
    assert_eq!((own["bytes"].as_u64(), own["etag"].as_str().map(str::len)), (Some(8), Some(32)));
}

#[tokio::test]
async fn what_came_already_starts_nothing_and_new_content_under_the_same_key_does() {
    let rig = Rig::start().await;
    let events = rig.staged("orders", 0..3).await;
    rig.take_until_done(&events).await;
    for again in [&events[..], &events[1..2], &[together(&events)]] {
        assert!(rig.take(again).await.is_empty());
    }
    assert_eq!(rig.glue.runs().len(), 1);
    let key = "orders/dt=2026-03-01/1.gz";
    let new = rig.stage.put_for_event(key, "{\"id\":99}").await.unwrap();
    assert!(rig.take(&[events[0].clone(), new]).await.is_empty());
    assert_eq!(rig.glue.runs().len(), 2);
    let claims = rig.claims("orders/job").await;
    assert_eq!(claims[0].1["entries"].as_array().unwrap().len(), 1, "{}", claims[0].1);
}

#[tokio::test]
async fn content_that_comes_back_under_its_key_is_run_again_and_each_put_once() {
    for has_sequencer in [true, false] {
        let (rig, mut puts) = (Rig::start().await, Vec::new());
        for (n, content) in ["{\"id\":1}", "{\"id\":2}", "{\"id\":1}"].into_iter().enumerate() {
            let event = rig.stage.put_for_event("orders/dt=2026-03-01/1.gz", content).await.unwrap();
            let sequencer = has_sequencer.then(|| format!("0066A5B1C2D3E4F50{n}"));
            puts.push(as_put(&event, sequencer.as_deref(), &format!("2026-03-01T00:00:0{n}Z")));
            assert!(rig.take(&puts[n..]).await.is_empty());
            assert_eq!(rig.glue.runs().len(), n + 1, "{has_sequencer}");
        }
        for again in [&puts[..], &puts[..1], &[together(&puts)]] {
            assert!(rig.take(again).await.is_empty());
        }
        assert_eq!(rig.glue.runs().len(), 3, "{has_sequencer}");
        let claims = rig.claims("orders/job").await;
        let etags: Vec<&Value> = claims.iter().map(|(_, claim)| &claim["entries"][0]["etag"]).collect();
        assert_eq!((etags.len(), etags[0] == etags[2], etags[0] == etags[1]), (3, true, false), "{etags:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_deliveries_of_the_same_event_at_once_in_other_groupings_are_one_run() {
    let rig = Rig::start().await;
    let events = rig.staged("clients", 0..5).await;
    let (own, events) = (&rig, &events);
    let deliver = |number: usize| async move {
        let starter = own.another(number + 1).await;
        let mut batch = events.clone();
        batch.rotate_left(number % 5);
        let batch = match number % 3 {
            0 => batch,
            1 => vec![together(&batch)],
            _ => vec![together(&batch[..2]), together(&batch[1..]), batch[0].clone()],
        };
        until("the delivery to be done", WITHIN, async || {
            Ok(take(&starter, &batch).await.is_empty().then_some(()))
        })
        .await
        .unwrap();
    };
    join_all((0..20).map(deliver)).await;
    assert_eq!(rig.glue.runs().len(), 1);
    let found = rig.runs_by_object("clients/job").await;
    assert_eq!((found.len(), found.values().all(|runs| *runs == 1)), (5, true), "{found:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_parts_of_many_events_at_once_leave_each_object_in_one_run() {
    let rig = Rig::start().await;
    let events = rig.staged("clients", 0..40).await;
    let (own, events) = (&rig, &events);
    let deliver = |number: usize| async move {
        let starter = own.another(number + 1).await;
        let mut random = Random::new(7, number as u64);
        for round in 0..3 {
            // Every event is somebody's in the first round.
            let is_own = |at: usize| if round == 0 { at % 8 == number } else { random.percent(30) };
            let batch: Vec<Value> = pick(events, is_own);
            until("the delivery to be done", WITHIN, async || {
                Ok(take(&starter, &batch).await.is_empty().then_some(()))
            })
            .await
            .unwrap();
        }
    };
    join_all((0..8).map(deliver)).await;
    let found = rig.runs_by_object("clients/job").await;
    assert_eq!((found.len(), found.values().all(|runs| *runs == 1)), (40, true), "{found:?}");
    assert_eq!(rig.glue.runs().len(), rig.claims("clients/job").await.len());
}

fn pick(events: &[Value], mut is_own: impl FnMut(usize) -> bool) -> Vec<Value> {
    events.iter().enumerate().filter(|(at, _)| is_own(*at)).map(|(_, event)| event.clone()).collect()
}

#[tokio::test]
async fn landing_objects_go_to_the_lake_in_a_log_of_their_own() {
    let rig = Rig::start().await;
    let mut events = rig.staged("clients", 0..1).await;
    events.push(rig.landing.put_for_event("lake/clients/large.json", "{\"id\":1}").await.unwrap());
    assert!(rig.take(&events).await.is_empty());
    assert_eq!(rig.glue.runs().len(), 2);
    let claim = &rig.claims("clients/lake-job").await[0].1;
    assert!(claim["target"].as_str().unwrap().starts_with("s3://lake-"), "{claim}");
    assert_eq!(claim["entries"][0]["url"], format!("s3://{}/lake/clients/large.json", rig.landing.name));
}
