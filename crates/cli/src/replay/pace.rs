//! How fast records go, and how far the replay is, on one line of a terminal. Knows no record.

use std::io::{IsTerminal, Write};
use std::num::NonZeroU32;
use std::time::Duration;

use tokio::time::Instant;

const EVERY: Duration = Duration::from_millis(100);
const WIDTH: usize = 24;
/// Back to the line's beginning, and empty to its end.
const CLEAR: &str = "\r\u{1b}[K";

/// The pace of one call.
#[derive(Debug)]
pub struct Pace {
    rate: Option<NonZeroU32>,
    is_shown: bool,
    drawn: Option<Instant>,
    /// When the next record may go.
    next: Instant,
}

impl Pace {
    /// At most so many records a second; without a rate as fast as they are taken.
    pub fn new(rate: Option<NonZeroU32>) -> Self {
        Self { rate, is_shown: std::io::stderr().is_terminal(), drawn: None, next: Instant::now() }
    }

    /// Waits until so many records may go. Nobody saves time up: after a pause the rate is the same.
    pub async fn wait(&mut self, records: u64) {
        let Some(rate) = self.rate else { return };
        tokio::time::sleep_until(self.next).await;
        let took = Duration::from_secs_f64(records as f64 / f64::from(rate.get()));
        self.next = self.next.max(Instant::now()) + took;
    }

    /// Draws how far the replay is, if it is time to. What goes wrong with that is no fault of a record.
    pub fn draw(&mut self, done: usize, total: usize, records: u64, err: &mut dyn Write) {
        if !self.is_shown || self.drawn.is_some_and(|drawn| drawn.elapsed() < EVERY) {
            return;
        }
        self.drawn = Some(Instant::now());
        write!(err, "{CLEAR}{}", line(done, total, records)).ok();
        err.flush().ok();
    }

    /// Takes the line away.
    pub fn end(&mut self, err: &mut dyn Write) {
        if self.drawn.take().is_some() {
            write!(err, "{CLEAR}").ok();
        }
    }
}

fn line(done: usize, total: usize, records: u64) -> String {
    let filled = (done * WIDTH).checked_div(total).unwrap_or(0).min(WIDTH);
    let bar: String = (0..WIDTH).map(|at| if at < filled { '#' } else { '.' }).collect();
    format!("[{bar}] {done} of {total} objects, {records} records")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_fills_and_never_overflows() {
        assert_eq!(line(1, 2, 7), "[############............] 1 of 2 objects, 7 records");
        assert_eq!(line(3, 2, 0), "[########################] 3 of 2 objects, 0 records");
        assert_eq!(line(0, 0, 0), "[........................] 0 of 0 objects, 0 records");
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_records_go_than_the_rate_allows() {
        let mut pace = Pace::new(NonZeroU32::new(10));
        let started = Instant::now();
        for _ in 0..5 {
            pace.wait(20).await;
        }
        // The first ones go at once, each later batch when those before it have had their time.
        assert_eq!(started.elapsed().as_secs(), 8);
        let mut free = Pace::new(None);
        free.wait(1_000_000).await;
        assert_eq!(started.elapsed().as_secs(), 8);
    }
}
