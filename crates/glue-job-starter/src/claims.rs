//! Does what the protocol of claims asks for: reads and writes claims, and has Glue start and find runs. Decides nothing.

use std::time::Duration;

use aws_sdk_s3::Client;
use futures_util::future::try_join_all;
use penstock_aws::store::{Condition, Store, Written};
use penstock_aws::{Invocation, answered};
use penstock_core::claim::{self, Answer, Ask, Claiming, Listed, Step, Stored, Why};

use crate::error::Error;
use crate::sink::{FindError, Refusal, Sink, Start};

/// Kept back when the log is read: what then follows is a claim, a start of ten seconds at the most, and its closing.
const START_RESERVE: Duration = Duration::from_secs(16);

/// The claims of one dataset and kind of start.
#[derive(Debug)]
pub struct Log<'a> {
    /// A client for listing.
    pub s3: &'a Client,
    /// The bucket.
    pub store: &'a Store,
    /// Its name.
    pub bucket: &'a str,
    /// The log's folder.
    pub folder: String,
    /// What is started.
    pub sink: Sink<'a>,
    /// The dataset, for errors.
    pub dataset: &'a str,
}

impl Log<'_> {
    /// Brings work into the log, and starts it.
    pub async fn claim(&self, claiming: &mut Claiming<'_>, invocation: &Invocation) -> Result<(), Error> {
        let mut refusal = None;
        let mut step = claiming.begin();
        loop {
            let ask = match step {
                Step::Ask(ask) => ask,
                Step::Done(why) => return self.ended(why, refusal),
            };
            let answer = self.answer(ask, invocation, &mut refusal).await?;
            step = claiming.next(answer, invocation.now_ms());
        }
    }

    fn ended(&self, why: Why, refusal: Option<Result<Refusal, String>>) -> Result<(), Error> {
        let dataset = self.dataset.to_owned();
        match (why, refusal) {
            (Why::Started, _) => Ok(()),
            (Why::Refused, Some(Ok(refusal))) => Err(Error::Refused { dataset, refusal }),
            (Why::Unknown(until_ms), Some(Err(message))) => {
                Err(Error::Unknown { dataset, name: self.sink.subject(), message, until_ms })
            }
            (Why::Held(until_ms), _) => Err(Error::Held { dataset, until_ms }),
            (Why::Raced | Why::Refused | Why::Unknown(_), _) => Err(Error::Raced { dataset }),
        }
    }

    async fn answer(
        &self,
        ask: Ask,
        invocation: &Invocation,
        refusal: &mut Option<Result<Refusal, String>>,
    ) -> Result<Answer, Error> {
        Ok(match ask {
            Ask::List { since_ms } => Answer::Listed(self.list(since_ms, invocation).await?),
            // Another invocation is between its claim and its start. It takes a moment, the message's next turn a minute.
            Ask::Wait(ms) => {
                tokio::time::sleep(Duration::from_millis(ms)).await;
                Answer::Waited
            }
            Ask::Read(numbers) => {
                self.in_time(invocation)?;
                Answer::Read(self.read(&numbers).await?)
            }
            Ask::Write { number, over, body } => {
                let condition = over.as_deref().map_or(Condition::Absent, Condition::Unchanged);
                match self.store.put_if(&self.key(number), body, condition).await? {
                    Written::Done(etag) => Answer::Written(Some(etag)),
                    Written::Lost => Answer::Written(None),
                }
            }
            Ask::Find { number, since_ms } => {
                let fail = |source: FindError| Error::Find { dataset: self.dataset.to_owned(), source };
                Answer::Found(self.sink.find(&self.url(number), since_ms).await.map_err(fail)?)
            }
            Ask::Start { number, within_ms } => self.start(number, within_ms, refusal).await,
        })
    }

    async fn start(
        &self,
        number: u64,
        within_ms: u64,
        refusal: &mut Option<Result<Refusal, String>>,
    ) -> Answer {
        let manifest = self.url(number);
        match self.sink.start(&manifest, Duration::from_millis(within_ms)).await {
            Start::Done(run_id) => {
                let (subject, dataset) = (self.sink.subject(), self.dataset);
                tracing::info!(dataset, subject, run_id, manifest, "run is started");
                Answer::Started(run_id)
            }
            Start::Refused(own) => {
                *refusal = Some(Ok(own));
                Answer::Refused
            }
            Start::Unknown(message) => {
                *refusal = Some(Err(message));
                Answer::Unknown
            }
        }
    }

    /// Reading ends while a start can still follow. A claim that is open by then comes free by its lease.
    fn in_time(&self, invocation: &Invocation) -> Result<(), Error> {
        match invocation.is_over(START_RESERVE) {
            true => Err(Error::OutOfTime { dataset: self.dataset.to_owned() }),
            false => Ok(()),
        }
    }

    fn key(&self, number: u64) -> String {
        claim::key(&self.folder, number)
    }

    fn url(&self, number: u64) -> String {
        self.store.url(&self.key(number))
    }

    /// Claims, newest first, up to the first page that ends before that time: a claim was changed last before the next
    /// one was written.
    async fn list(&self, since_ms: u64, invocation: &Invocation) -> Result<Vec<Listed>, Error> {
        let request = self.s3.list_objects_v2().bucket(self.bucket).prefix(&self.folder);
        let (mut pages, mut claims) = (request.into_paginator().send(), Vec::new());
        while let Some(page) = pages.next().await {
            let page =
                page.map_err(|error| Error::List { folder: self.folder.clone(), message: answered(&error) })?;
            let listed = page.contents.unwrap_or_default().into_iter().filter_map(|own| {
                let number = claim::number(&self.folder, own.key.as_deref()?)?;
                let modified_ms = own.last_modified.and_then(|at| at.to_millis().ok());
                Some(Listed {
                    number,
                    modified_ms: modified_ms.and_then(|ms| ms.try_into().ok()).unwrap_or(u64::MAX),
                })
            });
            claims.extend(listed);
            if claims.last().is_some_and(|own: &Listed| own.modified_ms < since_ms) {
                break;
            }
            self.in_time(invocation)?;
        }
        Ok(claims)
    }

    async fn read(&self, numbers: &[u64]) -> Result<Vec<Stored>, Error> {
        let all = try_join_all(numbers.iter().map(|number| self.read_one(*number))).await?;
        Ok(all.into_iter().flatten().collect())
    }

    async fn read_one(&self, number: u64) -> Result<Option<Stored>, Error> {
        let found = self.store.get_with_etag(&self.key(number)).await?;
        Ok(found.map(|(body, etag)| Stored { number, etag, body }))
    }
}
