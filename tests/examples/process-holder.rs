//! Holds a local AWS and a function in the middle of an invocation until it is killed, for the tests of the
//! harness: it prints `holding <endpoint>` when both run.

use std::time::{Duration, SystemTime};

use anyhow::bail;
use penstock_tests::{Auth, Bootstrap, MiniStack, target_dir};
use serde_json::json;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let stack = MiniStack::start(Auth::Off).await?;
    let program = target_dir()?.join("examples/scripted-function");
    let function = Bootstrap::start_program(&program, stack.function_vars()).await?;
    let event = json!({ "do": "hang" });
    let hangs = function.invoke_until(&event, SystemTime::now() + Duration::from_secs(60));
    let announces = async {
        function.wait_for_log(|line| line["message"] == "invoked").await?;
        println!("holding {}", stack.endpoint());
        anyhow::Ok(())
    };
    let (outcome, announced) = tokio::join!(hangs, announces);
    announced?;
    bail!("nobody killed this: {outcome:?}")
}
