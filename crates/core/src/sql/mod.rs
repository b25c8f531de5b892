//! SQL that Penstock emits for Redshift: identifiers, literals, DDL and the load transaction.
//! Knows nothing of the Data API's client. Only `Ident`, `Literal` and bound parameters reach a statement's text,
//! because Redshift reads a backslash inside '...' as an escape and doubling quotes alone would be injectable.

mod copy;
mod ddl;
mod history;
mod ident;
mod load;
mod model;
mod replace;
mod transaction;

pub use copy::{Accounting, CopyError, CopyLoad, CopyRole, Packing, RowFiles, load_errors, loaded_objects};
pub use ddl::{GrantRole, TargetColumn, grants, ledger_view, migration, target_columns};
pub use ident::{Ident, IdentError, Literal};
pub use load::{FifoLoad, LoadError, SqlBatch, StagedRow};
pub use model::{
    AfterLoadError, Model, ModelError, ModelKind, ModelStatement, Relation, after_load, model_grants,
};
pub use transaction::newest_first;

/// Most bytes of one statement, parameters counted in (Data API: 100 KB a statement; a margin is kept).
pub const MAX_STATEMENT_BYTES: usize = 96_000;
/// Most statements of one BatchExecuteStatement.
pub const MAX_BATCH_STATEMENTS: usize = 40;
/// The schema that holds locks, ledgers and procedures.
pub const SERVICE_SCHEMA: &str = "penstock";
/// The schema that holds histories.
pub const HISTORY_SCHEMA: &str = "stg";
/// Ends the name of the view without tombstones.
pub const LIVE_SUFFIX: &str = "_live";
