//! Stamped rows read back: JSON objects in the hand-over format. Writing them is `hand_over`'s.

use super::canon::{Spelling, Written};
use super::hand_over::{CONTRACT_VERSION, DATASET, DELETED, ORDER, RECORD_ID, ROW_HASH, SOURCE};
use super::rows::{Cell, Draft, Finished};
use super::scan::Names;
use super::session::{Accepted, Session};
use super::{Checker, Rows, Scalar, overflowed, put};
use crate::contract::{Contract, PhysicalType};
use crate::ident::HexId;
use crate::reject::{Rule, Violation};

/// Most bytes of `_order` in the target.
pub(crate) const MAX_ORDER_BYTES: usize = 128;
/// Most bytes of `_source` in the target; S3 keys have at most 1,024.
pub(crate) const MAX_SOURCE_BYTES: usize = 4096;

/// Slots of a stamped row: the columns by warehouse name, then the stamps.
pub(super) fn names(contract: &Contract) -> Names {
    let columns = contract.columns.iter().map(|own| (own.physical.as_str(), own.ty == PhysicalType::Super));
    let stamps = [RECORD_ID, ROW_HASH, ORDER, DELETED, SOURCE, DATASET, CONTRACT_VERSION];
    let all = columns.chain(stamps.map(|name| (name, false)));
    Names::new(all.enumerate().map(|(i, (name, keeps_json))| (name.to_owned(), i, keeps_json)))
}

impl Checker {
    /// Reads a stamped row. It may come from an older contract: a column that it lacks is NULL if that is allowed, a
    /// field that the contract no longer has is left out. Stamps are kept; with a primary key the record id is
    /// computed again and must agree.
    pub fn check_stamped(
        &self,
        session: &mut Session,
        record: &[u8],
        rows: &mut Rows,
    ) -> Result<Accepted, Vec<Violation>> {
        let columns = &self.contract.columns;
        let text = session.read(&self.stamped, record).map_err(|violation| vec![violation])?;
        let (mut broken, mut warned) = (Vec::new(), Vec::new());
        let mut draft = Draft::begin(rows, columns.len());
        for (i, column) in columns.iter().enumerate() {
            // The source held the row to its rules; here only what the warehouse would refuse is checked.
            let value = session.fields.scalar(i, text);
            match put(&mut draft, column, i, &value, Spelling::Canonical) {
                Ok(Written::Cut | Written::Emptied) => warned.push(overflowed(column)),
                Ok(Written::Value | Written::Null) => {}
                Err(violation) => {
                    broken.push(Violation { column: Some(column.name.clone()), ..violation });
                }
            }
        }
        let stamp = read_stamp(&|at| session.fields.scalar(columns.len() + at, text), &mut draft);
        let stamp = stamp.and_then(|stamp| match self.identity.record_id(draft.row(), &mut session.hashed) {
            Some(own) if broken.is_empty() && own != stamp.record_id => {
                Err(Violation::record(Rule::BadStamp, "_record_id is not the hash of the primary key"))
            }
            _ => Ok(stamp),
        });
        match stamp {
            Ok(stamp) if broken.is_empty() => {
                draft.finish(0, stamp);
                session.warn(warned);
                Ok(Accepted { extra_fields: session.fields.extra() })
            }
            Ok(_) => Err(broken),
            Err(violation) => {
                broken.push(violation);
                Err(broken)
            }
        }
    }
}

fn read_stamp<'a>(stamp: &dyn Fn(usize) -> Scalar<'a>, draft: &mut Draft<'_>) -> Result<Finished, Violation> {
    let bad = |name: &str, form: &str| Violation::record(Rule::BadStamp, format!("{name} must be {form}"));
    let text = |at: usize| match stamp(at) {
        Scalar::Text(text) => Some(text),
        _ => None,
    };
    let hex = |at: usize, name: &str| {
        text(at).and_then(HexId::parse).ok_or_else(|| bad(name, "32 lower-case hex characters"))
    };
    let order = text(2).filter(|own| {
        (1..=MAX_ORDER_BYTES).contains(&own.len())
            && own.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'/')
    });
    let deleted = match stamp(3) {
        Scalar::Null | Scalar::Text("false") => false,
        Scalar::Text("true") => true,
        _ => return Err(bad(DELETED, "true or false, as a text")),
    };
    let source = match stamp(4) {
        Scalar::Null => Cell::NULL,
        Scalar::Text(own) if own.len() <= MAX_SOURCE_BYTES && !own.contains('\0') => draft.text(own),
        _ => return Err(bad(SOURCE, "a text of at most 4096 bytes")),
    };
    let order = order.ok_or_else(|| bad(ORDER, "1 to 128 letters, digits and slashes"))?;
    Ok(Finished {
        record_id: hex(0, RECORD_ID)?,
        row_hash: hex(1, ROW_HASH)?,
        order: draft.text(order),
        source,
        deleted,
    })
}
