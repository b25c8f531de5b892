//! Single records of an object that was read before, held to the contract of today. Each gets the stamps that it would
//! have had when its object was read, so that however often it is sent again it is the same row. Reads no object.

use std::sync::Arc;

use super::checkpoint::Decoder;
use super::{Batch, Checkpoint, Ingest, Progress};
use crate::contract::{Contract, CsvHeader, Format};
use crate::decode::{Broken, Limits, detect};
use crate::ident::HexId;
use crate::reject::{Rule, Violation};
use crate::row::{Checker, Origin, Place, Row, Rows, Session};

/// The records of one object.
#[derive(Debug)]
pub struct Recheck {
    checker: Arc<Checker>,
    origin: Origin,
    /// Columns of a CSV file, where its first line names them.
    header: Option<String>,
    session: Session,
    /// Values that must not stand twice, as far as records of a CSV file had them.
    seen: Vec<Vec<(HexId, HexId)>>,
    rows: Rows,
}

/// Whether a record is nothing without the first line of its file, which names the columns.
pub fn needs_header(contract: &Contract, source: &str, raw: &[u8]) -> bool {
    let names = contract.s3.as_ref().is_none_or(|s3| s3.csv.header == CsvHeader::Names);
    names && format(contract, source, raw) == Format::Csv
}

/// Records of formats in blocks are kept as JSON. A format that the contract leaves open is found out as it was for the
/// whole object.
fn format(contract: &Contract, source: &str, raw: &[u8]) -> Format {
    let known = contract.s3.as_ref().and_then(|s3| s3.format);
    match known.or_else(|| detect::format(raw, true, source)) {
        Some(Format::Csv) => Format::Csv,
        _ => Format::Json,
    }
}

impl Recheck {
    /// Records of this object; `begin` is where its first record begins, and needed only for a header.
    pub fn new(checker: Arc<Checker>, origin: Origin, begin: Option<&Checkpoint>) -> Self {
        let header = begin.and_then(|begin| match begin.decoder() {
            Decoder::Csv { header } => header.clone(),
            Decoder::Json { .. } => None,
        });
        let (session, seen, rows) = (Session::default(), Vec::new(), Rows::default());
        Self { checker, origin, header, session, seen, rows }
    }

    /// Holds a record to the contract and hands on its row, or tells all rules that it breaks.
    pub fn check(
        &mut self,
        raw: &[u8],
        position: u64,
        take: &mut dyn FnMut(Row<'_>),
    ) -> Result<(), Vec<Violation>> {
        match format(self.checker.contract(), &self.origin.source, raw) {
            Format::Csv => self.csv(raw, position, take),
            _ => self.json(raw, position, take),
        }
    }

    fn json(
        &mut self,
        raw: &[u8],
        position: u64,
        take: &mut dyn FnMut(Row<'_>),
    ) -> Result<(), Vec<Violation>> {
        self.rows.clear();
        let place = Place::Object { origin: &self.origin, position };
        self.checker.check_json(&mut self.session, raw, &place, &mut self.rows)?;
        self.rows.iter().for_each(take);
        Ok(())
    }

    /// A file that begins with this record, its header known.
    fn csv(
        &mut self,
        raw: &[u8],
        position: u64,
        take: &mut dyn FnMut(Row<'_>),
    ) -> Result<(), Vec<Violation>> {
        let decoder = Decoder::Csv { header: self.header.clone() };
        let at = Checkpoint::of_record(position, decoder, std::mem::take(&mut self.seen));
        let (checker, origin) = (Arc::clone(&self.checker), self.origin.clone());
        let mut ingest = Ingest::resume(checker, origin, Limits::default(), &at)
            .map_err(|error| vec![Violation::record(Rule::HeaderMismatch, error.to_string())])?;
        let mut batch = Batch::default();
        let read = all(&mut ingest, &[raw, b"\n"].concat(), &mut batch);
        self.seen = ingest.records.session.seen();
        read.map_err(|broken| vec![broken.violation()])?;
        if let Some(reject) = batch.rejects.pop() {
            return Err(reject.violations);
        }
        if batch.read != 1 {
            let reason = format!("is {} records and not one", batch.read);
            return Err(vec![Violation::record(Rule::MixedRecord, reason)]);
        }
        ingest.stamp(&mut batch).iter().for_each(take);
        Ok(())
    }
}

fn all(ingest: &mut Ingest, mut bytes: &[u8], batch: &mut Batch) -> Result<(), Broken> {
    while !bytes.is_empty() {
        let taken = ingest.step(bytes, batch)?;
        bytes = bytes.get(taken..).unwrap_or_default();
    }
    while ingest.finish(batch)? == Progress::More {}
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::Contract;

    fn checker(servers: &str, schema: &str) -> Arc<Checker> {
        let text = format!(
            "apiVersion: v3.1.0\nkind: DataContract\nid: d\nname: d\nversion: 1.0.0\nstatus: active\nservers:\n  \
             - {{server: l, type: s3, location: 's3://b/**'{servers}}}\n  \
             - {{server: w, type: redshift, database: dev, schema: tgt}}\nschema:\n  - name: d\n    physicalType: table\n    \
             properties:\n{schema}"
        );
        Arc::new(Checker::compile(Arc::new(Contract::parse(&text).unwrap())).unwrap())
    }

    const STRICT: &str = "      - {name: a, logicalType: string, physicalType: varchar(9), logicalTypeOptions: {maxLength: 1}}\n      \
         - {name: n, logicalType: integer, physicalType: bigint}\n";

    fn loose() -> String {
        STRICT.replace("maxLength: 1", "maxLength: 9")
    }

    /// Stamped texts of a row.
    fn told(row: Row<'_>) -> String {
        let stamp = row.stamp();
        format!("{:?} {:?} {} {} {}", row.get(0), row.get(1), stamp.record_id, stamp.row_hash, stamp.order)
    }

    /// Rows and rejects of a whole object.
    fn read(checker: &Arc<Checker>, origin: &Origin, bytes: &[u8]) -> (Vec<String>, Batch) {
        let mut ingest = Ingest::new(Arc::clone(checker), origin.clone(), Limits::default()).unwrap();
        let mut batch = Batch::default();
        all(&mut ingest, bytes, &mut batch).unwrap();
        (ingest.stamp(&mut batch).iter().map(told).collect(), batch)
    }

    /// What is accepted at once under the loose contract, and what is accepted in two steps, must be the same rows.
    fn holds(servers: &str, key: &str, bytes: &[u8]) {
        let origin = Origin::new(format!("s3://b/{key}"), crate::ident::stable_id(["o"]), 1_767_225_600_000);
        let (strict, loose) = (checker(servers, STRICT), checker(servers, &loose()));
        let (mut rows, batch) = read(&strict, &origin, bytes);
        let (mut expected, all) = read(&loose, &origin, bytes);
        assert!(!batch.rejects.is_empty() && all.rejects.is_empty(), "{key}");
        let mut begin = Ingest::new(Arc::clone(&loose), origin.clone(), Limits::default()).unwrap();
        begin.stop_at(1);
        begin.push(bytes, &mut Batch::default()).unwrap();
        let mut recheck = Recheck::new(loose, origin, begin.stopped().as_ref());
        for reject in &batch.rejects {
            let position = reject.position.unwrap();
            recheck.check(&reject.raw, position, &mut |row| rows.push(told(row))).unwrap();
        }
        rows.sort();
        expected.sort();
        assert_eq!(rows, expected, "{key}");
    }

    #[test]
    fn a_record_that_is_accepted_later_is_the_row_that_it_would_have_been_at_first() {
        holds(
            ", format: json",
            "a.json",
            b"{\"a\":\"x\",\"n\":1}\n{\"a\":\"xy\",\"n\":2}\n{\"a\":\"xyz\"}\n",
        );
        holds("", "a.json", b"[{\"a\":\"x\"},\n {\"a\":\"xy\",\"n\":2}]");
        holds(", format: csv", "a.csv", b"n,a\n1,x\n2,xy\n3,\"x\"\"\ny\"\n4,\"z,z\"\n");
        holds("", "a.tsv", b"n\ta\n1\tx\n2\txy");
        let bare = ", format: csv, customProperties: [{property: penstock.header, value: none}]";
        holds(bare, "a.csv", b"x,1\nxy,2\n");
    }

    #[test]
    fn a_record_that_is_still_wrong_tells_its_rules() {
        let origin = Origin::new("s3://b/a.csv", crate::ident::stable_id(["o"]), 0);
        let rules = |servers: &str, raw: &[u8]| -> Vec<Rule> {
            let checker = checker(servers, STRICT);
            let mut recheck = Recheck::new(checker, origin.clone(), None);
            let broken = recheck.check(raw, 7, &mut |_| panic!("is no row"));
            broken.unwrap_err().into_iter().map(|own| own.rule).collect()
        };
        assert_eq!(rules(", format: json", b"{\"a\":\"xy\",\"n\":\"q\"}"), [Rule::TooLong, Rule::NotANumber]);
        assert_eq!(rules(", format: json", b"{\"a\":"), [Rule::InvalidJson]);
        let bare = ", format: csv, customProperties: [{property: penstock.header, value: none}]";
        assert_eq!(rules(bare, b"x,1,2"), [Rule::FieldCount]);
        assert_eq!(rules(bare, b"x,1\ny,2"), [Rule::MixedRecord]);
        assert_eq!(rules(bare, b"\"x,1"), [Rule::InvalidCsv]);
    }

    #[test]
    fn only_a_csv_record_whose_columns_the_file_names_needs_its_header() {
        let needs = |servers: &str, source: &str, raw: &[u8]| {
            needs_header(checker(servers, STRICT).contract(), source, raw)
        };
        let bare = ", format: csv, customProperties: [{property: penstock.header, value: none}]";
        assert!(needs(", format: csv", "s3://b/a", b"x") && needs("", "s3://b/a.csv.gz", b"x,1"));
        assert!(!needs(bare, "s3://b/a.csv", b"x,1") && !needs(", format: json", "s3://b/a.csv", b"x"));
        assert!(!needs("", "s3://b/a.parquet", b"{}") && !needs("", "s3://b/a.csv", b"{\"a\":1}"));
    }
}
