//! The streaming route of one deployed stage: what producers put on its stream comes through Firehose and the transform
//! into the stage bucket, and is loaded from there; and what people look at when it goes wrong.

use penstock_tests::MiniStack;
use penstock_tests::deployed::{ACCOUNT, Deployment, STREAMER, TRANSFORM};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::copy::shown_alarms;

/// The stage that all of [`produce`] went through. For looking only.
async fn streamed() -> &'static Deployment<'static> {
    static STREAMED: OnceCell<Deployment<'static>> = OnceCell::const_new();
    let start = || async {
        let deployment = Deployment::start(MiniStack::enforced().await?).await?;
        produce(&deployment).await?;
        anyhow::Ok(deployment)
    };
    STREAMED.get_or_try_init(start).await.unwrap()
}

/// Unstamped records of two datasets, bad ones and one of nobody among them, and a customer twice.
async fn produce(deployment: &Deployment<'_>) -> anyhow::Result<()> {
    let route = deployment.stream_route().await?;
    let customer = json!({
        "_dataset": "customers", "customer_id": "c-1", "name": "Ann", "country": "DE", "balance": "1.50",
        "updated_at": "2026-01-02T00:00:00Z",
    });
    route.produce(&[
        click("/", "2026-01-01T23:59:59Z"),
        click("/cart", "2026-01-02T00:00:00+01:00"),
        click("/late", "2026-01-02T12:00:00Z"),
        json!({"_dataset": "clickstream", "visitor_id": "v", "event_type": "stare", "page": "/"}),
        json!({"_dataset": "nobodys", "visitor_id": "v"}),
        json!({"visitor_id": "v", "event_type": "click"}),
        customer.clone(),
        customer,
    ])?;
    route.load_all("clickstream", 3).await?;
    route.load_all("customers", 2).await
}

fn click(page: &str, at: &str) -> Value {
    json!({
        "_dataset": "clickstream", "visitor_id": "v-1", "occurred_at": at, "event_type": "page_view", "page": page,
        "context": {"device": {"kind": "phone", "width": 390}, "campaign": null},
    })
}

#[tokio::test]
async fn records_of_producers_end_as_rows_of_the_datasets_that_they_name() {
    let route = streamed().await.stream_route().await.unwrap();
    let query = "SELECT page, event_date, context.device.kind, _source FROM tgt.clickstream ORDER BY page";
    // The local Firehose does not say which stream it reads.
    let stream = format!("arn:aws:firehose:us-east-1:{ACCOUNT}:deliverystream/{}", streamed().await.stream());
    let wanted = [("/", "2026-01-01"), ("/cart", "2026-01-01"), ("/late", "2026-01-02")];
    let wanted = wanted.map(|(page, day)| format!("{page}|{day}|\"phone\"|{stream}"));
    assert_eq!(route.lines(query).await.unwrap(), wanted);
    let customers = "SELECT customer_id, name, balance FROM tgt.customers";
    assert_eq!(route.lines(customers).await.unwrap(), ["c-1|Ann|1.50"]);
    for dataset in ["clickstream", "customers"] {
        route.check_ledger(dataset).await.unwrap();
    }
}

#[tokio::test]
async fn firehose_delivers_by_dataset_and_day_and_nothing_that_broke_a_rule() {
    let route = streamed().await.stream_route().await.unwrap();
    let mut folders: Vec<_> = route.stage.list("").await.unwrap();
    // The local Firehose puts the hour of arrival behind a prefix without one.
    folders.iter_mut().for_each(|key| *key = key.split('/').take(2).collect::<Vec<_>>().join("/"));
    let customers = folders.split_off(3);
    assert_eq!(
        folders,
        ["clickstream/dt=2026-01-01", "clickstream/dt=2026-01-01", "clickstream/dt=2026-01-02"]
    );
    assert_eq!(customers.len(), 2);
    assert!(customers.iter().all(|key| key.starts_with("customers/dt=20")), "{customers:?}");
}

#[tokio::test]
async fn the_template_delivers_packed_and_keeps_what_it_cannot_deliver() {
    let deployment = streamed().await;
    let describe = ["firehose", "describe-delivery-stream", "--delivery-stream-name", &deployment.stream()];
    let found = deployment.cloud.aws(&describe).unwrap();
    let own = &found["DeliveryStreamDescription"];
    assert_eq!(own["DeliveryStreamType"], "KinesisStreamAsSource");
    let s3 = &own["Destinations"][0]["ExtendedS3DestinationDescription"];
    assert_eq!(s3["CompressionFormat"], "GZIP");
    assert_eq!(s3["DynamicPartitioningConfiguration"]["Enabled"], true);
    assert!(s3["ErrorOutputPrefix"].as_str().unwrap().starts_with("_failed/!{firehose:error-output-type}/"));
    assert_eq!(s3["RoleARN"], json!(deployment.role("firehose")));
    let processor = &s3["ProcessingConfiguration"]["Processors"][0]["Parameters"];
    let parameter = |name: &str| {
        let all = processor.as_array().unwrap().iter();
        all.clone().find(|own| own["ParameterName"] == name).unwrap()["ParameterValue"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert!(parameter("LambdaArn").ends_with(&format!("function:{}:$LATEST", deployment.name(TRANSFORM))));
    assert!(parameter("BufferSizeInMBs").parse::<f64>().unwrap() <= 1.0);
}

#[tokio::test]
async fn the_dashboard_of_the_streaming_route_shows_every_alarm_of_it() {
    let deployment = streamed().await;
    let arn =
        |own: &str| json!(format!("arn:aws:cloudwatch:us-east-1:{ACCOUNT}:alarm:{}", deployment.name(own)));
    let prefixes = [STREAMER, "stream-", "firehose-"].map(|own| deployment.name(own));
    let alarms = deployment.alarms().unwrap();
    let names = alarms.iter().map(|alarm| alarm["AlarmName"].as_str().unwrap());
    let own = names.filter(|name| prefixes.iter().any(|prefix| name.starts_with(prefix)));
    let mut own: Vec<_> = own.map(|name| arn(name.strip_prefix(&deployment.name("")).unwrap())).collect();
    own.sort_by_key(Value::to_string);
    assert!(own.len() > 10, "{own:?}");
    assert_eq!(shown_alarms(deployment, "stream-route"), own);
}
