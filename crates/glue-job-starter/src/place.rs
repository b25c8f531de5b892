//! What an object is here: work for a dataset's job or crawler, nothing of ours, or at fault. Makes no call.

use penstock_core::claim::Kind;
use penstock_core::object::ObjectRef;
use penstock_core::quarantine::UNKNOWN_DATASET;
use penstock_core::reject::{Rule, Violation};

use crate::Config;

/// What an object is.
#[derive(Debug, PartialEq, Eq)]
pub enum Place<'a> {
    /// Work.
    Work(&'a str, Kind),
    /// Nothing to start; the dataset.
    Nothing(&'a str),
    /// At fault.
    Fault(Violation),
}

/// Places an object.
pub fn place<'a>(config: &'a Config, object: &ObjectRef) -> Place<'a> {
    let (bucket, key) = (&object.bucket, &object.key);
    if *bucket == config.stage_bucket {
        return staged(config, key);
    }
    if *bucket == config.landing_bucket {
        // Handed over by s3-to-lake, to a job that it has seen in the contract: without one it must not be forgotten.
        return match config.dataset_of(bucket, key) {
            Some(dataset) => Place::Work(dataset, Kind::LakeJob),
            None => fault(Rule::UnknownDataset, "no contract's location matches the key"),
        };
    }
    if *bucket == config.lake_bucket || *bucket == config.curated_bucket {
        return crawled(config, key);
    }
    fault(Rule::UnknownBucket, &format!("bucket {bucket} is not one that this function is set up for"))
}

/// Firehose's errors and the staging prefixes of ours, of Spark and of Hadoop begin with an underscore; crawlers leave out
/// what does.
fn is_hidden(segment: &str) -> bool {
    segment.starts_with('_')
}

fn staged<'a>(config: &'a Config, key: &str) -> Place<'a> {
    let folder = key.split('/').next().unwrap_or_default();
    if is_hidden(folder) {
        return Place::Nothing(UNKNOWN_DATASET);
    }
    match config.datasets.get_key_value(folder) {
        // s3-to-redshift-copy gets the same event, and has it in quarantine.
        None => Place::Nothing(UNKNOWN_DATASET),
        // s3-to-lake takes it.
        Some((name, own)) if own.contract.lake.format.is_some() => Place::Nothing(name),
        Some((name, own)) if own.job == Ok(None) => Place::Nothing(name),
        Some((name, _)) => Place::Work(name, Kind::Job),
    }
}

fn crawled<'a>(config: &'a Config, key: &str) -> Place<'a> {
    if key.split('/').any(is_hidden) {
        return Place::Nothing(UNKNOWN_DATASET);
    }
    match config.datasets.get_key_value(key.split('/').next().unwrap_or_default()) {
        // Others may keep their own there, such as what is unloaded from Redshift.
        None => Place::Nothing(UNKNOWN_DATASET),
        Some((name, own)) if own.crawler == Ok(None) => Place::Nothing(name),
        Some((name, _)) => Place::Work(name, Kind::Crawler),
    }
}

fn fault<'a>(rule: Rule, reason: &str) -> Place<'a> {
    Place::Fault(Violation::record(rule, reason))
}
