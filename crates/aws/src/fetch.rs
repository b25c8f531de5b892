//! Reads one version of an S3 object as a stream, with what its identity needs. Knows no contract.

use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::get_object::{GetObjectError, GetObjectOutput};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::ChecksumMode;
use penstock_core::ident::{self, ContentTag, HexId};
use penstock_core::object::ObjectRef;

use crate::answered;

/// An object that is being read.
#[derive(Debug)]
pub struct Fetched {
    /// Identity of this content of this key.
    pub object_id: HexId,
    /// Size in bytes, compressed as it lies there.
    pub bytes: u64,
    /// LastModified in ms since 1970.
    pub modified_ms: u64,
    /// The content. The SDK checks it against the object's checksum while it is read.
    pub body: ByteStream,
}

/// What became of a request for an object.
#[derive(Debug)]
pub enum Fetch {
    /// Here it is.
    Found(Box<Fetched>),
    /// It vanished, or was replaced since the event: the newer content has an event of its own.
    Superseded,
    /// It is there and cannot be read now or ever without a person, e.g. archived in Glacier.
    Unreadable(String),
}

/// A fault that may pass.
#[derive(Debug, thiserror::Error)]
#[error("reading {uri}: {message}")]
pub struct FetchError {
    uri: String,
    message: String,
}

/// Asks for exactly the content that the event spoke of.
pub async fn fetch(s3: &Client, object: &ObjectRef) -> Result<Fetch, FetchError> {
    let request = s3
        .get_object()
        .bucket(&object.bucket)
        .key(&object.key)
        .checksum_mode(ChecksumMode::Enabled)
        .set_if_match(object.etag.clone());
    match request.send().await {
        Ok(output) => Ok(Fetch::Found(Box::new(found(object, output)))),
        Err(error) => refused(object, &error),
    }
}

fn refused(object: &ObjectRef, error: &SdkError<GetObjectError>) -> Result<Fetch, FetchError> {
    let status = error.raw_response().map(|response| response.status().as_u16());
    match (status, error.code()) {
        // The SDK calls a 404 without a body NotFound.
        (_, Some("NoSuchKey" | "NotFound")) | (Some(412), _) => Ok(Fetch::Superseded),
        (_, Some("InvalidObjectState")) => {
            Ok(Fetch::Unreadable("the object is archived and must be restored".into()))
        }
        (_, Some(code @ ("KMS.DisabledException" | "KMS.KMSInvalidStateException"))) => {
            Ok(Fetch::Unreadable(format!("the object's key cannot be used: {code}")))
        }
        _ => Err(FetchError { uri: object.uri(), message: answered(error) }),
    }
}

fn found(object: &ObjectRef, output: GetObjectOutput) -> Fetched {
    let bytes = output.content_length().and_then(|n| u64::try_from(n).ok()).unwrap_or(0);
    let modified_ms = output
        .last_modified()
        .and_then(|time| time.to_millis().ok())
        .and_then(|ms| u64::try_from(ms).ok())
        .unwrap_or(0);
    let object_id = ident::object_id(&object.bucket, &object.key, &content_tag(&output, bytes));
    Fetched { object_id, bytes, modified_ms, body: output.body }
}

/// What tells this content from another, by the rule of `ident::content_tag`.
fn content_tag(output: &GetObjectOutput, size: u64) -> ContentTag {
    let checksums = [
        ("CRC64NVME", output.checksum_crc64_nvme()),
        ("SHA256", output.checksum_sha256()),
        ("SHA1", output.checksum_sha1()),
        ("CRC32C", output.checksum_crc32_c()),
        ("CRC32", output.checksum_crc32()),
    ];
    let there: Vec<(&str, &str)> =
        checksums.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    let kind = output.checksum_type().map(|kind| kind.as_str());
    ident::content_tag(&there, kind, output.e_tag().unwrap_or_default(), size)
}
