//! A landing bucket that was there before: Penstock adds its notification, and takes only that away.

use penstock_tests::deployed::Deployment;
use penstock_tests::samples::{lines, transaction};
use penstock_tests::{Bucket, MiniStack, Queue, until};
use serde_json::{Value, json};

/// A bucket with an object, whose events below `other/` go to a queue of somebody else.
async fn somebodys_bucket(cloud: &MiniStack) -> (Bucket, Queue) {
    let (bucket, queue) =
        (cloud.create_bucket("somebodys").await.unwrap(), cloud.create_queue("somebodys").await.unwrap());
    let policy = json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow",
        "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": queue.arn,
    }]});
    cloud
        .aws(&[
            "sqs",
            "set-queue-attributes",
            "--queue-url",
            &queue.url,
            "--attributes",
            &json!({"Policy": policy.to_string()}).to_string(),
        ])
        .unwrap();
    bucket.notify(&queue, "other/").await.unwrap();
    bucket.put("other/before.txt", "kept").await.unwrap();
    (bucket, queue)
}

/// Targets and prefixes of a bucket's notifications.
fn notifications(cloud: &MiniStack, bucket: &str) -> Vec<(String, String)> {
    let configuration = ["s3api", "get-bucket-notification-configuration", "--bucket", bucket];
    let found = cloud.aws(&configuration).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let queues = found["QueueConfigurations"].as_array().into_iter().flatten();
    let mut found: Vec<_> = queues
        .map(|own| (text(&own["QueueArn"]), text(&own["Filter"]["Key"]["FilterRules"][0]["Value"])))
        .collect();
    found.sort();
    found
}

#[tokio::test]
async fn an_existing_landing_bucket_keeps_its_objects_and_the_notifications_of_others() {
    let cloud = MiniStack::enforced().await.unwrap();
    let (bucket, queue) = somebodys_bucket(cloud).await;
    let deployment = Deployment::plan(cloud).await.unwrap();
    deployment.deploy(&["--landing-bucket", &bucket.name]).unwrap();
    let route = deployment.route_from(&bucket.name).await.unwrap();
    let others = (queue.arn.clone(), "other/".to_owned());
    let own = (route.events.arn.clone(), "queue/".to_owned());
    let copy = (deployment.copy_route().await.unwrap().events.arn, "copy/".to_owned());
    let stream = (deployment.stream_route().await.unwrap().events.arn, "stream/".to_owned());
    let lake = (deployment.lake_route().await.unwrap().events.arn, "lake/".to_owned());
    let mut all = vec![own, copy, stream, lake, others.clone()];
    all.sort();
    assert_eq!(notifications(cloud, &bucket.name), all);

    route.drop_file("queue/transactions/a.json", lines([transaction(1, 1)])).await.unwrap();
    bucket.put("other/during.txt", "kept").await.unwrap();
    route.load_all().await.unwrap();
    assert_eq!(route.number("SELECT COUNT(*) FROM tgt.transactions").await.unwrap(), 1);
    let mut received = Vec::new();
    until("the other's event", std::time::Duration::from_secs(20), async || {
        received.extend(queue.drain().await?);
        Ok(received.iter().any(|body| body.contains("other/during.txt")).then_some(()))
    })
    .await
    .unwrap();
    assert!(!received.iter().any(|body| body.contains("queue/transactions")), "{received:?}");

    deployment.destroy(&["--delete-data"]).unwrap();
    assert_eq!(notifications(cloud, &bucket.name), [others]);
    let kept = ["other/before.txt", "other/during.txt", "queue/transactions/a.json"];
    assert_eq!(bucket.list("").await.unwrap(), kept);
    assert_eq!(deployment.what_is_there().unwrap(), Vec::<String>::new());
}
