//! How fast files become the lake's Parquet, beside pandas and pyarrow that make the same columns of the same file: CPU
//! time of one process each, and the files' sizes; and the peak of memory that the function takes for a large file.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};

use crate::converter::Told;
use crate::lake_function;
use crate::orders::{OrderForm, Orders};
use crate::table::{Line, Need, median};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/python/lake.py");
/// Share of pyarrow's speed on one core, and times less CPU than pandas.
const SHARE: f64 = 0.7;
const TIMES_LESS: f64 = 2.0;
/// Of pyarrow's size.
const MOST_SIZE: f64 = 1.05;

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Of the file that all convert.
    pub file_mb: usize,
    /// Of the one whose memory is looked at.
    pub large_mb: usize,
    pub rounds: usize,
}

/// Lines of both formats.
pub async fn lines(python: &Path, size: Size) -> Vec<Line> {
    let mut lines = Vec::new();
    for (form, name) in [(OrderForm::Csv, "CSV"), (OrderForm::Ndjson, "NDJSON")] {
        let failed = |error| vec![Line::failed(format!("{name} to Parquet"), &error)];
        lines.extend(compared(python, (form, name), size).unwrap_or_else(failed));
        let what = format!("s3-to-lake, a file of {} MB of {name}: peak memory, MB", size.large_mb);
        let line = lake_function::memory(&what, form, size.large_mb).await;
        lines.push(line.unwrap_or_else(|error| Line::failed(what, &error)));
    }
    lines
}

/// Contestants take turns, so that a slow minute of the machine is everybody's.
fn compared(python: &Path, (form, name): (OrderForm, &str), size: Size) -> anyhow::Result<Vec<Line>> {
    const NAMES: [&str; 4] = ["ours", "stamped", "pyarrow", "pandas"];
    ensure!(python.exists(), "{} is missing: `make bench` makes it", python.display());
    let folder = tempfile::tempdir().context("scratch folder")?;
    let contest = Contest { python, form, folder: folder.path() };
    let rows = write_file(form, size.file_mb << 20, &contest.input())?;
    let mut ms = NAMES.map(|_| Vec::new());
    for _ in 0..size.rounds {
        for (name, ms) in NAMES.iter().zip(&mut ms) {
            let told = contest.run(name)?;
            ensure!(told.rows == rows, "{name} made {} of {rows} rows", told.rows);
            ms.push(told.cpu_ms);
        }
    }
    contest.check_same()?;
    let bytes = |name: &str| anyhow::Ok(std::fs::metadata(contest.output(name))?.len() as f64);
    Ok(told_lines(name, ms.map(median), [bytes("ours")?, bytes("pyarrow")?]))
}

/// Programs that convert one file, each as a process of its own.
struct Contest<'c> {
    python: &'c Path,
    form: OrderForm,
    folder: &'c Path,
}

impl Contest<'_> {
    fn input(&self) -> PathBuf {
        self.folder.join("in")
    }

    fn output(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.parquet"))
    }

    fn run(&self, name: &str) -> anyhow::Result<Told> {
        let (input, output, form) = (self.input(), self.output(name), self.form.argument());
        let mut command = match name {
            "pyarrow" | "pandas" => {
                let mut command = Command::new(self.python);
                command.args([SCRIPT, name, form]).arg(input).arg(output);
                command
            }
            _ => {
                let mut command = Command::new(std::env::current_exe()?);
                command.args(["lake-convert", form, "--input"]).arg(input).arg("--output").arg(output);
                command.args((name == "stamped").then_some("--stamps"));
                command
            }
        };
        run(&mut command)
    }

    /// Nobody is faster by making something else.
    fn check_same(&self) -> anyhow::Result<()> {
        let mut command = Command::new(self.python);
        let done =
            command.args([SCRIPT, "same"]).args([self.output("ours"), self.output("pyarrow")]).output()?;
        ensure!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr).trim());
        Ok(())
    }
}

fn told_lines(
    name: &str,
    [ours, stamped, pyarrow, pandas]: [f64; 4],
    [own_bytes, peer_bytes]: [f64; 2],
) -> Vec<Line> {
    let line = |what: &str, own: f64, peer: &str, peer_ms: f64, need| Line {
        what: format!("{name} to Parquet{what}"),
        ours: format!("{own:.0} ms"),
        against: format!("{peer} {peer_ms:.0} ms"),
        figure: Ok(peer_ms / own),
        need,
    };
    let speed = ": speed on one core / pyarrow's";
    vec![
        line(speed, ours, "pyarrow", pyarrow, Need::AtLeast(SHARE)),
        line(&format!(" with stamps{speed}"), stamped, "pyarrow", pyarrow, Need::Told),
        line(": CPU, times less than pandas", ours, "pandas", pandas, Need::AtLeast(TIMES_LESS)),
        Line {
            what: format!("{name} to Parquet: size / pyarrow's"),
            ours: format!("{:.2} MB", own_bytes / f64::from(1 << 20)),
            against: format!("pyarrow {:.2} MB", peer_bytes / f64::from(1 << 20)),
            figure: Ok(own_bytes / peer_bytes),
            need: Need::AtMost(MOST_SIZE),
        },
    ]
}

fn run(command: &mut Command) -> anyhow::Result<Told> {
    let done = command.output()?;
    ensure!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr).trim());
    serde_json::from_slice(&done.stdout).context("what a contestant says")
}

fn write_file(form: OrderForm, bytes: usize, path: &Path) -> anyhow::Result<u64> {
    let (mut orders, mut out) = (Orders::new(form), String::with_capacity(bytes + 1024));
    orders.write_header(&mut out);
    while out.len() < bytes {
        orders.write(&mut out);
    }
    std::fs::write(path, out).context("the file")?;
    Ok(orders.made())
}
