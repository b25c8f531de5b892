//! Which dataset an object is of, and whether it goes into the lake as it is or as Parquet. Looks at names alone.

use std::sync::Arc;

use penstock_core::contract::LakeFormat;
use penstock_core::lake_note::copy_key;
use penstock_core::object::ObjectRef;
use penstock_core::reject::{Rule, Violation};
use penstock_core::row::Checker;

use crate::config::Config;
use crate::error::Error;

/// Where Firehose puts what it could not deliver.
const FAILED_PREFIX: &str = "_failed/";

/// What is to be done with an object.
#[derive(Debug)]
pub enum Place {
    /// It goes into the lake.
    Taken(Arc<Checker>, Form),
    /// It is for others.
    Skipped(&'static str),
    /// It is nobody's.
    Refused(Violation),
}

/// How an object comes into the lake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form {
    /// Copied to this key; `None` where that would be longer than S3 takes.
    AsIs(Option<String>),
    /// Its records as Parquet.
    Parquet(Records),
}

/// What an object's records are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Records {
    /// In the format of the dataset's contract.
    Raw,
    /// Rows that another function has checked and stamped.
    Stamped,
}

impl Config {
    /// Where an object goes.
    pub fn place(&self, object: &ObjectRef) -> Result<Place, Error> {
        if object.bucket == self.stage_bucket {
            return self.staged(object);
        }
        if object.bucket != self.landing_bucket {
            let reason = format!("bucket {} is not one that this function is set up for", object.bucket);
            return Ok(Place::Refused(Violation::record(Rule::UnknownBucket, reason)));
        }
        let Some((location, checker)) = self.datasets.located(&object.bucket, &object.key) else {
            let violation = Violation::record(Rule::UnknownDataset, "no contract's location matches the key");
            return Ok(Place::Refused(violation));
        };
        let checker = checker.map_err(|source| Error::Contract { uri: object.uri(), source })?;
        let contract = checker.contract();
        let as_is = if contract.is_binary() { LakeFormat::AsIs } else { LakeFormat::Parquet };
        let form = match contract.lake.format.unwrap_or(as_is) {
            LakeFormat::AsIs => Form::AsIs(copy_key(&contract.dataset, location.folder(), &object.key)),
            LakeFormat::Parquet => Form::Parquet(Records::Raw),
        };
        Ok(Place::Taken(checker, form))
    }

    /// Objects of the stage bucket are others' too: only a contract that asks for it has them here.
    fn staged(&self, object: &ObjectRef) -> Result<Place, Error> {
        if object.key.starts_with(FAILED_PREFIX) {
            return Ok(Place::Skipped("Firehose could not deliver it"));
        }
        let Some((dataset, _)) = object.key.split_once('/') else {
            return Ok(Place::Skipped("it is in no dataset's folder"));
        };
        let Some(checker) = self.datasets.named(dataset) else {
            return Ok(Place::Skipped("no contract is of the key's first folder"));
        };
        let checker = checker.map_err(|source| Error::Contract { uri: object.uri(), source })?;
        let form = match checker.contract().lake.format {
            None => return Ok(Place::Skipped("the contract has no penstock.lakeFormat")),
            Some(LakeFormat::AsIs) => Form::AsIs(copy_key(dataset, &format!("{dataset}/"), &object.key)),
            Some(LakeFormat::Parquet) => Form::Parquet(Records::Stamped),
        };
        Ok(Place::Taken(checker, form))
    }
}
