//! The command line of `penstock replay`. Does nothing itself.

use std::num::NonZeroU32;
use std::time::{Duration, SystemTime};

use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};
use clap::Args;
use penstock_core::ident::HexId;

use super::{ContractArgs, since};

/// What clap prints after the arguments.
pub const HELP: &str = concat!(
    "\
Three things can be replayed:\n
  records in quarantine (the default)  each is held to the contracts of today by the code of the functions. Those that \
fit go back into their route behind the function that rejected them: into the FIFO queue, the Kinesis stream, or the \
stage bucket. Those that do not are told with their rules and stay where they are. Records of the lake route are told, \
not sent: its files are made of whole sources, which --objects replays
  --failed   records that Firehose could not process, from _failed/ of the stage bucket, the same way
  --objects  whole files of the landing bucket, or of the stage bucket: their events are sent again to the queue that \
S3 sends them to. Those of the stage bucket go to the copy route alone. With --dry-run they are read, and what of them \
would be rejected is counted\n
A record keeps the identity, the time and the source that it had when its file was read first: replayed twice, or \
beside its file, it is still one row, and it overwrites no newer one. Content that is loaded already is not loaded \
again, what s3-to-lake wrote is written again, and a file that a Glue job has read must be put again; a file that is \
older than penstock.dedupDays, of rows without a key, is left alone unless it is below copy/ or lake/. What was \
replayed is noted in the work bucket, and left out the next time; --again takes it once more. Deploy contracts \
before you replay by them: rows of a version that is not deployed yet wait in a FIFO queue, and on a stream they \
fail once more and need --failed.\n
Examples:
  penstock replay --dataset customers --dry-run
  penstock replay --dataset customers --since 2026-11-21T10:00:00Z --until 2026-11-21T12:00:00Z --rate 500
  penstock replay --failed --since 2d
  penstock replay --objects --prefix s3://landing/copy/customers/2026-11-21/\n
Environment:
  QUARANTINE_BUCKET       bucket of the rejects; only the role penstock-<stage>-quarantine-reader may read it
  QUARANTINE_PROFILE      AWS profile that assumes that role; used for reading that bucket and nothing else
  WORK_BUCKET             bucket of the receipts, and of what was replayed
  STAGE_BUCKET            bucket that Firehose writes into, for the copy route and --failed
  and what ${…} in contracts stands for: LANDING_BUCKET, LOAD_QUEUE_URL, STREAM_NAME
  With --load:
",
    warehouse_environment!(),
    "  DATABASE                what ${DATABASE} in contracts stands for [default: dev]\n",
    aws_environment!(),
    "\n
Exit codes: 0 also when records would still be rejected, 1 when something could not be read or sent, 2 wrong usage"
);

/// What to replay.
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// Contracts.
    #[command(flatten)]
    pub contracts: ContractArgs,
    /// Only this dataset; may be given more than once. Records of Firehose that do not say theirs are taken as of the
    /// only one
    #[arg(long = "dataset", value_name = "NAME")]
    pub datasets: Vec<String>,
    /// Only what came from keys that begin so, as s3://bucket/key
    #[arg(long, value_name = "S3_URI", value_parser = prefix)]
    pub prefix: Option<String>,
    /// Only what was written to quarantine or S3 since: 90m, 12h or 7d ago, or a time such as 2026-11-21T10:00:00Z
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub since: Option<Moment>,
    /// Only what was written before, as in --since
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub until: Option<Moment>,
    /// Only what came from files of which this load has rows; needs one --dataset, and the warehouse
    #[arg(long, value_name = "ID", value_parser = load_id)]
    pub load: Option<HexId>,
    /// Replay records that Firehose could not process, instead of those in quarantine
    #[arg(long, conflicts_with_all = ["objects", "load"])]
    pub failed: bool,
    /// Replay whole files, instead of records
    #[arg(long, conflicts_with = "again")]
    pub objects: bool,
    /// Only tell what would be done; sends and writes nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Also what was replayed before, and single records of a file that failed as a whole
    #[arg(long)]
    pub again: bool,
    /// Send at most so many records (files with --objects) a second
    #[arg(long, value_name = "N")]
    pub rate: Option<NonZeroU32>,
    /// Print at most this many records that would still be rejected, 0 for all; all are counted in any case
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub limit: usize,
    /// Print classified values and what cannot be masked
    #[arg(long)]
    pub show_classified: bool,
}

/// A point in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// So long ago.
    Ago(Duration),
    /// This one.
    At(SystemTime),
}

impl Moment {
    /// The time that it is.
    pub fn time(self, now: SystemTime) -> SystemTime {
        match self {
            Self::Ago(time) => now.checked_sub(time).unwrap_or(SystemTime::UNIX_EPOCH),
            Self::At(time) => time,
        }
    }
}

fn moment(text: &str) -> Result<Moment, String> {
    if let Ok(since) = since(text) {
        return Ok(Moment::Ago(since.time));
    }
    let full = if text.contains('T') { text.to_owned() } else { format!("{text}T00:00:00Z") };
    let time = DateTime::from_str(&full, DateTimeFormat::DateTimeWithOffset).ok();
    let time = time.and_then(|time| SystemTime::try_from(time).ok());
    time.map(Moment::At).ok_or_else(|| {
        "a whole number and m, h or d, such as 90m, 12h or 7d, or a time such as 2026-11-21 or 2026-11-21T10:00:00Z"
            .to_owned()
    })
}

fn prefix(text: &str) -> Result<String, String> {
    let place = text.strip_prefix("s3://").and_then(|rest| rest.split_once('/'));
    let is_one = place.is_some_and(|(bucket, _)| !bucket.is_empty());
    is_one
        .then(|| text.to_owned())
        .ok_or_else(|| "a bucket and the beginning of keys, as s3://bucket/key".into())
}

fn load_id(text: &str) -> Result<HexId, String> {
    HexId::parse(text)
        .ok_or_else(|| "the 32 hex characters of a load, as in the ledger and in _load_id".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_span_back_a_day_or_a_point() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let seconds = |text| {
            let time = moment(text).ok()?.time(now);
            Some(time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs())
        };
        assert_eq!(seconds("1h"), Some(1_799_996_400));
        assert_eq!(seconds("2026-01-01"), Some(1_767_225_600));
        assert_eq!(seconds("2026-01-01T01:00:00+01:00"), Some(1_767_225_600));
        assert_eq!(seconds("2026-01-01T00:00:00Z"), Some(1_767_225_600));
        for wrong in ["", "yesterday", "2026-13-01", "1h ago", "2026-01-01T00:00"] {
            assert_eq!(seconds(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_prefix_names_a_bucket_and_a_load_is_32_hex_characters() {
        assert!(prefix("s3://b/").is_ok() && prefix("s3://b/k/x").is_ok());
        assert!(prefix("b/k").is_err() && prefix("s3://b").is_err() && prefix("s3:///k").is_err());
        assert!(load_id(&"a".repeat(32)).is_ok() && load_id("x' OR '1'='1").is_err());
    }
}
