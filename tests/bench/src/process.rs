//! What the kernel tells of a process: its CPU time over all threads, its peak memory. Linux only.

use std::collections::HashMap;
use std::path::PathBuf;

use anyhow::{Context as _, ensure};

/// CPU time of a process in nanoseconds, thread by thread. Exact while its threads sleep.
#[derive(Debug)]
pub struct CpuTime(HashMap<PathBuf, u64>);

impl CpuTime {
    /// Of a process now.
    pub fn of(pid: u32) -> anyhow::Result<Self> {
        let mut threads = HashMap::new();
        for thread in std::fs::read_dir(format!("/proc/{pid}/task")).context("the process is gone")? {
            let path = thread?.path().join("schedstat");
            let text = std::fs::read_to_string(&path).context("a thread's schedstat")?;
            let nanos = text.split(' ').next().context("schedstat is empty")?.parse()?;
            threads.insert(path, nanos);
        }
        Ok(Self(threads))
    }

    /// Milliseconds since `before`. A thread that ended took its time with it: that is an error, not a saving.
    pub fn ms_since(&self, before: &Self) -> anyhow::Result<f64> {
        let gone = before.0.keys().find(|thread| !self.0.contains_key(*thread));
        ensure!(gone.is_none(), "a thread ended within the measurement, and its CPU time with it");
        let sum = |time: &Self| time.0.values().sum::<u64>();
        Ok((sum(self) - sum(before)) as f64 / 1e6)
    }
}

/// The most memory that a process held at once, in MB (2^20).
pub fn peak_memory_mb(pid: u32) -> anyhow::Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).context("the process is gone")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    let kb: f64 = line.trim().trim_end_matches(" kB").parse().context("VmHWM is no number")?;
    Ok(kb / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_can_be_asked_for_its_own_time_and_memory() {
        let pid = std::process::id();
        let before = CpuTime::of(pid).unwrap();
        assert!(peak_memory_mb(pid).unwrap() > 0.1);
        // Threads of other tests may end in between.
        assert!(
            CpuTime::of(pid).unwrap().ms_since(&before).is_ok_and(|ms| ms < 60_000.0) || before.0.len() > 1
        );
    }
}
