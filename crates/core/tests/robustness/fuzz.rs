//! Fuzzing without a special compiler: inputs that show a new behaviour (rules, counts, kinds of errors) are kept and
//! changed further. `cargo test` runs each target for a second or two from a fixed seed; FUZZ_SECONDS=60 runs each for
//! that long from a new one. What fails is made smaller and written to `corpus/<target>`, which every run replays.

mod targets;

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::mutate::{Change, apply};
use targets::Target;

/// For how long a target runs, unless FUZZ_SECONDS says.
const USUAL: Duration = Duration::from_millis(1_500);
const KEPT_INPUTS: usize = 2_000;
/// Runs that are spent on making a failing input smaller.
const SHRINKING_RUNS: usize = 2_000;

/// xorshift64*: the same inputs for the same seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() >> 16) as usize % limit.max(1)
    }
}

/// How long, and from which seed.
fn budget() -> (Duration, u64) {
    match std::env::var("FUZZ_SECONDS") {
        Err(_) => (USUAL, 0x9e37_79b9_7f4a_7c15),
        Ok(text) => {
            let seconds = text.parse().expect("FUZZ_SECONDS is a number of seconds");
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
            (Duration::from_secs(seconds), now.as_nanos() as u64 | 1)
        }
    }
}

fn corpus(target: &Target) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/robustness/corpus").join(target.name)
}

/// Inputs that failed once.
fn known(target: &Target) -> Vec<Vec<u8>> {
    let Ok(folder) = std::fs::read_dir(corpus(target)) else { return Vec::new() };
    folder.map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect()
}

fn changed(kept: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut bytes = kept[random.below(kept.len())].clone();
    if random.below(8) == 0 {
        // The front of one input and the back of another.
        let other = &kept[random.below(kept.len())];
        let (at, from) = (random.below(bytes.len() + 1), random.below(other.len() + 1));
        bytes.truncate(at);
        bytes.extend_from_slice(&other[from..]);
    }
    for _ in 0..1 + random.below(6) {
        let word = random.next();
        apply(&mut bytes, Change { kind: word as u8, at: (word >> 8) as u32, with: (word >> 40) as u32 });
    }
    bytes
}

/// What the input showed; `None` if it failed.
fn run(target: &Target, bytes: &[u8]) -> Option<u64> {
    catch_unwind(AssertUnwindSafe(|| (target.run)(bytes))).ok()
}

/// A failing input with as much taken away as it can lose.
fn smaller(target: &Target, mut bytes: Vec<u8>) -> Vec<u8> {
    let (mut len, mut runs) = (bytes.len() / 2, 0);
    while len > 0 {
        let mut at = 0;
        while at < bytes.len() && runs < SHRINKING_RUNS {
            let end = (at + len).min(bytes.len());
            let without = [&bytes[..at], &bytes[end..]].concat();
            runs += 1;
            if run(target, &without).is_none() { bytes = without } else { at = end }
        }
        len /= 2;
    }
    bytes
}

fn fail(target: &Target, bytes: Vec<u8>) -> ! {
    let bytes = smaller(target, bytes);
    let mut hash = DefaultHasher::new();
    bytes.hash(&mut hash);
    let path = corpus(target).join(format!("{:016x}", hash.finish()));
    std::fs::create_dir_all(corpus(target)).unwrap();
    std::fs::write(&path, &bytes).unwrap();
    panic!("{} fails on {} ({:?})", target.name, path.display(), String::from_utf8_lossy(&bytes));
}

fn fuzz(target: &Target) {
    let (time, seed) = budget();
    let (mut random, mut seen, mut runs) = (Random(seed), HashSet::new(), 0_u64);
    let mut kept = [known(target), target.seeds()].concat();
    for bytes in &kept {
        match run(target, bytes) {
            Some(shown) => seen.insert(shown),
            None => panic!(
                "{} fails on an input that is known: {:?}",
                target.name,
                String::from_utf8_lossy(bytes)
            ),
        };
    }
    let started = Instant::now();
    while started.elapsed() < time {
        let bytes = changed(&kept, &mut random);
        runs += 1;
        match run(target, &bytes) {
            None => fail(target, bytes),
            Some(shown) if kept.len() < KEPT_INPUTS && bytes.len() < 8 << 10 && seen.insert(shown) => {
                kept.push(bytes)
            }
            Some(_) => {}
        }
    }
    println!("{}: {runs} runs, {} behaviours, seed {seed:#x}", target.name, seen.len());
}

#[test]
fn json_withstands_fuzzing() {
    fuzz(&targets::JSON);
}

#[test]
fn csv_withstands_fuzzing() {
    fuzz(&targets::CSV);
}

#[test]
fn packed_streams_withstand_fuzzing() {
    fuzz(&targets::PACKED);
}

#[cfg(feature = "avro")]
#[test]
fn avro_withstands_fuzzing() {
    fuzz(&targets::AVRO);
}

#[cfg(feature = "parquet")]
#[test]
fn parquet_withstands_fuzzing() {
    fuzz(&targets::PARQUET);
}

#[test]
fn contracts_withstand_fuzzing() {
    fuzz(&targets::CONTRACT);
}

#[test]
fn time_formats_withstand_fuzzing() {
    fuzz(&targets::TIME_FORMAT);
}

#[test]
fn aggregated_records_withstand_fuzzing() {
    fuzz(&targets::KPL);
}

#[test]
fn stamped_rows_and_messages_withstand_fuzzing() {
    fuzz(&targets::STAMPED);
}
