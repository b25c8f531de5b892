//! Sends what is packed: to the queue or stream that the contract names, or into the stage bucket. Judges nothing.

use penstock_aws::vars::Vars;
use penstock_core::contract::Contract;
use s3_to_sqs_fifo::Sink;

use super::Replay;
use super::outbox::Packed;
use crate::bucket::Bucket;
use crate::failure::Failure;

/// Folder of replayed rows in the stage bucket, below that of their dataset.
const FOLDER: &str = "replay";

impl Replay<'_> {
    /// Sends all of it; `Ok` only when every row was taken. A setting that is missing ends the call, what else goes
    /// wrong is told and costs only these rows.
    pub async fn send(&mut self, packed: Packed, contract: &Contract) -> Result<Result<(), String>, Failure> {
        match packed {
            Packed::Messages(messages) => {
                let queue = contract.queue().map_err(Failure::refused)?;
                let url = queue.url.resolve(self.env).map_err(Failure::usage)?;
                let sqs = self.clients.sqs.clone();
                let mut sink = Sink::new(&sqs, &url);
                for message in messages {
                    self.pace.wait(message.rows).await;
                    if let Err(error) = sink.push(message).await {
                        return Ok(Err(error.to_string()));
                    }
                }
                let flushed = sink.flush().await;
                let refused =
                    sink.refused.first().map(|(_, code)| format!("the queue refuses a message: {code}"));
                Ok(flushed.map_err(|error| error.to_string()).and(refused.map_or(Ok(()), Err)))
            }
            Packed::Records(records) => self.put(*records, contract).await,
            Packed::Files(files, rows) => {
                let stage = Vars::new(self.env).required("STAGE_BUCKET").map_err(Failure::usage)?;
                let stage = Bucket::new(self.clients.s3.clone(), stage);
                self.pace.wait(rows).await;
                for (name, bytes) in files {
                    let key = format!("{}/{FOLDER}/{name}", contract.dataset);
                    if let Err(error) = stage.put(&key, bytes).await {
                        return Ok(Err(error.to_string()));
                    }
                }
                Ok(Ok(()))
            }
        }
    }
}
