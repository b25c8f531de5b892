//! PostgreSQL lives and dies with the server.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::common::{Db, client, failed, finished};

struct Running {
    child: Child,
    endpoint: String,
    socket_dir: String,
}

fn start(data_dir: Option<&Path>) -> Running {
    let mut command = Command::new(env!("CARGO_BIN_EXE_redshift-local"));
    command.args(["--port", "0"]);
    if let Some(dir) = data_dir {
        command.arg("--data-dir").arg(dir);
    }
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let words: Vec<_> = line.split_whitespace().collect();
    let endpoint = words.iter().find(|word| word.starts_with("http://")).unwrap().to_string();
    let url = words.iter().find(|word| word.starts_with("postgresql://")).unwrap();
    let socket_dir = url.split(['@', '?']).nth(1).unwrap().replace("%2F", "/");
    Running { child, endpoint, socket_dir: socket_dir.trim_end_matches("/dev").to_owned() }
}

fn postgres_runs(socket_dir: &str) -> bool {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    processes.into_iter().any(|process| {
        let command = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&command).contains(socket_dir)
    })
}

fn wait_until_gone(socket_dir: &str) {
    let deadline = Instant::now() + Duration::from_secs(15);
    while postgres_runs(socket_dir) || Path::new(socket_dir).exists() {
        assert!(Instant::now() < deadline, "something of {socket_dir} is left");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
}

#[tokio::test]
async fn a_killed_server_leaves_no_postgres() {
    let mut running = start(None);
    assert!(postgres_runs(&running.socket_dir));
    signal(&running.child, "-KILL");
    running.child.wait().unwrap();
    wait_until_gone(&running.socket_dir);
}

#[tokio::test]
async fn a_postgres_that_runs_already_is_used_and_left_alone() {
    let first = crate::common::server().await;
    let config = redshift_local::Config {
        postgres_url: Some(first.postgres_url("postgres")),
        ..redshift_local::Config::default()
    };
    let second = redshift_local::Server::start(config).await.unwrap();
    second.create_database("by_second").await.unwrap();
    let db = Db { client: client(&second.endpoint(), "test"), name: "by_second".into() };
    db.ok("CREATE TABLE t (v varchar(3))").await;
    second.shutdown().await;
    let db = Db { client: client(&first.endpoint(), "test"), name: "by_second".into() };
    db.ok("INSERT INTO t VALUES ('abc')").await;
}

#[tokio::test]
async fn a_server_that_is_told_to_stop_keeps_the_data_dir() {
    let dir = tempfile::tempdir().unwrap();
    // The server runs PostgreSQL as another user where it is root.
    std::os::unix::fs::chown(dir.path(), None, None).unwrap();
    std::fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let data = dir.path().join("data");
    let mut running = start(Some(&data));
    let db = Db { client: client(&running.endpoint, "test"), name: "dev".into() };
    db.ok("CREATE TABLE t (v varchar(7))").await;
    db.ok("INSERT INTO t VALUES ('kept')").await;
    signal(&running.child, "-TERM");
    assert!(running.child.wait().unwrap().success());
    wait_until_gone(&running.socket_dir);

    let mut running = start(Some(&data));
    let db = Db { client: client(&running.endpoint, "test"), name: "dev".into() };
    assert_eq!(db.one("SELECT v FROM t").await, "kept");
    let done = db.run("INSERT INTO t VALUES ('too long')").await;
    assert!(failed(&done).contains("character varying(7)"));
    finished(&db.run("SELECT 1").await);
    signal(&running.child, "-INT");
    assert!(running.child.wait().unwrap().success());
    wait_until_gone(&running.socket_dir);
}
