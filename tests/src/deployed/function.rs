//! A deployed function: invoked by hand, and by its event source mapping. Knows nothing of what it computes.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::{Value, json};

use super::Deployment;
use crate::until;

/// What the last line of an invocation's own says.
const LAST_LINE: &str = "invocation is done";

/// An invocation that has ended.
#[derive(Debug)]
pub struct Invoked {
    /// The function's answer.
    pub answer: Value,
    /// Log lines that are JSON, of the last 4 KB of its log.
    pub logs: Vec<Value>,
}

impl Invoked {
    /// What the role was refused, and by which log line it is known: its `kind`, else its message.
    #[must_use]
    pub fn refusals(&self) -> Vec<String> {
        let mut refusals: Vec<_> = self.logs.iter().filter_map(refusal).collect();
        refusals.sort();
        refusals.dedup();
        refusals
    }
}

fn refusal(line: &Value) -> Option<String> {
    let (_, refused) = line["error"].as_str()?.split_once("is not authorized to perform: ")?;
    let action = refused.split_once(' ')?.0;
    let step = line["kind"].as_str().or_else(|| line["message"].as_str())?;
    Some(format!("{step}: {action}"))
}

impl Deployment<'_> {
    /// Invokes a function and waits for its answer; one that fails as a whole is an error.
    pub async fn invoke(&self, function: &str, event: &Value) -> anyhow::Result<Invoked> {
        let (answer, mut logs) = self.invoke_once(function, event)?;
        // MiniStack reads a log for some milliseconds only; the next invocation brings the lines that it missed.
        until("the whole log", Duration::from_secs(20), async || {
            if is_whole(&logs) {
                return Ok(Some(()));
            }
            logs.extend(self.invoke_once(function, &json!({"Records": []}))?.1);
            Ok(None)
        })
        .await?;
        Ok(Invoked { answer, logs })
    }

    fn invoke_once(&self, function: &str, event: &Value) -> anyhow::Result<(Value, Vec<Value>)> {
        let folder = tempfile::tempdir()?;
        let (payload, answer) = (folder.path().join("event.json"), folder.path().join("answer.json"));
        std::fs::write(&payload, event.to_string())?;
        let (payload, path) = (format!("fileb://{}", payload.display()), answer.display().to_string());
        let name = self.name(function);
        let invoke = ["lambda", "invoke", "--function-name", &name, "--log-type", "Tail"];
        let invoked = self.cloud.aws(&[&invoke[..], &["--payload", &payload, &path]].concat())?;
        let answer = std::fs::read_to_string(answer)?;
        ensure!(invoked["FunctionError"].is_null(), "{name}: {answer}");
        let log = BASE64_STANDARD.decode(invoked["LogResult"].as_str().unwrap_or_default())?;
        let lines = String::from_utf8_lossy(&log);
        let lines = lines.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        Ok((serde_json::from_str(&answer)?, lines))
    }

    /// Turns the function's event source mapping off or on.
    pub fn set_mapping(&self, function: &str, state: Mapping) -> anyhow::Result<()> {
        let name = self.name(function);
        let of_function = ["lambda", "list-event-source-mappings", "--function-name", &name];
        let found = self.cloud.aws_list(&of_function, "EventSourceMappings[].UUID")?;
        let [id] = &found[..] else { anyhow::bail!("{name} has {} mappings", found.len()) };
        let flag = match state {
            Mapping::On => "--enabled",
            Mapping::Off => "--no-enabled",
        };
        self.cloud.aws(&["lambda", "update-event-source-mapping", "--uuid", id, flag])?;
        Ok(())
    }

    /// The inline policy of a function's role.
    pub fn policy(&self, function: &str) -> anyhow::Result<Value> {
        let role = self.name(function);
        let own = ["iam", "get-role-policy", "--role-name", &role, "--policy-name", function];
        Ok(self.cloud.aws(&own)?["PolicyDocument"].take())
    }

    /// Replaces the inline policy of a function's role.
    pub fn set_policy(&self, function: &str, policy: &Value) -> anyhow::Result<()> {
        let (role, text) = (self.name(function), policy.to_string());
        let own = ["iam", "put-role-policy", "--role-name", &role, "--policy-name", function];
        self.cloud.aws(&[&own[..], &["--policy-document", &text]].concat())?;
        Ok(())
    }

    /// Log streams of a function; MiniStack begins one with every invocation.
    pub fn log_streams(&self, function: &str) -> anyhow::Result<u64> {
        let group = format!("/aws/lambda/{}", self.name(function));
        let streams = ["logs", "describe-log-streams", "--log-group-name", &group];
        let count = self.cloud.aws(&[&streams[..], &["--query", "length(logStreams)"]].concat())?;
        count.as_u64().with_context(|| format!("{group} has no count of streams"))
    }
}

/// Whether an event source mapping hands messages to its function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mapping {
    /// It does.
    On,
    /// It does not.
    Off,
}

/// Whether the last line of every invocation in it is there.
fn is_whole(logs: &[Value]) -> bool {
    let is_last = |line: &&Value| line["message"] == LAST_LINE;
    let ended: Vec<_> = logs.iter().filter(is_last).map(|line| &line["function_request_id"]).collect();
    let own = logs.iter().map(|line| &line["function_request_id"]).filter(|id| id.is_string());
    !ended.is_empty() && own.into_iter().all(|id| ended.contains(&id))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(request: &str, message: &str) -> Value {
        json!({"function_request_id": request, "message": message})
    }

    #[test]
    fn a_log_is_whole_when_each_of_its_invocations_has_its_last_line() {
        assert!(!is_whole(&[]));
        assert!(!is_whole(&[line("1", LAST_LINE), line("2", "begun")]));
        assert!(is_whole(&[
            line("1", LAST_LINE),
            line("2", "begun"),
            line("2", LAST_LINE),
            json!({"Loads": 1})
        ]));
    }

    #[test]
    fn a_refusal_is_named_by_its_step_and_the_action() {
        let error = "User: arn is not authorized to perform: s3:GetObject because no policy allows it";
        let by_kind = json!({"message": "given back", "kind": "FetchError", "error": error});
        let by_message = json!({"message": "given back", "error": error});
        let logs = vec![by_message, by_kind.clone(), by_kind, json!({"error": "timeout"})];
        let refusals = Invoked { answer: Value::Null, logs }.refusals();
        assert_eq!(refusals, ["FetchError: s3:GetObject", "given back: s3:GetObject"]);
    }
}
