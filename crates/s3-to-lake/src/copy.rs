//! An object into the lake as it is, copied by S3: its bytes never come here.
//!
//! An event is taken as word that the key has changed: what is copied is what lies there now, and the copy counts when
//! that is still the same after it. So of copies that overlap the last one to land is of the content that stays, in
//! whatever order events come and wherever one of them dies.

mod parts;

use std::time::Duration;

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use penstock_aws::Invocation;
use penstock_aws::fetch::{Identified, identify};
use penstock_core::contract::Contract;
use penstock_core::object::ObjectRef;
use penstock_core::receipt::{Receipt, Status};
use penstock_core::reject::{Rule, Violation};

use crate::budget::Budget;
use crate::error::Error;
use crate::hand_over::encoded;
use crate::sink::{Target, WriteError};
use crate::{App, Delivered};

/// Largest object that CopyObject takes; above it is copied in parts.
const MAX_COPY_BYTES: u64 = 5 << 30;
/// How often an object may be replaced while it is copied.
const MAX_ROUNDS: u32 = 5;

/// How the copy of one content ended.
enum End {
    Copied,
    /// It is no longer there.
    Replaced,
    /// It cannot be read without a person.
    Unreadable(String),
    /// Time is up.
    OutOfTime,
}

impl App {
    /// Copies an object to a key of the lake.
    pub async fn copy(
        &self,
        object: &ObjectRef,
        key: &str,
        contract: &Contract,
        invocation: &Invocation,
    ) -> Result<Delivered, Error> {
        let budget = Budget::begin(invocation);
        let now_there = ObjectRef { etag: None, size: None, ..object.clone() };
        let Some(mut found) = identify(&self.s3, &now_there).await? else {
            return Ok(self.superseded(object, contract));
        };
        let is_newer = object.etag.is_some() && object.etag != found.etag;
        for _ in 0..MAX_ROUNDS {
            let is_copied = match self.copy_content(object, &found, key, &budget).await? {
                End::Copied => true,
                End::Replaced => false,
                End::Unreadable(reason) => {
                    let violation = Violation::record(Rule::Unreadable, reason);
                    return self.refuse(object, &contract.dataset, violation).await;
                }
                End::OutOfTime => return Err(Error::OutOfTime { uri: object.uri() }),
            };
            let Some(now) = identify(&self.s3, &now_there).await? else {
                return Ok(self.superseded(object, contract));
            };
            if is_copied && now == found {
                let receipt = receipt(object, contract, &found);
                self.write_receipt(&receipt, &found.object_id).await?;
                tracing::debug!(source = object.uri(), key, bytes = found.bytes, "object was copied");
                // Its own content was gone; that of its successor is there, whether or not that one's event was here.
                return Ok(match is_newer {
                    true => self.superseded(object, contract),
                    false => Delivered::Copied(Box::new(receipt)),
                });
            }
            found = now;
        }
        Err(Error::Restless { uri: object.uri() })
    }

    async fn copy_content(
        &self,
        object: &ObjectRef,
        found: &Identified,
        key: &str,
        budget: &Budget<'_>,
    ) -> Result<End, Error> {
        if budget.is_over() {
            return Ok(End::OutOfTime);
        }
        let (s3, bucket) = (self.s3.clone(), self.config.lake_bucket.clone());
        let copy = Copy {
            target: Target { s3, bucket, key: key.to_owned() },
            object: object.clone(),
            source: format!("{}/{}", object.bucket, encoded(&object.key)),
            etag: format!("\"{}\"", found.etag.as_deref().unwrap_or_default()),
            bytes: found.bytes,
        };
        let end = match found.bytes {
            0..=MAX_COPY_BYTES => copy.at_once(budget.left()).await?,
            _ => copy.in_parts(budget).await?,
        };
        Ok(match end {
            // Another invocation would not have more time.
            End::OutOfTime if budget.is_whole => {
                End::Unreadable("its copy takes longer than an invocation may".into())
            }
            end => end,
        })
    }
}

/// One content on its way.
struct Copy {
    target: Target,
    object: ObjectRef,
    /// Bucket and key as the header has them.
    source: String,
    etag: String,
    bytes: u64,
}

impl Copy {
    /// Metadata and tags come along where nothing else is said.
    async fn at_once(&self, time: Duration) -> Result<End, WriteError> {
        let Target { s3, bucket, key } = &self.target;
        let request = s3.copy_object().bucket(bucket).key(key).copy_source(&self.source);
        let request = request.copy_source_if_match(&self.etag).send();
        let Ok(answer) = tokio::time::timeout(time, request).await else { return Ok(End::OutOfTime) };
        match answer {
            Ok(_) => Ok(End::Copied),
            Err(error) => {
                let status = error.raw_response().map(|response| response.status().as_u16());
                refused(&self.target, status, &error)
            }
        }
    }
}

/// What a refusal says of the source.
fn refused<E, R>(target: &Target, status: Option<u16>, error: &SdkError<E, R>) -> Result<End, WriteError>
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
    R: std::fmt::Debug + 'static,
{
    match (status, error.code()) {
        // HEAD has no body, so only the status tells.
        (Some(412), _) | (_, Some("NoSuchKey" | "NotFound")) => Ok(End::Replaced),
        (_, Some("InvalidObjectState" | "ObjectNotInActiveTierError")) => {
            Ok(End::Unreadable("the object is archived and must be restored".into()))
        }
        _ => Err(target.error("copying", error)),
    }
}

/// The account of an object that nobody has looked into.
fn receipt(object: &ObjectRef, contract: &Contract, found: &Identified) -> Receipt {
    Receipt {
        dataset: contract.dataset.clone(),
        object_id: found.object_id.to_string(),
        source: object.uri(),
        bytes: found.bytes,
        source_ms: found.modified_ms,
        contract_version: contract.version.clone(),
        status: Status::Complete,
        reason: None,
        read: 0,
        rejected: 0,
        duplicate: 0,
        sent: 0,
        extra_fields: 0,
        warnings: 0,
    }
}
