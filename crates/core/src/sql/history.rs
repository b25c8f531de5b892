//! The history of a dataset (`penstock.keepHistory`): every accepted version of a record once, also those that lose
//! against the row in the target. A version is a row hash of a record id; it keeps the stamps of its earliest row, so
//! that the table does not depend on the order in which loads come. Knows nothing of winners.

use super::transaction::{STAGED_STAMPS, STAMP_TYPES, STAMPS, Transaction};
use crate::contract::Column;

impl Transaction<'_> {
    /// What the staged rows add to the history; nothing without one.
    pub fn keep_history(&self, from_stage: impl Fn(&Column) -> String) -> Vec<String> {
        let Some(history) = &self.names.history else { return Vec::new() };
        let (columns, staged) = (self.columns(), self.list(from_stage));
        let same = |left: &str, right: &str| {
            format!(
                "{left}.\"_record_id\" = {right}.\"_record_id\" AND {left}.\"_row_hash\" = {right}.\"_row_hash\""
            )
        };
        vec![
            self.create("p_hist", |column| column.ty.to_string(), STAMP_TYPES, ""),
            format!(
                "INSERT INTO \"p_hist\" ({columns}, {STAMPS}) SELECT {staged}, {STAGED_STAMPS} \
                 FROM (SELECT s.*, ROW_NUMBER() OVER (PARTITION BY \"_record_id\", \"_row_hash\" ORDER BY \"_order\") AS \"_rn\" \
                 FROM \"p_stage\" s) r LEFT JOIN {history} h ON {} \
                 WHERE r.\"_rn\" = 1 AND (h.\"_record_id\" IS NULL OR r.\"_order\" < h.\"_order\")",
                same("h", "r")
            ),
            format!("DELETE FROM {history} USING \"p_hist\" WHERE {}", same(history, "\"p_hist\"")),
            self.insert(history, "p_hist"),
        ]
    }
}
