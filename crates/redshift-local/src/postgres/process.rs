//! Runs a PostgreSQL of our own: initdb, start, stop. Knows nothing of databases or SQL.
//!
//! It listens on a unix socket in a private directory only, so there is no port to collide on. As root it runs as
//! `postgres` or `nobody`, since PostgreSQL refuses root.
//!
//! Nothing outlives the server, not even when the server is killed: a small shell in a process group of its own
//! waits on a pipe that only this process holds open. When the pipe closes, by a shutdown or by any death of this
//! process, the shell asks PostgreSQL to stop (only while the pid file in the data directory still names it),
//! and removes the temporary directories.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use crate::error::Error;

/// How long a stop may take before the process is killed.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a start may take, a recovery after a crash included.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// Settings of a database that is thrown away: nothing is synced, isolation is Redshift's.
const SETTINGS: &[&str] = &[
    "listen_addresses=",
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "wal_level=minimal",
    "max_wal_senders=0",
    "max_connections=240",
    "max_pred_locks_per_transaction=1024",
    "max_parallel_workers_per_gather=0",
    "shared_buffers=64MB",
    "jit=off",
    "deadlock_timeout=300ms",
    "standard_conforming_strings=off",
    "escape_string_warning=off",
    "backslash_quote=on",
    "TimeZone=UTC",
    "log_timezone=UTC",
    "DateStyle=ISO, MDY",
    "logging_collector=off",
    "unix_socket_permissions=0700",
];

const WATCHDOG: &str = r#"
read -r _
if [ "$(head -n 1 "$2/postmaster.pid" 2>/dev/null)" = "$1" ]; then
  kill -INT "$1" 2>/dev/null
  tries=0
  while kill -0 "$1" 2>/dev/null && [ "$tries" -lt 100 ]; do tries=$((tries + 1)); sleep 0.1; done
fi
shift 2
for directory in "$@"; do rm -rf -- "$directory"; done
"#;

/// A running PostgreSQL; dropping it stops it.
#[derive(Debug)]
pub struct Process {
    postgres: Child,
    watchdog: Child,
    /// Closing it is the order to stop.
    lifeline: Option<ChildStdin>,
    socket_dir: PathBuf,
}

impl Process {
    /// Starts PostgreSQL on `data_dir`, or on a directory that vanishes with it.
    pub fn start(bin_dir: Option<&Path>, data_dir: Option<&Path>) -> Result<Self, Error> {
        let binaries = find_binaries(bin_dir)?;
        let socket_dir = private_dir()?;
        let user = unprivileged_user(&socket_dir)?;
        // In the socket's directory, the data vanish with it.
        let data_dir = data_dir.map_or_else(|| Ok(socket_dir.join("data")), absolute)?;
        fs::create_dir_all(&data_dir).map_err(Error::io("create", &data_dir))?;
        for dir in [&socket_dir, &data_dir] {
            give(dir, user)?;
        }
        if !data_dir.join("PG_VERSION").exists() {
            init(&binaries, &data_dir, user)?;
        }
        wait_for_predecessor(&data_dir);
        let log = data_dir.join("redshift-local.log");
        let mut postgres = spawn_postgres(&binaries, &data_dir, &socket_dir, &log, user)?;
        let mut watchdog = match spawn_watchdog(postgres.id(), &data_dir, &socket_dir, user) {
            Ok(watchdog) => watchdog,
            Err(error) => {
                // Without its watchdog it must not stay.
                postgres.kill().and_then(|()| postgres.wait()).map_err(spawn_error("postgres"))?;
                return Err(error);
            }
        };
        let lifeline = watchdog.stdin.take();
        let mut process = Self { postgres, watchdog, lifeline, socket_dir };
        process.wait_until_ready(&data_dir, &log)?;
        Ok(process)
    }

    /// The directory of the socket, which is the `host` of a connection.
    pub fn socket_dir(&self) -> &Path {
        &self.socket_dir
    }

    /// Ready is what the pid file's last line says, as `pg_ctl -w` reads it.
    fn wait_until_ready(&mut self, data_dir: &Path, log: &Path) -> Result<(), Error> {
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            let pid_file = fs::read_to_string(data_dir.join("postmaster.pid")).unwrap_or_default();
            if pid_file.lines().nth(7).is_some_and(|status| status.trim() == "ready") {
                return Ok(());
            }
            if let Ok(Some(_)) = self.postgres.try_wait() {
                return Err(Error::Program { program: "postgres", output: tail(log) });
            }
            if Instant::now() > deadline {
                return Err(Error::NotReady { seconds: START_TIMEOUT.as_secs(), output: tail(log) });
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Stops PostgreSQL and waits until it is gone. Blocks.
    pub fn stop(&mut self) {
        self.lifeline = None;
        let deadline = Instant::now() + STOP_TIMEOUT;
        while matches!(self.postgres.try_wait(), Ok(None)) {
            if Instant::now() > deadline {
                // Ended by force; what fails here has ended already.
                self.postgres.kill().ok();
                self.postgres.wait().ok();
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        self.watchdog.wait().ok();
        fs::remove_dir_all(&self.socket_dir).ok();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop();
    }
}

#[derive(Debug)]
struct Binaries {
    initdb: PathBuf,
    postgres: PathBuf,
}

fn find_binaries(bin_dir: Option<&Path>) -> Result<Binaries, Error> {
    let at = |dir: &Path| {
        let binaries = Binaries { initdb: dir.join("initdb"), postgres: dir.join("postgres") };
        (binaries.initdb.is_file() && binaries.postgres.is_file()).then_some(binaries)
    };
    if let Some(dir) = bin_dir {
        return at(dir).ok_or(Error::NoPostgres);
    }
    let path = std::env::var_os("PATH").ok_or(Error::NoPostgres)?;
    let found = std::env::split_paths(&path).find_map(|dir| {
        // Both have to be neighbours where they really lie: initdb starts its neighbour.
        let initdb = fs::canonicalize(dir.join("initdb")).ok()?;
        at(initdb.parent()?)
    });
    found.ok_or(Error::NoPostgres)
}

fn private_dir() -> Result<PathBuf, Error> {
    // Under /tmp: a socket's path has at most 107 bytes.
    let base = if Path::new("/tmp").is_dir() { PathBuf::from("/tmp") } else { std::env::temp_dir() };
    let dir = tempfile::Builder::new()
        .prefix("redshift-local-")
        .tempdir_in(&base)
        .map_err(Error::io("create", &base))?;
    Ok(dir.keep())
}

fn absolute(path: &Path) -> Result<PathBuf, Error> {
    std::path::absolute(path).map_err(Error::io("use", path))
}

/// Whom to run as: nobody else unless this process is root.
fn unprivileged_user(own_dir: &Path) -> Result<Option<(u32, u32)>, Error> {
    let own = fs::metadata(own_dir).map_err(Error::io("read", own_dir))?.uid();
    if own != 0 {
        return Ok(None);
    }
    let passwd = fs::read_to_string("/etc/passwd").map_err(Error::io("read", "/etc/passwd"))?;
    let ids = |name: &str| {
        let line = passwd.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    let user = ids("postgres").or_else(|| ids("nobody"));
    user.map(Some)
        .ok_or(Error::Program { program: "postgres", output: "no user to run as: add `postgres`".into() })
}

fn give(dir: &Path, user: Option<(u32, u32)>) -> Result<(), Error> {
    fs::set_permissions(dir, fs::Permissions::from_mode(0o700)).map_err(Error::io("protect", dir))?;
    if let Some((uid, gid)) = user {
        chown(dir, Some(uid), Some(gid)).map_err(Error::io("give away", dir))?;
    }
    Ok(())
}

/// A command in a process group of its own, so that the terminal's Ctrl-C reaches this process alone.
fn command(program: &Path, user: Option<(u32, u32)>) -> Command {
    let mut command = Command::new(program);
    command.process_group(0).current_dir("/").env_remove("PGDATA").env("LC_ALL", "C");
    if let Some((uid, gid)) = user {
        command.uid(uid).gid(gid);
    }
    command
}

fn init(binaries: &Binaries, data_dir: &Path, user: Option<(u32, u32)>) -> Result<(), Error> {
    let output = command(&binaries.initdb, user)
        .args(["--locale=C", "--encoding=UTF8", "--username=postgres", "--auth=trust"])
        .args(["--no-sync", "--no-instructions", "--pgdata"])
        .arg(data_dir)
        .stdin(Stdio::null())
        .output()
        .map_err(spawn_error("initdb"))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    Err(Error::Program { program: "initdb", output: last_lines(&text) })
}

fn spawn_postgres(
    binaries: &Binaries,
    data_dir: &Path,
    socket_dir: &Path,
    log: &Path,
    user: Option<(u32, u32)>,
) -> Result<Child, Error> {
    let out = File::create(log).map_err(Error::io("write", log))?;
    let err = out.try_clone().map_err(Error::io("write", log))?;
    let mut postgres = command(&binaries.postgres, user);
    postgres.arg("-D").arg(data_dir).arg("-k").arg(socket_dir);
    for setting in SETTINGS {
        postgres.args(["-c", setting]);
    }
    postgres.stdin(Stdio::null()).stdout(out).stderr(err);
    postgres.spawn().map_err(spawn_error("postgres"))
}

fn spawn_watchdog(
    pid: u32,
    data_dir: &Path,
    socket_dir: &Path,
    user: Option<(u32, u32)>,
) -> Result<Child, Error> {
    command(Path::new("/bin/sh"), user)
        .args(["-c", WATCHDOG, "redshift-local-watchdog", &pid.to_string()])
        .args([data_dir, socket_dir])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(spawn_error("sh"))
}

/// A server that was killed a moment ago may still have its PostgreSQL stopping on the same data.
fn wait_for_predecessor(data_dir: &Path) {
    let deadline = Instant::now() + STOP_TIMEOUT;
    let pid_file = data_dir.join("postmaster.pid");
    while let Ok(text) = fs::read_to_string(&pid_file) {
        let runs = text.lines().next().is_some_and(|pid| Path::new("/proc").join(pid.trim()).exists());
        if !runs || Instant::now() > deadline {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn spawn_error(program: &'static str) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::Spawn { program, source }
}

fn tail(log: &Path) -> String {
    last_lines(&fs::read_to_string(log).unwrap_or_default())
}

fn last_lines(text: &str) -> String {
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(5)..].join("; ")
}
