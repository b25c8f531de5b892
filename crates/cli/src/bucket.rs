//! Lists, opens and writes the objects of a bucket, and tells in one line why that cannot be done. Knows no object.

use std::fmt;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::{ByteStream, DateTime};
use aws_sdk_s3::types::Object;

use penstock_aws::answered;

/// A bucket to read.
#[derive(Debug, Clone)]
pub struct Bucket {
    s3: Client,
    name: String,
}

/// An object of a listing.
#[derive(Debug)]
pub struct Listed {
    /// Its key.
    pub key: String,
    /// When it was written.
    pub modified: Option<DateTime>,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its ETag, without quotes.
    pub etag: Option<String>,
}

impl Listed {
    fn of(own: Object) -> Option<Self> {
        let bytes = own.size.and_then(|size| u64::try_from(size).ok()).unwrap_or(0);
        let etag = own.e_tag.map(|etag| etag.trim_matches('"').to_owned());
        Some(Self { key: own.key?, modified: own.last_modified, bytes, etag })
    }
}

/// What S3 does not give.
#[derive(Debug)]
pub struct BucketError {
    place: String,
    code: Option<String>,
    message: String,
}

impl BucketError {
    fn new<E, R>(place: String, error: &SdkError<E, R>) -> Self
    where
        E: std::error::Error + ProvideErrorMetadata + 'static,
        R: fmt::Debug + 'static,
    {
        Self { place, code: error.code().map(str::to_owned), message: answered(error) }
    }

    /// Whether the caller may not read it.
    pub fn is_denied(&self) -> bool {
        self.code.as_deref() == Some("AccessDenied")
    }

    /// Whether the object was removed since it was listed.
    pub fn is_gone(&self) -> bool {
        // The SDK calls a 404 without a body NotFound.
        matches!(self.code.as_deref(), Some("NoSuchKey" | "NotFound"))
    }
}

impl fmt::Display for BucketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

impl Bucket {
    /// A bucket by name.
    pub fn new(s3: Client, name: String) -> Self {
        Self { s3, name }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `s3://bucket/key`.
    pub fn uri(&self, key: &str) -> String {
        format!("s3://{}/{key}", self.name)
    }

    /// The objects under a prefix, keys in order.
    pub fn list(&self, prefix: String) -> Pages<'_> {
        Pages { bucket: self, prefix, next: Some(None) }
    }

    /// First segments of the keys, in order.
    pub async fn folders(&self) -> Result<Vec<String>, BucketError> {
        let (mut folders, mut next) = (Vec::new(), None);
        loop {
            let request = self.s3.list_objects_v2().bucket(&self.name).delimiter("/");
            let answer = request.set_continuation_token(next).send().await;
            let answer = answer.map_err(|error| BucketError::new(self.uri(""), &error))?;
            let prefixes = answer.common_prefixes.unwrap_or_default().into_iter();
            folders.extend(prefixes.filter_map(|own| own.prefix?.strip_suffix('/').map(str::to_owned)));
            next = answer.next_continuation_token.filter(|token| !token.is_empty());
            if next.is_none() {
                return Ok(folders);
            }
        }
    }

    /// An object's content.
    pub async fn get(&self, key: &str) -> Result<ByteStream, BucketError> {
        let answer = self.s3.get_object().bucket(&self.name).key(key).send().await;
        answer.map(|answer| answer.body).map_err(|error| BucketError::new(self.uri(key), &error))
    }
}

impl Bucket {
    /// Writes an object, whether or not it is there.
    pub async fn put(&self, key: &str, body: Vec<u8>) -> Result<(), BucketError> {
        let put = self.s3.put_object().bucket(&self.name).key(key).body(ByteStream::from(body)).send().await;
        put.map(|_| ()).map_err(|error| BucketError::new(self.uri(key), &error))
    }
}

/// Pages of a listing.
#[derive(Debug)]
pub struct Pages<'a> {
    bucket: &'a Bucket,
    prefix: String,
    /// Token of the next page; none after the last one, an empty one before the first.
    next: Option<Option<String>>,
}

impl Pages<'_> {
    /// The next page; none after the last one.
    pub async fn next(&mut self) -> Result<Option<Vec<Listed>>, BucketError> {
        let Some(token) = self.next.take() else { return Ok(None) };
        let Bucket { s3, name } = self.bucket;
        let request = s3.list_objects_v2().bucket(name).prefix(&self.prefix).set_continuation_token(token);
        let answer = request.send().await;
        let answer = answer.map_err(|error| BucketError::new(self.bucket.uri(&self.prefix), &error))?;
        self.next = answer.next_continuation_token.filter(|token| !token.is_empty()).map(Some);
        let objects = answer.contents.unwrap_or_default().into_iter();
        Ok(Some(objects.filter_map(Listed::of).collect()))
    }
}
