//! What a row is known by: the hash of its values and the identity of its key. Taken of canonical texts, when they are
//! asked for. What the hashes are made of stands at `ident`.

use std::collections::HashSet;

use super::hand_over::DELETED;
use super::roomy::are_plain;
use super::rows::Row;
use crate::contract::{Contract, PhysicalType};
use crate::ident::{self, HexId, RowHashes};

/// Bytes of a name's tag in the row hash, and of all tags of a contract in which two would be equal.
const SHORT_TAG: usize = 3;
const LONG_TAG: usize = 8;

/// What the hashes of a contract's rows are made of.
#[derive(Debug)]
pub(super) struct Identity {
    /// Columns that a source record has, in ascending order of warehouse names, and what stands for the name.
    columns: Vec<(usize, [u8; LONG_TAG])>,
    /// How much of that: enough to tell all of the contract apart.
    tag_len: usize,
    /// Stands for the expressions of derived columns.
    derivations: Option<[u8; 8]>,
    key: Vec<usize>,
    /// Columns whose texts are JSON.
    json: Vec<usize>,
}

impl Identity {
    pub fn of(contract: &Contract) -> Self {
        let sources = contract.columns.iter().enumerate().filter(|(_, column)| column.derived.is_none());
        let mut sources: Vec<_> = sources.map(|(i, column)| (i, column.physical.as_str())).collect();
        sources.sort_by_key(|(_, name)| *name);
        let columns: Vec<_> = sources.iter().map(|(i, name)| (*i, ident::name_tag(name))).collect();
        let short: HashSet<&[u8]> = columns.iter().map(|(_, tag)| &tag[..SHORT_TAG]).collect();
        let tag_len = if short.len() == columns.len() { SHORT_TAG } else { LONG_TAG };
        let is_json = |i: &usize| contract.columns.get(*i).is_some_and(|own| own.ty == PhysicalType::Super);
        let json = columns.iter().map(|(i, _)| *i).filter(is_json).collect();
        Self { tag_len, derivations: derivations_tag(contract), key: contract.key.clone(), json, columns }
    }

    /// Identity of a row with a primary key. `joined` is a buffer.
    pub fn record_id(&self, row: Row<'_>, joined: &mut String) -> Option<HexId> {
        if self.key.is_empty() {
            return None;
        }
        if let [i] = self.key.as_slice()
            && let Some(id) = row.roomy(*i).and_then(ident::record_id_of_short)
        {
            return Some(id);
        }
        joined.clear();
        for i in &self.key {
            ident::push_netstr(row.get(*i).unwrap_or_default(), joined);
        }
        Some(ident::record_id_of_netstrs(joined))
    }

    /// Tells what the row hash is made of; whether the source's texts stand in JSON as they are, which is seen best where
    /// they stand together. No may be wrong.
    pub fn tell(&self, row: Row<'_>, hashes: &mut RowHashes) -> bool {
        let present = self.columns.iter().filter_map(|(i, tag)| {
            let tag = tag.get(..self.tag_len).unwrap_or(tag);
            Some((tag, row.roomy(*i)?))
        });
        let texts = hashes.row(self.derivations, present);
        self.json.iter().all(|i| row.roomy(*i).is_none()) && are_plain(texts)
    }
}

impl Row<'_> {
    /// Its Kinesis partition key: of the columns of the contract's `partitionBy`, else its identity. `joined` is memory
    /// that is used again and again.
    pub fn partition_key(&self, contract: &Contract, joined: &mut String) -> HexId {
        match contract.partition_by.as_slice() {
            [] => self.stamp().record_id,
            columns => ident::partition_key(columns.iter().map(|i| self.get(*i)), joined),
        }
    }
}

/// Other expressions give other values, and another `deletedWhen` other tombstones: rows of both are told apart. Under
/// one rule the flag follows from the columns, so it is no part of the hash itself.
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
    if let Some(logic) = &contract.table_options.deleted_when {
        // As a derived column: none of the contract can have the name.
        for text in [DELETED, "boolean", logic] {
            ident::push_netstr(text, &mut texts);
        }
    }
    (!texts.is_empty()).then(|| ident::name_tag(&texts))
}
