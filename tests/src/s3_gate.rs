//! A gate before the local S3: it lets connections through, or holds everything from a certain packet on, so that a test
//! decides where on its way a function stands still or dies. Knows no HTTP.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};

use anyhow::Context as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Most bytes that are passed on at once.
const CHUNK: usize = 64 << 10;

#[derive(Debug)]
struct State {
    /// Chunks from clients that still pass.
    left: AtomicI64,
    /// Most bytes that a server may answer on one connection without being asked again.
    max_answer: AtomicUsize,
    held: watch::Sender<bool>,
    /// Connections that were opened before the last cut are cut.
    cuts: AtomicU64,
}

/// The gate.
#[derive(Debug)]
pub struct S3Gate {
    /// Where clients connect to.
    pub endpoint: String,
    state: Arc<State>,
    server: JoinHandle<()>,
}

impl Drop for S3Gate {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl S3Gate {
    /// An open gate before a server, `http://address:port`.
    pub async fn before(endpoint: &str) -> anyhow::Result<Self> {
        let server = endpoint.strip_prefix("http://").context("an endpoint without TLS")?;
        let server: SocketAddr = server.parse().context("an endpoint with a port")?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("no free loopback port")?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let (held, _) = watch::channel(false);
        let (left, max_answer) = (AtomicI64::new(i64::MAX), AtomicUsize::new(usize::MAX));
        let state = Arc::new(State { left, max_answer, held, cuts: AtomicU64::new(0) });
        let own = Arc::clone(&state);
        let serve = async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(connect(client, server, Arc::clone(&own)));
            }
        };
        Ok(Self { endpoint, state, server: tokio::spawn(serve) })
    }

    /// Lets so many more chunks from clients through, and then nothing in any direction.
    pub fn hold_after(&self, chunks: i64) {
        self.state.held.send_replace(false);
        self.state.left.store(chunks, Ordering::SeqCst);
    }

    /// Holds every answer that is longer, or what is left of it.
    pub fn hold_answers_over(&self, bytes: usize) {
        self.state.max_answer.store(bytes, Ordering::SeqCst);
    }

    /// Lets everything through, also what is held.
    pub fn open(&self) {
        self.state.left.store(i64::MAX, Ordering::SeqCst);
        self.state.max_answer.store(usize::MAX, Ordering::SeqCst);
        self.state.held.send_replace(false);
        // Who waits for another answer's limit looks again, too.
        self.state.held.send_modify(|_| ());
    }

    /// The end of every connection there is, with all that is held: nothing of a dead client arrives later. New ones pass.
    pub fn cut(&self) {
        self.state.cuts.fetch_add(1, Ordering::SeqCst);
        self.open();
    }

    /// Waits until something is held.
    pub async fn held(&self) {
        let mut held = self.state.held.subscribe();
        if held.wait_for(|held| *held).await.is_err() {
            unreachable!("the sender lives in self.state");
        }
    }
}

/// One connection.
struct Connection {
    state: Arc<State>,
    /// Cuts when it was opened.
    cuts: u64,
    /// Bytes that were answered since something was asked.
    answered: AtomicUsize,
}

async fn connect(client: TcpStream, server: SocketAddr, state: Arc<State>) {
    let Ok(upstream) = TcpStream::connect(server).await else { return };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = upstream.into_split();
    let cuts = state.cuts.load(Ordering::SeqCst);
    let own = Arc::new(Connection { state, cuts, answered: AtomicUsize::new(0) });
    let asker = Arc::clone(&own);
    let asking = tokio::spawn(async move { asker.ask(from_client, to_server).await });
    own.answer(from_server, to_client).await;
    asking.abort();
}

impl Connection {
    /// What a client sends, until nothing more may pass.
    async fn ask(&self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
        let (mut chunk, left) = (vec![0; CHUNK], &self.state.left);
        while let Ok(read @ 1..) = from.read(&mut chunk).await {
            if !self.passes(|| left.load(Ordering::SeqCst) > 0).await {
                return;
            }
            let is_last = left.fetch_sub(1, Ordering::SeqCst) <= 1;
            self.answered.store(0, Ordering::SeqCst);
            if to.write_all(chunk.get(..read).unwrap_or_default()).await.is_err() {
                return;
            }
            // It arrives, and is never answered.
            if is_last {
                self.state.held.send_replace(true);
            }
        }
    }

    /// What the server answers.
    async fn answer(&self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
        let (mut chunk, state) = (vec![0; CHUNK], &self.state);
        while let Ok(read @ 1..) = from.read(&mut chunk).await {
            let may_pass = || {
                let answered = self.answered.load(Ordering::SeqCst) + read;
                state.left.load(Ordering::SeqCst) > 0 && answered <= state.max_answer.load(Ordering::SeqCst)
            };
            if !self.passes(may_pass).await {
                return;
            }
            self.answered.fetch_add(read, Ordering::SeqCst);
            if to.write_all(chunk.get(..read).unwrap_or_default()).await.is_err() {
                return;
            }
        }
    }

    /// Waits until a chunk may pass; false where the connection was cut.
    async fn passes(&self, may_pass: impl Fn() -> bool) -> bool {
        let mut held = self.state.held.subscribe();
        loop {
            if self.state.cuts.load(Ordering::SeqCst) != self.cuts {
                return false;
            }
            if may_pass() {
                return true;
            }
            self.state.held.send_if_modified(|held| !std::mem::replace(held, true));
            held.mark_unchanged();
            // What was opened or cut in between is seen here, and what comes later is a change.
            let is_over = may_pass() || self.state.cuts.load(Ordering::SeqCst) != self.cuts;
            if !is_over && held.changed().await.is_err() {
                return false;
            }
        }
    }
}
