//! The objects of one dataset in one invocation: which are loaded already, which an open load has, which are read in
//! flight, and then one load of the rest. Tasks of large objects take their turn behind that, one after another. A
//! fault of one object costs no other one.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use futures_util::{StreamExt, stream};
use penstock_aws::quarantine::Quarantine;
use penstock_aws::trigger::GivenBack as _;
use penstock_aws::warehouse::Fault;
use penstock_core::ident::HexId;
use penstock_core::receipt::Receipt;
use penstock_core::work::{self, Claimed};

use crate::error::Error;
use crate::known::{Known, Told, in_flight, trusted};
use crate::prepare::{Outcome, Preparer};
use crate::sink::Sink;
use crate::waits::Waits;

/// Objects read at once: one core has no more to do, and each needs memory.
const MAX_READING: usize = 4;
/// Loads in one invocation that find objects loaded by another one meanwhile.
const MAX_ROUNDS: u32 = 5;

/// How an object's rows come to COPY.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Read here, record by record.
    InFlight,
    /// Stamped rows in the stage bucket, which COPY reads where they lie.
    Trusted,
}

/// What became of a dataset's objects.
#[derive(Debug, Default)]
pub struct Settled {
    /// By place in the list that was given; what is missing is done.
    pub failed: HashMap<usize, Error>,
    /// Counts for metrics and the log.
    pub counts: BTreeMap<&'static str, u64>,
    /// What was loaded, and how old it was.
    pub waits: Waits,
}

impl Settled {
    /// Counts.
    pub fn add(&mut self, name: &'static str, count: u64) {
        *self.counts.entry(name).or_default() += count;
    }
}

/// One dataset's work in one invocation.
#[derive(Debug)]
pub struct Work<'a> {
    pub kind: Kind,
    pub preparer: Preparer<'a>,
    pub sink: Sink<'a>,
    pub quarantine: &'a Quarantine,
    pub settled: Settled,
}

/// Whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// Objects that events tell of, some at once.
    Events,
    /// Tasks of one object: what they get done in the time that is left tells whether they can get anything done.
    Tasks,
}

impl Work<'_> {
    /// Loads the objects; an error is told for each place that must come again.
    pub async fn settle(mut self, told: &[Told]) -> Settled {
        let known = self.identify(told).await;
        let mut open: HashSet<HexId> = known.keys().copied().collect();
        if let Err(error) = self.take_up(&mut open, &known).await {
            self.fail_all(&open, &known, &error);
            return self.settled;
        }
        let is_told = |id: &HexId| known.get(id).is_some_and(|own| !own.events.is_empty());
        let (mut events, tasks): (HashSet<HexId>, HashSet<HexId>) = open.into_iter().partition(is_told);
        let mut tasks = BTreeSet::from_iter(tasks);
        tasks.extend(self.turn(&mut events, &known, Turn::Events).await);
        for id in tasks {
            self.turn(&mut HashSet::from([id]), &known, Turn::Tasks).await;
        }
        self.settled
    }

    /// Loads these; gives those that tasks have now.
    async fn turn(
        &mut self,
        open: &mut HashSet<HexId>,
        known: &HashMap<HexId, Known>,
        turn: Turn,
    ) -> Vec<HexId> {
        let mut tasked = Vec::new();
        if let Err(error) = self.load(open, known, turn, &mut tasked).await {
            self.fail_all(open, known, &error);
        }
        tasked
    }

    fn fail_all(&mut self, open: &HashSet<HexId>, known: &HashMap<HexId, Known>, error: &Error) {
        tracing::warn!(error = %error, kind = error.kind(), objects = open.len(), "objects are not loaded yet");
        match error {
            Error::Running(_) | Error::OutOfTime => {}
            Error::Load(Fault::OutOfBalance) => self.settled.add("LoadsOutOfBalance", 1),
            _ => self.settled.add("LoadsNotDone", 1),
        }
        open.iter().filter_map(|id| known.get(id)).for_each(|own| self.fail(own, error));
    }

    /// Loads that were begun and name one of these objects.
    async fn take_up(
        &mut self,
        open: &mut HashSet<HexId>,
        known: &HashMap<HexId, Known>,
    ) -> Result<(), Error> {
        for plan in self.sink.open_plans(|id| open.contains(id)).await? {
            self.settled.add("LoadsTakenUp", 1);
            self.run(plan, open, known).await?;
        }
        Ok(())
    }

    async fn load(
        &mut self,
        open: &mut HashSet<HexId>,
        known: &HashMap<HexId, Known>,
        turn: Turn,
        tasked: &mut Vec<HexId>,
    ) -> Result<(), Error> {
        for _ in 0..MAX_ROUNDS {
            self.drop_loaded(open, known).await?;
            if open.is_empty() {
                return Ok(());
            }
            let claimed = self.claimed(open, known, turn, tasked).await;
            if claimed.is_empty() {
                return Ok(());
            }
            let oldest_ms = claimed.iter().filter_map(|own| known.get(&own.object_id));
            let oldest_ms = oldest_ms.map(|own| own.identity.modified_ms).min().unwrap_or(0);
            let plan = self.sink.plan(claimed, oldest_ms).await?;
            self.run(plan, open, known).await?;
        }
        let again = "other loads took objects of this one again and again";
        open.is_empty().then_some(()).ok_or_else(|| Error::Together(again.to_owned()))
    }

    /// Objects that the ledger has need nothing more, but that nothing of them is left behind.
    async fn drop_loaded(
        &mut self,
        open: &mut HashSet<HexId>,
        known: &HashMap<HexId, Known>,
    ) -> Result<(), Error> {
        let mut ids: Vec<HexId> = open.iter().copied().collect();
        ids.sort();
        for id in self.sink.loaded(&ids).await? {
            if open.remove(&id) {
                self.settled.add("ObjectsLoadedBefore", 1);
                if let (Kind::InFlight, Some(own)) = (self.kind, known.get(&id)) {
                    tracing::debug!(source = own.object.uri(), "object was loaded before");
                    let contract = self.sink.checker.contract();
                    self.sink
                        .store
                        .delete_folder(&work::object_root(work::COPIED, contract, self.sink.fingerprint, &id))
                        .await?;
                }
            }
        }
        Ok(())
    }

    /// The open objects as a plan takes them. One that fails for good or for now, or that tasks have, is no longer open.
    async fn claimed(
        &mut self,
        open: &mut HashSet<HexId>,
        known: &HashMap<HexId, Known>,
        turn: Turn,
        tasked: &mut Vec<HexId>,
    ) -> Vec<Claimed> {
        let objects: Vec<&Known> = open.iter().filter_map(|id| known.get(id)).collect();
        if self.kind == Kind::Trusted {
            return objects.into_iter().map(trusted).collect();
        }
        let outcomes = self.prepared(objects, turn).await;
        let mut claimed = Vec::new();
        for (own, outcome) in outcomes {
            let id = own.identity.object_id;
            let settled = match outcome {
                Ok(Outcome::Ready(prepared)) => {
                    claimed.push(in_flight(id, self.preparer.0.folder(own.subject()), *prepared));
                    continue;
                }
                Ok(outcome) => self.close(own, outcome, tasked).await,
                Err(error) => Err(error),
            };
            open.remove(&id);
            if let Err(error) = settled {
                tracing::warn!(source = own.object.uri(), error = %error, kind = error.kind(), "object is not ready");
                self.fail(own, &error);
            }
        }
        claimed
    }

    /// Reads the objects, some at once.
    async fn prepared<'k>(
        &self,
        objects: Vec<&'k Known>,
        turn: Turn,
    ) -> Vec<(&'k Known, Result<Outcome, Error>)> {
        let preparer = self.preparer;
        let outcomes = stream::iter(objects).map(|own| async move {
            let outcome = match turn {
                Turn::Events => preparer.prepare(own.subject(), &own.ranges()).await,
                Turn::Tasks => preparer.prepare_tasks(own.subject(), &own.ranges()).await,
            };
            (own, outcome)
        });
        outcomes.buffer_unordered(MAX_READING).collect().await
    }

    /// What becomes of an object without rows to load.
    async fn close(&mut self, own: &Known, outcome: Outcome, tasked: &mut Vec<HexId>) -> Result<(), Error> {
        match outcome {
            Outcome::Ready(_) => Ok(()),
            Outcome::Superseded => {
                self.settled.add("ObjectsSuperseded", 1);
                Ok(self.sink.store.delete_folder(&self.preparer.0.folder(own.subject())).await?)
            }
            Outcome::Failed(receipt) => self.close_failed(own, receipt).await,
            Outcome::Tasked { again } => {
                if !own.tasks.is_empty() {
                    tasked.push(own.identity.object_id);
                }
                let again = again.iter().filter_map(|number| own.tasks.get(number)).flatten();
                again.for_each(|place| drop(self.settled.failed.insert(*place, Error::OutOfTime)));
                Ok(())
            }
        }
    }

    /// Nothing of the object loads: its receipt says so, and its rows are deleted.
    async fn close_failed(&mut self, own: &Known, receipt: Option<Box<Receipt>>) -> Result<(), Error> {
        self.settled.add("ObjectsFailed", 1);
        if let Some(receipt) = receipt {
            self.write_receipt(&own.identity.object_id, &receipt).await?;
        }
        Ok(self.sink.store.delete_folder(&self.preparer.0.folder(own.subject())).await?)
    }

    /// Says for good what became of an object.
    pub async fn write_receipt(&self, id: &HexId, receipt: &Receipt) -> Result<(), Error> {
        let text = serde_json::to_vec(receipt).unwrap_or_default();
        self.sink.store.put(&Receipt::key(&receipt.dataset, id), text).await?;
        Ok(())
    }

    fn fail(&mut self, own: &Known, error: &Error) {
        for place in own.places() {
            self.settled.failed.insert(place, error.of_another());
        }
    }
}
