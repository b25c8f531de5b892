//! The AWS CLI against a MiniStack: what an administrator, or anybody with keys, does by hand.

use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use aws_sdk_s3::config::Credentials;
use serde_json::Value;

use crate::paths::tool;
use crate::{MiniStack, REGION};

impl MiniStack {
    /// Runs `aws <arguments>` as the account's root; gives its JSON, `null` where it says nothing.
    pub fn aws(&self, arguments: &[&str]) -> anyhow::Result<Value> {
        self.run_aws(arguments, Vec::new())
    }

    /// The same as somebody with these credentials.
    pub fn aws_as(&self, user: &Credentials, arguments: &[&str]) -> anyhow::Result<Value> {
        let token = user.session_token().map(|token| ("AWS_SESSION_TOKEN", token));
        let keys = [
            ("AWS_ACCESS_KEY_ID", user.access_key_id()),
            ("AWS_SECRET_ACCESS_KEY", user.secret_access_key()),
        ];
        self.run_aws(arguments, keys.into_iter().chain(token).collect())
    }

    fn run_aws(&self, arguments: &[&str], user: Vec<(&str, &str)>) -> anyhow::Result<Value> {
        let command = arguments.iter().take(2).copied().collect::<Vec<_>>().join(" ");
        let output = Command::new(tool("aws")?)
            .args(["--endpoint-url", self.endpoint(), "--output", "json"])
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .envs(self.function_vars())
            .envs(user)
            .env("AWS_DEFAULT_REGION", REGION)
            .env("AWS_PAGER", "")
            // Whoever runs the tests may have profiles that lead to a real AWS.
            .envs([("AWS_CONFIG_FILE", "/dev/null"), ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")])
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("aws {command} does not start"))?;
        ensure!(output.status.success(), "aws {command}: {}", String::from_utf8_lossy(&output.stderr).trim());
        if output.stdout.trim_ascii().is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&output.stdout).with_context(|| format!("aws {command} answers no JSON"))
    }

    /// The texts that a call gives for a `--query` of a list.
    pub fn aws_list(&self, arguments: &[&str], query: &str) -> anyhow::Result<Vec<String>> {
        let list = self.aws(&[arguments, &["--query", query]].concat())?;
        let texts = list.as_array().into_iter().flatten();
        Ok(texts.filter_map(|text| text.as_str().map(str::to_owned)).collect())
    }
}

/// Credentials as IAM and STS give them: an access key, or a session.
pub fn credentials(given: &Value) -> anyhow::Result<Credentials> {
    let text = |name: &str| given[name].as_str().map(str::to_owned);
    let (key, secret) = (text("AccessKeyId"), text("SecretAccessKey"));
    let (key, secret) = key.zip(secret).with_context(|| format!("no credentials: {given}"))?;
    Ok(Credentials::new(key, secret, text("SessionToken"), None, "test"))
}
