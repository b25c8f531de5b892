//! The local S3: where it is, and the calls that COPY and UNLOAD make. It is asked with the process's own
//! credentials, and there is none without an endpoint: this never talks to AWS. Knows no SQL.

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region, RequestChecksumCalculation};
use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;

use crate::error::Error;
use crate::sql::SqlError;

/// The local S3, if there is one.
#[derive(Debug, Clone)]
pub struct S3 {
    client: Option<Client>,
}

/// An object's place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    /// Its bucket.
    pub bucket: String,
    /// Its key, or the beginning of one.
    pub key: String,
}

impl Url {
    /// Reads `s3://bucket/key`.
    pub fn parse(url: &str) -> Option<Self> {
        let place = url.strip_prefix("s3://")?;
        let (bucket, key) = place.split_once('/').unwrap_or((place, ""));
        (!bucket.is_empty()).then(|| Self { bucket: bucket.to_owned(), key: key.to_owned() })
    }

    /// Another key in the same bucket.
    pub fn with_key(&self, key: String) -> Self {
        Self { bucket: self.bucket.clone(), key }
    }
}

impl std::fmt::Display for Url {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.key)
    }
}

/// An object that is open.
#[derive(Debug)]
pub struct Object {
    /// Its size.
    pub bytes: u64,
    /// Its content.
    pub body: ByteStream,
}

impl S3 {
    /// For an endpoint; AWS's own are refused.
    pub fn at(endpoint: Option<String>) -> Result<Self, Error> {
        let Some(endpoint) = endpoint.filter(|endpoint| !endpoint.is_empty()) else {
            return Ok(Self { client: None });
        };
        if endpoint.contains("amazonaws.com") {
            return Err(Error::RealAws(endpoint));
        }
        let from_env = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let key = from_env("AWS_ACCESS_KEY_ID").unwrap_or_else(|| "test".into());
        let secret = from_env("AWS_SECRET_ACCESS_KEY").unwrap_or_else(|| "test".into());
        let credentials = Credentials::new(key, secret, from_env("AWS_SESSION_TOKEN"), None, "environment");
        let region = from_env("AWS_REGION").or_else(|| from_env("AWS_DEFAULT_REGION"));
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(region.unwrap_or_else(|| "us-east-1".into())))
            .credentials_provider(credentials)
            .endpoint_url(endpoint)
            .force_path_style(true)
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .build();
        Ok(Self { client: Some(Client::from_conf(config)) })
    }

    fn client(&self) -> Result<&Client, SqlError> {
        self.client.as_ref().ok_or_else(|| {
            let text = "redshift-local has no S3: start it with AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL";
            SqlError::new("0A000", text)
        })
    }

    /// Whether there is one at all.
    pub fn check(&self) -> Result<(), SqlError> {
        self.client().map(|_| ())
    }

    /// Opens an object; `None`: there is none.
    pub async fn get(&self, url: &Url) -> Result<Option<Object>, SqlError> {
        let sent = self.client()?.get_object().bucket(&url.bucket).key(&url.key).send().await;
        match sent {
            Ok(answer) => {
                let bytes = answer.content_length().and_then(|length| u64::try_from(length).ok());
                Ok(Some(Object { bytes: bytes.unwrap_or_default(), body: answer.body }))
            }
            Err(error) if error.code() == Some("NoSuchKey") => Ok(None),
            Err(error) => Err(failure(&error, url)),
        }
    }

    /// The objects under a prefix, with their sizes, in the order of their keys.
    pub async fn list(&self, prefix: &Url) -> Result<Vec<(Url, u64)>, SqlError> {
        let request = self.client()?.list_objects_v2().bucket(&prefix.bucket).prefix(&prefix.key);
        let mut pages = request.into_paginator().send();
        let mut found = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| failure(&error, prefix))?;
            for object in page.contents() {
                let bytes = object.size().and_then(|size| u64::try_from(size).ok()).unwrap_or_default();
                if let Some(key) = object.key() {
                    found.push((prefix.with_key(key.to_owned()), bytes));
                }
            }
        }
        Ok(found)
    }

    /// Writes an object.
    pub async fn put(&self, url: &Url, body: ByteStream) -> Result<(), SqlError> {
        let request = self.client()?.put_object().bucket(&url.bucket).key(&url.key).body(body);
        request.send().await.map_err(|error| failure(&error, url))?;
        Ok(())
    }

    /// Removes an object.
    pub async fn delete(&self, url: &Url) -> Result<(), SqlError> {
        let request = self.client()?.delete_object().bucket(&url.bucket).key(&url.key);
        request.send().await.map_err(|error| failure(&error, url))?;
        Ok(())
    }
}

/// What Redshift prints when S3 says no.
fn failure<E>(error: &SdkError<E>, url: &Url) -> SqlError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let detail = Some(format!("object: {url}"));
    let message = match (error.code(), error.raw_response()) {
        (Some(code), Some(answer)) => {
            let text = error.message().unwrap_or(code);
            format!("S3ServiceException:{text},Status {},Error {code}", answer.status().as_u16())
        }
        _ => format!("S3ServiceException:{}", DisplayErrorContext(error)),
    };
    SqlError { detail, ..SqlError::new("XX000", message) }
}
