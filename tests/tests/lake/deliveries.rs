//! Deliveries at the same time: one of them converts, and what stays is the newest content.

use std::slice;

use futures_util::future::join_all;
use penstock_tests::{Bootstrap, LakeRoute, batch, given_back};
use serde_json::Value;

use crate::rig::{LOOK, expected, rides, route};

/// Another process of the function that has started: what it is given next takes no time but its own.
async fn ready(route: &LakeRoute) -> Bootstrap {
    let other = route.another().await.unwrap();
    assert_eq!(given_back(&other.invoke(&batch(&[])).await.unwrap()).unwrap(), [] as [usize; 0]);
    other
}

#[tokio::test]
async fn of_two_deliveries_at_once_one_converts_and_the_other_comes_again() {
    let route = route().await;
    let message = route.landing.put_for_event("lake/rides/1.json", rides(0..40)).await.unwrap();
    let other = ready(&route).await;
    // The first one stands still with its lease taken and nothing written. The SDK gives an answer up that stands still for
    // five seconds.
    route.gate.hold_answers_over(4_000);
    let event = batch(slice::from_ref(&message));
    let first = route.laker.invoke(&event);
    let second = async {
        route.gate.held().await;
        let held = given_back(&other.invoke(&event).await.unwrap()).unwrap();
        route.gate.open();
        let logged = other.wait_for_log(|line| line["kind"] == "ObjectHeld").await.unwrap();
        assert!(logged["error"].as_str().unwrap().contains("is being converted by another"), "{logged}");
        held
    };
    let (first, second) = tokio::join!(first, second);
    assert_eq!((given_back(&first.unwrap()).unwrap(), second), (vec![], vec![0]));
    assert_eq!(route.take(slice::from_ref(&message)).await.unwrap(), [] as [usize; 0]);
    assert_eq!(route.rows("rides", &LOOK).await.unwrap(), expected(0..40));
    route.check_notes().await.unwrap();
}

#[tokio::test]
async fn a_source_that_is_replaced_while_it_is_converted_ends_as_its_newest_content() {
    let route = route().await;
    let old = route.landing.put_for_event("lake/rides/1.json", rides(0..40)).await.unwrap();
    let other = ready(&route).await;
    route.gate.hold_answers_over(4_000);
    let event = batch(slice::from_ref(&old));
    let first = route.laker.invoke(&event);
    let replace = async {
        route.gate.held().await;
        let new = rides(50..53).replace("2026-01-0", "2026-03-0");
        let new = route.landing.put_for_event("lake/rides/1.json", new).await.unwrap();
        let held = given_back(&other.invoke(&batch(slice::from_ref(&new))).await.unwrap()).unwrap();
        route.gate.open();
        (new, held)
    };
    let (first, (new, held)) = tokio::join!(first, replace);
    assert_eq!((given_back(&first.unwrap()).unwrap(), held), (vec![], vec![0]));
    assert_eq!(route.take(&[old.clone(), new, old]).await.unwrap(), [] as [usize; 0]);
    assert_eq!(route.rows("rides", &["id"]).await.unwrap(), ["50", "51", "52"]);
    let days = route.lake.list("").await.unwrap();
    assert!(days.iter().all(|key| key.contains("day=2026-03-0")), "{days:?}");
    route.check_notes().await.unwrap();
}

#[tokio::test]
async fn many_deliveries_of_many_contents_at_once_end_in_one_of_each() {
    let route = route().await;
    let mut messages = Vec::new();
    for n in 0..4 {
        let key = format!("lake/rides/{n}.json");
        messages.push(route.landing.put_for_event(&key, rides(n * 10..n * 10 + 10)).await.unwrap());
    }
    let functions = [route.another().await.unwrap(), route.another().await.unwrap()];
    let mut open: Vec<Value> = (0..=functions.len()).flat_map(|_| messages.clone()).collect();
    while !open.is_empty() {
        let groups: Vec<Vec<Value>> =
            open.chunks(messages.len()).take(functions.len()).map(<[_]>::to_vec).collect();
        let invocations = functions.iter().zip(&groups).map(async |(own, group)| {
            let given_back = given_back(&own.invoke(&batch(group)).await.unwrap()).unwrap();
            given_back.into_iter().map(|n| group[n].clone()).collect::<Vec<_>>()
        });
        let again = join_all(invocations).await.concat();
        open.drain(..groups.concat().len());
        open.extend(again);
    }
    assert_eq!(route.rows("rides", &LOOK).await.unwrap(), expected(0..40));
    route.check_notes().await.unwrap();
}
