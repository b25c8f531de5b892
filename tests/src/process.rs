//! Child processes that cannot outlive the test, however it ends.
//!
//! A static is never dropped and a killed test runs no destructor, so the child gets a shell as its parent
//! that waits for the end of its own standard input: the pipe to this process. When the pipe closes, for
//! whatever reason, the shell kills the child and what the child started, and removes the scratch folder.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use anyhow::Context;
use tokio::sync::watch;

/// Run as the leader of a process group: `sh -c SUPERVISOR sh <scratch folder> <command> <args>...`.
///
/// File descriptor 3 is the pipe. The child must not hold it, else it would keep itself alive. When this
/// process is gone nobody reads the shell's output: a broken pipe must not keep it from cleaning up.
const SUPERVISOR: &str = r#"
scratch=$1; shift
exec 3<&0 </dev/null
"$@" 3<&- & child=$!
( read -r _ <&3; kill -KILL "$child" ) >/dev/null 2>&1 &
exec 3<&-
trap "" PIPE
wait "$child"; status=$?
echo "supervisor: exit status $status" >&2
exec >/dev/null 2>&1
rm -rf -- "$scratch"
kill -KILL 0
"#;

/// A running child with its output. Dropping it kills the child's whole process group.
#[derive(Debug)]
pub(crate) struct Process {
    scratch: PathBuf,
    lifeline: Mutex<Option<ChildStdin>>,
    supervisor: Mutex<Child>,
    output: Arc<Output>,
}

#[derive(Debug)]
struct Output {
    lines: Mutex<Vec<String>>,
    /// Readers that still run: output ends when the last process of the child that holds it has gone.
    open: watch::Sender<usize>,
}

impl Process {
    /// Starts `program` with exactly the variables `vars`; `scratch` becomes its working directory, is its to
    /// write in, and is removed when it ends.
    pub(crate) fn start<K: AsRef<OsStr>, V: AsRef<OsStr>>(
        program: &Path,
        vars: impl IntoIterator<Item = (K, V)>,
        scratch: tempfile::TempDir,
    ) -> anyhow::Result<Self> {
        let mut supervisor = Command::new("/bin/sh")
            .args(["-c", SUPERVISOR, "sh"])
            .arg(scratch.path())
            .arg(program)
            .env_clear()
            .envs(vars)
            .current_dir(scratch.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .with_context(|| format!("{} does not start", program.display()))?;
        // From here on the supervisor owns the folder: a static's TempDir would never be dropped.
        let scratch = scratch.keep();
        let lifeline = supervisor.stdin.take().context("the supervisor has no standard input")?;
        let stdout = supervisor.stdout.take().context("the supervisor has no standard output")?;
        let stderr = supervisor.stderr.take().context("the supervisor has no standard error")?;
        let output = Arc::new(Output { lines: Mutex::default(), open: watch::Sender::new(2) });
        collect(stdout, Arc::clone(&output));
        collect(stderr, Arc::clone(&output));
        let (lifeline, supervisor) = (Mutex::new(Some(lifeline)), Mutex::new(supervisor));
        Ok(Self { scratch, lifeline, supervisor, output })
    }

    /// The folder that it works in, and that is removed when it ends.
    pub(crate) fn scratch(&self) -> &Path {
        &self.scratch
    }

    /// How many lines of its output so far are such ones.
    pub(crate) fn count_lines(&self, is_wanted: impl Fn(&str) -> bool) -> usize {
        lock(&self.output.lines).iter().filter(|line| is_wanted(line)).count()
    }

    /// What the child wrote to stdout and stderr so far, line by line.
    pub(crate) fn lines(&self) -> Vec<String> {
        lock(&self.output.lines).clone()
    }

    /// Whether the child has ended and all of its output was read.
    pub(crate) fn has_ended(&self) -> bool {
        *self.output.open.borrow() == 0
    }

    /// Waits until the child has ended and all of its output was read.
    pub(crate) async fn ended(&self) {
        let mut open = self.output.open.subscribe();
        // The sender lives in self, so the channel cannot close while this waits.
        if open.wait_for(|open| *open == 0).await.is_err() {
            unreachable!("the sender of a borrowed process is alive");
        }
    }

    /// Kills the child with SIGKILL and returns when it has gone.
    pub(crate) fn kill(&self) {
        drop(lock(&self.lifeline).take());
        if let Err(error) = lock(&self.supervisor).wait() {
            // Nothing can be done here, and a drop must not panic: the line shows beside the failing test.
            lock(&self.output.lines).push(format!("the supervisor could not be waited for: {error}"));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn collect(stream: impl Read + Send + 'static, output: Arc<Output>) {
    thread::spawn(move || {
        for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
            lock(&output.lines).push(String::from_utf8_lossy(&line).into_owned());
        }
        output.open.send_modify(|open| *open -= 1);
    });
}

/// A test that panicked while it held the lock has failed already; the value is whole.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
