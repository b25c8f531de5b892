//! Whether two functions gave the same answer to an event: the same rows under the same record ids, with the same
//! partition keys. White space and the order of keys do not count, texts do.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Map, Value};

/// Lambda's limit of an answer.
const MAX_ANSWER_BYTES: usize = 6 << 20;

#[derive(Deserialize)]
struct Response {
    records: Vec<Record>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    record_id: String,
    result: String,
    data: String,
    metadata: Metadata,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    partition_keys: BTreeMap<String, String>,
}

/// What was handed over for a record.
#[derive(Debug, PartialEq)]
struct Handed {
    row: Map<String, Value>,
    partition_keys: BTreeMap<String, String>,
}

/// A whole answer by record id.
#[derive(Debug)]
pub struct Answers(BTreeMap<String, Handed>);

impl Answers {
    /// Reads an answer of `count` records, all of them good.
    pub fn read(body: &[u8], count: usize) -> anyhow::Result<Self> {
        ensure!(body.len() <= MAX_ANSWER_BYTES, "an answer of {} bytes is refused by Lambda", body.len());
        let response: Response = serde_json::from_slice(body).context("no answer of a transformation")?;
        ensure!(response.records.len() == count, "{} of {count} records answered", response.records.len());
        let mut answers = BTreeMap::new();
        for record in response.records {
            ensure!(record.result == "Ok", "record {} is {}", record.record_id, record.result);
            let line = STANDARD.decode(&record.data).context("data is no base64")?;
            let Some((b'\n', row)) = line.split_last() else { bail!("a row without its line break") };
            let row = serde_json::from_slice(row).context("a row is no JSON object")?;
            let handed = Handed { row, partition_keys: record.metadata.partition_keys };
            ensure!(answers.insert(record.record_id, handed).is_none(), "a record was answered twice");
        }
        Ok(Self(answers))
    }

    /// The first difference.
    pub fn same_as(&self, other: &Self) -> anyhow::Result<()> {
        for (id, own) in &self.0 {
            let theirs = other.0.get(id).with_context(|| format!("record {id} is missing"))?;
            let columns = own.row.keys().chain(theirs.row.keys());
            if let Some(name) = columns.into_iter().find(|name| own.row.get(*name) != theirs.row.get(*name)) {
                bail!("record {id}: {name} is {:?} and {:?}", own.row.get(name), theirs.row.get(name));
            }
            let (own, theirs) = (&own.partition_keys, &theirs.partition_keys);
            ensure!(own == theirs, "record {id}: partition keys are {own:?} and {theirs:?}");
        }
        ensure!(self.0.len() == other.0.len(), "not the same records");
        Ok(())
    }
}

/// Refuses an echo that is none: it would be no floor.
pub fn ensure_echoed(event: &[u8], answer: &[u8]) -> anyhow::Result<()> {
    #[derive(Deserialize)]
    struct Envelope {
        records: Vec<Held>,
    }
    #[derive(Deserialize, PartialEq)]
    #[serde(rename_all = "camelCase")]
    struct Held {
        record_id: String,
        data: String,
    }
    let event: Envelope = serde_json::from_slice(event)?;
    let answer: Envelope = serde_json::from_slice(answer)?;
    ensure!(event.records == answer.records, "the echo changed what it was sent");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(row: &str, dt: &str) -> Answers {
        let data = STANDARD.encode(row);
        let body = format!(
            r#"{{"records":[{{"recordId":"1","result":"Ok","data":"{data}","metadata":{{"partitionKeys":{{"dt":"{dt}"}}}}}}]}}"#
        );
        Answers::read(body.as_bytes(), 1).unwrap()
    }

    #[test]
    fn texts_columns_and_partition_keys_count_and_white_space_does_not() {
        let base = answer("{\"a\":\"1\",\"b\":null}\n", "d");
        base.same_as(&answer("{\"b\":null, \"a\": \"1\"}\n", "d")).unwrap();
        for other in [
            answer("{\"a\":1,\"b\":null}\n", "d"),
            answer("{\"a\":\"1\"}\n", "d"),
            answer("{\"a\":\"1\",\"b\":null}\n", "e"),
        ] {
            assert!(base.same_as(&other).is_err());
        }
    }
}
