//! The work bucket, as functions use it: small JSON texts, files of rows, and folders that are cleaned up. Knows keys,
//! not what they mean.

use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use penstock_core::work::File;

use crate::answered;

/// Largest JSON text that is read back: ten thousand objects of a plan, each with its files.
const MAX_TEXT_BYTES: usize = 64 << 20;

/// The work bucket was not read or written.
#[derive(Debug, thiserror::Error)]
#[error("{operation} of s3://{place}: {message}")]
pub struct StoreError {
    operation: &'static str,
    place: String,
    message: String,
}

/// What must hold of an object for it to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition<'a> {
    /// There is none yet.
    Absent,
    /// It is still the one with this etag.
    Unchanged(&'a str),
}

/// What became of a conditional write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// It was written and has this etag.
    Done(String),
    /// The condition did not hold: another writer was first.
    Lost,
}

/// The work bucket.
#[derive(Debug)]
pub struct Store {
    s3: Client,
    bucket: String,
}

impl Store {
    /// Wraps a client.
    pub fn new(s3: Client, bucket: String) -> Self {
        Self { s3, bucket }
    }

    /// `s3://bucket/key`.
    pub fn url(&self, key: &str) -> String {
        format!("s3://{}/{key}", self.bucket)
    }

    /// Writes an object, over what was there.
    pub async fn put(&self, key: &str, bytes: Vec<u8>) -> Result<File, StoreError> {
        let file = File { url: self.url(key), bytes: bytes.len() as u64 };
        let request = self.s3.put_object().bucket(&self.bucket).key(key).body(ByteStream::from(bytes));
        request.send().await.map_err(|error| self.error("writing", key, &error))?;
        Ok(file)
    }

    /// Writes an object unless there is one; whether it was written.
    pub async fn put_new(&self, key: &str, bytes: Vec<u8>) -> Result<bool, StoreError> {
        Ok(self.put_if(key, bytes, Condition::Absent).await? != Written::Lost)
    }

    /// Compare and swap: writes an object if the condition holds in the moment of writing. An error leaves open whether
    /// it was written, and so does a loss: the SDK may have sent again what had come through. Who must know reads what
    /// is there, and tells its own writing by what it wrote.
    pub async fn put_if(
        &self,
        key: &str,
        bytes: Vec<u8>,
        condition: Condition<'_>,
    ) -> Result<Written, StoreError> {
        let request = self.s3.put_object().bucket(&self.bucket).key(key);
        let request = match condition {
            Condition::Absent => request.if_none_match("*"),
            Condition::Unchanged(etag) => request.if_match(etag),
        };
        match request.body(ByteStream::from(bytes)).send().await {
            Ok(answer) => Ok(Written::Done(answer.e_tag.unwrap_or_default())),
            // 409: another writer was first in this very moment. 404: what was to be changed is gone.
            Err(error) => match error.raw_response().map(|response| response.status().as_u16()) {
                Some(409 | 412) => Ok(Written::Lost),
                Some(404) if error.code() == Some("NoSuchKey") => Ok(Written::Lost),
                _ => Err(self.error("writing", key, &error)),
            },
        }
    }

    /// Reads a small object; `None` if there is none.
    pub async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.get_with_etag(key).await?.map(|(bytes, _)| bytes))
    }

    /// Reads a small object and the etag by which it is changed.
    pub async fn get_with_etag(&self, key: &str) -> Result<Option<(Vec<u8>, String)>, StoreError> {
        let answer = match self.s3.get_object().bucket(&self.bucket).key(key).send().await {
            Ok(answer) => answer,
            Err(error) => {
                return match error.code() {
                    Some("NoSuchKey" | "NotFound") => Ok(None),
                    _ => Err(self.error("reading", key, &error)),
                };
            }
        };
        let fail = |message: String| StoreError { operation: "reading", place: self.place(key), message };
        if answer.content_length().is_some_and(|bytes| bytes > MAX_TEXT_BYTES as i64) {
            return Err(fail(format!("has more than {MAX_TEXT_BYTES} bytes")));
        }
        let etag = answer.e_tag.unwrap_or_default();
        let body = answer.body.collect().await.map_err(|error| fail(error.to_string()))?;
        Ok(Some((body.to_vec(), etag)))
    }

    /// A small text of ours; `None` also where it cannot be read.
    pub async fn get_text<T: serde::de::DeserializeOwned>(&self, key: &str) -> Result<Option<T>, StoreError> {
        let bytes = self.get(key).await?;
        Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    /// Keys under a prefix.
    pub async fn list(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        let mut pages = self.s3.list_objects_v2().bucket(&self.bucket).prefix(prefix).into_paginator().send();
        let mut keys = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| self.error("listing", prefix, &error))?;
            keys.extend(page.contents.unwrap_or_default().into_iter().filter_map(|own| own.key));
        }
        Ok(keys)
    }

    /// Deletes a folder: what says that all is there first, and last what says how it is made, so that nobody relies on
    /// what is about to go.
    pub async fn delete_folder(&self, folder: &str) -> Result<(), StoreError> {
        let (last, keys): (Vec<_>, Vec<_>) =
            self.list(folder).await?.into_iter().partition(|key| key.ends_with("/_split.json"));
        self.delete(&keys).await?;
        self.delete(&last).await
    }

    /// Deletes objects; one that is gone already is no error.
    pub async fn delete(&self, keys: &[String]) -> Result<(), StoreError> {
        /// DeleteObjects takes at most 1,000 keys.
        const MOST: usize = 1_000;
        for keys in keys.chunks(MOST) {
            let ids =
                keys.iter().filter_map(|key| ObjectIdentifier::builder().key(key).build().ok()).collect();
            let fail =
                |message: String| StoreError { operation: "deleting", place: self.bucket.clone(), message };
            let delete = Delete::builder().set_objects(Some(ids)).quiet(true).build();
            let delete = delete.map_err(|error| fail(error.to_string()))?;
            let request = self.s3.delete_objects().bucket(&self.bucket).delete(delete);
            let answer = request
                .send()
                .await
                .map_err(|error| self.error("deleting", keys.first().map_or("", String::as_str), &error))?;
            if let Some(refused) = answer.errors().first() {
                return Err(fail(format!(
                    "{}: {}",
                    refused.key().unwrap_or_default(),
                    refused.code().unwrap_or_default()
                )));
            }
        }
        Ok(())
    }

    fn place(&self, key: &str) -> String {
        format!("{}/{key}", self.bucket)
    }

    fn error<E, R>(&self, operation: &'static str, key: &str, error: &SdkError<E, R>) -> StoreError
    where
        E: std::error::Error + ProvideErrorMetadata + 'static,
        R: std::fmt::Debug + 'static,
    {
        StoreError { operation, place: self.place(key), message: answered(error) }
    }
}
