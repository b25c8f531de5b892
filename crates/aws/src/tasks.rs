//! Messages that a function sends to its own queue: in batches by count and bytes, each entry's answer read. Knows no
//! task: what a message says is its sender's business, and so is that it may come twice.

use std::collections::HashSet;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::BuildError;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use penstock_core::chunk::{ChunkLimits, first_chunk};

use crate::answered;

/// SendMessageBatch: at most 10 entries, and 1 MiB over all bodies and attributes; some is kept for ids.
const REQUEST: ChunkLimits = ChunkLimits { max_count: 10, max_bytes: 1_000_000 };
/// How often refused entries are sent again before the trigger tries all of it again.
const MAX_RESENDS: u32 = 4;
/// First pause before refused entries are sent again; it doubles.
const BACKOFF: Duration = Duration::from_millis(100);

/// The queue did not take all tasks.
#[derive(Debug, thiserror::Error)]
pub enum SendTasksError {
    /// The request as a whole failed.
    #[error("sending tasks: {0}")]
    Request(String),
    /// Entries were refused again and again.
    #[error("sending tasks: {count} refused {MAX_RESENDS} times, last: {code}")]
    Refused {
        /// How many.
        count: usize,
        /// SQS's code for the last.
        code: String,
    },
    /// A request could not be built.
    #[error("sending tasks: {0}")]
    Build(#[from] BuildError),
}

/// Sends all messages to a standard queue; `Ok` only when the queue has taken every one of them.
pub async fn send_tasks(sqs: &Client, queue_url: &str, bodies: &[String]) -> Result<(), SendTasksError> {
    let mut rest = bodies;
    while !rest.is_empty() {
        let (request, later) = rest.split_at(first_chunk(rest, REQUEST, String::len));
        send_request(sqs, queue_url, request.iter().collect()).await?;
        rest = later;
    }
    Ok(())
}

/// One request, and those of its entries again that were refused.
async fn send_request(sqs: &Client, queue_url: &str, mut open: Vec<&String>) -> Result<(), SendTasksError> {
    let mut resends = 0;
    loop {
        let Some(code) = send_once(sqs, queue_url, &mut open).await? else { return Ok(()) };
        if resends == MAX_RESENDS {
            return Err(SendTasksError::Refused { count: open.len(), code });
        }
        tokio::time::sleep(BACKOFF * 2u32.pow(resends)).await;
        resends += 1;
    }
}

/// Sends once and keeps what was not taken; gives the code of the last refusal, if there was one.
async fn send_once(
    sqs: &Client,
    queue_url: &str,
    open: &mut Vec<&String>,
) -> Result<Option<String>, SendTasksError> {
    let entries = open.iter().enumerate().map(|(position, body)| {
        SendMessageBatchRequestEntry::builder().id(position.to_string()).message_body(*body).build()
    });
    let entries = entries.collect::<Result<Vec<_>, _>>()?;
    let request = sqs.send_message_batch().queue_url(queue_url).set_entries(Some(entries));
    let answer = request.send().await.map_err(|error| SendTasksError::Request(answered(&error)))?;
    let accepted: HashSet<&str> = answer.successful().iter().map(|entry| entry.id()).collect();
    let mut position = 0;
    open.retain(|_| {
        let is_open = !accepted.contains(position.to_string().as_str());
        position += 1;
        is_open
    });
    // An entry without an answer is none that was taken.
    let code = answer.failed().last().map_or("no answer for the entry", |entry| entry.code());
    Ok((!open.is_empty()).then(|| code.to_owned()))
}
