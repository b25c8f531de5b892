//! Where things lie: the workspace, what cargo built beside the running test, the tools of `make setup`.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

/// The folder of the workspace's Cargo.toml.
#[must_use]
pub fn workspace_root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// The profile's folder in the target directory, found from the running test executable, so that a test
/// never runs a binary of another profile.
pub fn target_dir() -> anyhow::Result<PathBuf> {
    let exe = std::env::current_exe().context("the running test has no path")?;
    let is_cargos = |dir: &&Path| dir.ends_with("deps") || dir.ends_with("examples");
    let dir = exe.ancestors().find(is_cargos);
    let dir = dir.and_then(Path::parent).context("the running test lies in no cargo target directory")?;
    Ok(dir.to_path_buf())
}

/// A command of the project's Python environment, `.venv/bin/<name>`.
pub fn tool(name: &str) -> anyhow::Result<PathBuf> {
    let path = workspace_root().join(".venv/bin").join(name);
    ensure!(path.exists(), "{} is missing: run `make setup`", path.display());
    Ok(path)
}

/// The Python that reads the lake's files.
pub fn lake_python() -> anyhow::Result<PathBuf> {
    let path = workspace_root().join(".venv/lake/bin/python");
    ensure!(path.exists(), "{} is missing: run `make setup`", path.display());
    Ok(path)
}

/// A function's binary as this profile built it.
pub fn binary(name: &str) -> anyhow::Result<PathBuf> {
    let path = target_dir()?.join(name);
    ensure!(path.exists(), "{} is missing: run `make build`", path.display());
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_directory_holds_the_running_test() {
        assert!(std::env::current_exe().unwrap().starts_with(target_dir().unwrap()));
    }

    #[test]
    fn a_missing_tool_or_binary_names_the_command_that_makes_it() {
        assert!(tool("no-such-tool").unwrap_err().to_string().ends_with("run `make setup`"));
        assert!(binary("no-such-binary").unwrap_err().to_string().ends_with("run `make build`"));
    }
}
