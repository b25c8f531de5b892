//! A bucket of the local S3.

use anyhow::Context;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::Credentials;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    Event, FilterRule, FilterRuleName, NotificationConfiguration, NotificationConfigurationFilter,
    QueueConfiguration, S3KeyFilter,
};

use serde_json::Value;

use crate::events::EventFile;
use crate::sqs::Queue;

/// A bucket with the few verbs that tests need; the rest goes through `client`.
#[derive(Debug, Clone)]
pub struct Bucket {
    /// The client that made the bucket.
    pub client: Client,
    /// The bucket's name.
    pub name: String,
}

impl Bucket {
    pub(crate) async fn create(client: Client, name: String) -> anyhow::Result<Self> {
        client.create_bucket().bucket(&name).send().await.with_context(|| format!("creating {name}"))?;
        Ok(Self { client, name })
    }

    /// The same bucket for somebody else.
    #[must_use]
    pub fn seen_by(&self, credentials: Credentials) -> Self {
        let config = self.client.config().to_builder().credentials_provider(credentials).build();
        Self { client: Client::from_conf(config), name: self.name.clone() }
    }

    /// Puts an object; answers its ETag without the quotes, as notifications carry it.
    pub async fn put(&self, key: &str, body: impl Into<Vec<u8>>) -> anyhow::Result<String> {
        let body = ByteStream::from(body.into());
        let put = self.client.put_object().bucket(&self.name).key(key).body(body).send().await;
        let put = put.with_context(|| format!("putting s3://{}/{key}", self.name))?;
        Ok(put.e_tag().unwrap_or_default().trim_matches('"').to_owned())
    }

    /// Puts an object and gives its event, as it stands in an SQS batch.
    pub async fn put_for_event(&self, key: &str, body: impl Into<Vec<u8>>) -> anyhow::Result<Value> {
        let body = body.into();
        let size = body.len();
        let etag = self.put(key, body).await?;
        let event = EventFile::load("sqs-s3-put.json")?.in_bucket(&self.name).with_key(key);
        Ok(event.with_object(key, size, &etag).json().clone())
    }

    /// The bytes of an object.
    pub async fn get(&self, key: &str) -> anyhow::Result<Vec<u8>> {
        let object = self.client.get_object().bucket(&self.name).key(key).send().await;
        let object = object.with_context(|| format!("getting s3://{}/{key}", self.name))?;
        Ok(object.body.collect().await?.to_vec())
    }

    /// When an object was put, in ms since 1970.
    pub async fn modified_ms(&self, key: &str) -> anyhow::Result<i64> {
        let object = self.client.head_object().bucket(&self.name).key(key).send().await;
        let object = object.with_context(|| format!("looking at s3://{}/{key}", self.name))?;
        Ok(object.last_modified().context("S3 tells no time")?.to_millis()?)
    }

    /// The keys below `prefix`, sorted, all pages.
    pub async fn list(&self, prefix: &str) -> anyhow::Result<Vec<String>> {
        let list = self.client.list_objects_v2().bucket(&self.name).prefix(prefix);
        let mut pages = list.into_paginator().send();
        let mut keys = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.with_context(|| format!("listing s3://{}/{prefix}", self.name))?;
            keys.extend(page.contents().iter().filter_map(|object| object.key().map(str::to_owned)));
        }
        Ok(keys)
    }

    /// Deletes an object.
    pub async fn delete(&self, key: &str) -> anyhow::Result<()> {
        let delete = self.client.delete_object().bucket(&self.name).key(key).send().await;
        delete.with_context(|| format!("deleting s3://{}/{key}", self.name))?;
        Ok(())
    }

    /// Sends a notification of every object created below `prefix` to `queue`, as the templates wire it. S3
    /// first sends an `s3:TestEvent`.
    pub async fn notify(&self, queue: &Queue, prefix: &str) -> anyhow::Result<()> {
        let rule = FilterRule::builder().name(FilterRuleName::Prefix).value(prefix).build();
        let filter = S3KeyFilter::builder().filter_rules(rule).build();
        let queue = QueueConfiguration::builder()
            .queue_arn(&queue.arn)
            .events(Event::S3ObjectCreated)
            .filter(NotificationConfigurationFilter::builder().key(filter).build())
            .build()?;
        let configuration = NotificationConfiguration::builder().queue_configurations(queue).build();
        let put = self.client.put_bucket_notification_configuration().bucket(&self.name);
        let put = put.notification_configuration(configuration).send().await;
        put.with_context(|| format!("wiring notifications of {}", self.name))?;
        Ok(())
    }
}
