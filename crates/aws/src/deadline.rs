//! How long an invocation may still take, and when it began. Made once at the edge of an invocation, so that no
//! handler reads the clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lambda_runtime::Context;
use tokio::time::Instant;

/// How long an invocation lives that has no deadline.
const LONGEST: Duration = Duration::from_secs(900);
/// How much longer what it holds is held than it lives: for clocks, and for requests on their way.
const LEASE_MARGIN: Duration = Duration::from_secs(30);

/// One invocation: its id, when it began, and until when it may run.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// Name under which the function is deployed; its stage is in it.
    pub function_name: String,
    /// AWS request id.
    pub request_id: String,
    /// X-Ray trace id, where there is one.
    pub trace_id: Option<String>,
    /// Start in ms since 1970.
    pub started_ms: u64,
    /// The process: no other one of the function has its name.
    log_stream: String,
    begun: Instant,
    deadline: Option<Instant>,
}

impl Invocation {
    /// Begins an invocation. A deadline that has passed already means none: `cargo lambda watch` gives one of 1970.
    pub fn begin(context: &Context) -> Self {
        let now = SystemTime::now();
        let left = context.deadline().duration_since(now).ok().filter(|left| !left.is_zero());
        Self {
            function_name: context.env_config.function_name.clone(),
            request_id: context.request_id.clone(),
            trace_id: context.xray_trace_id.clone(),
            started_ms: now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64),
            log_stream: context.env_config.log_stream.clone(),
            begun: Instant::now(),
            deadline: left.map(|left| Instant::now() + left),
        }
    }

    /// An invocation for tests and tools: it may run for `left`, or without end.
    pub fn lasting(left: Option<Duration>) -> Self {
        Self {
            function_name: "local".into(),
            request_id: "local".into(),
            trace_id: None,
            started_ms: 0,
            log_stream: "local".into(),
            begun: Instant::now(),
            deadline: left.map(|left| Instant::now() + left),
        }
    }

    /// The time now, in ms since 1970.
    pub fn now_ms(&self) -> u64 {
        self.started_ms + u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(0)
    }

    /// Time that may still be used while `reserve` is kept back; `None` means no limit.
    pub fn left(&self, reserve: Duration) -> Option<Duration> {
        let deadline = self.deadline?;
        Some(deadline.saturating_duration_since(Instant::now()).saturating_sub(reserve))
    }

    /// Whether at least three quarters of the time are still to come that there was without the reserve: who begins now
    /// and gets nothing done would get nothing done by beginning again.
    pub fn is_young(&self, reserve: Duration) -> bool {
        let Some(deadline) = self.deadline else { return true };
        let all = deadline.saturating_duration_since(self.begun).saturating_sub(reserve);
        self.left(reserve).is_none_or(|left| left * 4 >= all * 3)
    }

    /// How long from now on it may hold something by its name: then it is surely over, and nothing of it on its way.
    pub fn lease(&self) -> Duration {
        self.left(Duration::ZERO).unwrap_or(LONGEST) + LEASE_MARGIN
    }

    /// What it holds things by. No other invocation has the name, also not one that Lambda repeats under the same
    /// request id, or one of a local tool, which gives all processes the same log stream.
    pub fn holder(&self) -> String {
        let Self { log_stream, request_id, started_ms, .. } = self;
        format!("{log_stream}/{}/{request_id}/{started_ms}", std::process::id())
    }

    /// Whether nothing but the reserve is left.
    pub fn is_over(&self, reserve: Duration) -> bool {
        self.left(reserve).is_some_and(|left| left.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn three_quarters_of_the_time_without_the_reserve_are_youth() {
        let reserve = Duration::from_secs(10);
        let invocation = Invocation::lasting(Some(Duration::from_secs(30)));
        assert!(invocation.is_young(reserve));
        tokio::time::advance(Duration::from_secs(5)).await;
        assert!(invocation.is_young(reserve));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(!invocation.is_young(reserve) && !invocation.is_over(reserve));
        assert!(Invocation::lasting(None).is_young(reserve));
    }
}
