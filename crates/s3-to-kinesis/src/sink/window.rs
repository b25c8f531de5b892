//! How many requests may be in flight: fewer while the stream refuses records for their throughput, more again when it
//! takes them. Knows no request.

/// Enough to hide the way to Kinesis and back; more would only take memory.
const MAX_IN_FLIGHT: usize = 4;

/// Additive increase, multiplicative decrease, each by its share of the answer: where a third is refused, two requests
/// stay in flight, where all is refused, one.
#[derive(Debug)]
pub struct Window(f64);

impl Window {
    /// Fully open.
    pub fn new() -> Self {
        Self(MAX_IN_FLIGHT as f64)
    }

    /// How many requests may be in flight.
    pub fn size(&self) -> usize {
        self.0 as usize
    }

    /// An answer for so many records, of which so many were refused for their throughput.
    pub fn answered(&mut self, records: usize, throttled: usize) {
        let share = throttled as f64 / records.max(1) as f64;
        let grown = self.0 * (1.0 - share / 2.0) + (1.0 - share) / self.0;
        self.0 = grown.clamp(1.0, MAX_IN_FLIGHT as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(answers: usize, throttled: usize) -> usize {
        let mut window = Window::new();
        (0..answers).for_each(|_| window.answered(500, throttled));
        window.size()
    }

    #[test]
    fn refusals_close_it_by_their_share_but_never_wholly() {
        assert_eq!(after(0, 0), MAX_IN_FLIGHT);
        assert_eq!(after(2, 500), 1);
        assert_eq!(after(1_000, 500), 1);
        assert_eq!(after(1_000, 150), 2);
        assert_eq!(after(1_000, 10), MAX_IN_FLIGHT);
    }

    #[test]
    fn it_opens_again_when_records_pass() {
        let mut window = Window::new();
        (0..10).for_each(|_| window.answered(500, 500));
        assert_eq!(window.size(), 1);
        let mut sizes = Vec::new();
        while window.size() < MAX_IN_FLIGHT && sizes.len() < 100 {
            window.answered(500, 0);
            sizes.push(window.size());
        }
        assert!(sizes.is_sorted() && (4..30).contains(&sizes.len()), "{sizes:?}");
    }
}
