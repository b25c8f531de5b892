//! The local cloud as a person has it: `make up`, `watch`, `replay`, `smoke`, `status`, `rejects`, `sql` and `down`, as
//! README says. Knows the commands and what they print, and nothing behind them.

#![allow(
    clippy::unwrap_used,
    reason = "a test may panic; clippy.toml allows it only inside #[test] functions"
)]

use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use penstock_tests::{until, workspace_root};

/// A local cloud in a folder of its own, on ports of its own. Dropping it takes it down.
struct Local {
    folder: tempfile::TempDir,
    ports: [u16; 3],
    watch: Option<Child>,
}

/// What a command printed.
struct Printed {
    out: String,
    err: String,
    code: i32,
}

impl Local {
    fn new() -> Self {
        let listeners = [(); 3].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
        let ports = listeners.map(|listener| listener.local_addr().unwrap().port());
        Self { folder: tempfile::tempdir().unwrap(), ports, watch: None }
    }

    fn make(&self, arguments: &[&str]) -> Command {
        let [port, redshift_port, watch_port] = self.ports;
        let mut command = Command::new("make");
        command
            .args(["--no-print-directory", "--silent"])
            .args(arguments)
            .arg(format!("LOCAL_PORT={port}"))
            .arg(format!("LOCAL_REDSHIFT_PORT={redshift_port}"))
            .arg(format!("WATCH_PORT={watch_port}"))
            .current_dir(workspace_root())
            .env("PENSTOCK_LOCAL_DIR", self.folder.path())
            .env_remove("STAGE")
            .stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Printed {
        let output = self.make(arguments).output().unwrap();
        Printed {
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
            code: output.status.code().unwrap_or(-1),
        }
    }

    /// Runs a command that has to succeed.
    fn ok(&self, arguments: &[&str]) -> String {
        let printed = self.run(arguments);
        assert_eq!(printed.code, 0, "make {arguments:?}\n{}\n{}", printed.out, printed.err);
        printed.out
    }

    async fn start_watch(&mut self) {
        let log = self.folder.path().join("watch.log");
        let file = std::fs::File::create(&log).unwrap();
        let mut command = self.make(&["watch"]);
        let child = command.stdout(file.try_clone().unwrap()).stderr(file).process_group(0).spawn().unwrap();
        self.watch = Some(child);
        until("make watch to say that it watches", Duration::from_secs(60), async || {
            Ok(std::fs::read_to_string(&log)?.contains("watching ").then_some(()))
        })
        .await
        .unwrap();
    }

    fn stop_watch(&mut self) {
        let Some(mut child) = self.watch.take() else { return };
        // The group, as Ctrl-C in a terminal.
        let group = format!("-{}", child.id());
        Command::new("kill").args(["-INT", "--", &group]).status().unwrap();
        child.wait().unwrap();
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        self.stop_watch();
        let ended = self.make(&["down"]).output();
        if !std::thread::panicking() {
            assert!(ended.unwrap().status.success());
        }
    }
}

/// Living processes: id, parent's id, command line.
fn processes() -> Vec<(u32, u32, String)> {
    let listed = Command::new("ps").args(["-eo", "pid=,ppid=,args="]).output().unwrap();
    let lines = String::from_utf8_lossy(&listed.stdout).into_owned();
    let read = |line: &str| {
        let (pid, rest) = line.trim_start().split_once(' ')?;
        let (parent, command) = rest.trim_start().split_once(' ')?;
        Some((pid.parse().ok()?, parent.parse().ok()?, command.to_owned()))
    };
    lines.lines().filter_map(read).collect()
}

/// A process and everything that it started, PostgreSQL and the functions included.
fn descendants(root: u32) -> Vec<u32> {
    let all = processes();
    let mut found = vec![root];
    let mut at = 0;
    while let Some(parent) = found.get(at).copied() {
        found.extend(all.iter().filter(|(_, own, _)| *own == parent).map(|(pid, ..)| *pid));
        at += 1;
    }
    found
}

/// Those of these processes that still live.
fn living(pids: &[u32]) -> Vec<String> {
    let all = processes().into_iter().filter(|(pid, ..)| pids.contains(pid));
    all.filter(|(.., command)| !command.contains("<defunct>")).map(|(.., command)| command).collect()
}

#[tokio::test]
async fn the_commands_of_the_readme_lead_from_a_file_to_rows_and_leave_no_process() {
    let mut local = Local::new();
    let up = local.ok(&["up"]);
    assert!(up.contains("The local cloud is up"), "{up}");
    let again = local.ok(&["up"]);
    let unchanged = again.lines().filter(|line| line.contains(" unchanged ")).count();
    assert_eq!((unchanged, again.contains(" changed ")), (16, false), "{again}");

    local.start_watch().await;
    let put = local.ok(&["replay", "FN=s3-to-sqs-fifo", "EVENT=events/s3-put.json"]);
    assert!(put.ends_with("{\"batchItemFailures\":[]}\n"), "{put}");
    let newer = local.ok(&["replay", "FN=sqs-fifo-to-redshift", "EVENT=events/sqs-fifo-newer-contract.json"]);
    assert!(newer.contains("7c1e5a30-92d4-4a1f-8b1e-2f0a6d7b0011"), "{newer}");
    let copied = local.ok(&["replay", "FN=s3-to-redshift-copy", "EVENT=events/copy-sqs-put.json"]);
    assert!(copied.ends_with("{\"batchItemFailures\":[]}\n"), "{copied}");
    for event in ["EVENT=events/stream-sqs-put.json", "EVENT=events/stream-sqs-tasks.json"] {
        let streamed = local.ok(&["replay", "FN=s3-to-kinesis", event]);
        assert!(streamed.ends_with("{\"batchItemFailures\":[]}\n"), "{event}: {streamed}");
    }
    for (function, event) in [
        ("FN=s3-to-lake", "EVENT=events/lake-sqs-put.json"),
        ("FN=glue-job-starter", "EVENT=events/glue-sqs-stage-put.json"),
        ("FN=glue-job-starter", "EVENT=events/glue-schedule.json"),
    ] {
        // The deployed function may just have the same object.
        until(event, Duration::from_secs(60), async || {
            let said = local.ok(&["replay", function, event]);
            Ok(said.ends_with("{\"batchItemFailures\":[]}\n").then_some(()))
        })
        .await
        .unwrap();
    }
    local.stop_watch();

    let smoke = local.ok(&["smoke"]);
    let tables = [("queue", "smoke"), ("copy", "smoke_copy"), ("stream", "smoke_stream")];
    for route in tables.map(|(route, table)| format!("{route}: 1 row in tgt.{table} after ")) {
        assert!(smoke.contains(&route), "{smoke}");
    }
    assert!(smoke.lines().any(|line| line.starts_with("lake: 1 row in s3://")), "{smoke}");
    // The sample object came twice: by its own event to the deployed function, and by the replay.
    until("the sample's rows to be there", Duration::from_secs(60), async || {
        let status = local.run(&["status"]);
        let settled = status.out.contains("queue: messages: 0 waiting, 0 in flight");
        Ok((settled && status.out.contains("transactions: balanced")).then_some(()))
    })
    .await
    .unwrap();
    let rows = local
        .ok(&["sql", "Q=SELECT COUNT(*) AS n, COUNT(DISTINCT transaction_id) AS keys FROM tgt.transactions"]);
    assert!(rows.lines().any(|line| line.split_whitespace().eq(["6", "6"])), "{rows}");
    let rejects = local.ok(&["rejects"]);
    for expected in
        ["not_a_number  amount ", "valid_values  currency ", "required      account_id ", "12 rejects"]
    {
        assert!(rejects.contains(expected), "{expected}: {rejects}");
    }
    assert!(!rejects.contains("DE89370400440532013000"), "{rejects}");

    let runner = std::fs::read_to_string(local.folder.path().join(".local/runner.lock")).unwrap();
    let started = descendants(runner.trim().parse().unwrap());
    let commands = living(&started).join("\n");
    for expected in ["ministack", "redshift-local", "postgres", "bootstrap"] {
        assert!(commands.contains(expected), "{expected} is not among\n{commands}");
    }
    assert_eq!(local.ok(&["down"]), "the local cloud is down\n");
    until("every process to be gone", Duration::from_secs(10), async || {
        Ok(living(&started).is_empty().then_some(()))
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_command_without_a_local_cloud_says_how_to_get_one() {
    let local = Local::new();
    for command in [
        ["status"].as_slice(),
        &["sql", "Q=SELECT 1"],
        &["watch"],
        &["replay", "FN=s3-to-sqs-fifo", "EVENT=events/s3-put.json"],
    ] {
        let printed = local.run(command);
        assert_ne!(printed.code, 0, "{command:?}");
        assert!(printed.err.contains("there is no local cloud: start it with `make up`"), "{}", printed.err);
    }
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let local = Local::new();
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, local.ports[0])).unwrap();
    let printed = local.run(&["up"]);
    assert_ne!(printed.code, 0);
    let port = taken.local_addr().unwrap().port();
    assert!(printed.err.contains(&format!("port {port} of 127.0.0.1 is taken")), "{}", printed.err);
}
