//! Records into rows: checked against the contract, derived, stamped. Holding a `Row` proves that its values fit
//! their columns. Knows nothing of files, queues or SQL.

mod canon;
mod cel_functions;
mod cel_scope;
mod compact;
mod derive;
pub(crate) mod fields;
mod findings;
mod hand_over;
pub(crate) mod number;
mod place;
mod quick;
mod reckoning;
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

use std::collections::HashSet;
use std::sync::Arc;

use crate::contract::{Column, Contract, ContractError, ExtraColumns, Overflow};
use crate::ident::{self, HexId, RowHash};
use crate::reject::{Rule, Violation};
use canon::{Spelling, Written};
use derive::Derivations;
pub(crate) use fields::Scalar;
use findings::Findings;
pub use findings::Warnings;
pub use hand_over::HandOver;
pub(crate) use hand_over::push_text;
pub use place::{MAX_SEQUENCE_DIGITS, Origin, Place, Sequence, StreamPlace};
use rows::{Cell, Draft, Finished};
pub use rows::{Row, Rows, Stamp};
use rules::CompiledRules;
use scan::Names;
pub use session::{Accepted, Session};
pub(crate) use stamped::MAX_SOURCE_BYTES;
use strict::shortened;
pub use time::utc_day;
use unique::Unique;

/// Bytes of a name's tag in the row hash, and of all tags of a contract in which two would be equal.
const SHORT_TAG: usize = 3;
const LONG_TAG: usize = 8;

/// A contract ready for use: names looked up, patterns and CEL compiled. Made when a dataset is first used.
#[derive(Debug)]
pub struct Checker {
    contract: Arc<Contract>,
    source: Names,
    stamped: Names,
    rules: Vec<CompiledRules>,
    derivations: Derivations,
    unique: Vec<Unique>,
    /// Columns that a source record has, in ascending order of warehouse names, as the row hash takes them.
    source_columns: Vec<usize>,
    /// Stands for the expressions of derived columns in the row hash.
    derivations_tag: Option<[u8; 8]>,
    /// Stands for each source column's name there.
    tags: Vec<[u8; 8]>,
    /// How much of them: enough to tell all of the contract apart.
    tag_len: usize,
}

impl Checker {
    /// Compiles a contract's rules; an error names the column whose rule cannot be used.
    pub fn compile(contract: Arc<Contract>) -> Result<Self, ContractError> {
        let rules = contract
            .columns
            .iter()
            .enumerate()
            .map(|(i, column)| CompiledRules::compile(&format!("schema[0].properties[{i}]"), column))
            .collect::<Result<_, _>>()?;
        let columns = contract.columns.iter().enumerate();
        let mut source_columns: Vec<usize> =
            columns.clone().filter(|(_, column)| column.derived.is_none()).map(|(i, _)| i).collect();
        source_columns.sort_by(|a, b| contract.columns[*a].physical.cmp(&contract.columns[*b].physical));
        let named = columns.filter(|(_, column)| column.derived.is_none());
        let tag = |i: &usize| contract.columns.get(*i).map(|own| ident::name_tag(own.physical.as_str()));
        let tags: Vec<[u8; 8]> = source_columns.iter().filter_map(tag).collect();
        let short: HashSet<&[u8]> = tags.iter().map(|tag| &tag[..SHORT_TAG]).collect();
        let tag_len = if short.len() == tags.len() { SHORT_TAG } else { LONG_TAG };
        Ok(Self {
            source: Names::new(named.map(|(i, column)| (column.name.clone(), i, column.keeps_json()))),
            stamped: stamped::names(&contract),
            rules,
            derivations: Derivations::compile(&contract)?,
            unique: Unique::of(&contract),
            derivations_tag: derivations_tag(&contract),
            source_columns,
            tags,
            tag_len,
            contract,
        })
    }

    /// The contract.
    pub fn contract(&self) -> &Contract {
        &self.contract
    }

    /// One JSON record into a row at the end of `rows`, or all rules that it breaks.
    pub fn check_json(
        &self,
        session: &mut Session,
        record: &[u8],
        place: &Place<'_>,
        rows: &mut Rows,
    ) -> Result<Accepted, Vec<Violation>> {
        let text = session.read(&self.source, record).map_err(|violation| vec![violation])?;
        self.check_fields(session, text, place, rows)
    }

    /// Length of the record in one line that stands at the front of the bytes: then its fields are in the session.
    /// Whether it is UTF-8 is not looked at.
    pub(crate) fn accept(&self, session: &mut Session, bytes: &[u8]) -> Option<usize> {
        let scanned = session.scan(&self.source, bytes)?;
        scanned.is_one_line.then_some(scanned.len)
    }

    /// The session's fields into a row; `record` is the text that their spans speak of.
    pub(crate) fn check_fields(
        &self,
        session: &mut Session,
        record: &str,
        place: &Place<'_>,
        rows: &mut Rows,
    ) -> Result<Accepted, Vec<Violation>> {
        let columns = &self.contract.columns;
        let mut found = Findings::default();
        if self.contract.table_options.extra_columns == ExtraColumns::Reject {
            found.broken.extend(session.fields.extra_names(record).map(|name| {
                Violation::column(Rule::ExtraColumn, &shortened(name), "is not in the contract")
            }));
        }
        let mut draft = Draft::begin(rows, columns.len());
        for i in &self.source_columns {
            let Some(column) = columns.get(*i) else { continue };
            let value = session.fields.scalar(*i, record);
            self.fill(column, *i, &value, &mut draft, &mut found);
        }
        if !found.broken.is_empty() {
            return Err(self.in_contract_order(found.broken));
        }
        let row_hash = self.row_hash(&draft, &mut session.row_hash);
        let fill = |column: &Column, i, scalar: Scalar<'_>, draft: &mut Draft<'_>, found: &mut Findings| {
            self.fill(column, i, &scalar, draft, found);
        };
        self.derivations.evaluate(columns, &mut draft, &mut session.hashed, fill, &mut found);
        if !found.broken.is_empty() {
            return Err(found.broken);
        }
        let stamp = self.stamp(&mut draft, place, row_hash, &mut session.hashed);
        self.look_for_twins(&draft, &stamp, session, &mut found);
        if !found.broken.is_empty() {
            return Err(found.broken);
        }
        draft.finish(place.position(), stamp);
        session.warn(found.warned);
        Ok(Accepted { extra_fields: session.fields.extra() })
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
        stamp: &Finished,
        session: &mut Session,
        found: &mut Findings,
    ) {
        if self.unique.is_empty() {
            return;
        }
        let mut values = std::mem::take(&mut session.values);
        values.clear();
        for (i, rule) in self.unique.iter().enumerate() {
            let value = rule.value(draft, &mut session.hashed);
            let owner = value.and_then(|value| session.owner(i, value));
            if owner.is_some_and(|owner| owner != stamp.record_id) {
                let (severity, violation) = rule.broken();
                found.add(severity, violation);
            }
            values.push(value);
        }
        if found.broken.is_empty() {
            for (i, value) in values.iter().enumerate() {
                value.iter().for_each(|value| session.keep(i, *value, stamp.record_id));
            }
        }
        session.values = values;
    }

    fn stamp(
        &self,
        draft: &mut Draft<'_>,
        place: &Place<'_>,
        row_hash: HexId,
        text: &mut String,
    ) -> Finished {
        let record_id = self.record_id_of_key(draft, text).unwrap_or_else(|| place.record_id());
        let order = draft.append(|text| place.write_order(text));
        Finished { record_id, row_hash, order, source: Cell::NULL, deleted: false }
    }

    /// Columns are read in the order of the row hash; people expect their own.
    fn in_contract_order(&self, mut broken: Vec<Violation>) -> Vec<Violation> {
        let place = |own: &Violation| {
            let name = own.column.as_deref()?;
            self.contract.columns.iter().position(|column| column.name == name)
        };
        broken.sort_by_key(place);
        broken
    }

    fn record_id_of_key(&self, draft: &Draft<'_>, joined: &mut String) -> Option<HexId> {
        let key = &self.contract.key;
        if key.is_empty() {
            return None;
        }
        joined.clear();
        for i in key {
            ident::push_netstr(draft.get(*i).unwrap_or_default(), joined);
        }
        Some(ident::record_id_of_netstrs(joined))
    }

    /// Of the source columns, whose texts are all that was written so far.
    fn row_hash(&self, draft: &Draft<'_>, hash: &mut RowHash) -> HexId {
        let columns = || self.source_columns.iter().zip(&self.tags);
        let present = columns().filter(|(i, _)| draft.len(**i).is_some()).count();
        hash.begin(self.derivations_tag, present);
        for (i, tag) in columns() {
            if let Some(len) = draft.len(*i) {
                hash.column(tag.get(..self.tag_len).unwrap_or(tag), len);
            }
        }
        hash.finish(draft.written())
    }
}

/// Other expressions give other values: rows of both are told apart.
fn derivations_tag(contract: &Contract) -> Option<[u8; 8]> {
    let mut texts = String::new();
    let derived = contract.columns.iter().filter_map(|own| Some((own, own.derived.as_ref()?)));
    let mut derived: Vec<_> = derived.collect();
    derived.sort_by(|(a, _), (b, _)| a.physical.cmp(&b.physical));
    for (column, logic) in derived {
        ident::push_netstr(column.physical.as_str(), &mut texts);
        ident::push_netstr(&column.ty.to_string(), &mut texts);
        ident::push_netstr(logic, &mut texts);
    }
    (!texts.is_empty()).then(|| ident::name_tag(&texts))
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
mod stamped_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod vector_tests;
