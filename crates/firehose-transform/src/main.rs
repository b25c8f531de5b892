//! Bootstrap of firehose-transform: reads the environment and the contracts, runs. Calls no AWS and knows no records.

use firehose_transform::{App, Config, Event};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use penstock_aws::{Invocation, telemetry, vars::process_env};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init(&process_env);
    let app = App::start(Config::from_vars(process_env)?);
    let app = &app;
    run(service_fn(|event: LambdaEvent<Event>| async move {
        app.handle(event.payload, &Invocation::begin(&event.context))
    }))
    .await
}
