//! Whole files: their events once more, to the queue that S3 sends them to. What their function made of them before
//! decides what happens: content that is loaded already is not loaded again, what s3-to-lake made is written again, rows
//! that were sent already are the same rows, as far back as they are looked for. Reads no record, but for a dry run.

use std::collections::BTreeMap;
use std::time::SystemTime;

use penstock_aws::tasks::send_tasks;
use penstock_core::contract::Glob;
use penstock_core::quarantine::UNKNOWN_DATASET;

use super::Replay;
use super::trial::Trial;
use super::wiring::Wiring;
use crate::bucket::{Bucket, Listed};
use crate::failure::Failure;

/// Events that are sent at once.
const AT_ONCE: usize = 10;
const FAILED: &str = "what Firehose could not process is replayed with --failed";
const NO_QUEUE: &str = "S3 sends events of the key to no queue: was the stage deployed?";
const TOO_OLD: &str =
    "is older than penstock.dedupDays and its rows have no key: those that are loaded would come twice";
const NO_DATASET: &str = "no contract's location matches the key";
const NOT_TAKEN: &str = "the event was not taken: run this again";
const AGAIN: &str =
    "what is loaded already is not loaded again, what s3-to-lake has converted or copied is written again";

/// Locations of the datasets, their variables filled in.
type Locations = Vec<(String, Glob)>;

/// Files whose events go to one queue.
type Ready = BTreeMap<String, Vec<(String, Listed)>>;

impl Replay<'_> {
    /// Replays the files that were asked for.
    pub async fn objects(&mut self) -> Result<(), Failure> {
        let locations = self.locations()?;
        let places = self.places_of_files(&locations)?;
        for (done, (bucket, prefix)) in places.iter().enumerate() {
            self.progress(done, places.len());
            let bucket = Bucket::new(self.clients.s3.clone(), bucket.clone());
            let mut wiring = Wiring::of(&self.clients, bucket.name()).await.map_err(Failure::refused)?;
            let mut pages = bucket.list(prefix.clone());
            while let Some(page) = pages.next().await.map_err(Failure::refused)? {
                let mut ready = Ready::new();
                for listed in page {
                    self.file(&bucket, listed, &locations, &mut wiring, &mut ready).await?;
                }
                self.send_events(ready, &wiring).await?;
            }
        }
        Ok(())
    }

    fn locations(&self) -> Result<Locations, Failure> {
        let mut locations = Locations::new();
        for (dataset, checker) in &self.checkers {
            let Some(s3) = &checker.contract().s3 else { continue };
            let text = s3.location.resolve(self.env).map_err(Failure::usage)?;
            locations.push((dataset.clone(), Glob::parse(&text).map_err(Failure::refused)?));
        }
        Ok(locations)
    }

    /// Buckets and beginnings of keys: those that were named, else those of the datasets' locations.
    fn places_of_files(&self, locations: &Locations) -> Result<Vec<(String, String)>, Failure> {
        let mut places = self.selection.places();
        if places.is_empty() && self.args.load.is_none() {
            let own = locations.iter().filter(|(dataset, _)| self.selection.takes_dataset(dataset));
            places = own.map(|(_, glob)| fixed_part(&glob.to_string()).to_owned()).collect();
        }
        let split = |uri: &String| {
            let (bucket, key) = uri.strip_prefix("s3://")?.split_once('/')?;
            Some((bucket.to_owned(), key.to_owned()))
        };
        let mut places: Vec<_> = places.iter().filter_map(split).collect();
        places.sort();
        // A place inside another one would be listed twice.
        places.dedup_by(|(bucket, key), (first, begin)| bucket == first && key.starts_with(begin.as_str()));
        if places.is_empty() {
            return Err(Failure::refused("no contract says where files of these datasets lie"));
        }
        Ok(places)
    }

    /// Whether rows of a file that is loaded may be loaded once more. The copy route has a ledger of files, and a file of the
    /// lake route takes its own place; the others tell rows by their keys, and rows without one only as far back as the
    /// contract says.
    fn would_double(&self, dataset: &str, listed: &Listed) -> bool {
        let Some(contract) = self.checkers.get(dataset).map(|checker| checker.contract()) else {
            return false;
        };
        let days = u64::from(contract.table_options.dedup_days);
        let written = listed.modified.and_then(|own| SystemTime::try_from(own).ok());
        let age = written.and_then(|own| own.elapsed().ok()).unwrap_or_default();
        let is_known = ["copy/", "lake/"].iter().any(|route| listed.key.starts_with(route));
        contract.key.is_empty() && !is_known && age.as_secs() >= days * 86_400
    }

    /// Decides about one file of a listing.
    async fn file(
        &mut self,
        bucket: &Bucket,
        listed: Listed,
        locations: &Locations,
        wiring: &mut Wiring,
        ready: &mut Ready,
    ) -> Result<(), Failure> {
        let uri = bucket.uri(&listed.key);
        let is_folder = listed.key.ends_with('/') && listed.bytes == 0;
        if is_folder || !self.selection.takes_time(listed.modified) || !self.selection.takes_source(&uri) {
            return Ok(());
        }
        let dataset = self.dataset_of(bucket.name(), &listed.key, locations);
        if !self.selection.takes_dataset(dataset.as_deref().unwrap_or(UNKNOWN_DATASET)) {
            return Ok(());
        }
        let Some(dataset) = dataset else {
            let reason = if listed.key.starts_with("_failed/") { FAILED } else { NO_DATASET };
            self.summary.of(UNKNOWN_DATASET).found += 1;
            self.summary.hold(UNKNOWN_DATASET, reason, &uri, 1);
            return Ok(());
        };
        self.summary.of(&dataset).found += 1;
        if self.would_double(&dataset, &listed) {
            self.summary.hold(&dataset, TOO_OLD, &uri, 1);
            return Ok(());
        }
        match wiring.url(&self.clients, &listed.key).await.map_err(Failure::refused)? {
            None => self.summary.hold(&dataset, NO_QUEUE, &uri, 1),
            Some(url) => ready.entry(url).or_default().push((dataset, listed)),
        }
        Ok(())
    }

    /// By the locations; in the stage bucket the first folder is the dataset.
    fn dataset_of(&self, bucket: &str, key: &str, locations: &Locations) -> Option<String> {
        if (self.env)("STAGE_BUCKET").as_deref() == Some(bucket) {
            let folder = key.split('/').next().unwrap_or_default();
            return self.checkers.contains_key(folder).then(|| folder.to_owned());
        }
        locations.iter().find(|(_, glob)| glob.matches(bucket, key)).map(|(dataset, _)| dataset.clone())
    }

    async fn send_events(&mut self, ready: Ready, wiring: &Wiring) -> Result<(), Failure> {
        for (url, files) in ready {
            for files in files.chunks(AT_ONCE) {
                if self.args.dry_run {
                    self.try_files(files, wiring).await;
                    continue;
                }
                let bodies: Vec<String> = files.iter().map(|(_, own)| wiring.event(own)).collect();
                self.pace.wait(bodies.len() as u64).await;
                let sent = send_tasks(&self.clients.sqs, &url, &bodies).await;
                for (dataset, own) in files {
                    match &sent {
                        Ok(()) => self.summary.of(dataset).sent += 1,
                        Err(_) => self.summary.hold(dataset, NOT_TAKEN, &wiring.uri(&own.key), 1),
                    }
                }
                match sent {
                    Ok(()) => self.summary.note(AGAIN, bodies.len() as u64),
                    Err(error) => self.summary.fault(format!("queue {url}: {error}")),
                }
            }
        }
        Ok(())
    }

    /// What their functions would find in the files. Rows of the stage bucket were checked before they came there.
    async fn try_files(&mut self, files: &[(String, Listed)], wiring: &Wiring) {
        let is_stage = (self.env)("STAGE_BUCKET").as_deref() == Some(wiring.bucket());
        for (dataset, listed) in files {
            let Some(checker) = self.checkers.get(dataset) else { continue };
            self.summary.of(dataset).sent += 1;
            let (s3, object, is_open) = (&self.clients.s3, wiring.object(listed), self.args.show_classified);
            let trial = Trial { s3, checker, object, is_open };
            if is_stage {
                continue;
            }
            if let Err(fault) = trial.run(&mut self.summary).await {
                self.summary.fault(fault);
            }
        }
    }
}

/// What a location's keys all begin with.
fn fixed_part(location: &str) -> &str {
    let end = location.find(['*', '?']).unwrap_or(location.len());
    location.get(..end).unwrap_or(location)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_listed_from_where_their_location_is_fixed() {
        assert_eq!(fixed_part("s3://b/copy/customers/*.csv*"), "s3://b/copy/customers/");
        assert_eq!(fixed_part("s3://b/copy/a?.csv"), "s3://b/copy/a");
        assert_eq!(fixed_part("s3://b/copy/a.csv"), "s3://b/copy/a.csv");
    }
}
