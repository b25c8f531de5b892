//! The files that `--rows` and `--rejects` write: whole or not at all. Lines go into a file without a lasting name
//! beside the target, which takes the target's name at the end. They hold values unmasked.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use penstock_core::quarantine::Subject;
use penstock_core::reject::Reject;
use penstock_core::row::{HandOver, Row};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;
use tempfile::NamedTempFile;

use super::inputs::Input;
use crate::args::TryArgs;
use crate::failure::Failure;

/// What is written beside the report.
#[derive(Debug, Default)]
pub struct Outputs {
    rows: Option<Output>,
    rejects: Option<Output>,
    line: String,
}

/// A file on its way.
#[derive(Debug)]
struct Output {
    what: &'static str,
    name: String,
    target: PathBuf,
    sink: Sink,
    lines: u64,
}

#[derive(Debug)]
enum Sink {
    Plain(BufWriter<NamedTempFile>),
    Gzip(Box<GzEncoder<BufWriter<NamedTempFile>>>),
}

impl Outputs {
    /// Begins the files that were asked for; none may be one that is read.
    pub fn open(args: &TryArgs, inputs: &[Input]) -> Result<Self, Failure> {
        let open =
            |path: &Option<PathBuf>, what| path.as_deref().map(|path| Output::open(path, what)).transpose();
        let (rows, rejects) = (open(&args.rows, "row")?, open(&args.rejects, "reject")?);
        let targets: Vec<&Path> = rows.iter().chain(&rejects).map(|own| own.target.as_path()).collect();
        if let [one, other] = targets.as_slice()
            && one == other
        {
            return Err(Failure::usage("--rows and --rejects name the same file"));
        }
        let inputs = inputs.iter().filter_map(Input::path).chain([args.contract.as_path()]);
        for read in inputs.filter_map(|path| path.canonicalize().ok()) {
            if targets.contains(&read.as_path()) {
                return Err(Failure::usage(format!("{}: is read, and would be replaced", read.display())));
            }
        }
        remove_on_signal(rows.iter().chain(&rejects).map(|own| own.sink.path().to_owned()).collect());
        Ok(Self { rows, rejects, line: String::new() })
    }

    /// Writes a row as it is handed over between functions.
    pub fn row(&mut self, hand_over: &HandOver, row: Row<'_>, source: &str) -> Result<(), Failure> {
        let Some(output) = &mut self.rows else { return Ok(()) };
        self.line.clear();
        hand_over.write_whole(row, source, &mut self.line);
        self.line.push('\n');
        output.write(self.line.as_bytes())
    }

    /// Writes a reject as it stands in quarantine.
    pub fn reject(&mut self, subject: &Subject, reject: &Reject) -> Result<(), Failure> {
        match &mut self.rejects {
            Some(output) => output.write(&subject.line_of(reject)),
            None => Ok(()),
        }
    }

    /// Gives the files their names; tells of each what it holds, how much and where.
    pub fn finish(self) -> Result<Vec<(&'static str, u64, String)>, Failure> {
        self.rows.into_iter().chain(self.rejects).map(Output::finish).collect()
    }
}

impl Output {
    fn open(path: &Path, what: &'static str) -> Result<Self, Failure> {
        let name = path.display().to_string();
        if std::fs::metadata(path).is_ok_and(|found| !found.is_file()) {
            // Taking the name of a device would remove it.
            return Err(Failure::usage(format!("{name}: is there and is no file")));
        }
        let wrong = |error: std::io::Error| Failure::usage(format!("{name}: cannot be written: {error}"));
        let file = path.file_name().ok_or_else(|| Failure::usage(format!("{name:?} names no file")))?;
        let directory = path.parent().filter(|own| !own.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let directory = directory.canonicalize().map_err(wrong)?;
        // Behind a link stands the file that is meant.
        let target = path.canonicalize().unwrap_or_else(|_| directory.join(file));
        let beside = target.parent().unwrap_or(&directory);
        let temporary =
            tempfile::Builder::new().prefix(".penstock-try-").tempfile_in(beside).map_err(wrong)?;
        let plain = BufWriter::with_capacity(256 << 10, temporary);
        let is_gzip = target.extension().is_some_and(|own| own.eq_ignore_ascii_case("gz"));
        let sink = match is_gzip {
            true => Sink::Gzip(Box::new(GzEncoder::new(plain, Compression::fast()))),
            false => Sink::Plain(plain),
        };
        Ok(Self { what, name, target, sink, lines: 0 })
    }

    fn write(&mut self, line: &[u8]) -> Result<(), Failure> {
        let written = match &mut self.sink {
            Sink::Plain(sink) => sink.write_all(line),
            Sink::Gzip(sink) => sink.write_all(line),
        };
        written.map_err(|error| not_written(&self.name, &error))?;
        self.lines += 1;
        Ok(())
    }

    fn finish(self) -> Result<(&'static str, u64, String), Failure> {
        let wrong = |error: &std::io::Error| not_written(&self.name, error);
        let plain = match self.sink {
            Sink::Plain(sink) => sink,
            Sink::Gzip(sink) => sink.finish().map_err(|error| wrong(&error))?,
        };
        let temporary = plain.into_inner().map_err(|error| wrong(error.error()))?;
        temporary.persist(&self.target).map_err(|error| wrong(&error.error))?;
        Ok((self.what, self.lines, self.name))
    }
}

impl Sink {
    fn path(&self) -> &Path {
        match self {
            Self::Plain(sink) => sink.get_ref().path(),
            Self::Gzip(sink) => sink.get_ref().get_ref().path(),
        }
    }
}

fn not_written(name: &str, error: &std::io::Error) -> Failure {
    Failure::refused(format!("{name}: cannot be written: {error}"))
}

/// A person who has enough, or a closed terminal, leaves no half files. That this cannot be set up keeps nobody from
/// trying a file.
fn remove_on_signal(paths: Vec<PathBuf>) {
    if paths.is_empty() {
        return;
    }
    let Ok(mut signals) = Signals::new([SIGINT, SIGTERM, SIGHUP]) else { return };
    std::thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            for path in &paths {
                std::fs::remove_file(path).ok();
            }
            emulate_default_handler(signal).ok();
        }
    });
}
