//! Sends messages to the FIFO queue: batches by count and bytes, every refused entry told and sent again, order
//! within a group kept. A request holds at most one message of a group, so a refused one is never overtaken by a
//! later message of its group; that later one waits until it is in.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::BuildError;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use penstock_core::chunk::{ChunkLimits, first_chunk};
use penstock_core::queue::Message;

/// SendMessageBatch: at most 10 entries, and 1 MiB over all bodies and attributes; some is kept for ids.
const REQUEST: ChunkLimits = ChunkLimits { max_count: 10, max_bytes: 1_000_000 };
/// Messages that wait for their request: enough for full requests of different groups, 4 MB at the most.
const MAX_WAITING: usize = 64;
/// How often refused entries are sent again before the object is given back to its trigger.
const MAX_RESENDS: u32 = 6;
/// First pause before refused entries are sent again; it doubles.
const BACKOFF: Duration = Duration::from_millis(100);

/// The queue did not take messages after all tries.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The request as a whole failed.
    #[error("{0}")]
    Request(String),
    /// Entries were refused again and again.
    #[error("{count} messages refused {MAX_RESENDS} times, last: {code}")]
    Refused {
        /// How many.
        count: usize,
        /// SQS's code for the last.
        code: String,
    },
    /// A request could not be built.
    #[error(transparent)]
    Build(#[from] BuildError),
}

/// Messages of one object on their way to one queue.
#[derive(Debug)]
pub struct Sink<'a> {
    sqs: &'a Client,
    queue_url: &'a str,
    waiting: VecDeque<Message>,
    /// Rows in messages that the queue has taken.
    pub sent: u64,
    /// Messages that the queue says it will never take.
    pub refused: Vec<(Message, String)>,
}

impl<'a> Sink<'a> {
    /// A sink for one object.
    pub fn new(sqs: &'a Client, queue_url: &'a str) -> Self {
        Self { sqs, queue_url, waiting: VecDeque::new(), sent: 0, refused: Vec::new() }
    }

    /// Takes a message; sends when enough wait for full requests.
    pub async fn push(&mut self, message: Message) -> Result<(), SendError> {
        self.waiting.push_back(message);
        while self.waiting.len() >= MAX_WAITING {
            self.send_round().await?;
        }
        Ok(())
    }

    /// Sends all that waits.
    pub async fn flush(&mut self) -> Result<(), SendError> {
        while !self.waiting.is_empty() {
            self.send_round().await?;
        }
        Ok(())
    }

    /// One request: the first waiting message of up to ten groups, until all of them are in or refused for good.
    async fn send_round(&mut self) -> Result<(), SendError> {
        let mut round = self.take_round();
        let mut resends = 0;
        while !round.is_empty() {
            let last_code = self.send(&mut round).await?;
            let Some(code) = last_code.filter(|_| !round.is_empty()) else { continue };
            if resends == MAX_RESENDS {
                return Err(SendError::Refused { count: round.len(), code });
            }
            tokio::time::sleep(BACKOFF * 2u32.pow(resends)).await;
            resends += 1;
        }
        Ok(())
    }

    /// The first waiting message of each group, as many as fit one request; the others keep their order.
    fn take_round(&mut self) -> Vec<Message> {
        let mut groups = HashSet::new();
        let waiting = std::mem::take(&mut self.waiting);
        let (mut first, later) = waiting
            .into_iter()
            .enumerate()
            .partition::<Vec<_>, _>(|(_, message)| groups.insert(message.group_id.clone()));
        let rest = first.split_off(first_chunk(&first, REQUEST, |(_, message)| message.body.len()));
        let mut kept: Vec<(usize, Message)> = rest.into_iter().chain(later).collect();
        kept.sort_unstable_by_key(|(at, _)| *at);
        self.waiting = kept.into_iter().map(|(_, message)| message).collect();
        first.into_iter().map(|(_, message)| message).collect()
    }

    /// Sends a round once and keeps in it what has to be sent again; gives the code of the last refusal.
    async fn send(&mut self, round: &mut Vec<Message>) -> Result<Option<String>, SendError> {
        let entries = round.iter().enumerate().map(|(i, message)| {
            SendMessageBatchRequestEntry::builder()
                .id(i.to_string())
                .message_group_id(&message.group_id)
                .message_deduplication_id(message.deduplication_id.as_str())
                .message_body(&message.body)
                .build()
        });
        let entries = entries.collect::<Result<Vec<_>, _>>()?;
        let request = self.sqs.send_message_batch().queue_url(self.queue_url).set_entries(Some(entries));
        let answer =
            request.send().await.map_err(|error| SendError::Request(penstock_aws::answered(&error)))?;
        let accepted: HashSet<&str> = answer.successful().iter().map(|entry| entry.id()).collect();
        let mut last_code = None;
        let mut again = Vec::new();
        for (i, message) in round.drain(..).enumerate() {
            let id = i.to_string();
            let failed = answer.failed().iter().find(|entry| entry.id() == id);
            match failed {
                None if accepted.contains(id.as_str()) => self.sent += message.rows,
                Some(entry) if entry.sender_fault() && !may_pass(entry.code()) => {
                    self.refused.push((message, entry.code().to_owned()));
                }
                // Neither answer nor success counts as refused: its deduplication id makes sending again safe.
                entry => {
                    last_code =
                        Some(entry.map_or("no answer for the entry", |entry| entry.code()).to_owned());
                    again.push(message);
                }
            }
        }
        *round = again;
        Ok(last_code)
    }
}

/// Codes that SQS lays at the sender's door although the message is sound: throttling comes as `Type: Sender`
/// (async-aws/aws#1227), and keys and policies are mended without the message.
fn may_pass(code: &str) -> bool {
    let code = code.to_ascii_lowercase();
    ["throttl", "kms", "accessdenied", "overlimit"].iter().any(|part| code.contains(part))
}
