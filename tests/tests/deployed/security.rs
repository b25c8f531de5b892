//! What the templates promise of buckets, keys and queues, as far as it can be seen from outside.

use penstock_tests::deployed::{ACCOUNT, Deployment, LAKER, STARTER, STREAMER, credentials};
use penstock_tests::{Bucket, COPIER, LOADER, MiniStack, READER};
use serde_json::{Value, json};

use crate::route::routed;

const BUCKETS: [&str; 6] = ["landing", "stage", "work", "curated", "lake", "quarantine"];

#[tokio::test]
async fn every_bucket_is_closed_to_the_public() {
    let deployment = routed().await;
    let all = deployment.cloud.aws_list(&["s3api", "list-buckets"], "Buckets[].Name").unwrap();
    let mut own: Vec<_> = all.into_iter().filter(|name| name.starts_with(&deployment.name(""))).collect();
    let mut known = BUCKETS.map(|purpose| deployment.bucket(purpose));
    own.sort();
    known.sort();
    assert_eq!(own, known, "a bucket that this test does not know");
    for bucket in known {
        let block = ["s3api", "get-public-access-block", "--bucket", &bucket];
        let block = deployment.cloud.aws(&block).unwrap();
        let closed = json!({
            "BlockPublicAcls": true, "BlockPublicPolicy": true, "IgnorePublicAcls": true, "RestrictPublicBuckets": true,
        });
        assert_eq!(block["PublicAccessBlockConfiguration"], closed, "{bucket}");
    }
}

/// MiniStack's CloudFormation makes buckets without their encryption, so this holds the template that was deployed.
#[tokio::test]
async fn every_bucket_of_the_deployed_template_is_encrypted_and_the_quarantine_with_a_key_of_its_own() {
    let deployment = routed().await;
    let stack = deployment.name("foundation");
    let deployed = deployment.cloud.aws(&["cloudformation", "get-template", "--stack-name", &stack]).unwrap();
    let template = deployed["TemplateBody"].as_str().unwrap();
    let buckets: Vec<_> =
        template.split("\n\n").filter(|part| part.contains("\n    Type: AWS::S3::Bucket\n")).collect();
    assert_eq!(buckets.len(), BUCKETS.len());
    for bucket in buckets {
        let encryption = match bucket.contains("QuarantineBucket:\n") {
            true => {
                "SSEAlgorithm: aws:kms\n              KMSMasterKeyID: !If [MakesKey, !GetAtt QuarantineKey.Arn"
            }
            false => "SSEAlgorithm: AES256\n",
        };
        assert!(bucket.contains("BucketEncryption:\n") && bucket.contains(encryption), "{bucket}");
    }
    let quarantine = deployment.bucket("quarantine");
    let found = deployment.cloud.aws(&["s3api", "get-bucket-encryption", "--bucket", &quarantine]).unwrap();
    let algorithm =
        &found["ServerSideEncryptionConfiguration"]["Rules"][0]["ApplyServerSideEncryptionByDefault"];
    assert_eq!(algorithm["SSEAlgorithm"], "AES256", "MiniStack has learnt it: ask it for every bucket here");
}

/// MiniStack's CloudFormation makes no lifecycles either.
#[tokio::test]
async fn of_the_work_bucket_rows_plans_and_what_can_be_made_again_expire_and_no_claim_note_or_receipt() {
    let deployment = routed().await;
    let stack = deployment.name("foundation");
    let deployed = deployment.cloud.aws(&["cloudformation", "get-template", "--stack-name", &stack]).unwrap();
    let template = deployed["TemplateBody"].as_str().unwrap();
    let bucket = template.split("\n\n").find(|part| part.contains("\n  WorkBucket:\n")).unwrap();
    let rules = bucket.split("\n          - Id: ").filter(|rule| rule.contains("ExpirationInDays: "));
    let prefix = |rule: &str| {
        rule.lines().find_map(|line| line.trim().strip_prefix("Prefix: ")).unwrap_or("").to_owned()
    };
    assert_eq!(
        rules.map(prefix).collect::<Vec<_>>(),
        ["objects/", "stream-objects/", "loads/", "glue/temporary/", "athena/"]
    );
}

#[tokio::test]
async fn rejects_are_read_by_the_quarantine_readers_role_alone() {
    let deployment = routed().await;
    let (cloud, user) = (deployment.cloud, deployment.name("curious"));
    let route = deployment.route().await.unwrap();
    let everything = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "s3:*", "Resource": "*"},
    ]});
    cloud.aws(&["iam", "create-user", "--user-name", &user]).unwrap();
    let put = ["iam", "put-user-policy", "--user-name", &user, "--policy-name", "everything-in-s3"];
    cloud.aws(&[&put[..], &["--policy-document", &everything.to_string()]].concat()).unwrap();
    let key = cloud.aws(&["iam", "create-access-key", "--user-name", &user]).unwrap();
    let user = credentials(&key["AccessKey"]).unwrap();
    let arn = deployment.role("quarantine-reader");
    let session = ["sts", "assume-role", "--role-arn", &arn, "--role-session-name", "reader"];
    let reader = credentials(&cloud.aws(&session).unwrap()["Credentials"]).unwrap();

    let reject = route.quarantine.list("").await.unwrap().remove(0);
    assert_eq!(
        refusal(&route.quarantine.seen_by(user.clone()), &reject).await,
        Some("AccessDenied".to_owned())
    );
    assert_eq!(refusal(&route.quarantine.seen_by(reader.clone()), &reject).await, None);
    // It is the bucket that refuses the one, and the role that refuses the other.
    let receipt = route.work.list("").await.unwrap().remove(0);
    assert_eq!(refusal(&route.work.seen_by(user), &receipt).await, None);
    assert_eq!(refusal(&route.work.seen_by(reader), &receipt).await, Some("AccessDenied".to_owned()));
}

/// The code with which S3 refuses to give an object, if it does.
async fn refusal(bucket: &Bucket, key: &str) -> Option<String> {
    let got = bucket.client.get_object().bucket(&bucket.name).key(key).send().await;
    let error = got.err()?.into_service_error();
    Some(error.meta().code().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn only_the_buckets_of_a_route_and_of_this_account_may_send_its_events() {
    let deployment = routed().await;
    let [landing, stage] = ["landing", "stage"].map(|own| format!("arn:aws:s3:::{}", deployment.bucket(own)));
    for (queue, sid, senders) in [
        (READER, "LandingBucketSends", json!(landing)),
        (COPIER, "LandingAndStageBucketsSend", json!([landing, stage])),
        (STREAMER, "LandingBucketSends", json!(landing)),
    ] {
        let attributes = deployment.queue_attributes(queue).unwrap();
        let policy: Value = serde_json::from_str(attributes["Policy"].as_str().unwrap()).unwrap();
        assert_eq!(
            policy["Statement"],
            json!([{
                "Sid": sid,
                "Effect": "Allow",
                "Principal": {"Service": "s3.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": attributes["QueueArn"],
                "Condition": {
                    "ArnEquals": {"aws:SourceArn": senders},
                    "StringEquals": {"aws:SourceAccount": ACCOUNT},
                },
            }])
        );
    }
}

/// redshift-local reads as the cloud's administrator, so somebody else takes the role's own policy to S3 here.
#[tokio::test]
async fn copys_role_reads_parts_loads_and_the_stage_bucket_and_nothing_else() {
    let deployment = Deployment::start(MiniStack::enforced().await.unwrap()).await.unwrap();
    let (cloud, user, role) = (deployment.cloud, deployment.name("like-copy"), deployment.name("copy"));
    let own = ["iam", "get-role-policy", "--role-name", &role, "--policy-name", "copy"];
    let policy = cloud.aws(&own).unwrap()["PolicyDocument"].to_string();
    cloud.aws(&["iam", "create-user", "--user-name", &user]).unwrap();
    let put = ["iam", "put-user-policy", "--user-name", &user, "--policy-name", "copy"];
    cloud.aws(&[&put[..], &["--policy-document", &policy]].concat()).unwrap();
    let key = cloud.aws(&["iam", "create-access-key", "--user-name", &user]).unwrap();
    let user = credentials(&key["AccessKey"]).unwrap();
    let s3 = cloud.s3().await;
    let mut may = Vec::new();
    for (purpose, folder) in [
        ("work", "objects/"),
        ("work", "stream-objects/"),
        ("work", "loads/"),
        ("work", "receipts/"),
        ("work", "claims/"),
        // Where no object is taken for one of a route.
        ("stage", "_failed/"),
        ("landing", "elsewhere/"),
        ("quarantine", "smoke/"),
        ("curated", "smoke/"),
        ("lake", "smoke/"),
    ] {
        let bucket = Bucket { client: s3.clone(), name: deployment.bucket(purpose) };
        let object = format!("{folder}of-copys-role");
        bucket.put(&object, "{}").await.unwrap();
        let seen = bucket.seen_by(user.clone());
        let reads = refusal(&seen, &object).await;
        let lists = seen.client.list_objects_v2().bucket(&seen.name).prefix(folder).send().await.is_ok();
        assert!(reads.as_deref().is_none_or(|code| code == "AccessDenied"), "{reads:?}");
        assert_eq!(reads.is_none(), lists, "{purpose}/{folder} is read and listed, or neither");
        if lists {
            may.push(format!("{purpose}/{folder}"));
        }
        assert!(seen.put(&object, "{}").await.is_err(), "{purpose}/{folder} is written");
    }
    assert_eq!(may, ["work/objects/", "work/loads/", "stage/_failed/"]);
}

#[tokio::test]
async fn the_quarantines_key_is_managed_by_the_account_and_decrypts_for_its_readers_role_alone() {
    let deployment = routed().await;
    let alias = format!("alias/{}", deployment.name("quarantine"));
    let key = deployment.cloud.aws(&["kms", "describe-key", "--key-id", &alias]).unwrap();
    let id = key["KeyMetadata"]["KeyId"].as_str().unwrap();
    let own = ["kms", "get-key-policy", "--policy-name", "default", "--key-id", id];
    let policy = deployment.cloud.aws(&own).unwrap();
    let policy: Value = serde_json::from_str(policy["Policy"].as_str().unwrap()).unwrap();
    let statements = policy["Statement"].as_array().unwrap();
    // Everybody of the account who is named by no condition.
    let of_action = |action: &str| {
        let own =
            statements.iter().filter(|own| own["Action"].to_string().contains(&format!("\"{action}\"")));
        own.map(|own| own["Condition"]["ArnEquals"]["aws:PrincipalArn"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(of_action("kms:Decrypt"), [json!(deployment.role("quarantine-reader"))]);
    let writers = [READER, LOADER, COPIER, STREAMER, LAKER, STARTER, "json-to-parquet"];
    let writers = writers.map(|function| deployment.role(function));
    assert_eq!(of_action("kms:GenerateDataKey"), [json!(writers)]);
    let account = json!({"AWS": format!("arn:aws:iam::{ACCOUNT}:root")});
    assert!(statements.iter().all(|own| own["Principal"] == account), "{statements:?}");
    for all in ["kms:*", "*"] {
        assert_eq!(of_action(all), Vec::<Value>::new());
    }
}
