//! Contracts, events and answers of the tests.

use base64_simd::STANDARD;
use firehose_transform::{App, Config, Error, StartError};
use penstock_aws::Invocation;
use serde_json::{Value, json};

pub const STREAM: &str = "arn:aws:firehose:eu-central-1:1:deliverystream/orders-stream";
pub const SOURCE: &str = "arn:aws:kinesis:eu-central-1:1:stream/orders-in";
/// 2026-01-02T23:59:59.999Z.
pub const ARRIVAL_MS: u64 = 1_767_398_399_999;

/// A contract of a dataset with these columns (YAML's flow style), delivered by `stream` if it is not empty.
pub fn contract(dataset: &str, stream: &str, columns: &[&str]) -> (String, String) {
    let servers = match stream {
        "" => String::new(),
        stream => format!(
            "{{server: k, type: kinesis, customProperties: [{{property: penstock.deliveryStream, value: '{stream}'}}]}}"
        ),
    };
    let columns: String = columns.iter().map(|column| format!("      - {{{column}}}\n")).collect();
    let text = format!(
        "apiVersion: v3.1.0\nkind: DataContract\nid: {dataset}\nversion: 1.2.3\nstatus: active\n\
         servers: [{servers}]\nschema:\n  - name: {dataset}\n    properties:\n{columns}"
    );
    (format!("{dataset}.odcs.yaml"), text)
}

pub const ID: &str = "name: id, logicalType: string, physicalType: varchar(20), required: true, primaryKey: true, \
                      primaryKeyPosition: 1";
pub const AT: &str = "name: at, logicalType: timestamp, physicalType: timestamptz, partitioned: true, \
                      partitionKeyPosition: 2";
pub const SHOP: &str =
    "name: shop, logicalType: string, physicalType: varchar(20), partitioned: true, partitionKeyPosition: 1";
pub const NOTE: &str = "name: note, logicalType: string, physicalType: varchar(20)";

/// `orders` has a key and two partition columns, `clicks` neither.
pub fn contracts() -> Vec<(String, String)> {
    vec![contract("clicks", "", &[NOTE]), contract("orders", "orders-stream", &[ID, AT, SHOP, NOTE])]
}

pub fn try_app(contracts: Vec<(String, String)>, vars: &[(&str, &str)]) -> Result<App, StartError> {
    let env = |name: &str| vars.iter().find(|(own, _)| *own == name).map(|(_, value)| (*value).to_owned());
    Config::with_contracts(contracts, &env).map(App::start)
}

pub fn app() -> App {
    try_app(contracts(), &[]).unwrap()
}

pub fn app_of(dataset: &str) -> App {
    try_app(contracts(), &[("DATASET", dataset)]).unwrap()
}

/// A record with a sequence number, its place in the event.
pub fn record(n: usize, data: impl AsRef<[u8]>) -> Value {
    json!({
        "recordId": format!("id-{n}"), "approximateArrivalTimestamp": ARRIVAL_MS,
        "data": STANDARD.encode_to_string(data.as_ref()),
        "kinesisRecordMetadata": {"sequenceNumber": format!("495{n:04}"), "subsequenceNumber": 0},
    })
}

pub fn event(records: Vec<Value>) -> Value {
    json!({"deliveryStreamArn": STREAM, "sourceKinesisStreamArn": SOURCE, "records": records})
}

pub fn invoke(app: &App, event: &Value) -> Result<Value, Error> {
    let answer = app.handle(event.to_string().as_bytes(), &Invocation::lasting(None))?;
    Ok(serde_json::from_slice(&answer).unwrap())
}

/// One record's answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    pub id: String,
    pub result: String,
    pub data: Option<String>,
    pub keys: Value,
}

impl Answer {
    /// The rows that it carries.
    pub fn rows(&self) -> Vec<Value> {
        let data = STANDARD.decode_to_vec(self.data.as_deref().unwrap()).unwrap();
        let text = String::from_utf8(data).unwrap();
        assert!(text.ends_with('\n'));
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The only row.
    pub fn row(&self) -> Value {
        assert_eq!(self.result, "Ok");
        let rows = self.rows();
        assert_eq!(rows.len(), 1);
        rows[0].clone()
    }
}

pub fn answers(app: &App, records: Vec<Value>) -> Vec<Answer> {
    let answer = invoke(app, &event(records)).unwrap();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let one = |own: &Value| Answer {
        id: text(&own["recordId"]).unwrap(),
        result: text(&own["result"]).unwrap(),
        data: text(&own["data"]),
        keys: own["metadata"]["partitionKeys"].clone(),
    };
    answer["records"].as_array().unwrap().iter().map(one).collect()
}

pub fn results(app: &App, records: Vec<Value>) -> Vec<String> {
    answers(app, records).into_iter().map(|own| own.result).collect()
}

/// An order as its source writes it.
pub fn order(id: &str, shop: &str) -> String {
    json!({"id": id, "at": "2026-01-02T23:30:00-01:00", "shop": shop}).to_string()
}
