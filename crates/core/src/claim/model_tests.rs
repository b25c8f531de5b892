//! Starters against a bucket and a Glue in memory, in any order: stopped, slow, killed between any two calls, refused,
//! with answers lost and clocks apart, while objects are overwritten and their content comes back. In the end every put is
//! in exactly one run, and the runs have read what every key holds.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::tests::draft;
use super::*;

/// How long an invocation lives, and how much longer its lease is.
const LIFE_MS: u64 = 60_000;
const MARGIN_MS: u64 = 30_000;
/// How far a starter's clock is off, at most.
const SKEW_MS: u64 = 10_000;
/// Each key gets content, other content, and the first again.
const CONTENTS: [&str; 3] = ["a", "b", "a"];
const KEYS: usize = 4;
const PIECES: usize = KEYS * CONTENTS.len();

/// The n-th put: of one key after the other.
fn put(n: usize) -> Entry {
    Entry {
        url: format!("s3://stage/t/{}.gz", n % KEYS),
        etag: CONTENTS[n / KEYS].to_owned(),
        bytes: 7,
        put: n.to_string(),
    }
}

/// What happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Fine,
    /// The starter dies before it makes the call, or as soon as it is made.
    DiesBefore,
    DiesAfter,
    /// The answer is lost: of a write, which the SDK sends again, or of a start, which it must not send again.
    Lost,
    /// A write or a start that does not come through, though its maker lives on.
    Fails,
}

#[derive(Debug, Clone, Copy)]
enum Event {
    /// A key gets its next content: A, B, and A again after B.
    Put {
        key: usize,
    },
    /// A starter gets those of these messages whose put was made, its clock so far off.
    Deliver {
        messages: u16,
        skew: u64,
    },
    /// The n-th starter makes its next call.
    Call {
        starter: usize,
        fate: Fate,
    },
    Pass {
        ms: u64,
    },
    Busy(bool),
}

struct Written {
    etag: String,
    body: Vec<u8>,
    modified_ms: u64,
}

struct Starter {
    claiming: Claiming<'static>,
    ask: Ask,
    /// Places of its work among all pieces.
    pieces: Vec<usize>,
    skew: u64,
    dies_ms: u64,
}

#[derive(Default)]
struct World {
    now_ms: u64,
    claims: BTreeMap<u64, Written>,
    writes: u64,
    is_busy: bool,
    /// Claim and the work that was in it when its run was started.
    runs: Vec<(u64, Vec<Entry>)>,
    /// How often each key was put.
    puts: [usize; KEYS],
    /// What runs have read, by URL: an object only if it is still as its claim tells it.
    lake: BTreeMap<String, String>,
    starters: Vec<Starter>,
    acknowledged: [bool; PIECES],
    invocations: u64,
}

impl World {
    fn new() -> Self {
        Self { now_ms: 1_000_000, puts: [1; KEYS], ..Self::default() }
    }

    fn put_next(&mut self, key: usize) {
        self.puts[key] = CONTENTS.len().min(self.puts[key] + 1);
    }

    /// What each key holds, by URL.
    fn contents(&self) -> impl Iterator<Item = (String, String)> {
        let newest = |(key, puts): (usize, &usize)| put((puts - 1) * KEYS + key);
        self.puts.iter().enumerate().map(newest).map(|own| (own.url, own.etag))
    }

    /// A starter gets the messages of these pieces, one each.
    fn deliver(&mut self, pieces: Vec<usize>, skew: u64, lease_ms: u64) {
        self.invocations += 1;
        // Leaked: a starter borrows its work for as long as the test wants.
        let work: &'static [Piece] = Box::leak(pieces.iter().map(|n| Piece::Object(put(*n))).collect());
        let draft: &'static Claim = Box::leak(Box::new(draft()));
        let lease = Lease { holder: format!("invocation {}", self.invocations), ms: lease_ms };
        let mut claiming = Claiming::new(draft, lease, work, Some(0));
        if let Step::Ask(ask) = claiming.begin() {
            let dies_ms = self.now_ms + LIFE_MS;
            self.starters.push(Starter { claiming, ask, pieces, skew, dies_ms });
        }
    }

    /// The starter's next call; whether it goes on.
    fn call(&mut self, at: usize, fate: Fate) {
        let mut starter = self.starters.remove(at);
        if fate == Fate::DiesBefore {
            return;
        }
        let answer = self.answer(&starter.ask, fate);
        let Some(answer) = answer.filter(|_| fate != Fate::DiesAfter) else { return };
        let now_ms = self.now_ms + starter.skew;
        match starter.claiming.next(answer, now_ms) {
            Step::Ask(ask) => {
                starter.ask = ask;
                self.starters.push(starter);
            }
            Step::Done(why) => {
                for (place, piece) in starter.pieces.iter().enumerate() {
                    self.acknowledged[*piece] |= starter.claiming.is_done(place);
                }
                let all = (0..starter.pieces.len()).all(|place| starter.claiming.is_done(place));
                assert_eq!(why == Why::Started, all, "{why:?}");
            }
        }
    }

    /// `None`: an error that the function gives up on.
    fn answer(&mut self, ask: &Ask, fate: Fate) -> Option<Answer> {
        Some(match ask {
            Ask::List { .. } => Answer::Listed(self.listed()),
            Ask::Wait(_) => Answer::Waited,
            Ask::Read(numbers) => {
                let read = |number: &u64| {
                    let own = self.claims.get(number)?;
                    Some(Stored { number: *number, etag: own.etag.clone(), body: own.body.clone() })
                };
                Answer::Read(numbers.iter().filter_map(read).collect())
            }
            Ask::Write { .. } if fate == Fate::Fails => return None,
            Ask::Write { number, over, body } => {
                let first = self.write(*number, over.as_deref(), body);
                // The SDK sends again what it got no answer to.
                let again =
                    if fate == Fate::Lost { self.write(*number, over.as_deref(), body) } else { first };
                Answer::Written(again)
            }
            Ask::Find { number, .. } => {
                let run = self.runs.iter().position(|(own, _)| own == number);
                Answer::Found(run.map(|run| Some(format!("jr_{run}"))))
            }
            Ask::Start { .. } if fate == Fate::Fails => Answer::Unknown,
            Ask::Start { .. } if self.is_busy => Answer::Refused,
            Ask::Start { number, .. } => {
                let claim = Claim::parse(&self.claims[number].body).unwrap();
                let is_there = |(url, etag): &(String, String)| {
                    claim.entries.iter().any(|own| own.url == *url && own.etag == *etag)
                };
                let read: Vec<_> = self.contents().filter(is_there).collect();
                self.lake.extend(read);
                self.runs.push((*number, claim.entries));
                if fate == Fate::Lost { Answer::Unknown } else { Answer::Started(Some("jr".to_owned())) }
            }
        })
    }

    fn listed(&self) -> Vec<Listed> {
        let own = |(number, own): (&u64, &Written)| Listed { number: *number, modified_ms: own.modified_ms };
        self.claims.iter().rev().map(own).collect()
    }

    fn write(&mut self, number: u64, over: Option<&str>, body: &[u8]) -> Option<String> {
        let found = self.claims.get(&number).map(|own| own.etag.as_str());
        if found != over {
            return None;
        }
        // As S3 has it: the same bytes have the same etag.
        let etag = crate::ident::digest_id(&String::from_utf8_lossy(body)).to_string();
        self.writes += 1;
        self.claims
            .insert(number, Written { etag: etag.clone(), body: body.to_vec(), modified_ms: self.now_ms });
        Some(etag)
    }

    fn pass(&mut self, ms: u64) {
        self.now_ms += ms;
        let now_ms = self.now_ms;
        // As Lambda ends what is over its time.
        self.starters.retain(|own| own.dies_ms > now_ms);
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Put { key } => self.put_next(key),
            Event::Deliver { messages, skew } => {
                let is_put = |n: &usize| n / KEYS < self.puts[n % KEYS];
                let pieces = (0..PIECES).filter(|n| messages >> n & 1 == 1).filter(is_put).collect();
                self.deliver(pieces, skew, LIFE_MS + MARGIN_MS);
            }
            Event::Call { starter, fate } if !self.starters.is_empty() => {
                self.call(starter % self.starters.len(), fate);
            }
            Event::Call { .. } => {}
            Event::Pass { ms } => self.pass(ms),
            Event::Busy(is_busy) => self.is_busy = is_busy,
        }
    }

    /// All starters come to their end.
    fn finish(&mut self) {
        while !self.starters.is_empty() {
            self.call(self.starters.len() - 1, Fate::Fine);
        }
    }

    /// Nothing goes wrong any more, every key gets its last content, and what is not acknowledged comes again, a few
    /// messages at a time.
    fn settle(&mut self) {
        self.is_busy = false;
        self.puts = [CONTENTS.len(); KEYS];
        for round in 0..20 {
            self.finish();
            let left: Vec<usize> = (0..PIECES).filter(|n| !self.acknowledged[*n]).collect();
            if left.is_empty() {
                return;
            }
            assert!(round < 19, "{left:?} are never done");
            self.pass(LIFE_MS);
            left.chunks(5).for_each(|own| self.deliver(own.to_vec(), 0, LIFE_MS + MARGIN_MS));
        }
    }

    /// URLs of which the lake has other content than there is.
    fn stale(&self) -> Vec<String> {
        let is_stale = |(url, etag): &(String, String)| self.lake.get(url) != Some(etag);
        self.contents().filter(is_stale).map(|(url, _)| url).collect()
    }

    /// Every put in one run, every run with what was in its claim when it was started, and nothing stale.
    fn faults(&self) -> Vec<String> {
        let mut faults: Vec<String> = self.stale().iter().map(|url| format!("{url} is stale")).collect();
        for n in 0..PIECES {
            let piece = put(n);
            let runs = self.runs.iter().filter(|(_, entries)| entries.contains(&piece)).count();
            if runs != 1 {
                faults.push(format!("put {n} of {} is in {runs} runs", piece.url));
            }
        }
        for (number, entries) in &self.runs {
            let claim = Claim::parse(&self.claims[number].body).unwrap();
            if claim.entries != *entries || claim.state != State::Started {
                faults.push(format!("claim {number} changed after its start, or is not closed: {claim:?}"));
            }
        }
        faults
    }
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let fate = prop_oneof![
        12 => Just(Fate::Fine),
        1 => Just(Fate::DiesBefore),
        1 => Just(Fate::DiesAfter),
        1 => Just(Fate::Lost),
        1 => Just(Fate::Fails),
    ];
    let event = prop_oneof![
        3 => (1..1_u16 << PIECES, 0..2 * SKEW_MS).prop_map(|(messages, skew)| Event::Deliver { messages, skew }),
        20 => (0..8_usize, fate).prop_map(|(starter, fate)| Event::Call { starter, fate }),
        2 => (0..40_000_u64).prop_map(|ms| Event::Pass { ms }),
        2 => (0..KEYS).prop_map(|key| Event::Put { key }),
        1 => any::<bool>().prop_map(Event::Busy),
    ];
    proptest::collection::vec(event, 0..250)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_killed_lost_or_refused_every_put_is_in_one_run_and_nothing_is_stale(events in events()) {
        let mut world = World::new();
        events.into_iter().for_each(|event| world.happen(event));
        world.settle();
        prop_assert_eq!(world.faults(), Vec::<String>::new());
    }
}

#[test]
fn the_model_notices_a_lease_that_ends_before_its_holder_does() {
    let mut world = World::new();
    let all: Vec<usize> = (0..PIECES).collect();
    world.deliver(all.clone(), 0, 1_000);
    // Listed and claimed; the start is on its way when the lease is over.
    world.call(0, Fate::Fine);
    world.call(0, Fate::Fine);
    world.pass(2_000);
    world.deliver(all, 0, 1_000);
    (0..5).for_each(|_| world.call(1, Fate::Fine));
    world.settle();
    assert_eq!(world.runs.len(), 2);
    assert!(world.faults().len() >= PIECES, "{:?}", world.faults());
}

#[test]
fn content_that_comes_back_is_read_again_and_the_model_notices_where_it_is_taken_for_its_first_put() {
    let mut world = World::new();
    let told = |world: &mut World, n: usize| {
        world.deliver(vec![n], 0, LIFE_MS + MARGIN_MS);
        world.finish();
        (world.runs.len(), world.stale().contains(&put(0).url))
    };
    assert_eq!(told(&mut world, 0), (1, false));
    world.put_next(0);
    assert_eq!(told(&mut world, KEYS), (2, false));
    world.put_next(0);
    // Under the name of its first put.
    assert_eq!(told(&mut world, 0), (2, true));
    assert_eq!(told(&mut world, 2 * KEYS), (3, false));
    assert_eq!(told(&mut world, 2 * KEYS), (3, false));
}

#[test]
fn twenty_deliveries_at_once_in_other_groupings_make_one_run() {
    let mut world = World { puts: [CONTENTS.len(); KEYS], ..World::new() };
    let all: Vec<usize> = (0..PIECES).collect();
    (0..20).for_each(|_| world.deliver(all.clone(), 0, LIFE_MS + MARGIN_MS));
    // All have listed before the first one claims.
    for _ in 0..20 {
        world.call(0, Fate::Fine);
    }
    world.settle();
    assert_eq!((world.runs.len(), world.faults().len()), (1, 0));
}
