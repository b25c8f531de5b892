//! One part of the quarantine held to the contract of today, by the engine of the functions. What fits waits in the
//! outbox; nothing is sent here.

use std::sync::Arc;

use penstock_core::ingest::Recheck;
use penstock_core::reject::{Rule, Violation};
use penstock_core::row::{Checker, Row, Rows, Session};

use super::origin::Known;
use super::outbox::Outbox;
use crate::rejects::line::Line;

/// Rules that only rows break.
const RULES_OF_ROWS: [Rule; 3] = [Rule::RowTooLarge, Rule::RefusedByQueue, Rule::RefusedByWarehouse];

/// Whether a line holds a stamped row, and no record of a file: those have a position.
pub fn is_row(line: &Line) -> bool {
    line.position.is_none()
        || line.rules.iter().any(|own| RULES_OF_ROWS.iter().any(|rule| rule.as_str() == own.rule))
}

/// The records of one object on their way to one outbox.
pub struct Judge<'a> {
    checker: &'a Arc<Checker>,
    recheck: Recheck,
    session: Session,
    rows: Rows,
    /// What fits.
    pub outbox: Outbox<'a>,
}

impl<'a> Judge<'a> {
    /// For one object.
    pub fn new(checker: &'a Arc<Checker>, known: &'a Known, outbox: Outbox<'a>) -> Self {
        let recheck = Recheck::new(Arc::clone(checker), known.origin.clone(), known.begin.as_ref());
        Self { checker, recheck, session: Session::default(), rows: Rows::default(), outbox }
    }

    /// A record as its file had it.
    pub fn record(&mut self, raw: &[u8], position: u64) -> Result<(), Vec<Violation>> {
        let Self { recheck, outbox, .. } = self;
        let mut refused = None;
        recheck.check(raw, position, &mut |row| refused = outbox.push(row).err())?;
        refused.map_or(Ok(()), |violation| Err(vec![violation]))
    }

    /// A row that carries its stamps.
    pub fn row(&mut self, raw: &[u8]) -> Result<(), Vec<Violation>> {
        self.rows.clear();
        self.checker.check_stamped(&mut self.session, raw, &mut self.rows)?;
        let refused = self.rows.get(0).and_then(|row: Row<'_>| self.outbox.push(row).err());
        refused.map_or(Ok(()), |violation| Err(vec![violation]))
    }
}
