//! Messages as a queue delivers them at its worst: each at least twice, in other company every time, to several
//! functions at once, of which some die at any point. What is given back or lost with a function comes again.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use penstock_tests::{Bootstrap, COPIER, CopyRoute, Random, batch, failures, until};
use serde_json::Value;

/// Most messages that are delivered at once.
const MOST_AT_ONCE: u64 = 70;
/// How often functions die in one run.
pub const DEATHS: usize = 6;
/// A function dies within so long of an invocation, if that lasts as long.
const DIES_WITHIN_MS: u64 = 1_500;
/// After which a message that was given back comes again.
const AGAIN_AFTER: Duration = Duration::from_millis(300);
const WITHIN: Duration = Duration::from_secs(120);

/// The queue.
pub struct Deliveries<'a> {
    route: &'a CopyRoute,
    messages: &'a [Value],
    queue: Mutex<Queue>,
    deaths: AtomicUsize,
}

struct Queue {
    waiting: Vec<(Instant, usize)>,
    delivered: usize,
}

impl<'a> Deliveries<'a> {
    /// Each message twice.
    pub fn new(route: &'a CopyRoute, messages: &'a [Value]) -> Self {
        let now = Instant::now();
        let waiting = (0..messages.len()).flat_map(|n| [(now, n), (now, n)]).collect();
        let queue = Mutex::new(Queue { waiting, delivered: 0 });
        Self { route, messages, queue, deaths: AtomicUsize::new(0) }
    }

    /// How many functions died so far in the middle of an invocation.
    pub fn deaths(&self) -> usize {
        self.deaths.load(Ordering::Relaxed)
    }

    /// One function after another, until every message is done.
    pub async fn work_off(&self, mut random: Random) -> anyhow::Result<()> {
        let start = || Bootstrap::start(COPIER, self.route.vars.clone());
        let mut function = start().await?;
        loop {
            let mut group = Vec::new();
            let next = until("messages", WITHIN, async || Ok(self.next(&mut random, &mut group)));
            if next.await.with_context(|| format!("waiting: {:?}", self.left()))? {
                return Ok(());
            }
            let messages: Vec<Value> = group.iter().map(|n| self.messages[*n].clone()).collect();
            let dies = (random.percent(50) && self.deaths() < DEATHS)
                .then(|| Duration::from_millis(random.below(DIES_WITHIN_MS)));
            match self.invoke(&function, &batch(&messages), dies).await {
                Some(given_back) => {
                    let given_back: Vec<usize> = given_back.into_iter().map(|n| group[n]).collect();
                    self.done(group.len(), &given_back);
                }
                None => {
                    self.done(group.len(), &group);
                    function = start().await?;
                }
            }
        }
    }

    /// Numbers in the batch that are given back; none at all when the function died.
    async fn invoke(
        &self,
        function: &Bootstrap,
        event: &Value,
        dies: Option<Duration>,
    ) -> Option<Vec<usize>> {
        let invoked = function.invoke(event);
        let answer = match dies {
            Some(after) => tokio::time::timeout(after, invoked).await,
            None => Ok(invoked.await),
        };
        let Ok(answer) = answer else {
            function.kill();
            self.deaths.fetch_add(1, Ordering::Relaxed);
            return None;
        };
        let answer = answer.unwrap_or_else(|error| panic!("the function failed as a whole: {error}"));
        Some(failures(&answer).iter().filter_map(|id| id.parse().ok()).collect())
    }

    /// Takes some messages that may come now; whether all are done. None may be there for the moment.
    fn next(&self, random: &mut Random, group: &mut Vec<usize>) -> Option<bool> {
        let mut queue = self.queue.lock().unwrap();
        let now = Instant::now();
        random.shuffle(&mut queue.waiting);
        let most = 1 + random.below(MOST_AT_ONCE) as usize;
        let mut kept = Vec::new();
        for (ready, n) in std::mem::take(&mut queue.waiting) {
            match ready <= now && group.len() < most {
                true => group.push(n),
                false => kept.push((ready, n)),
            }
        }
        queue.waiting = kept;
        queue.delivered += group.len();
        match group.is_empty() {
            false => Some(false),
            true => (queue.waiting.is_empty() && queue.delivered == 0).then_some(true),
        }
    }

    fn done(&self, delivered: usize, given_back: &[usize]) {
        let mut queue = self.queue.lock().unwrap();
        queue.delivered -= delivered;
        let again = Instant::now() + AGAIN_AFTER;
        queue.waiting.extend(given_back.iter().map(|n| (again, *n)));
    }

    fn left(&self) -> Vec<usize> {
        self.queue.lock().unwrap().waiting.iter().map(|(_, n)| *n).collect()
    }
}
