//! One object through the ingest, in any pieces, with what must hold of every one: it goes on, and its counts add up.

use std::sync::Arc;

use penstock_core::decode::{Broken, Limits};
use penstock_core::ident;
use penstock_core::ingest::{Batch, Ingest, Progress};
use penstock_core::reject::Rule;
use penstock_core::row::{Checker, Origin, Rows};
use proptest::prelude::ProptestConfig;

/// What became of an object.
#[derive(Debug)]
pub struct Outcome {
    pub batch: Batch,
    /// Its rows with their stamps.
    pub rows: Rows,
    pub ended: Result<(), Broken>,
}

pub fn origin(key: &str) -> Origin {
    let object_id = ident::stable_id(["an object"]);
    Origin::new(format!("s3://b/t/{key}"), object_id, 1_767_322_800_000)
}

/// Bytes cut into pieces whose lengths come round and round; none of them is empty.
pub fn pieces<'a>(bytes: &'a [u8], lengths: &'a [usize]) -> impl Iterator<Item = &'a [u8]> {
    let mut rest = bytes;
    let mut lengths = lengths.iter().copied().cycle();
    std::iter::from_fn(move || {
        let length = lengths.next().unwrap_or(usize::MAX).clamp(1, rest.len().max(1));
        let (piece, tail) = rest.split_at_checked(length)?;
        rest = tail;
        Some(piece)
    })
}

/// A whole object; its steps must each take bytes or give records.
pub fn ingest(checker: &Arc<Checker>, key: &str, bytes: &[u8], lengths: &[usize], limits: Limits) -> Outcome {
    let mut batch = Batch::default();
    let mut ingest = Ingest::new(Arc::clone(checker), origin(key), limits).unwrap();
    let ended = run(&mut ingest, pieces(bytes, lengths), &mut batch);
    let rows = ingest.stamp(&mut batch).clone();
    assert_eq!(batch.read, (batch.rows.len() + batch.rejects.len()) as u64, "read is the sum");
    assert!(batch.rejects.iter().all(|reject| !reject.violations.is_empty()), "a reject has a rule");
    Outcome { batch, rows, ended }
}

fn run<'a>(
    ingest: &mut Ingest,
    pieces: impl Iterator<Item = &'a [u8]>,
    batch: &mut Batch,
) -> Result<(), Broken> {
    for mut rest in pieces {
        let mut idle = 0;
        while !rest.is_empty() {
            let read = batch.read;
            let taken = ingest.step(rest, batch)?;
            rest = rest.get(taken..).expect("no more is taken than there is");
            idle = if taken == 0 && batch.read == read { idle + 1 } else { 0 };
            assert!(idle < 3, "the ingest neither takes bytes nor gives records");
        }
    }
    loop {
        let read = batch.read;
        match ingest.finish(batch)? {
            Progress::Done => return Ok(()),
            Progress::More => assert!(batch.read > read, "the end gives nothing and is none"),
        }
    }
}

impl Outcome {
    /// The rule that broke the object off.
    pub fn broken(&self) -> Option<Rule> {
        self.ended.as_ref().err().map(|broken| broken.rule)
    }

    /// Line, column and rule of every broken rule.
    pub fn told(&self) -> Vec<(Option<u64>, Option<&str>, Rule)> {
        let all = self.batch.rejects.iter();
        all.flat_map(|own| own.violations.iter().map(|it| (own.line, it.column.as_deref(), it.rule)))
            .collect()
    }

    pub fn rules(&self) -> Vec<Rule> {
        self.told().into_iter().map(|(_, _, rule)| rule).collect()
    }

    /// The texts of a column, row by row.
    pub fn column(&self, at: usize) -> Vec<Option<&str>> {
        self.rows.iter().map(|row| row.get(at)).collect()
    }
}

/// So many cases, unless PROPTEST_CASES says how many.
pub fn cases(usual: u32) -> ProptestConfig {
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => ProptestConfig::default(),
        None => ProptestConfig::with_cases(usual),
    }
}

/// A whole object as one piece, under the usual limits.
pub fn whole(checker: &Arc<Checker>, bytes: impl AsRef<[u8]>) -> Outcome {
    ingest(checker, "a", bytes.as_ref(), &[64 << 10], Limits::default())
}
