//! Records into rows: checked against the contract, derived, stamped. Holding a `Row` proves that its values fit
//! their columns. Knows nothing of files, queues or SQL.

mod canon;
mod cel_scope;
mod derive;
pub(crate) mod fields;
mod json;
pub(crate) mod number;
mod rules;
mod stamped;
pub(crate) mod text_format;
pub(crate) mod time;

use std::collections::HashMap;
use std::sync::Arc;

use crate::contract::{Column, Contract, ContractError, ExtraColumns, PhysicalType};
use crate::ident::{self, HexId};
use crate::reject::{Rule, Violation};
use canon::Written;
use derive::Derivations;
use json::{Scalar, Slots, read_fields, shortened};
use rules::CompiledRules;
use serde_json::value::RawValue;
pub(crate) use stamped::push_text;

/// Fields not in the contract that a reject names; a hostile record may have hundreds of thousands.
const MAX_EXTRA_TOLD: usize = 32;

/// A column's field as a value.
fn scalar<'a>(column: &Column, field: Option<&'a RawValue>) -> Result<Scalar<'a>, Violation> {
    match field {
        None => Ok(Scalar::Null),
        Some(raw) if column.ty == PhysicalType::Super => Ok(Scalar::json(raw)),
        Some(raw) => Scalar::of(raw),
    }
}

/// Canonical texts of a row's columns, in contract order, in one allocation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Cells {
    text: String,
    spans: Vec<Option<(u32, u32)>>,
}

impl Cells {
    fn new(columns: usize) -> Self {
        Self { text: String::with_capacity(columns * 16), spans: vec![None; columns] }
    }

    fn get(&self, column: usize) -> Option<&str> {
        let (start, end) = (*self.spans.get(column)?)?;
        self.text.get(start as usize..end as usize)
    }

    /// Writes a column's canonical text; NULL is refused where the column is required.
    fn put(&mut self, column: &Column, i: usize, value: &Scalar<'_>) -> Result<Written, Violation> {
        let start = self.text.len();
        let written = canon::write(column, value, &mut self.text)?;
        match written {
            // A record is at most a few MiB, so offsets fit 32 bits.
            Written::Value => self.spans[i] = Some((start as u32, self.text.len() as u32)),
            Written::Null if column.required => {
                return Err(Violation::column(
                    Rule::Required,
                    &column.name,
                    "is required and is missing or null",
                ));
            }
            Written::Null => {}
        }
        Ok(written)
    }
}

/// What a row is known by on its way and in the warehouse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// Identity: of the primary key, or of the record's place.
    pub record_id: HexId,
    /// Hash of the columns that are not NULL.
    pub row_hash: HexId,
    /// Source time / object id / position: one text comparison tells the later.
    pub order: String,
    /// Whether the row is a tombstone.
    pub deleted: bool,
}

/// A record that fits its contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    cells: Cells,
    stamp: Stamp,
}

impl Row {
    /// Canonical text of a column, `None` for NULL.
    pub fn get(&self, column: usize) -> Option<&str> {
        self.cells.get(column)
    }

    /// Identity and order.
    pub fn stamp(&self) -> &Stamp {
        &self.stamp
    }

    /// The ordered group that the contract's `groupBy` puts the row into.
    pub fn group(&self, contract: &Contract, groups: u32) -> u32 {
        ident::group(contract.group_by.iter().map(|i| self.get(*i)), groups)
    }
}

/// Where a record comes from: what its stamps are made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// `s3://bucket/key`, decoded.
    pub source: String,
    /// Identity of the object.
    pub object_id: HexId,
    /// The object's LastModified in ms since 1970.
    pub source_ms: u64,
}

/// A contract ready for use: names looked up, patterns and CEL compiled. Made when a dataset is first used.
#[derive(Debug)]
pub struct Checker {
    contract: Arc<Contract>,
    source_slots: Names,
    stamped_slots: Names,
    rules: Vec<CompiledRules>,
    derivations: Derivations,
    /// Column indices in ascending order of warehouse names, as the row hash takes them.
    by_name: Vec<usize>,
}

#[derive(Debug)]
struct Names(HashMap<String, usize>);

impl Slots for Names {
    fn slot(&self, name: &str) -> Option<usize> {
        self.0.get(name).copied()
    }
}

/// A row and what was left out of it.
#[derive(Debug)]
pub struct Checked {
    /// The row.
    pub row: Row,
    /// Fields of the record that the contract does not name.
    pub extra_fields: usize,
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
        let source = contract.columns.iter().enumerate().filter(|(_, column)| column.derived.is_none());
        let mut by_name: Vec<usize> = (0..contract.columns.len()).collect();
        by_name.sort_by(|a, b| contract.columns[*a].physical.cmp(&contract.columns[*b].physical));
        Ok(Self {
            source_slots: Names(source.map(|(i, column)| (column.name.clone(), i)).collect()),
            stamped_slots: stamped::names(&contract),
            rules,
            derivations: Derivations::compile(&contract)?,
            by_name,
            contract,
        })
    }

    /// The contract.
    pub fn contract(&self) -> &Contract {
        &self.contract
    }

    /// One raw record into a row, or all rules that it breaks.
    pub fn check(&self, record: &[u8], origin: &Origin, position: u64) -> Result<Checked, Vec<Violation>> {
        let columns = &self.contract.columns;
        let fields =
            read_fields(record, &self.source_slots, columns.len()).map_err(|violation| vec![violation])?;
        let mut broken = Vec::new();
        if self.contract.table_options.extra_columns == ExtraColumns::Reject {
            let told = fields.extra.iter().take(MAX_EXTRA_TOLD);
            broken.extend(told.map(|name| {
                Violation::column(Rule::ExtraColumn, &shortened(name), "is not in the contract")
            }));
        }
        let mut cells = Cells::new(columns.len());
        for (i, column) in columns.iter().enumerate().filter(|(_, column)| column.derived.is_none()) {
            match scalar(column, fields.slots[i]) {
                Ok(scalar) => self.fill(column, i, &scalar, &mut cells, &mut broken),
                Err(violation) => broken.push(Violation { column: Some(column.name.clone()), ..violation }),
            }
        }
        if broken.is_empty() {
            self.derive(&mut cells, &mut broken);
        }
        if !broken.is_empty() {
            return Err(broken);
        }
        let stamp = self.stamp(&cells, origin, position);
        Ok(Checked { row: Row { cells, stamp }, extra_fields: fields.extra.len() })
    }

    fn derive(&self, cells: &mut Cells, broken: &mut Vec<Violation>) {
        let mut from_values = Vec::new();
        self.derivations.evaluate(
            &self.contract.columns,
            cells,
            |column, i, scalar, cells| self.fill(column, i, &scalar, cells, &mut from_values),
            broken,
        );
        broken.append(&mut from_values);
    }

    /// Writes one column's canonical text and holds it to the column's rules.
    fn fill(
        &self,
        column: &Column,
        i: usize,
        value: &Scalar<'_>,
        cells: &mut Cells,
        broken: &mut Vec<Violation>,
    ) {
        match cells.put(column, i, value) {
            Ok(Written::Value) => self.rules[i].check(column, cells.get(i).unwrap_or_default(), broken),
            Ok(Written::Null) => {}
            Err(violation) => broken.push(violation),
        }
    }

    fn stamp(&self, cells: &Cells, origin: &Origin, position: u64) -> Stamp {
        Stamp {
            record_id: self
                .record_id_of_key(cells)
                .unwrap_or_else(|| ident::record_id_of_position(&origin.object_id, position)),
            row_hash: self.row_hash(cells),
            order: ident::order(origin.source_ms, &origin.object_id, position),
            deleted: false,
        }
    }

    fn record_id_of_key(&self, cells: &Cells) -> Option<HexId> {
        let key = &self.contract.key;
        (!key.is_empty())
            .then(|| ident::record_id_of_key(key.iter().map(|i| cells.get(*i).unwrap_or_default())))
    }

    fn row_hash(&self, cells: &Cells) -> HexId {
        let columns = &self.contract.columns;
        ident::row_hash(
            self.by_name.iter().filter_map(|i| Some((columns[*i].physical.as_str(), cells.get(*i)?))),
        )
    }
}

#[cfg(test)]
mod stamped_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod vector_tests;
