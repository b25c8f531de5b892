//! Records into rows: checked against the contract, derived, stamped. Holding a `Row` proves that its values fit
//! their columns. Knows nothing of files, queues or SQL.

mod canon;
mod cel_functions;
mod cel_scope;
mod cel_values;
mod checked;
mod compact;
mod derive;
pub(crate) mod fields;
mod findings;
mod hand_over;
mod identity;
mod instant;
pub(crate) mod number;
mod place;
mod plan;
mod quick;
mod reckoning;
mod roomy;
mod rows;
mod rules;
mod scan;
mod session;
mod stamped;
mod strict;
pub(crate) mod text_format;
pub(crate) mod time;
pub(crate) mod time_format;
mod unique;

use std::sync::Arc;

use crate::contract::{Column, Contract, ContractError, ExtraColumns, Overflow};
use crate::reject::{Rule, Violation};
use canon::{Spelling, Written};
pub use checked::{CheckedRow, CheckedRows};
use derive::Derivations;
pub(crate) use fields::Scalar;
use fields::Value;
use findings::Findings;
pub use findings::Warnings;
pub use hand_over::HandOver;
#[cfg(feature = "parquet")]
pub(crate) use hand_over::{DELETED, ORDER, RECORD_ID, ROW_HASH, SOURCE};
pub(crate) use hand_over::{Pieces, push_text};
use identity::Identity;
use place::LastOrder;
pub use place::{MAX_SEQUENCE_DIGITS, Origin, Place, Sequence, StreamPlace};
use plan::Plan;
pub(crate) use roomy::{HEAD, Roomy};
use rows::Draft;
pub(crate) use rows::RecordText;
pub use rows::{Row, Rows, Stamp};
use rules::CompiledRules;
use scan::Names;
pub use session::{Accepted, Session};
#[cfg(feature = "parquet")]
pub(crate) use stamped::MAX_ORDER_BYTES;
pub(crate) use stamped::MAX_SOURCE_BYTES;
use strict::shortened;
pub use time::{ms_of_instant, utc_day};
use unique::Unique;

/// Rows whose hashes are taken together: enough for some of each length, and few enough to stay in the cache.
const STAMPED_TOGETHER: usize = 256;

/// A contract ready for use: names looked up, patterns and CEL compiled. Made when a dataset is first used.
#[derive(Debug)]
pub struct Checker {
    contract: Arc<Contract>,
    source: Names,
    /// The source's, and the dataset that a stream's record may name.
    streamed: Names,
    stamped: Names,
    rules: Vec<CompiledRules>,
    derivations: Derivations,
    unique: Vec<Unique>,
    /// How each column of a source record is taken, in the contract's order.
    plans: Vec<Plan>,
    identity: Identity,
}

impl Checker {
    /// Compiles a contract's rules; an error names the column whose rule cannot be used.
    pub fn compile(contract: Arc<Contract>) -> Result<Self, ContractError> {
        let rules: Vec<_> = contract
            .columns
            .iter()
            .enumerate()
            .map(|(i, column)| CompiledRules::compile(&format!("schema[0].properties[{i}]"), column))
            .collect::<Result<_, ContractError>>()?;
        let named = contract.columns.iter().enumerate().filter(|(_, column)| column.derived.is_none());
        let has_rules = |i: usize| rules.get(i).is_some_and(CompiledRules::has_rules);
        let plan = |(i, column): (usize, &Column)| Plan::of(i, column, has_rules(i));
        let source = || named.clone().map(|(i, column)| (column.name.clone(), i, column.keeps_json()));
        Ok(Self {
            source: Names::new(source()),
            // A column of that name keeps its slot.
            streamed: Names::new(
                std::iter::once((hand_over::DATASET.to_owned(), contract.columns.len(), false))
                    .chain(source()),
            ),
            stamped: stamped::names(&contract),
            plans: named.map(plan).collect(),
            rules,
            derivations: Derivations::compile(&contract)?,
            unique: Unique::of(&contract),
            identity: Identity::of(&contract),
            contract,
        })
    }

    /// Compiles what is compiled only when a row needs it, so that nothing of the contract is looked at for the first
    /// time in production.
    pub fn check_expressions(&self) -> Result<(), ContractError> {
        self.derivations.check(&self.contract)
    }

    /// The contract.
    pub fn contract(&self) -> &Contract {
        &self.contract
    }

    /// Whether a record is held against those before it.
    pub fn looks_back(&self) -> bool {
        !self.unique.is_empty()
    }

    /// One JSON record into a row at the end of `rows`, or all rules that it breaks. A stream's record may say in
    /// `_dataset` which one it is of: whoever asks for this has found it by that.
    pub fn check_json(
        &self,
        session: &mut Session,
        record: &[u8],
        place: &Place<'_>,
        rows: &mut Rows,
    ) -> Result<Accepted, Vec<Violation>> {
        let names = match place {
            Place::Stream(_) => &self.streamed,
            Place::Object { .. } => &self.source,
        };
        let text = session.read(names, record).map_err(|violation| vec![violation])?;
        let accepted = self.check_fields(session, text.into(), place, rows)?;
        self.stamp(rows, rows.len().saturating_sub(1), |_| *place, session);
        Ok(accepted)
    }

    /// One JSON record of an object into a row without stamps.
    pub(crate) fn check_unstamped(
        &self,
        session: &mut Session,
        record: &[u8],
        place: &Place<'_>,
        rows: &mut Rows,
    ) -> Result<Accepted, Vec<Violation>> {
        let text = session.read(&self.source, record).map_err(|violation| vec![violation])?;
        self.check_fields(session, text.into(), place, rows)
    }

    /// Gives the rows from an index on their stamps; `place` tells where a position is.
    pub(crate) fn stamp<'p>(
        &self,
        rows: &mut Rows,
        from: usize,
        place: impl Fn(u64) -> Place<'p>,
        session: &mut Session,
    ) {
        let (columns, mut order) = (rows.columns(), LastOrder::default());
        for start in (from..rows.len()).step_by(STAMPED_TOGETHER) {
            for at in start..rows.len().min(start + STAMPED_TOGETHER) {
                let Some(row) = rows.get_of(at, columns) else { return };
                let place = place(row.position());
                let record_id = self.identity.record_id(row, &mut session.hashed);
                let is_plain = self.identity.tell(row, &mut session.row_hashes);
                let record_id = record_id.unwrap_or_else(|| place.record_id());
                rows.stamp(at, record_id, is_plain, |text| order.write(&place, text));
            }
            session.row_hashes.finish(|i, hash| rows.set_row_hash(start + i, hash));
        }
    }

    /// Length of the record in one line that stands at the front of the bytes: then its fields are in the session.
    /// Whether it is UTF-8 is not looked at.
    pub(crate) fn accept(&self, session: &mut Session, bytes: &[u8]) -> Option<usize> {
        let scanned = session.scan(&self.source, bytes)?;
        scanned.is_one_line.then_some(scanned.len)
    }

    /// The session's fields into a row without stamps; `record` is the text that their spans speak of.
    pub(crate) fn check_fields(
        &self,
        session: &mut Session,
        record: RecordText<'_>,
        place: &Place<'_>,
        rows: &mut Rows,
    ) -> Result<Accepted, Vec<Violation>> {
        let columns = &self.contract.columns;
        let mut found = Findings::default();
        if self.contract.table_options.extra_columns == ExtraColumns::Reject {
            found.broken.extend(session.fields.extra_names(record.as_str()).map(|name| {
                Violation::column(Rule::ExtraColumn, &shortened(name), "is not in the contract")
            }));
        }
        let mut draft = Draft::begin(rows, columns.len());
        self.read_columns(session, record, &mut draft, &mut found);
        if !found.broken.is_empty() {
            return Err(found.broken);
        }
        let fill = |column: &Column, i, scalar: Scalar<'_>, draft: &mut Draft<'_>, found: &mut Findings| {
            self.fill(column, i, &scalar, draft, found);
        };
        self.derivations.evaluate(columns, &mut draft, &mut session.hashed, fill, &mut found);
        if !found.broken.is_empty() {
            return Err(found.broken);
        }
        self.look_for_twins(&draft, place, session, &mut found);
        if !found.broken.is_empty() {
            return Err(found.broken);
        }
        draft.finish_unstamped(place.position());
        session.warn(found.warned);
        session.note_extra_names(record.as_str());
        Ok(Accepted { extra_fields: session.fields.extra() })
    }

    /// The columns that the source has. The record's text is kept as it is: most values are cut from it.
    fn read_columns(
        &self,
        session: &Session,
        record: RecordText<'_>,
        draft: &mut Draft<'_>,
        found: &mut Findings,
    ) {
        let (kept, record) = (draft.record(record), record.as_str());
        // Of a record that may hold NUL nothing is cut.
        let bytes = if session.fields.may_hold_nul { &[] } else { record.as_bytes() };
        for plan in &self.plans {
            let (i, value) = (plan.column, session.fields.value(plan.column));
            match plan.cut(value, bytes) {
                Some(span) => {
                    draft.set(i, kept.cell(span));
                    if plan.has_rules {
                        let text = record.get(span.0 as usize..span.1 as usize).unwrap_or_default();
                        self.hold_to_rules(i, text, found);
                    }
                }
                None if plan.may_be_null && matches!(value, Value::Missing | Value::Null) => {}
                None => match plan.write(value, record, draft) {
                    Some(cell) => {
                        draft.set(i, cell);
                        if plan.has_rules
                            && let Some(text) = draft.get(i)
                        {
                            self.hold_to_rules(i, text, found);
                        }
                    }
                    None => {
                        let Some(column) = self.contract.columns.get(i) else { continue };
                        self.fill(column, i, &session.fields.scalar(i, record), draft, found);
                    }
                },
            }
        }
    }

    fn hold_to_rules(&self, i: usize, text: &str, found: &mut Findings) {
        if let Some((column, rules)) = self.contract.columns.get(i).zip(self.rules.get(i)) {
            rules.check(column, text, &mut |severity, own| found.add(severity, own));
        }
    }

    /// Writes one column's canonical text and holds it to the column's rules.
    fn fill(
        &self,
        column: &Column,
        i: usize,
        value: &Scalar<'_>,
        draft: &mut Draft<'_>,
        found: &mut Findings,
    ) {
        let Some(rules) = self.rules.get(i) else { return };
        let written = match put(draft, column, i, value, Spelling::Source) {
            Ok(written) => written,
            Err(violation) => return found.broken.push(violation),
        };
        if let Written::Cut | Written::Emptied = written {
            found.warned.push(overflowed(column));
        }
        match (written, draft.get(i)) {
            (Written::Value | Written::Cut, Some(text)) => {
                rules.check(column, text, &mut |severity, violation| found.add(severity, violation));
            }
            _ => rules.check_null(column, &mut |severity, violation| found.add(severity, violation)),
        }
    }

    /// Values that must not stand twice. A row that another rule refused is not remembered.
    fn look_for_twins(
        &self,
        draft: &Draft<'_>,
        place: &Place<'_>,
        session: &mut Session,
        found: &mut Findings,
    ) {
        if self.unique.is_empty() {
            return;
        }
        let own = self.identity.record_id(draft.row(), &mut session.hashed);
        let own = own.unwrap_or_else(|| place.record_id());
        let mut values = std::mem::take(&mut session.values);
        values.clear();
        for (i, rule) in self.unique.iter().enumerate() {
            let value = rule.value(draft, &mut session.hashed);
            let owner = value.and_then(|value| session.owner(i, value));
            if owner.is_some_and(|owner| owner != own) {
                let (severity, violation) = rule.broken();
                found.add(severity, violation);
            }
            values.push(value);
        }
        if found.broken.is_empty() {
            for (i, value) in values.iter().enumerate() {
                value.iter().for_each(|value| session.keep(i, *value, own));
            }
        }
        session.values = values;
    }
}

/// What `penstock.overflow` did to a text is never silent.
fn overflowed(column: &Column) -> Violation {
    let (rule, what) = match column.overflow {
        Overflow::Null => (Rule::OverflowNull, "NULL"),
        Overflow::Truncate | Overflow::Reject => (Rule::OverflowTruncated, "cut"),
    };
    Violation::column(rule, &column.name, format!("was longer than {} and became {what}", column.ty))
}

/// Writes a column's canonical text; NULL is refused where the column is required.
fn put(
    draft: &mut Draft<'_>,
    column: &Column,
    i: usize,
    value: &Scalar<'_>,
    spelling: Spelling,
) -> Result<Written, Violation> {
    let (cell, written) = draft.write(|text| canon::write(column, value, spelling, text))?;
    match written {
        Written::Value | Written::Cut => draft.set(i, cell),
        Written::Null | Written::Emptied if column.required => {
            return Err(Violation::column(
                Rule::Required,
                &column.name,
                "is required and is missing or null",
            ));
        }
        Written::Null | Written::Emptied => {}
    }
    Ok(written)
}

#[cfg(test)]
mod deleted_tests;
#[cfg(test)]
mod stamped_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod vector_tests;
