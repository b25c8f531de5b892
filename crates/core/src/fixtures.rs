//! Contracts, origins and records for the unit tests of this crate.

use std::fmt::Write as _;
use std::sync::Arc;

use crate::contract::{Contract, ContractError};
use crate::ident::{self, HexId};
use crate::reject::{Rule, Violation};
use crate::row::{Checker, HandOver, Origin, Place, Row, Rows, Session, Stamp};

/// The contract that is deployed.
pub const TRANSACTIONS: &str = include_str!("../../../infra/contracts/transactions.odcs.yaml");

/// A contract of one dataset `t`: servers and the schema's custom properties in YAML's flow style, and columns.
pub fn contract_text(servers: &str, custom: &str, columns: &[&str]) -> String {
    let mut text = format!(
        "apiVersion: v3.1.0\nkind: DataContract\nid: t\nversion: 1.2.3\nstatus: active\nservers: [{servers}]\n\
         schema:\n  - name: t\n    customProperties: [{custom}]\n    properties:\n"
    );
    for column in columns {
        writeln!(text, "      - {{{column}}}").unwrap();
    }
    text
}

pub const S3: &str = "{server: landing, type: s3, location: 's3://b/t/*', format: json}";
pub const QUEUE: &str = "{server: q, type: custom, customProperties: [{property: penstock.queueUrl, value: u}, \
    {property: penstock.groups, value: 4}, {property: penstock.rowsPerMessage, value: 5}]}";

/// A contract with an S3 server and a queue of 4 groups and 5 rows a message.
pub fn try_contract(custom: &str, columns: &[&str]) -> Result<Contract, ContractError> {
    Contract::parse(&contract_text(&format!("{S3}, {QUEUE}"), custom, columns))
}

pub fn contract(custom: &str, columns: &[&str]) -> Contract {
    try_contract(custom, columns).unwrap_or_else(|error| panic!("{error}"))
}

pub fn checker(custom: &str, columns: &[&str]) -> Checker {
    Checker::compile(Arc::new(contract(custom, columns))).unwrap_or_else(|error| panic!("{error}"))
}

pub fn transactions() -> Checker {
    Checker::compile(Arc::new(Contract::parse(TRANSACTIONS).unwrap())).unwrap()
}

/// One transaction, with members of the JSON object put at its end.
pub fn transaction(more: &str) -> String {
    format!(
        "{{\"transaction_id\":\"t-1\",\"account_id\":\"DE02\",\"amount\":12.50,\"currency\":\"EUR\",\
         \"booked_at\":\"2026-01-02T23:30:00-01:00\",\"status\":\"booked\"{more}}}"
    )
}

pub fn object_id() -> HexId {
    ident::stable_id(["an object"])
}

pub fn origin() -> Origin {
    Origin::new("s3://b/t/1.json", object_id(), 1_767_322_800_000)
}

/// One row in an arena of its own.
#[derive(Debug, Clone)]
pub struct One(Rows);

impl One {
    pub fn row(&self) -> Row<'_> {
        self.0.get(0).unwrap()
    }

    pub fn get(&self, column: usize) -> Option<&str> {
        self.row().get(column)
    }

    pub fn stamp(&self) -> Stamp<'_> {
        self.row().stamp()
    }

    pub fn json(&self, contract: &Contract) -> String {
        let mut json = String::new();
        HandOver::new(contract).write(self.row(), &mut json);
        json
    }
}

/// Equal values and stamps, wherever they stand.
impl PartialEq for One {
    fn eq(&self, other: &Self) -> bool {
        let columns = |one: &Self| (0..64).map(|i| one.get(i).map(str::to_owned)).collect::<Vec<_>>();
        self.stamp() == other.stamp() && columns(self) == columns(other)
    }
}

/// One record at a position of the fixtures' object.
pub fn check_at(checker: &Checker, record: &[u8], position: u64) -> Result<One, Vec<Violation>> {
    let mut rows = Rows::default();
    let place = Place::Object { origin: &origin(), position };
    checker.check_json(&mut Session::default(), record, &place, &mut rows)?;
    Ok(One(rows))
}

pub fn check(checker: &Checker, record: &str) -> Result<One, Vec<Violation>> {
    check_at(checker, record.as_bytes(), 7)
}

/// A stamped row, read back.
pub fn read_stamped(checker: &Checker, json: &str) -> Result<One, Vec<Violation>> {
    let mut rows = Rows::default();
    checker.check_stamped(&mut Session::default(), json.as_bytes(), &mut rows)?;
    Ok(One(rows))
}

/// Rules and columns that a record breaks.
pub fn broken(checker: &Checker, record: &str) -> Vec<(Rule, Option<String>)> {
    let violations = check(checker, record).map(|_| ()).expect_err("the record breaks a rule");
    violations.into_iter().map(|violation| (violation.rule, violation.column)).collect()
}
