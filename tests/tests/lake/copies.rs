//! Objects that are not looked into: copied as they are, whatever they are.

use penstock_tests::EventFile;

use crate::rig::route;

#[tokio::test]
async fn images_papers_and_empty_objects_are_copied_with_what_s3_says_of_them() {
    let route = route().await;
    let png: Vec<u8> = (0..=255).cycle().take(70_000).collect();
    let key = "lake/images/year=2026/a b+ä%.png";
    let put = route.landing.client.put_object().bucket(&route.landing.name).key(key);
    let put = put.content_type("image/png").metadata("owner", "o").cache_control("no-store").tagging("t=1");
    let put = put.body(png.clone().into()).send().await.unwrap();
    let event = EventFile::load("sqs-s3-put.json").unwrap().in_bucket(&route.landing.name).with_key(key);
    let event = event.with_object(key, png.len(), put.e_tag().unwrap().trim_matches('"'));
    let message = event.json().clone();
    for _ in 0..2 {
        assert_eq!(route.take(std::slice::from_ref(&message)).await.unwrap(), [] as [usize; 0]);
    }
    route.convert("lake/images/empty", "").await.unwrap();
    route.convert("lake/papers/2026/1.csv", "not, looked into").await.unwrap();
    let there = route.lake.list("").await.unwrap();
    assert_eq!(there, ["images/empty", "images/year=2026/a b+ä%.png", "papers/2026/1.csv"]);
    let copy = route.lake.client.get_object().bucket(&route.lake.name).key(&there[1]).send().await.unwrap();
    assert_eq!((copy.content_type(), copy.cache_control()), (Some("image/png"), Some("no-store")));
    assert_eq!(copy.metadata().unwrap().get("owner").map(String::as_str), Some("o"));
    assert_eq!(copy.body.collect().await.unwrap().to_vec(), png);
    let tags = route.lake.client.get_object_tagging().bucket(&route.lake.name).key(&there[1]).send().await;
    assert_eq!(tags.unwrap().tag_set()[0].key(), "t");
    let receipts = route.receipts().await.unwrap();
    assert!(receipts.len() == 3 && receipts.iter().all(|own| own["status"] == "complete"), "{receipts:?}");
}

#[tokio::test]
async fn a_replaced_object_is_replaced_in_the_lake_whatever_event_comes_last() {
    let route = route().await;
    let old = route.landing.put_for_event("lake/images/1", "old").await.unwrap();
    assert_eq!(route.take(std::slice::from_ref(&old)).await.unwrap(), [] as [usize; 0]);
    let new = route.landing.put_for_event("lake/images/1", "new one").await.unwrap();
    assert_eq!(route.take(&[new, old]).await.unwrap(), [] as [usize; 0]);
    assert_eq!(route.lake.get("images/1").await.unwrap(), b"new one");
}
