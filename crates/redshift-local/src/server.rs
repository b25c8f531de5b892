//! A server in this process: starts PostgreSQL and the HTTP side on a thread with a runtime of its own, so that it
//! outlives the runtime of whoever started it. Tests use it directly; the binary waits for a signal around it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::error::Error;
use crate::faults::{Fault, Faults};
use crate::http::{self, App};
use crate::postgres::{Postgres, Source};
use crate::run::Shared;
use crate::s3::S3;
use crate::store::Store;

/// How a server is to run. The default is a free port and data that vanish.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// The port on 127.0.0.1; 0: any free one.
    pub port: u16,
    /// Where the data stay; `None`: they vanish with the server.
    pub data_dir: Option<PathBuf>,
    /// The directory of `initdb` and `postgres`; `None`: `POSTGRES_BIN_DIR`, else PATH.
    pub postgres_bin_dir: Option<PathBuf>,
    /// A PostgreSQL that runs already, as a superuser's URL; nothing is started then.
    pub postgres_url: Option<String>,
    /// The local S3 of COPY and UNLOAD; `None`: `AWS_ENDPOINT_URL_S3`, else `AWS_ENDPOINT_URL`. Without
    /// any, or with an empty one, they fail.
    pub s3_endpoint: Option<String>,
}

/// A running server. Dropping it stops it, and PostgreSQL with it.
#[derive(Debug)]
pub struct Server {
    app: Arc<App>,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts a server and waits until it answers.
    pub async fn start(config: Config) -> Result<Self, Error> {
        let (ready, is_ready) = oneshot::channel();
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("redshift-local".into())
            .spawn(move || serve(config, ready, stopped))
            .map_err(|source| Error::Spawn { program: "the server's thread", source })?;
        let (app, address) = is_ready.await.map_err(|_| Error::Stopped)??;
        Ok(Self { app, address, stop: Some(stop), thread: Some(thread) })
    }

    /// The URL for `AWS_ENDPOINT_URL_REDSHIFT_DATA`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A URL for PostgreSQL clients, as a superuser.
    pub fn postgres_url(&self, database: &str) -> String {
        self.app.shared.postgres.url(database)
    }

    /// Makes a database; its name is lower-case letters, digits and `_`.
    pub async fn create_database(&self, name: &str) -> Result<(), Error> {
        self.app.shared.postgres.create_database(name).await
    }

    /// Lets calls that are signed with this access key run as a database user, which is made on first use.
    pub fn map_caller(&self, access_key_id: &str, user: &str) {
        self.app.map_caller(access_key_id.to_owned(), user.to_owned());
    }

    /// Sets a fault.
    pub fn add_fault(&self, fault: Fault) {
        self.app.shared.faults.add(fault);
    }

    /// Removes the faults of a database, or all.
    pub fn clear_faults(&self, database: Option<&str>) {
        self.app.shared.faults.clear(database);
    }

    /// What was run, oldest first, as `GET /_redshift-local/statements` gives it.
    pub fn statements(&self) -> Vec<Value> {
        http::log(&self.app.shared)
    }

    /// Stops the server and PostgreSQL, and waits until both are gone.
    pub async fn shutdown(mut self) {
        // A blocking wait on a thread for it; the join has no result.
        tokio::task::spawn_blocking(move || self.stop_and_wait()).await.ok();
    }

    fn stop_and_wait(&mut self) {
        if let Some(stop) = self.stop.take() {
            // A thread that has ended needs no order.
            stop.send(()).ok();
        }
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop_and_wait();
    }
}

type Ready = oneshot::Sender<Result<(Arc<App>, SocketAddr), Error>>;

fn serve(config: Config, ready: Ready, stopped: oneshot::Receiver<()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(source) => {
            // Whoever asked may be gone.
            ready.send(Err(Error::Spawn { program: "the server's runtime", source })).ok();
            return;
        }
    };
    let app = runtime.block_on(async {
        match start(config).await {
            Ok((app, address, listener)) => {
                if ready.send(Ok((app.clone(), address))).is_ok() {
                    tokio::select! {
                        served = axum::serve(listener, http::router(app.clone())).into_future() => {
                            if let Err(error) = served {
                                eprintln!("redshift-local: {error}");
                            }
                        }
                        // A dropped sender is an order to stop, too.
                        _ = stopped => {}
                    }
                }
                Some(app)
            }
            Err(error) => {
                ready.send(Err(error)).ok();
                None
            }
        }
    });
    // Sessions end before PostgreSQL does.
    runtime.shutdown_background();
    if let Some(app) = app {
        app.shared.postgres.stop();
    }
}

async fn start(config: Config) -> Result<(Arc<App>, SocketAddr, TcpListener), Error> {
    let wanted = SocketAddr::from((Ipv4Addr::LOCALHOST, config.port));
    let listen = |source| Error::Listen { address: wanted.to_string(), source };
    let listener = TcpListener::bind(wanted).await.map_err(listen)?;
    let address = listener.local_addr().map_err(listen)?;
    let bin_dir = config.postgres_bin_dir.or_else(|| std::env::var_os("POSTGRES_BIN_DIR").map(PathBuf::from));
    let from_env = |name: &str| std::env::var(name).ok().filter(|url| !url.is_empty());
    let endpoint = config.s3_endpoint.or_else(|| from_env("AWS_ENDPOINT_URL_S3"));
    let s3 = S3::at(endpoint.or_else(|| from_env("AWS_ENDPOINT_URL")))?;
    let source = Source { bin_dir, data_dir: config.data_dir, url: config.postgres_url };
    let postgres = Postgres::start(source).await?;
    let shared = Arc::new(Shared { postgres, s3, store: Store::default(), faults: Faults::default() });
    let app = Arc::new(App { shared, callers: Default::default() });
    Ok((app, address, listener))
}
