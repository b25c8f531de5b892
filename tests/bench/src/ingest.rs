//! How fast Penstock reads files into checked rows, beside passes over the same bytes that do nothing with them.

use std::hint::black_box;

use anyhow::{Context as _, ensure};
use csv_core::{ReadRecordResult, Reader};
use rustix::time::{ClockId, clock_gettime};

use crate::ours::{Work, ours};
use crate::sample::{Form, Transactions};
use crate::table::{Line, Need, median};

/// Share of the bare pass's speed that is asked for.
const SHARE: f64 = 0.4;
const FILE_BYTES: usize = 60 << 20;

/// Lines of each format: rows that are only checked, and what derived columns and stamps cost on top.
pub fn lines(rounds: usize) -> Vec<Line> {
    let works = [
        (Work::Checked, "to checked rows", Need::AtLeast(SHARE)),
        (Work::Derived, "with three derived columns", Need::Told),
        (Work::Stamped, "with these and stamps", Need::Told),
    ];
    let forms = [("NDJSON", Form::Ndjson, "bare sonic-rs"), ("CSV", Form::FlatCsv, "bare csv-core")];
    let all = forms.into_iter().flat_map(|form| works.map(|work| (form, work)));
    // Unquoting JSON and reading it is more than CSV.
    let form = ("CSV with JSON in a field", Form::NestedCsv, "bare csv-core");
    let nested = (form, (Work::Checked, "to checked rows", Need::Told));
    all.chain([nested])
        .map(|((name, form, peer), (work, made, need))| {
            let what = format!("ingest {name} {made}: speed / the bare pass's");
            let line = measure(what.clone(), (form, work), peer, rounds);
            line.map_or_else(|error| Line::failed(what, &error), |line| Line { need, ..line })
        })
        .collect()
}

fn measure(what: String, (form, work): (Form, Work), peer: &str, rounds: usize) -> anyhow::Result<Line> {
    let (bytes, rows) = Transactions::file(form, FILE_BYTES)?;
    let bare = match form {
        Form::Ndjson => bare_json,
        Form::FlatCsv | Form::NestedCsv => bare_csv,
    };
    let (mut own_ms, mut bare_ms) = (Vec::new(), Vec::new());
    // The first round warms up.
    for round in 0..=rounds {
        let (own_rows, own) = timed(|| ours(&bytes, form, work))?;
        let (bare_rows, bare) = timed(|| bare(&bytes))?;
        ensure!(own_rows == rows, "{own_rows} of {rows} rows were accepted");
        ensure!(bare_rows == rows, "the bare pass saw {bare_rows} of {rows} rows");
        if round > 0 {
            own_ms.push(own);
            bare_ms.push(bare);
        }
    }
    let (own_ms, bare_ms) = (median(own_ms), median(bare_ms));
    let speed = |ms: f64| format!("{:.0} MB/s", bytes.len() as f64 / (1 << 20) as f64 / (ms / 1e3));
    Ok(Line {
        what,
        ours: speed(own_ms),
        against: format!("{peer} {}", speed(bare_ms)),
        figure: Ok(bare_ms / own_ms),
        need: Need::Told,
    })
}

/// CPU time of this thread in milliseconds.
pub fn timed<T>(work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<(T, f64)> {
    let now = || clock_gettime(ClockId::ThreadCPUTime);
    let begin = now();
    let done = work()?;
    let end = now();
    Ok((done, (end.tv_sec - begin.tv_sec) as f64 * 1e3 + (end.tv_nsec - begin.tv_nsec) as f64 / 1e6))
}

/// Parses each line and drops what comes of it.
pub fn bare_json(bytes: &[u8]) -> anyhow::Result<u64> {
    let (mut rows, mut start) = (0, 0);
    for end in memchr::memchr_iter(b'\n', bytes) {
        let line = bytes.get(start..end).context("lines are within the bytes")?;
        black_box(sonic_rs::from_slice::<sonic_rs::Value>(line)?);
        (rows, start) = (rows + 1, end + 1);
    }
    Ok(rows)
}

/// Steps through the records.
pub fn bare_csv(mut bytes: &[u8]) -> anyhow::Result<u64> {
    let (mut reader, mut text, mut ends) = (Reader::new(), vec![0; 64 << 10], vec![0; 64]);
    let mut rows = 0u64;
    loop {
        let (result, read, _, _) = reader.read_record(bytes, &mut text, &mut ends);
        bytes = bytes.get(read..).unwrap_or_default();
        match result {
            ReadRecordResult::Record => rows += 1,
            // The end of the bytes is told by an empty slice.
            ReadRecordResult::InputEmpty => {}
            // The header is no row.
            ReadRecordResult::End => return Ok(rows.saturating_sub(1)),
            full => anyhow::bail!("a record is too large: {full:?}"),
        }
        black_box((&text, &ends));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bare_passes_see_every_row() {
        for (form, bare) in [
            (Form::Ndjson, bare_json as fn(&[u8]) -> _),
            (Form::FlatCsv, bare_csv),
            (Form::NestedCsv, bare_csv),
        ] {
            let (bytes, rows) = Transactions::file(form, 100_000).unwrap();
            assert_eq!(bare(&bytes).unwrap(), rows);
        }
    }

    #[test]
    fn every_row_is_accepted() {
        for form in [Form::Ndjson, Form::FlatCsv, Form::NestedCsv] {
            let (bytes, rows) = Transactions::file(form, 100_000).unwrap();
            for work in [Work::Checked, Work::Derived, Work::Stamped] {
                assert_eq!(ours(&bytes, form, work).unwrap(), rows, "{form:?} {work:?}");
            }
        }
    }
}
