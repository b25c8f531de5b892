//! The `penstock` command as an operator runs it, with the variables of a route.

use std::process::Command;

use anyhow::Context as _;

use crate::paths::binary;

/// What a run printed and how it ended.
#[derive(Debug)]
pub struct Told {
    /// Exit code.
    pub code: i32,
    /// Results.
    pub out: String,
    /// What went wrong.
    pub err: String,
}

impl Told {
    /// The numbers of a dataset's line in a table.
    #[must_use]
    pub fn counts(&self, dataset: &str) -> Vec<u64> {
        let of = |line: &&str| line.split_whitespace().next() == Some(dataset);
        let line = self.out.lines().find(of).unwrap_or_default();
        line.split_whitespace().skip(1).filter_map(|number| number.parse().ok()).collect()
    }
}

/// Runs the command over the contracts that `CONTRACTS_DIR` names, with nothing in its environment but `vars`.
pub async fn penstock(vars: &[(String, String)], arguments: &[&str]) -> anyhow::Result<Told> {
    let contracts = vars.iter().find(|(name, _)| name == "CONTRACTS_DIR").context("CONTRACTS_DIR")?;
    let mut command = Command::new(binary("penstock")?);
    command.env_clear().envs(vars.iter().cloned()).args(arguments).arg(&contracts.1);
    // The local Redshift lives in this process.
    let output = tokio::task::spawn_blocking(move || command.output()).await?.context("penstock")?;
    let text = |bytes| String::from_utf8(bytes).context("what penstock printed");
    let code = output.status.code().context("penstock was killed")?;
    Ok(Told { code, out: text(output.stdout)?, err: text(output.stderr)? })
}
