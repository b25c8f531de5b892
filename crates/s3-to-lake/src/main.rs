//! Bootstrap of s3-to-lake: reads the environment, makes the clients once, runs. Knows no records.

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use penstock_aws::{Invocation, telemetry, vars::process_env};
use s3_to_lake::{App, Config};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init(&process_env);
    let config = Config::from_vars(process_env)?;
    let app = App::start(config, &penstock_aws::sdk_config().await);
    let app = &app;
    run(service_fn(|event: LambdaEvent<serde_json::Value>| async move {
        app.handle(event.payload, Invocation::begin(&event.context)).await
    }))
    .await
}
