//! One Kinesis data stream: its record limit, and one PutRecords with what it says of each record. Retries of a call are
//! the SDK's; what becomes of refused records is not decided here.

use std::future::Future;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kinesis::operation::put_records::PutRecordsOutput;
use aws_sdk_kinesis::types::PutRecordsResultEntry;
use penstock_aws::answered;
use penstock_core::contract::Aggregate;
use penstock_core::ident::{HEX_LEN, HexId};
use penstock_core::reject::{Rule, Violation};

use super::request::{MAX_REQUEST_BYTES, Request};
use crate::aggregate::bytes_alone;

/// What a stream takes if it says nothing else (Kinesis, "Quotas and limits").
const DEFAULT_RECORD_BYTES: usize = 1 << 20;

/// A stream, made once and used for many objects.
#[derive(Debug, Clone)]
pub struct Stream {
    client: Client,
    name: String,
    record_limit: usize,
}

/// The stream did not take rows.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SendError {
    /// It does not exist, or is not active yet.
    #[error("stream {stream} does not exist: {message}")]
    NoSuchStream {
        /// The stream.
        stream: String,
        /// What Kinesis says.
        message: String,
    },
    /// The function may not write to it, or not use its key.
    #[error("stream {stream} refuses this function: {message}")]
    Denied {
        /// The stream.
        stream: String,
        /// What Kinesis says.
        message: String,
    },
    /// A call failed after all tries of the SDK.
    #[error("stream {stream} did not take a request: {message}")]
    Request {
        /// The stream.
        stream: String,
        /// What Kinesis says, or why it said nothing.
        message: String,
    },
    /// The time was over before every row was accepted.
    #[error("stream {stream} had not accepted {rows} rows when the time was over; last refusal: {code}")]
    OutOfTime {
        /// The stream.
        stream: String,
        /// How many it had not accepted.
        rows: u64,
        /// Code of the last refusal, or `none`.
        code: String,
    },
}

impl SendError {
    /// Whether trying again can help without a person.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::NoSuchStream { .. } | Self::Denied { .. } => false,
            Self::Request { .. } | Self::OutOfTime { .. } => true,
        }
    }

    /// Of a call that failed.
    fn of<E>(stream: &str, error: &SdkError<E>) -> Self
    where
        E: std::error::Error + ProvideErrorMetadata + 'static,
    {
        let (stream, message) = (stream.to_owned(), answered(error));
        match error.code() {
            Some("ResourceNotFoundException") => Self::NoSuchStream { stream, message },
            Some("AccessDeniedException" | "KMSAccessDeniedException") => Self::Denied { stream, message },
            _ => Self::Request { stream, message },
        }
    }
}

impl Stream {
    /// A stream by its name. Where its record limit must not be asked for, the default counts; another fault may pass,
    /// and a limit that is taken for too low would make rejects of good rows.
    pub async fn open(client: Client, name: impl Into<String>) -> Result<Self, SendError> {
        let name = name.into();
        let told = match client.describe_stream_summary().stream_name(&name).send().await {
            Ok(told) => told.stream_description_summary().and_then(|own| own.max_record_size_in_kib()),
            Err(error) => match error.code() {
                Some("AccessDeniedException" | "UnknownOperationException") => {
                    let error = answered(&error);
                    tracing::warn!(
                        stream = name,
                        error,
                        "the stream's record limit cannot be read, 1 MiB is taken"
                    );
                    None
                }
                _ => return Err(SendError::of(&name, &error)),
            },
        };
        let told = told.and_then(|kib| usize::try_from(kib).ok()).filter(|kib| *kib > 0);
        // A record has to fit a request, too.
        let record_limit = told.map_or(DEFAULT_RECORD_BYTES, |kib| kib << 10).min(MAX_REQUEST_BYTES);
        Ok(Self { client, name, record_limit })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Most bytes of a record with its partition key.
    pub fn record_limit(&self) -> usize {
        self.record_limit
    }

    /// Says before it is sent whether a record can hold a written row, alone if need be.
    pub fn check_line(&self, aggregate: Aggregate, key: &HexId, line: &str) -> Result<(), Violation> {
        let bytes = HEX_LEN
            + match aggregate {
                Aggregate::None => line.len(),
                Aggregate::Kpl => bytes_alone(key, line.len()),
            };
        if bytes <= self.record_limit { Ok(()) } else { Err(self.too_large(bytes)) }
    }

    /// Of a row that takes so many bytes as a record.
    pub(super) fn too_large(&self, bytes: usize) -> Violation {
        let limit = self.record_limit;
        let reason =
            format!("takes {bytes} bytes as a record with its partition key, the stream takes {limit}");
        Violation::record(Rule::RowTooLarge, reason)
    }

    /// Sends a request; gives it back with the answer.
    pub(super) fn put(
        &self,
        request: Request,
    ) -> impl Future<Output = (Request, Result<Answer, SendError>)> + Send + 'static {
        let (client, name) = (self.client.clone(), self.name.clone());
        async move {
            let sent = match request.entries() {
                Ok(entries) => {
                    let call = client.put_records().stream_name(&name).set_records(Some(entries));
                    call.send().await.map(Answer).map_err(|error| SendError::of(&name, &error))
                }
                Err(error) => Err(SendError::Request { stream: name, message: error.to_string() }),
            };
            (request, sent)
        }
    }
}

/// What Kinesis says of each record of a request.
#[derive(Debug)]
pub(super) struct Answer(PutRecordsOutput);

/// What became of one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict<'a> {
    Accepted,
    /// With the reason's code.
    Refused(&'a str),
}

impl Answer {
    /// The verdict on the record at a place of the request: answers have no other name for it. A record without an answer
    /// is refused; sent again it may come twice, but it comes.
    pub fn verdict(&self, at: usize) -> Verdict<'_> {
        let said = |text: Option<&'_ str>| text.is_some_and(|text| !text.is_empty());
        match self.0.records().get(at) {
            None => Verdict::Refused("no answer for the record"),
            Some(entry) if said(entry.error_code()) => Verdict::Refused(code(entry)),
            Some(entry) if said(entry.sequence_number()) => Verdict::Accepted,
            Some(_) => Verdict::Refused("no sequence number"),
        }
    }
}

fn code(entry: &PutRecordsResultEntry) -> &str {
    entry.error_code().unwrap_or_default()
}

impl Verdict<'_> {
    /// Whether sending less would have helped.
    pub fn is_throttled(self) -> bool {
        match self {
            Self::Accepted => false,
            Self::Refused(code) => {
                code == "ProvisionedThroughputExceededException" || code.contains("Throttl")
            }
        }
    }
}
