//! Rows to send: a dataset, its records, and a sink for them.

use std::sync::Arc;
use std::time::Duration;

use penstock_aws::Invocation;
use penstock_core::contract::Contract;
use penstock_core::ident;
use penstock_core::row::{Checker, Origin, Place, Rows, Session};
use s3_to_kinesis::sink::{SendError, Sink, Stream};
use serde_json::json;

pub const SOURCE: &str = "s3://landing/stream/t/1.json";

/// A dataset of a stream, with properties of its kinesis server and of its schema.
pub fn checker(server: &str, custom: &str) -> Checker {
    let text = format!(
        "apiVersion: v3.1.0\nkind: DataContract\nid: t\nversion: 1.2.3\nstatus: active\n\
         servers:\n\
         - {{server: landing, type: s3, location: 's3://landing/stream/t/*', format: json}}\n\
         - {{server: stream, type: kinesis, customProperties: [{{property: penstock.streamName, value: s}}{server}]}}\n\
         schema:\n\
         - name: t\n\
         \u{20} customProperties: [{custom}]\n\
         \u{20} properties:\n\
         \u{20} - {{name: id, physicalType: varchar(64), required: true, primaryKey: true, primaryKeyPosition: 1}}\n\
         \u{20} - {{name: g, physicalType: varchar(64)}}\n\
         \u{20} - {{name: pad, physicalType: super}}\n"
    );
    Checker::compile(Arc::new(Contract::parse(&text).unwrap())).unwrap()
}

pub fn plain() -> Checker {
    checker("", "")
}

pub fn aggregating() -> Checker {
    checker(", {property: penstock.aggregate, value: kpl}", "")
}

/// Records r-0, r-1, …, each padded by so many bytes.
pub fn records(pads: impl IntoIterator<Item = usize>) -> Vec<String> {
    let record = |(n, pad): (usize, usize)| {
        json!({"id": format!("r-{n:07}"), "g": format!("g-{}", n % 7), "pad": "x".repeat(pad)}).to_string()
    };
    pads.into_iter().enumerate().map(record).collect()
}

pub fn ids(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("r-{n:07}")).collect()
}

pub fn rows(checker: &Checker, records: &[String]) -> Rows {
    let origin = Origin::new(SOURCE, ident::stable_id(["object"]), 1_767_322_800_000);
    let (mut rows, mut session) = (Rows::default(), Session::default());
    for (position, record) in (0..).zip(records) {
        let place = Place::Object { origin: &origin, position };
        checker.check_json(&mut session, record.as_bytes(), &place, &mut rows).unwrap();
    }
    rows
}

/// An invocation that may take so many seconds beside its reserve.
pub fn seconds(seconds: u64) -> Invocation {
    Invocation::lasting(Some(s3_to_kinesis::sink::RESERVE + Duration::from_secs(seconds)))
}

/// What a sink that was sent everything says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    pub sent: u64,
    pub records: u64,
    pub refusals: u64,
}

/// Sends rows as a reader does: some at a time, and waits in the end. Tells also what was sent where that failed.
pub async fn send(
    stream: &Stream,
    checker: &Checker,
    rows: &Rows,
    invocation: &Invocation,
) -> (Told, Result<(), SendError>) {
    let mut sink = Sink::new(stream, checker.contract(), SOURCE, invocation);
    let mut sent = Ok(());
    for (n, row) in rows.iter().enumerate() {
        sink.push(row).unwrap();
        if n % 100 == 99 && sent.is_ok() {
            sent = sink.drain().await;
        }
    }
    if sent.is_ok() {
        sent = sink.flush().await;
    }
    (Told { sent: sink.sent, records: sink.records, refusals: sink.refusals }, sent)
}

/// The same where it must not fail.
pub async fn send_all(stream: &Stream, checker: &Checker, rows: &Rows) -> Told {
    let (told, sent) = send(stream, checker, rows, &Invocation::lasting(None)).await;
    sent.unwrap();
    told
}
