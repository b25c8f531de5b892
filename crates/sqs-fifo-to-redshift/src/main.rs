//! Bootstrap of sqs-fifo-to-redshift: reads the environment, makes the clients once, runs. Knows no rows.

use aws_lambda_events::sqs::SqsEvent;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use penstock_aws::{Invocation, telemetry, vars::process_env};
use sqs_fifo_to_redshift::{App, Config};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init(&process_env);
    let config = Config::from_vars(process_env)?;
    let app = App::start(config, &penstock_aws::sdk_config().await);
    let app = &app;
    run(service_fn(|event: LambdaEvent<SqsEvent>| async move {
        Ok::<_, Error>(app.handle(event.payload, Invocation::begin(&event.context)).await)
    }))
    .await
}
