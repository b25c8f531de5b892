//! Reads one version of an S3 object as a stream, with what its identity needs. Knows no contract.

use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::get_object::{GetObjectError, GetObjectOutput};
use aws_sdk_s3::primitives::{ByteStream, DateTime};
use aws_sdk_s3::types::{ChecksumMode, ChecksumType};
use penstock_core::ident::{self, HexId};
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

/// What became of a request for a part of an object.
#[derive(Debug)]
pub enum FetchPart {
    /// Here it is.
    Found(ByteStream),
    /// As for the whole object.
    Superseded,
    /// As for the whole object.
    Unreadable(String),
}

/// What an object is, without its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identified {
    /// Identity of this content of this key.
    pub object_id: HexId,
    /// Size in bytes, compressed as it lies there.
    pub bytes: u64,
    /// LastModified in ms since 1970.
    pub modified_ms: u64,
    /// ETag without its quotes: what a request for this content asks for.
    pub etag: Option<String>,
}

/// A fault that may pass.
#[derive(Debug, thiserror::Error)]
#[error("reading {uri}: {message}")]
pub struct FetchError {
    uri: String,
    message: String,
}

/// What tells this content from another, by the rule of `ident::content_tag`: GET and HEAD say the same in answers of
/// two types.
macro_rules! content_tag {
    ($output:expr, $size:expr) => {{
        let checksums = [
            ("CRC64NVME", $output.checksum_crc64_nvme()),
            ("SHA256", $output.checksum_sha256()),
            ("SHA1", $output.checksum_sha1()),
            ("CRC32C", $output.checksum_crc32_c()),
            ("CRC32", $output.checksum_crc32()),
        ];
        let there: Vec<(&str, &str)> =
            checksums.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        let kind = $output.checksum_type().map(ChecksumType::as_str);
        ident::content_tag(&there, kind, $output.e_tag().unwrap_or_default(), $size)
    }};
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

/// Asks for the bytes of that content from an offset on, which the object must have. A part says nothing of the whole:
/// only the body comes.
pub async fn fetch_from(s3: &Client, object: &ObjectRef, offset: u64) -> Result<FetchPart, FetchError> {
    let request = s3.get_object().bucket(&object.bucket).key(&object.key).set_if_match(object.etag.clone());
    // The SDK could check a part against nothing.
    let request = match offset {
        0 => request.checksum_mode(ChecksumMode::Enabled),
        offset => request.range(format!("bytes={offset}-")),
    };
    match request.send().await {
        Ok(output) => Ok(FetchPart::Found(output.body)),
        Err(error) => Ok(match refused(object, &error)? {
            Fetch::Unreadable(reason) => FetchPart::Unreadable(reason),
            Fetch::Superseded | Fetch::Found(_) => FetchPart::Superseded,
        }),
    }
}

/// What the content is that the event spoke of; `None` if it vanished or was replaced.
pub async fn identify(s3: &Client, object: &ObjectRef) -> Result<Option<Identified>, FetchError> {
    let request = s3
        .head_object()
        .bucket(&object.bucket)
        .key(&object.key)
        .checksum_mode(ChecksumMode::Enabled)
        .set_if_match(object.etag.clone());
    let output = match request.send().await {
        Ok(output) => output,
        Err(error) => {
            // HEAD has no body, so only the status tells.
            return match error.raw_response().map(|response| response.status().as_u16()) {
                Some(404 | 412) => Ok(None),
                _ => Err(FetchError { uri: object.uri(), message: answered(&error) }),
            };
        }
    };
    let bytes = size(output.content_length());
    let tag = content_tag!(output, bytes);
    Ok(Some(Identified {
        object_id: ident::object_id(&object.bucket, &object.key, &tag),
        bytes,
        modified_ms: modified_ms(output.last_modified()),
        etag: output.e_tag().map(|etag| etag.trim_matches('"').to_owned()),
    }))
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
    let bytes = size(output.content_length());
    let tag = content_tag!(output, bytes);
    let object_id = ident::object_id(&object.bucket, &object.key, &tag);
    Fetched { object_id, bytes, modified_ms: modified_ms(output.last_modified()), body: output.body }
}

fn size(content_length: Option<i64>) -> u64 {
    content_length.and_then(|n| u64::try_from(n).ok()).unwrap_or(0)
}

fn modified_ms(time: Option<&DateTime>) -> u64 {
    time.and_then(|time| time.to_millis().ok()).and_then(|ms| u64::try_from(ms).ok()).unwrap_or(0)
}
