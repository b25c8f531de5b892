//! How far the reading of a file is, on one line of a terminal that is written again and again. Draws nothing where
//! nobody looks.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Files below this are read before a person could look.
pub const MIN_BYTES: u64 = 1 << 20;
const EVERY: Duration = Duration::from_millis(100);
const WIDTH: u64 = 24;
/// Back to the line's beginning, and empty to its end.
const CLEAR: &str = "\r\u{1b}[K";

/// The progress of one file.
#[derive(Debug)]
pub struct Bar {
    is_shown: bool,
    total: Option<u64>,
    started: Instant,
    drawn: Option<Instant>,
}

impl Bar {
    /// The bar of a file of so many bytes; none are known of standard input.
    pub fn new(total: Option<u64>) -> Self {
        let is_shown = std::io::stderr().is_terminal() && total.is_none_or(|bytes| bytes >= MIN_BYTES);
        Self { is_shown, total, started: Instant::now(), drawn: None }
    }

    /// Draws the bar if its time has come. What goes wrong with that is no fault of the file.
    pub fn draw(&mut self, done: u64, err: &mut dyn Write) {
        if !self.is_shown || self.drawn.unwrap_or(self.started).elapsed() < EVERY {
            return;
        }
        self.drawn = Some(Instant::now());
        write!(err, "{CLEAR}{}", line(done, self.total, self.started.elapsed())).ok();
        err.flush().ok();
    }

    /// Takes the bar away; tells how long the reading took.
    pub fn end(self, err: &mut dyn Write) -> Duration {
        if self.drawn.is_some() {
            write!(err, "{CLEAR}").ok();
        }
        self.started.elapsed()
    }
}

fn line(done: u64, total: Option<u64>, time: Duration) -> String {
    let speed = speed(done, time);
    let Some(total) = total.filter(|total| *total > 0) else {
        return format!("{} read, {speed}", size(done));
    };
    // A file may grow while it is read.
    let done = done.min(total);
    let filled = u128::from(done) * u128::from(WIDTH) / u128::from(total);
    let bar: String = (0..u128::from(WIDTH)).map(|at| if at < filled { '#' } else { '.' }).collect();
    let percent = u128::from(done) * 100 / u128::from(total);
    format!("[{bar}] {percent:>3} % of {}, {speed}", size(total))
}

/// Bytes a second, in words.
pub fn speed(bytes: u64, time: Duration) -> String {
    format!("{:.0} MB/s", bytes as f64 / 1e6 / time.as_secs_f64().max(1e-6))
}

/// Bytes in words.
pub fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} bytes"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.2} GB", bytes as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_fills_and_never_overflows() {
        let second = Duration::from_secs(1);
        let half = "[############............]  50 % of 2.0 MB, 1 MB/s";
        assert_eq!(line(1_000_000, Some(2_000_000), second), half);
        assert_eq!(line(9, Some(3), second), "[########################] 100 % of 3 bytes, 0 MB/s");
        assert_eq!(line(1_500, None, second), "1.5 kB read, 0 MB/s");
        assert_eq!(line(1, Some(0), Duration::ZERO), "1 bytes read, 1 MB/s");
    }
}
