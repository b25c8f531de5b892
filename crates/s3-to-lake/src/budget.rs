//! The time that one object may take of an invocation.

use std::time::Duration;

use penstock_aws::Invocation;

/// Kept back of a long invocation, to finish what was begun: the last row groups are packed and sent, and files are made
/// visible.
const RESERVE: Duration = Duration::from_secs(45);
/// Share that is kept back of a short one.
const RESERVE_SHARE: u32 = 5;

/// Time of one object.
#[derive(Debug, Clone, Copy)]
pub struct Budget<'a> {
    invocation: &'a Invocation,
    reserve: Duration,
    /// Whether the object has nearly all of the invocation: then no other one gives it more.
    pub is_whole: bool,
}

impl<'a> Budget<'a> {
    /// Begins with an object now.
    pub fn begin(invocation: &'a Invocation) -> Self {
        let left = invocation.left(Duration::ZERO);
        let reserve = left.map_or(Duration::ZERO, |left| RESERVE.min(left / RESERVE_SHARE));
        Self { invocation, reserve, is_whole: invocation.is_young(reserve) }
    }

    /// Whether nothing but the reserve is left.
    pub fn is_over(&self) -> bool {
        self.invocation.is_over(self.reserve)
    }

    /// What is left for one request; without a limit it is long.
    pub fn left(&self) -> Duration {
        const ENDLESS: Duration = Duration::from_secs(3_600);
        self.invocation.left(self.reserve).unwrap_or(ENDLESS)
    }
}
