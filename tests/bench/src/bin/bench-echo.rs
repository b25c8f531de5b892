//! The floor: reads a Firehose event into owned texts and answers each record with its own data. It knows no row.

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Event {
    records: Vec<Record>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    record_id: String,
    data: String,
}

#[derive(Serialize)]
struct Response {
    records: Vec<Answer>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    record_id: String,
    result: &'static str,
    data: String,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    run(service_fn(async |event: LambdaEvent<Event>| {
        let records = event.payload.records.into_iter();
        let answer = |record: Record| Answer { record_id: record.record_id, result: "Ok", data: record.data };
        Ok::<_, Error>(Response { records: records.map(answer).collect() })
    }))
    .await
}
