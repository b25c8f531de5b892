//! Waiting for a condition with a deadline: the tests' only way to synchronise with another process.

use std::time::{Duration, Instant};

use anyhow::bail;

const POLL_EVERY: Duration = Duration::from_millis(10);

/// Polls `condition` until it holds a value; an error naming `what` when `within` has passed.
pub async fn until<T>(
    what: &str,
    within: Duration,
    mut condition: impl AsyncFnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let deadline = Instant::now() + within;
    loop {
        if let Some(value) = condition().await? {
            return Ok(value);
        }
        if Instant::now() >= deadline {
            bail!("waited {} s for {what}", within.as_secs_f32());
        }
        tokio::time::sleep(POLL_EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_condition_that_never_holds_is_named_in_the_error() {
        let error = until::<()>("the moon", Duration::from_millis(20), async || Ok(None)).await.unwrap_err();
        assert!(error.to_string().ends_with("for the moon"), "{error}");
    }

    #[tokio::test]
    async fn the_first_value_ends_the_wait() {
        let mut polls = 0;
        let value = until("three polls", Duration::from_secs(10), async || {
            polls += 1;
            Ok((polls == 3).then_some(polls))
        });
        assert_eq!(value.await.unwrap(), 3);
    }
}
