//! The same customers by all three routes, in every order: one table.

use anyhow::ensure;
use penstock_tests::{Bootstrap, LOADER, MiniStack, Queue, READER, Random, StreamRoute, failures};
use serde_json::Value;

use crate::files::{Customer, Draft, put};
use crate::model::{self, Object};
use crate::rig::{contracts, same};

const VERSIONS: usize = 240;
const CUSTOMERS: u64 = 60;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Queue,
    Stream,
    Copy,
}

impl By {
    fn prefix(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Stream => "stream",
            Self::Copy => "copy",
        }
    }
}

/// All routes into one warehouse.
struct Routes {
    stream: StreamRoute,
    load_queue: Queue,
    reader: Bootstrap,
    loader: Bootstrap,
}

impl Routes {
    async fn start() -> anyhow::Result<Self> {
        let load_queue = MiniStack::shared().await?.create_fifo_queue("load").await?;
        let stream =
            StreamRoute::with_settings(contracts("none"), &[("LOAD_QUEUE_URL", &load_queue.url)]).await?;
        let reader = Bootstrap::start(READER, stream.vars.clone()).await?;
        let loader = Bootstrap::start(LOADER, stream.vars.clone()).await?;
        Ok(Self { stream, load_queue, reader, loader })
    }

    /// A file's event by its route, all the way to the warehouse.
    async fn bring(&self, by: By, event: &Value) -> anyhow::Result<()> {
        let events = std::slice::from_ref(event);
        match by {
            By::Queue => {
                let answer = self.reader.invoke(event).await?;
                ensure!(failures(&answer).is_empty(), "the reader gave back {answer}");
                self.load_queue.work_off(async |event| self.loader.invoke(event).await).await?;
            }
            By::Stream => {
                ensure!(self.stream.send(events).await?.is_empty(), "the stream's event was given back");
                self.stream.load_new().await?;
            }
            By::Copy => ensure!(self.stream.take(events).await?.is_empty(), "the copy was given back"),
        }
        Ok(())
    }
}

/// Versions of customers, each in one file, in two or in all three, in any order.
fn drafts() -> [Draft; 3] {
    let mut random = Random::new(6, 1);
    let mut drafts = [Draft::of_customers(), Draft::of_customers(), Draft::of_customers()];
    let versions: Vec<_> = (0..VERSIONS).map(|_| Customer::draw(&mut random, CUSTOMERS)).collect();
    for draft in &mut drafts {
        let mut own: Vec<_> = versions.iter().filter(|_| random.percent(60)).collect();
        random.shuffle(&mut own);
        own.into_iter().for_each(|version| draft.customer(version));
        draft.bad("2026-01-01T00:00:00Z,c-00001,Ann,x,open,1.005\n");
    }
    drafts
}

async fn in_order(order: [By; 3]) -> anyhow::Result<()> {
    let routes = Routes::start().await?;
    let (mut objects, mut events): (Vec<Object>, Vec<(By, Value)>) = Default::default();
    for (by, draft) in order.into_iter().zip(drafts_of(order)) {
        let key = format!("{}/customers/all.csv", by.prefix());
        let (object, event) = put(&routes.stream, "customers", &key, &draft).await?;
        routes.bring(by, &event).await?;
        objects.push(object);
        events.push((by, event));
    }
    let wanted = model::contents(&objects, "customers");
    ensure!(wanted.len() > CUSTOMERS as usize / 2, "{} customers are no test", wanted.len());
    same("customers", contents(&routes).await?, wanted.clone())?;
    // Every file once more, in the same order: nothing changes.
    for (by, event) in &events {
        routes.bring(*by, event).await?;
    }
    same("customers, all of them again", contents(&routes).await?, wanted)?;
    let rejected = routes.stream.quarantined_rules().await?;
    ensure!(rejected == ["too_many_digits"; 3], "{rejected:?}");
    routes.stream.check_ledger("customers").await
}

/// Each route has the same file in every order.
fn drafts_of(order: [By; 3]) -> [Draft; 3] {
    let drafts = drafts();
    order.map(|by| drafts[by as usize].clone())
}

async fn contents(routes: &Routes) -> anyhow::Result<Vec<String>> {
    let columns = "customer_id, name, balance, status, updated_at, _record_id, _row_hash, _deleted";
    routes.stream.lines(&format!("SELECT {columns} FROM tgt.customers")).await
}

async fn every_one_of(orders: [[By; 3]; 2]) {
    for order in orders {
        in_order(order).await.unwrap_or_else(|error| panic!("{order:?}: {error:?}"));
    }
}

#[tokio::test]
async fn the_queue_route_first_ends_in_the_same_table() {
    every_one_of([[By::Queue, By::Stream, By::Copy], [By::Queue, By::Copy, By::Stream]]).await;
}

#[tokio::test]
async fn the_stream_route_first_ends_in_the_same_table() {
    every_one_of([[By::Stream, By::Queue, By::Copy], [By::Stream, By::Copy, By::Queue]]).await;
}

#[tokio::test]
async fn the_copy_route_first_ends_in_the_same_table() {
    every_one_of([[By::Copy, By::Queue, By::Stream], [By::Copy, By::Stream, By::Queue]]).await;
}
