//! Bootstrap of firehose-transform: reads the environment and the contracts, runs. Calls no AWS and knows no records.

use firehose_transform::{App, Config, run};
use lambda_runtime::Error;
use penstock_aws::{telemetry, vars::process_env};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init(&process_env);
    run(App::start(Config::from_vars(process_env)?)).await
}
