//! Who may send to the lake route's queues, and what the roles may that the local cloud asks nobody for: the Glue job's,
//! the crawlers' and Spectrum's, each by a user who has its policy.

use aws_sdk_s3::config::Credentials;
use penstock_tests::deployed::{ACCOUNT, Deployment, LAKER, STARTER, credentials};
use penstock_tests::{Bucket, MiniStack};
use serde_json::{Value, json};

use crate::privileges::has_one_policy;
use crate::route::routed;

#[tokio::test]
async fn only_the_landing_bucket_and_the_stages_own_rules_may_send_events_of_objects() {
    let deployment = routed().await;
    let bucket = |own: &str| json!(format!("arn:aws:s3:::{}", deployment.bucket(own)));
    let rules = |own: &[&str]| {
        let arn = |rule| format!("arn:aws:events:us-east-1:{ACCOUNT}:rule/{}", deployment.name(rule));
        let all: Vec<_> = own.iter().copied().map(arn).collect();
        json!(all)
    };
    let from_s3 = |sid: &str, own: &str| (sid.to_owned(), "s3.amazonaws.com", bucket(own));
    let from_rules = |sid: &str, own: &[&str]| (sid.to_owned(), "events.amazonaws.com", rules(own));
    for (queue, senders) in [
        (LAKER, vec![from_s3("LandingBucketSends", "landing"), from_rules("RuleSends", &["stage-to-lake"])]),
        (STARTER, vec![from_rules("RulesSend", &["objects-to-glue", "schedule"])]),
        ("glue-runs-failed", vec![from_rules("RuleSends", &["glue-runs-failed"])]),
        ("lake-crawl", vec![from_s3("LakeBucketSends", "lake")]),
        ("curated-crawl", vec![from_s3("CuratedBucketSends", "curated")]),
    ] {
        let attributes = deployment.queue_attributes(queue).unwrap();
        let policy: Value = serde_json::from_str(attributes["Policy"].as_str().unwrap()).unwrap();
        let statements = senders.into_iter().map(|(sid, service, source)| {
            let mut condition = json!({"ArnEquals": {"aws:SourceArn": source}});
            if service == "s3.amazonaws.com" {
                condition["StringEquals"] = json!({"aws:SourceAccount": ACCOUNT});
            }
            json!({
                "Sid": sid, "Effect": "Allow", "Principal": {"Service": service}, "Action": "sqs:SendMessage",
                "Resource": attributes["QueueArn"], "Condition": condition,
            })
        });
        assert_eq!(policy["Statement"], json!(statements.collect::<Vec<_>>()), "{queue}");
    }
}

/// A user who has a role's own policy.
fn user_like(deployment: &Deployment<'_>, role: &str) -> Credentials {
    let (cloud, name) = (deployment.cloud, deployment.name(&format!("like-{role}")));
    has_one_policy(deployment, role);
    let policy = deployment.policy(role).unwrap().to_string();
    cloud.aws(&["iam", "create-user", "--user-name", &name]).unwrap();
    let put = ["iam", "put-user-policy", "--user-name", &name, "--policy-name", role];
    cloud.aws(&[&put[..], &["--policy-document", &policy]].concat()).unwrap();
    let key = cloud.aws(&["iam", "create-access-key", "--user-name", &name]).unwrap();
    credentials(&key["AccessKey"]).unwrap()
}

/// Of these places where the user may read and where it may write.
async fn reach(deployment: &Deployment<'_>, user: &Credentials) -> (Vec<String>, Vec<String>) {
    let s3 = deployment.cloud.s3().await;
    let (mut reads, mut writes) = (Vec::new(), Vec::new());
    for place in PLACES {
        let (purpose, folder) = place.split_once('/').unwrap();
        let bucket = Bucket { client: s3.clone(), name: deployment.bucket(purpose) };
        let key = format!("{folder}of-a-role");
        bucket.put(&key, "{}").await.unwrap();
        let seen = bucket.seen_by(user.clone());
        if seen.get(&key).await.is_ok() {
            reads.push(place.to_owned());
        }
        if seen.put(&key, "{}").await.is_ok() {
            writes.push(place.to_owned());
        }
    }
    (reads, writes)
}

/// Folders, none of which makes an object one of a route.
const PLACES: [&str; 15] = [
    "landing/elsewhere/",
    "landing/lake/",
    "stage/_failed/",
    "work/objects/",
    "work/loads/",
    "work/receipts/",
    "work/claims/",
    "work/lake/",
    "work/curated/",
    "work/glue/",
    "work/glue/temporary/",
    "work/athena/",
    "lake/_penstock/",
    "curated/_penstock/",
    "quarantine/elsewhere/",
];

#[tokio::test]
async fn the_glue_jobs_role_reads_manifests_and_sources_and_writes_the_lake_its_notes_and_rejects() {
    let deployment = Deployment::start(MiniStack::enforced().await.unwrap()).await.unwrap();
    let (reads, writes) = reach(&deployment, &user_like(&deployment, "json-to-parquet")).await;
    let kept =
        ["work/lake/", "work/curated/", "work/glue/temporary/", "lake/_penstock/", "curated/_penstock/"];
    let read =
        ["landing/lake/", "stage/_failed/", "work/claims/", "work/lake/", "work/curated/", "work/glue/"];
    assert_eq!(
        reads,
        [&read[..], &["work/glue/temporary/", "lake/_penstock/", "curated/_penstock/"]].concat()
    );
    assert_eq!(writes, [&kept[..], &["quarantine/elsewhere/"]].concat());
}

#[tokio::test]
async fn crawlers_and_spectrum_read_the_lake_and_write_no_object() {
    let deployment = Deployment::start(MiniStack::enforced().await.unwrap()).await.unwrap();
    for role in ["crawler", "spectrum"] {
        let user = user_like(&deployment, role);
        let (reads, writes) = reach(&deployment, &user).await;
        assert_eq!(reads, ["lake/_penstock/", "curated/_penstock/"], "{role}");
        assert_eq!(writes, Vec::<String>::new(), "{role}");
        let may = |call: &[&str]| deployment.cloud.aws_as(&user, call).is_ok();
        let (own, foreign) = (deployment.catalog(), deployment.name("foreign"));
        assert!(may(&["glue", "get-tables", "--database-name", &own]), "{role}");
        assert!(!may(&["glue", "get-tables", "--database-name", &foreign]), "{role}");
        assert!(
            !may(&["glue", "delete-table", "--database-name", &own, "--name", "sensor_readings"]),
            "{role}"
        );
        let queue = deployment.queue_attributes("lake-crawl").unwrap();
        let name = queue["QueueArn"].as_str().unwrap().rsplit(':').next().unwrap().to_owned();
        let url = deployment.cloud.aws(&["sqs", "get-queue-url", "--queue-name", &name]).unwrap();
        let take = ["sqs", "receive-message", "--queue-url", url["QueueUrl"].as_str().unwrap()];
        assert_eq!(may(&take), role == "crawler", "{role} takes events");
    }
}
