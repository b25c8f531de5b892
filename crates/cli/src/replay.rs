//! `penstock replay`: what did not get through, back into its route.
//!
//! **A record keeps its identity.** A quarantined line tells object and position, so the record gets the very stamps
//! that it would have had when its object was read first: the same `_record_id` (also without a primary key), the same
//! `_order` and `_source`. It goes back in behind the function that rejected it, as a stamped row, where each route takes
//! stamped rows anyway:
//!
//! | rejected by | goes to |
//! |---|---|
//! | s3-to-sqs-fifo, sqs-fifo-to-redshift | the dataset's FIFO queue, as messages of its packer |
//! | s3-to-kinesis, and Firehose's failed records | the dataset's Kinesis stream |
//! | s3-to-redshift-copy | the stage bucket, under `<dataset>/replay/`, as a gzip file, which COPY and the Glue job read |
//! | s3-to-lake, the Glue job | nowhere: their files are made of whole sources, which `--objects` replays |
//!
//! A new file in the landing bucket would be simpler, and wrong: its rows would be of another object. Without a key they
//! would double what the file itself brings when it is loaded after all, and what any other grouping of the same records
//! brings; with one they would be newer than versions that came after them.
//!
//! **Exactly once** follows: whoever sends the same record twice, in whatever grouping, alone or with its file, sends the
//! same row, which loads once. A load of rows without a key looks back for them `penstock.dedupDays`; so that a later
//! replay does not send them beside new ones, what was sent is noted in the work bucket, in `replays/<key of the part>/`,
//! after the send was answered. Dying between the two sends the same again. Notes are never changed, only added, and name
//! records by position, because a function may rewrite the part; so they take no lock.
//!
//! What fits is decided by the engine of the functions, with the contracts of today. Nothing is taken out of quarantine:
//! what would still be rejected is told, and stays. Not sent, but told: records that were not kept in full, CSV records
//! whose header went with their file, single records of a file that failed as a whole (`--objects` is for those), records
//! of a file that was replaced where the newer one takes the place of its rows, and records whose age nobody knows any
//! more where only age decides which version is the newer one.

mod destination;
mod failed;
mod judge;
mod marks;
mod objects;
mod origin;
mod outbox;
mod pace;
mod records;
mod select;
mod stream;
mod summary;
mod trial;
mod wiring;

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

use penstock_aws::vars::Vars;
use penstock_core::row::Checker;
use s3_to_kinesis::sink::Stream;

use self::pace::Pace;
use self::select::Selection;
use self::summary::Summary;
use crate::Env;
use crate::args::ReplayArgs;
use crate::bucket::Bucket;
use crate::clients::{Clients, Connect};
use crate::contracts::Contracts;
use crate::failure::{Exit, Failure};

/// Contracts ready for use, by dataset.
type Checkers = BTreeMap<String, Arc<Checker>>;

/// One call.
struct Replay<'a> {
    args: &'a ReplayArgs,
    env: Env<'a>,
    clients: Clients,
    checkers: Checkers,
    selection: Selection,
    pace: Pace,
    /// Those that were asked for their limits, by dataset.
    streams: BTreeMap<String, Arc<Stream>>,
    summary: Summary,
    err: &'a mut dyn Write,
}

/// Replays what was asked for and tells what became of it.
pub async fn run(
    args: &ReplayArgs,
    env: Env<'_>,
    connect: Connect,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<Exit, Failure> {
    let checkers = checkers(args)?;
    check_usage(args, env)?;
    let clients = connect.clients().await?;
    let selection = Selection::of(args, &checkers, &clients, env).await?;
    let summary = Summary::new(args.limit);
    let (pace, streams) = (Pace::new(args.rate), BTreeMap::new());
    let mut replay = Replay { args, env, clients, checkers, selection, pace, streams, summary, err };
    let done = match (args.failed, args.objects) {
        (true, _) => replay.failed().await,
        (_, true) => replay.objects().await,
        _ => replay.records().await,
    };
    replay.pace.end(replay.err);
    // What was done so far is told, also where the rest could not be.
    replay.summary.print(args, out)?;
    done?;
    let faults = std::mem::take(&mut replay.summary.faults);
    if faults.is_empty() { Ok(Exit::Ok) } else { Err(Failure::Refused(faults)) }
}

/// What can be found out before anything is asked.
fn check_usage(args: &ReplayArgs, env: Env<'_>) -> Result<(), Failure> {
    let has_choice = !args.datasets.is_empty() || args.prefix.is_some() || args.load.is_some();
    if !has_choice && args.since.is_none() && args.until.is_none() && !args.dry_run {
        return Err(Failure::usage(
            "say what to replay: --dataset, --prefix, --since, --until or --load; --dry-run looks at everything",
        ));
    }
    if args.load.is_some() && args.datasets.len() != 1 {
        return Err(Failure::usage("a load is one of a dataset: name it with one --dataset"));
    }
    let is_quarantine = !args.failed && !args.objects;
    let mut needed = vec![("WORK_BUCKET", "it holds what was replayed")];
    needed.extend(is_quarantine.then_some(("QUARANTINE_BUCKET", "it holds the rejects")));
    needed.extend(args.failed.then_some(("STAGE_BUCKET", "it holds what Firehose could not process")));
    for (name, why) in needed {
        Vars::new(env).required(name).map_err(|error| Failure::usage(format!("{error}: {why}")))?;
    }
    Ok(())
}

fn checkers(args: &ReplayArgs) -> Result<Checkers, Failure> {
    let contracts = Contracts::read(&args.contracts.paths)?;
    let mut checkers = Checkers::new();
    for (file, contract) in contracts.usable()? {
        let compiled = Checker::compile(Arc::new(contract.clone()));
        let checker = compiled.map_err(|error| Failure::refused(format!("{file}: {error}")))?;
        checkers.insert(contract.dataset.clone(), Arc::new(checker));
    }
    Ok(checkers)
}

impl Replay<'_> {
    /// A bucket that a variable names.
    fn bucket(&self, name: &'static str) -> Result<Bucket, Failure> {
        let bucket = Vars::new(self.env).required(name).map_err(Failure::usage)?;
        Ok(Bucket::new(self.clients.s3.clone(), bucket))
    }

    fn progress(&mut self, done: usize, total: usize) {
        self.pace.draw(done, total, self.summary.records(), self.err);
    }
}
