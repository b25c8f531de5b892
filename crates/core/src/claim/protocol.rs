//! One starter's way through a log: what it asks for next, by what it was answered. It makes no call itself, so that a
//! test can stop it, kill it and lose its answers between any two. Knows no S3 and no Glue.

use std::collections::HashMap;

use super::step::{Answer, Ask, Lease, Listed, Step, Stored, Why};
use super::{Claim, Piece, State};

/// Most work in one claim: a manifest that a job reads at once. The rest waits for the next one.
const MAX_SIZE: usize = 10_000;
/// Claims that are read at once.
const READ_AT_ONCE: usize = 16;
/// How often a race may be lost before the work waits.
const MAX_RACES: usize = 8;
/// How far the clocks may be apart that an event's time and a claim's last change are told by.
const CLOCKS_MS: u64 = 3_600_000;
/// A living holder has started by then, or given up: who meets a younger claim waits for it, so long and so often.
const YOUNG_MS: u64 = 5_000;
const WAIT_MS: u64 = 500;
const MAX_WAITS: usize = 10;
/// Longest time that a start may take.
const START_MS: u64 = 10_000;

/// Work on its way into the log.
#[derive(Debug)]
pub struct Claiming<'w> {
    draft: &'w Claim,
    lease: Lease,
    wanted: &'w [Piece],
    by_name: HashMap<&'w str, Vec<usize>>,
    done: Vec<bool>,
    since_ms: u64,
    /// All claims up to this number are known, and started.
    known: u64,
    races: usize,
    waits: usize,
    /// How many claims were written: each under another name.
    writes: usize,
    /// The run that was started and is not written down yet, by its claim.
    running: Option<(u64, Option<String>)>,
    phase: Phase,
    /// Runs started, and dead starters' claims taken over.
    counts: (u64, u64),
}

#[derive(Debug)]
enum Phase {
    Listing,
    Waiting,
    Reading { newest: Listed, left: Vec<u64>, head: Option<Head> },
    Finding(Head),
    Claiming(Open),
    Starting(Open, String),
    Closing(Open),
    Releasing,
    Ended,
}

/// The newest claim, if it is not started.
#[derive(Debug)]
struct Head {
    number: u64,
    etag: String,
    /// `None`: nobody can read it.
    claim: Option<Claim>,
    modified_ms: u64,
}

/// A claim of our own.
#[derive(Debug)]
struct Open {
    number: u64,
    claim: Claim,
}

fn name(piece: &Piece) -> &str {
    match piece {
        Piece::Object(entry) => &entry.url,
        Piece::Tick(tick) => &tick.id,
    }
}

impl<'w> Claiming<'w> {
    /// For this work, of which the oldest was told at that time (`None`: nobody knows). `draft` is what its claims have in common.
    pub fn new(draft: &'w Claim, lease: Lease, wanted: &'w [Piece], oldest_ms: Option<u64>) -> Self {
        let mut by_name: HashMap<&str, Vec<usize>> = HashMap::with_capacity(wanted.len());
        for (at, piece) in wanted.iter().enumerate() {
            by_name.entry(name(piece)).or_default().push(at);
        }
        Self {
            draft,
            lease,
            wanted,
            by_name,
            done: vec![false; wanted.len()],
            since_ms: oldest_ms.unwrap_or(0).saturating_sub(CLOCKS_MS),
            known: 0,
            races: 0,
            waits: 0,
            writes: 0,
            running: None,
            phase: Phase::Listing,
            counts: (0, 0),
        }
    }

    /// The first step.
    pub fn begin(&mut self) -> Step {
        if self.wanted.is_empty() {
            return self.end(Why::Started);
        }
        self.list()
    }

    /// Whether a piece of the work, by its place, is in a started claim.
    pub fn is_done(&self, at: usize) -> bool {
        self.done.get(at).copied().unwrap_or(false)
    }

    /// How many runs were started.
    pub fn runs(&self) -> u64 {
        self.counts.0
    }

    /// How many claims of dead starters were taken over.
    pub fn taken_over(&self) -> u64 {
        self.counts.1
    }

    /// The step after an answer, at that time in ms since 1970.
    pub fn next(&mut self, answer: Answer, now_ms: u64) -> Step {
        match (std::mem::replace(&mut self.phase, Phase::Ended), answer) {
            (Phase::Listing, Answer::Listed(claims)) => self.listed(&claims, now_ms),
            (Phase::Waiting, Answer::Waited) => self.list(),
            (Phase::Reading { newest, left, head }, Answer::Read(found)) => {
                self.read(newest, left, head, found, now_ms)
            }
            (Phase::Finding(head), Answer::Found(run)) => self.found(head, run, now_ms),
            (Phase::Claiming(open), Answer::Written(Some(etag))) => self.start(open, etag, now_ms),
            (Phase::Starting(open, etag), Answer::Started(run)) => {
                self.counts.0 += 1;
                self.running = Some((open.number, run.clone()));
                self.close(open, etag, run)
            }
            (Phase::Starting(open, etag), Answer::Refused) => self.release(open, etag),
            (Phase::Starting(open, _), Answer::Unknown) => self.end(Why::Unknown(open.claim.until_ms)),
            (Phase::Closing(open), Answer::Written(Some(_))) => {
                self.settle(&open.claim);
                (self.known, self.running) = (open.number, None);
                if self.is_all_done() { self.end(Why::Started) } else { self.list() }
            }
            // Somebody else's, or ours with its answer lost: the log tells.
            (Phase::Claiming(_) | Phase::Closing(_), Answer::Written(None)) => self.raced(),
            (Phase::Releasing, Answer::Written(_)) => self.end(Why::Refused),
            // Nobody was asked that.
            (_, _) => self.end(Why::Raced),
        }
    }

    fn end(&mut self, why: Why) -> Step {
        self.phase = Phase::Ended;
        Step::Done(why)
    }

    fn list(&mut self) -> Step {
        self.phase = Phase::Listing;
        Step::Ask(Ask::List { since_ms: self.since_ms })
    }

    fn wait(&mut self) -> Step {
        self.waits += 1;
        self.phase = Phase::Waiting;
        Step::Ask(Ask::Wait(WAIT_MS))
    }

    fn raced(&mut self) -> Step {
        self.races += 1;
        if self.races > MAX_RACES { self.end(Why::Raced) } else { self.list() }
    }

    fn listed(&mut self, claims: &[Listed], now_ms: u64) -> Step {
        let Some(newest) = claims.iter().max_by_key(|own| own.number).copied() else {
            return self.append(1, now_ms);
        };
        let may_hold = |own: &&Listed| {
            let is_recent = own.modified_ms >= self.since_ms;
            own.number > self.known && (is_recent || own.number == newest.number)
        };
        let mut left: Vec<u64> = claims.iter().filter(may_hold).map(|own| own.number).collect();
        // The newest one is taken first, from the end.
        left.sort_unstable();
        self.read_on(newest, left, None, now_ms)
    }

    fn read_on(&mut self, newest: Listed, mut left: Vec<u64>, head: Option<Head>, now_ms: u64) -> Step {
        if self.is_all_done() {
            return self.end(Why::Started);
        }
        let numbers = left.split_off(left.len().saturating_sub(READ_AT_ONCE));
        if numbers.is_empty() {
            return match head {
                Some(head) => self.meet(head, now_ms),
                None => self.append(newest.number + 1, now_ms),
            };
        }
        self.phase = Phase::Reading { newest, left, head };
        Step::Ask(Ask::Read(numbers))
    }

    fn read(
        &mut self,
        newest: Listed,
        left: Vec<u64>,
        mut head: Option<Head>,
        found: Vec<Stored>,
        now_ms: u64,
    ) -> Step {
        let mut has_newest = self.known == newest.number || head.is_some();
        for Stored { number, etag, body } in found {
            let is_newest = number == newest.number;
            has_newest |= is_newest;
            match Claim::parse(&body) {
                Some(claim) if claim.state == State::Started => {
                    self.settle(&claim);
                    self.known = if is_newest { number } else { self.known };
                }
                claim if is_newest => {
                    head = Some(Head { number, etag, claim, modified_ms: newest.modified_ms });
                }
                // Open, or unreadable, behind a newer one: only a person leaves that, and its work is in no run.
                _ => {}
            }
        }
        // Only a person deletes claims.
        if has_newest { self.read_on(newest, left, head, now_ms) } else { self.raced() }
    }

    /// All work before the newest claim is known, and that one is not started.
    fn meet(&mut self, head: Head, now_ms: u64) -> Step {
        let Head { number, etag, claim, modified_ms } = head;
        let (state, until_ms, claimed_ms) = match &claim {
            Some(claim) => (claim.state, claim.until_ms, claim.claimed_ms),
            None => (State::Claimed, modified_ms.saturating_add(self.lease.ms), modified_ms),
        };
        let is_ours = claim.as_ref().is_some_and(|own| own.holder == self.holder());
        match (state, claim) {
            // The answer of our write was lost: of the claim, or of its closing.
            (State::Claimed, Some(claim)) if is_ours => {
                let open = Open { number, claim };
                match self.running.clone() {
                    Some((started, run)) if started == number => self.close(open, etag, run),
                    _ => self.start(open, etag, now_ms),
                }
            }
            (State::Claimed, claim) if now_ms <= until_ms => {
                let is_young = claim.is_some() && now_ms < claimed_ms.saturating_add(YOUNG_MS);
                if is_young && self.waits < MAX_WAITS { self.wait() } else { self.end(Why::Held(until_ms)) }
            }
            (State::Claimed, claim) => {
                self.phase = Phase::Finding(Head { number, etag, claim, modified_ms });
                Step::Ask(Ask::Find { number, since_ms: claimed_ms })
            }
            (State::Released | State::Started, claim) => self.take(number, Some(etag), claim, now_ms),
        }
    }

    fn found(&mut self, head: Head, run: Option<Option<String>>, now_ms: u64) -> Step {
        self.counts.1 += 1;
        let Some(run) = run else { return self.take(head.number, Some(head.etag), head.claim, now_ms) };
        // What it holds was started; what we bring was not.
        let claim = head.claim.unwrap_or_else(|| self.draft.clone());
        self.close(Open { number: head.number, claim }, head.etag, run)
    }

    fn append(&mut self, number: u64, now_ms: u64) -> Step {
        self.take(number, None, None, now_ms)
    }

    /// Claims what a released or left claim holds, and what of our work fits in beside it.
    fn take(&mut self, number: u64, over: Option<String>, old: Option<Claim>, now_ms: u64) -> Step {
        self.writes += 1;
        let mut claim = Claim {
            holder: self.holder(),
            claimed_ms: now_ms,
            until_ms: now_ms.saturating_add(self.lease.ms),
            state: State::Claimed,
            ..self.draft.clone()
        };
        if let Some(old) = old {
            (claim.entries, claim.ticks) = (old.entries, old.ticks);
        }
        let held: Vec<bool> = self.places(&claim);
        let new = self
            .wanted
            .iter()
            .enumerate()
            .filter(|(at, _)| !self.is_done(*at) && !held.get(*at).copied().unwrap_or(false));
        for (_, piece) in new.take(MAX_SIZE.saturating_sub(claim.size())) {
            claim.add(piece);
        }
        let body = claim.to_bytes();
        self.phase = Phase::Claiming(Open { number, claim });
        Step::Ask(Ask::Write { number, over, body })
    }

    /// We hold it: now, and for as long as a start takes.
    fn start(&mut self, open: Open, etag: String, now_ms: u64) -> Step {
        let within_ms = START_MS.min(open.claim.until_ms.saturating_sub(now_ms) / 2);
        if within_ms == 0 {
            return self.end(Why::Raced);
        }
        let number = open.number;
        self.phase = Phase::Starting(open, etag);
        Step::Ask(Ask::Start { number, within_ms })
    }

    fn close(&mut self, mut open: Open, etag: String, run_id: Option<String>) -> Step {
        (open.claim.state, open.claim.run_id) = (State::Started, run_id);
        let (number, body) = (open.number, open.claim.to_bytes());
        self.phase = Phase::Closing(open);
        Step::Ask(Ask::Write { number, over: Some(etag), body })
    }

    fn release(&mut self, mut open: Open, etag: String) -> Step {
        open.claim.state = State::Released;
        self.phase = Phase::Releasing;
        Step::Ask(Ask::Write { number: open.number, over: Some(etag), body: open.claim.to_bytes() })
    }

    /// The name that the last claim was written under.
    fn holder(&self) -> String {
        format!("{}/{}", self.lease.holder, self.writes)
    }

    /// Which of our work a claim holds.
    fn places(&self, claim: &Claim) -> Vec<bool> {
        let mut held = vec![false; self.wanted.len()];
        let own = |name: &str| self.by_name.get(name).into_iter().flatten().copied();
        let mut mark = |at: usize| {
            if let Some(held) = held.get_mut(at) {
                *held = true;
            }
        };
        for entry in &claim.entries {
            let same = |at: &usize| matches!(self.wanted.get(*at), Some(Piece::Object(own)) if own.is_same_put(entry));
            own(&entry.url).filter(same).for_each(&mut mark);
        }
        for tick in &claim.ticks {
            let same = |at: &usize| matches!(self.wanted.get(*at), Some(Piece::Tick(_)));
            own(&tick.id).filter(same).for_each(&mut mark);
        }
        held
    }

    fn settle(&mut self, claim: &Claim) {
        let held = self.places(claim);
        self.done.iter_mut().zip(held).for_each(|(done, held)| *done |= held);
    }

    fn is_all_done(&self) -> bool {
        self.done.iter().all(|done| *done)
    }
}
