//! A function that does what its event says, for the tests of the harness: `{"do": "answer"}`.
//!
//! It must not know the harness: it proves that a real `lambda_runtime` function runs on it.

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    if let Ok(reason) = std::env::var("FAIL_AT_START") {
        return Err(reason.into());
    }
    run(service_fn(script)).await
}

async fn script(event: LambdaEvent<Value>) -> Result<Value, Error> {
    println!("{}", json!({ "message": "invoked", "id": event.context.request_id }));
    match event.payload["do"].as_str() {
        Some("answer") => Ok(json!({ "deadline": event.context.deadline, "event": event.payload })),
        Some("fail") => Err("told to fail".into()),
        Some("panic") => panic!("told to panic"),
        Some("exit") => std::process::exit(3),
        Some("hang") => std::future::pending().await,
        Some("variables") => Ok(std::env::vars().map(|(name, _)| name).collect()),
        _ => Err("an event says what to do".into()),
    }
}
