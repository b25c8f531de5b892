//! `redshift-local`: runs the server until a signal.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use redshift_local::{Config, Server};
use tokio::signal::unix::{SignalKind, signal};

/// The Redshift Data API over a real PostgreSQL, on 127.0.0.1
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// Port of the Data API; 0 takes a free one
    #[arg(long, env = "REDSHIFT_LOCAL_PORT", default_value_t = 5439)]
    port: u16,
    /// Where the data stay; without it they vanish at the end. As root, the user postgres must reach it
    #[arg(long, env = "REDSHIFT_LOCAL_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// Directory of initdb and postgres; without it they are looked for on PATH
    #[arg(long, env = "POSTGRES_BIN_DIR")]
    postgres_bin_dir: Option<PathBuf>,
    /// URL of a PostgreSQL that runs already, as a superuser; none is started then
    #[arg(long, env = "REDSHIFT_LOCAL_POSTGRES_URL", conflicts_with = "data_dir")]
    postgres_url: Option<String>,
    /// The local S3 that COPY and UNLOAD talk to; without it AWS_ENDPOINT_URL counts, and without both they fail
    #[arg(long, env = "AWS_ENDPOINT_URL_S3")]
    s3_endpoint: Option<String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let mut text = error.to_string();
            let mut source = error.source();
            while let Some(cause) = source {
                text = format!("{text}: {cause}");
                source = cause.source();
            }
            eprintln!("redshift-local: {text}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> Result<(), Box<dyn std::error::Error>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let server = Server::start(Config {
        port: args.port,
        data_dir: args.data_dir,
        postgres_bin_dir: args.postgres_bin_dir,
        postgres_url: args.postgres_url,
        s3_endpoint: args.s3_endpoint,
    })
    .await?;
    println!("redshift-local is ready: {} postgres: {}", server.endpoint(), server.postgres_url("dev"));
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    server.shutdown().await;
    Ok(())
}
