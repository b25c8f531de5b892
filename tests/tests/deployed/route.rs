//! The whole route of one deployed stage, from dropped files to rows, receipts and rejects, through the event source
//! mappings alone. Other tests look at the same stage and leave it as it is.

use penstock_tests::deployed::{Deployment, LAKER, STARTER, STREAMER};
use penstock_tests::samples::{lines, rivals, transaction, with};
use penstock_tests::{COPIER, LOADER, MiniStack, READER};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

const KEYS: usize = 60;
const ACCOUNTS: usize = 7;

/// The stage that all of [`drop_files`] went through. For looking only.
pub async fn routed() -> &'static Deployment<'static> {
    static ROUTED: OnceCell<Deployment<'static>> = OnceCell::const_new();
    let start = || async {
        let deployment = Deployment::start(MiniStack::enforced().await?).await?;
        drop_files(&deployment).await?;
        anyhow::Ok(deployment)
    };
    ROUTED.get_or_try_init(start).await.unwrap()
}

/// Three files of rivalling versions, one of them three times; duplicates in a file; bad records beside good ones.
async fn drop_files(deployment: &Deployment<'_>) -> anyhow::Result<()> {
    let route = deployment.route().await?;
    let rivals = rivals(KEYS, ACCOUNTS);
    for n in [0, 1, 2, 0, 0] {
        route.drop_file(&format!("queue/transactions/{n}.json"), rivals[n].as_str()).await?;
    }
    let twice = lines([transaction(KEYS, ACCOUNTS), transaction(KEYS, ACCOUNTS)]);
    route.drop_file("queue/transactions/twice.json", twice).await?;
    route.drop_file("queue/transactions/bad.json", lines(bad_and_good())).await?;
    route.load_all().await
}

fn bad_and_good() -> [Value; 4] {
    let bad = |fields| with(transaction(KEYS, ACCOUNTS), fields);
    let good = transaction(KEYS + 1, ACCOUNTS);
    [json!({"no": "transaction"}), bad(json!({"amount": "1.005"})), good, bad(json!({"currency": "XXX"}))]
}

#[tokio::test]
async fn files_dropped_into_the_landing_bucket_end_as_rows_once_each_with_the_right_winner() {
    let route = routed().await.route().await.unwrap();
    assert_eq!(route.transactions().await.unwrap().len(), KEYS + 2);
    route.check_rivals(KEYS).await.unwrap();
    route.check_ledger("transactions").await.unwrap();
    assert_eq!(route.given_up().await.unwrap(), 0);
}

#[tokio::test]
async fn every_object_has_one_receipt_and_every_bad_record_one_line_in_quarantine() {
    let route = routed().await.route().await.unwrap();
    let receipts = route.receipts().await.unwrap();
    let source = |receipt: &Value| receipt["source"].as_str().unwrap().rsplit_once('/').unwrap().1.to_owned();
    let mut found: Vec<_> = receipts
        .iter()
        .map(|receipt| {
            (
                source(receipt),
                ["read", "rejected", "duplicate", "sent"].map(|name| receipt[name].as_u64().unwrap()),
            )
        })
        .collect();
    found.sort();
    let (all, third, half) = (KEYS as u64, KEYS as u64 / 3, KEYS as u64 / 2);
    let wanted = [
        ("0.json", [all, 0, 0, all]),
        ("1.json", [third, 0, 0, third]),
        ("2.json", [half, 0, 0, half]),
        ("bad.json", [4, 3, 0, 1]),
        ("twice.json", [2, 0, 1, 1]),
    ];
    assert_eq!(found, wanted.map(|(name, counts)| (name.to_owned(), counts)));
    let mut rules = route.quarantined_rules().await.unwrap();
    rules.dedup();
    assert_eq!(rules, ["required", "too_many_digits", "valid_values"]);
    route.check_quarantine().await.unwrap();
}

#[tokio::test]
async fn loads_run_as_the_database_user_of_the_loaders_role() {
    let deployment = routed().await;
    let loads = deployment.route().await.unwrap().loads();
    assert!(!loads.is_empty());
    let user = deployment.database_user(LOADER);
    assert_eq!(user, format!("IAMR:penstock-{}-{LOADER}", deployment.stage));
    for load in loads {
        assert_eq!(load, (user.clone(), "FINISHED".to_owned()));
    }
}

#[tokio::test]
async fn every_mapping_takes_back_single_messages_and_its_queue_outwaits_its_function() {
    let deployment = routed().await;
    let cloud = deployment.cloud;
    for (function, queue) in [
        (READER, READER),
        (LOADER, "load.fifo"),
        (COPIER, COPIER),
        (STREAMER, STREAMER),
        (LAKER, LAKER),
        (STARTER, STARTER),
    ] {
        let name = deployment.name(function);
        let of_function = ["lambda", "list-event-source-mappings", "--function-name", &name];
        let found = cloud.aws(&of_function).unwrap();
        let [mapping] = &found["EventSourceMappings"].as_array().unwrap()[..] else { panic!("{found}") };
        assert_eq!(mapping["FunctionResponseTypes"], json!(["ReportBatchItemFailures"]), "{function}");
        assert!(mapping["ScalingConfig"]["MaximumConcurrency"].as_u64().unwrap() >= 2, "{function}");
        let arn = mapping["EventSourceArn"].as_str().unwrap();
        assert_eq!(arn.rsplit(':').next().unwrap(), deployment.name(queue));
        let configuration = ["lambda", "get-function-configuration", "--function-name", &name];
        let timeout = cloud.aws(&configuration).unwrap()["Timeout"].as_u64().unwrap();
        let attributes = deployment.queue_attributes(queue).unwrap();
        let visibility: u64 = attributes["VisibilityTimeout"].as_str().unwrap().parse().unwrap();
        assert!(visibility >= 6 * timeout, "{function}: {visibility} s, the function has {timeout} s");
    }
    let all = cloud.aws_list(&["lambda", "list-event-source-mappings"], "EventSourceMappings[].FunctionArn");
    let own = all.unwrap().iter().filter(|arn| arn.contains(&deployment.name(""))).count();
    assert_eq!(own, 6, "a mapping that this test does not look at");
}
