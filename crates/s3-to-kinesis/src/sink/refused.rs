//! Records that the stream refused, until they are sent again: each waits a random time that grows with its refusals, so
//! that senders that were refused together do not come back together. Knows no stream.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use tokio::time::Instant;

use super::request::{Draft, Record, Request};

/// Longest wait after the first refusal; it doubles with each.
const BACKOFF: Duration = Duration::from_millis(100);
/// Longest wait at all: shards give out their throughput by the second.
const MAX_BACKOFF: Duration = Duration::from_secs(5);

/// Refused records.
#[derive(Debug)]
pub struct Refused {
    held: Vec<Held>,
    jitter: Jitter,
}

/// Records that were refused equally often and are due together.
#[derive(Debug)]
struct Held {
    due: Instant,
    refusals: u32,
    draft: Draft,
}

impl Refused {
    /// None yet. `seed` makes this sender's waits differ from others'.
    pub fn new(seed: impl Hash) -> Self {
        let mut hasher = DefaultHasher::new();
        seed.hash(&mut hasher);
        Self { held: Vec::new(), jitter: Jitter(hasher.finish()) }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Number of records.
    pub fn records(&self) -> usize {
        self.held.iter().map(|held| held.draft.len()).sum()
    }

    /// Bytes of all records.
    pub fn bytes(&self) -> usize {
        self.held.iter().map(|held| held.draft.bytes()).sum()
    }

    /// Holds one of a request's records back. Its data is copied: it would keep all of the request's in memory.
    pub fn hold(&mut self, request: &Request, record: &Record, now: Instant) {
        let refusals = request.refusals.saturating_add(1);
        let data = request.data(record);
        let fits = |held: &&mut Held| {
            // What is due already has waited for its own refusals, not for this one.
            held.refusals == refusals && held.due > now && held.draft.has_room(&record.label, data.len())
        };
        let held = match self.held.iter_mut().find(fits) {
            Some(held) => held,
            None => {
                let due = now + self.jitter.up_to(longest_wait(refusals));
                self.held.push(Held { due, refusals, draft: Draft::default() });
                let Some(held) = self.held.last_mut() else { return };
                held
            }
        };
        held.draft.add(record.label, |out| out.extend_from_slice(data));
    }

    /// When the next ones are due.
    pub fn next_due(&self) -> Option<Instant> {
        self.held.iter().map(|held| held.due).min()
    }

    /// The request of those that are due first, if they are.
    pub fn take_due(&mut self, now: Instant) -> Option<Request> {
        let (at, first) = self.held.iter().enumerate().min_by_key(|(_, held)| held.due)?;
        if first.due > now {
            return None;
        }
        let held = self.held.swap_remove(at);
        Some(held.draft.close(held.refusals))
    }
}

fn longest_wait(refusals: u32) -> Duration {
    let doubled = 1u32.checked_shl(refusals.saturating_sub(1)).unwrap_or(u32::MAX);
    BACKOFF.saturating_mul(doubled).min(MAX_BACKOFF)
}

/// SplitMix64: spreads waits, guards nothing.
#[derive(Debug)]
struct Jitter(u64);

impl Jitter {
    /// Full jitter: any time up to the longest is as likely.
    fn up_to(&mut self, longest: Duration) -> Duration {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        let share = (mixed ^ mixed >> 31) as f64 / u64::MAX as f64;
        longest.mul_f64(share)
    }
}

#[cfg(test)]
mod tests {
    use penstock_core::ident;

    use super::super::request::Label;
    use super::*;

    fn request(records: usize, bytes: usize, refusals: u32) -> Request {
        let mut draft = Draft::default();
        for n in 0..records {
            let key = ident::stable_id([n.to_string().as_str()]);
            let label = Label { key, bucket: None, rows: 1 };
            draft.add(label, |out| out.resize(out.len() + bytes, n as u8));
        }
        draft.close(refusals)
    }

    fn hold_all(refused: &mut Refused, request: &Request, now: Instant) {
        request.records.iter().for_each(|record| refused.hold(request, record, now));
    }

    #[test]
    fn the_longest_wait_doubles_up_to_a_cap() {
        let waits: Vec<u128> = (1..9).map(|n| longest_wait(n).as_millis()).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
        assert_eq!(longest_wait(u32::MAX), MAX_BACKOFF);
    }

    #[test]
    fn waits_fill_the_whole_time_and_differ_between_senders() {
        let mut jitter = Jitter(1);
        let waits: Vec<Duration> = (0..1_000).map(|_| jitter.up_to(BACKOFF)).collect();
        assert!(waits.iter().all(|wait| *wait <= BACKOFF));
        for tenth in 0..10u32 {
            let of_tenth = BACKOFF / 10 * tenth..BACKOFF / 10 * (tenth + 1);
            let count = waits.iter().filter(|wait| of_tenth.contains(*wait)).count();
            assert!((60..140).contains(&count), "{count} waits in tenth {tenth}");
        }
        let first = |seed: &str| Refused::new(seed).jitter.up_to(BACKOFF);
        assert_ne!(first("one object"), first("another"));
    }

    #[tokio::test(start_paused = true)]
    async fn records_come_back_once_when_they_are_due_and_not_before() {
        let (mut refused, now) = (Refused::new("seed"), Instant::now());
        let first = request(300, 100, 0);
        hold_all(&mut refused, &first, now);
        hold_all(&mut refused, &request(300, 100, 3), now);
        assert_eq!((refused.records(), refused.bytes()), (600, 60_000));
        let due = refused.next_due().unwrap();
        assert!(due > now && refused.take_due(now).is_none());
        let mut back = Vec::new();
        while let Some(due) = refused.next_due() {
            let request = refused.take_due(due).unwrap();
            for record in &request.records {
                assert_eq!(request.data(record), [request.data(record)[0]; 100]);
            }
            back.push((request.refusals, request.records.len()));
        }
        back.sort_unstable();
        assert_eq!(back, [(1, 300), (4, 300)]);
        assert!(refused.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_refused_again_waits_again_although_others_are_due() {
        let (mut refused, now) = (Refused::new("seed"), Instant::now());
        hold_all(&mut refused, &request(10, 100, 0), now);
        let later = refused.next_due().unwrap();
        hold_all(&mut refused, &request(5, 100, 0), later);
        assert_eq!(refused.take_due(later).unwrap().records.len(), 10);
        assert!(refused.take_due(later).is_none());
        assert!(refused.next_due().unwrap() > later);
    }

    #[tokio::test(start_paused = true)]
    async fn more_than_one_request_takes_is_held_in_several() {
        let (mut refused, now) = (Refused::new("seed"), Instant::now());
        hold_all(&mut refused, &request(500, 10, 0), now);
        hold_all(&mut refused, &request(200, 10, 0), now);
        hold_all(&mut refused, &request(1, 2 << 20, 0), now);
        let mut counts = Vec::new();
        while let Some(due) = refused.next_due() {
            counts.push(refused.take_due(due).unwrap().records.len());
        }
        counts.sort_unstable();
        assert_eq!(counts, [1, 200, 500]);
    }
}
