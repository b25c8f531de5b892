//! How fast Penstock makes a file into what COPY reads, beside a bare parse with compression of the same bytes, and
//! beside plain Python that does the same.

use std::hint::black_box;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};

use crate::ingest::{bare_csv, bare_json, timed};
use crate::ours::{Work, ours};
use crate::sample::{Form, Transactions};
use crate::table::{Line, Need, median};

/// Share of the bare pass's speed that is asked for.
const SHARE: f64 = 0.5;
/// How many times less CPU than Python.
const TIMES_LESS: f64 = 10.0;
const FILE_BYTES: usize = 60 << 20;
/// Python takes a minute for what we read in a second.
const PYTHON_BYTES: usize = 12 << 20;

/// Three lines a format. The ratio that is asked for is of the source's columns, as ingest's is: what a contract
/// derives on top is told.
pub fn lines(python: &Path, rounds: usize) -> Vec<Line> {
    let forms = [("NDJSON", Form::Ndjson, "sonic-rs"), ("CSV", Form::FlatCsv, "csv-core")];
    forms
        .into_iter()
        .flat_map(|(name, form, peer)| {
            let what = format!("{name} to zstd parts: speed / bare parse and zstd");
            let bare = beside_bare(&what, (form, Work::Packed), peer, rounds)
                .unwrap_or_else(|error| Line::failed(what, &error));
            let what = format!("{name} with three derived columns to zstd parts: the same");
            let derived = beside_bare(&what, (form, Work::PackedDerived), peer, rounds)
                .map(|line| Line { need: Need::Told, ..line })
                .unwrap_or_else(|error| Line::failed(what, &error));
            let what = format!("{name} to parts: CPU, times less than plain Python");
            let python =
                beside_python(&what, form, name, python).unwrap_or_else(|error| Line::failed(what, &error));
            [bare, derived, python]
        })
        .collect()
}

fn beside_bare(what: &str, (form, work): (Form, Work), peer: &str, rounds: usize) -> anyhow::Result<Line> {
    let (bytes, rows) = Transactions::file(form, FILE_BYTES)?;
    let bare = |bytes: &[u8]| {
        let seen = if form == Form::Ndjson { bare_json(bytes) } else { bare_csv(bytes) }?;
        black_box(zstd::encode_all(bytes, 1)?);
        anyhow::Ok(seen)
    };
    let (mut own_ms, mut bare_ms, mut shares) = (Vec::new(), Vec::new(), Vec::new());
    // The first round warms up.
    for round in 0..=rounds {
        let (own_rows, own) = timed(|| ours(&bytes, form, work))?;
        let (bare_rows, bare) = timed(|| bare(&bytes))?;
        ensure!(own_rows == rows && bare_rows == rows, "{own_rows} and {bare_rows} of {rows} rows");
        if round > 0 {
            own_ms.push(own);
            bare_ms.push(bare);
            // Of one moment: a machine that is slower for a while is so for both.
            shares.push(bare / own);
        }
    }
    let (own_ms, bare_ms) = (median(own_ms), median(bare_ms));
    let speed = |ms: f64| format!("{:.0} MB/s", bytes.len() as f64 / (1 << 20) as f64 / (ms / 1e3));
    Ok(Line {
        what: what.to_owned(),
        ours: speed(own_ms),
        against: format!("{peer} and zstd {}", speed(bare_ms)),
        figure: Ok(median(shares)),
        need: Need::AtLeast(SHARE),
    })
}

fn beside_python(what: &str, form: Form, name: &str, python: &Path) -> anyhow::Result<Line> {
    ensure!(python.exists(), "{} is missing: `make bench` makes it", python.display());
    let (bytes, rows) = Transactions::file(form, PYTHON_BYTES)?;
    let folder = tempfile::tempdir().context("scratch folder")?;
    let (input, output) = (folder.path().join("in"), folder.path().join("out.gz"));
    std::fs::write(&input, &bytes).context("the file")?;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/python/parts.py");
    let done = Command::new(python).arg(script).arg(&input).arg(name.to_lowercase()).arg(&output).output()?;
    ensure!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr).trim());
    let told: serde_json::Value = serde_json::from_slice(&done.stdout).context("what Python says")?;
    ensure!(told["rows"].as_u64() == Some(rows), "Python accepted {} of {rows} rows", told["rows"]);
    let python_ms = told["cpu_ms"].as_f64().context("CPU time")?;
    let runs = (0..3).map(|_| timed(|| ours(&bytes, form, Work::PackedDerived)).map(|(_, ms)| ms));
    let own_ms = median(runs.collect::<anyhow::Result<Vec<_>>>()?);
    Ok(Line {
        what: what.to_owned(),
        ours: format!("{own_ms:.0} ms"),
        against: format!("plain Python {python_ms:.0} ms"),
        figure: Ok(python_ms / own_ms),
        need: Need::AtLeast(TIMES_LESS),
    })
}
