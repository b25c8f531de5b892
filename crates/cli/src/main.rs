//! `penstock`: reads the arguments and runs one command. Knows no command.

use std::process::ExitCode;

use clap::Parser;
use penstock_aws::vars::process_env;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let cli = penstock::Cli::parse();
    penstock::run(cli, &process_env, &mut std::io::stdout().lock(), &mut std::io::stderr().lock())
        .await
        .into()
}
