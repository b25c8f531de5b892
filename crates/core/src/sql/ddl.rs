//! What `penstock migrate` creates for a dataset: target, lock table, ledger, the two procedures, and grants; where
//! the contract asks for them history, newest objects by key, and the view without tombstones. Every statement can be
//! run again.
//!
//! No key is declared on the target: Redshift does not enforce one, yet its planner trusts it, so a duplicate under
//! a declared key makes queries wrong. Columns outside the key stay nullable, because NOT NULL cannot be dropped.

use super::{HISTORY_SCHEMA, Ident, IdentError, LIVE_SUFFIX, SERVICE_SCHEMA};
use crate::contract::{Column, Contract, OnReplace, PhysicalType};

/// Stamps of a target after its own columns.
const TARGET_STAMPS: &[(&str, PhysicalType, bool)] = &[
    ("_record_id", PhysicalType::Char(32), true),
    ("_row_hash", PhysicalType::Char(32), true),
    ("_order", PhysicalType::Varchar(128), true),
    ("_deleted", PhysicalType::Boolean, false),
    ("_load_id", PhysicalType::Varchar(64), false),
    ("_source", PhysicalType::Varchar(4096), false),
    ("_loaded_at", PhysicalType::TimestampTz, false),
];

/// Columns of a ledger, in order.
pub(super) const LEDGER_COLUMNS: &str = "\"load_id\", \"object_id\", \"source\", \"status\", \"n_read\", \
     \"n_inserted\", \"n_updated\", \"n_unchanged\", \"n_duplicate\", \"n_rejected\", \"contract_version\", \"loaded_at\"";

const LEDGER_TYPES: &str = "  \"load_id\" varchar(64) NOT NULL,\n  \"object_id\" varchar(64) NOT NULL,\n  \
     \"source\" varchar(4096),\n  \"status\" varchar(16) NOT NULL,\n  \"n_read\" bigint,\n  \"n_inserted\" bigint,\n  \
     \"n_updated\" bigint,\n  \"n_unchanged\" bigint,\n  \"n_duplicate\" bigint,\n  \"n_rejected\" bigint,\n  \
     \"contract_version\" varchar(64),\n  \"loaded_at\" timestamptz";

/// Names of what belongs to one dataset in the service schema.
#[derive(Debug)]
pub(super) struct Names {
    pub target: String,
    pub lock: String,
    pub ledger: String,
    pub claim: String,
    pub balance: String,
    /// The view without tombstones, where rows can be some.
    pub live: Option<String>,
    /// Where versions are kept.
    pub history: Option<String>,
    /// Which object of a key is its newest.
    pub newest: Option<String>,
}

impl Names {
    pub fn of(contract: &Contract, schema: &Ident) -> Result<Self, IdentError> {
        let own = |prefix: &'static str| {
            Ident::prefixed(prefix, &contract.table).map(|name| format!("\"{SERVICE_SCHEMA}\".{name}"))
        };
        let options = &contract.table_options;
        if options.keep_history && schema.as_str() == HISTORY_SCHEMA {
            return Err(IdentError::History(HISTORY_SCHEMA.to_owned()));
        }
        let live = || Ident::suffixed(&contract.table, LIVE_SUFFIX).map(|name| format!("{schema}.{name}"));
        Ok(Self {
            live: options.deleted_when.is_some().then(live).transpose()?,
            history: options.keep_history.then(|| format!("\"{HISTORY_SCHEMA}\".{}", contract.table)),
            newest: (options.on_replace == OnReplace::Replace).then(|| own("newest_")).transpose()?,
            target: format!("{schema}.{}", contract.table),
            lock: lock_table(&contract.table)?,
            ledger: own("objects_")?,
            claim: own("sp_claim_")?,
            balance: own("sp_balance_")?,
        })
    }
}

/// The table whose lock every load of a dataset takes first.
pub(super) fn lock_table(table: &Ident) -> Result<String, IdentError> {
    Ident::prefixed("lock_", table).map(|name| format!("\"{SERVICE_SCHEMA}\".{name}"))
}

/// The statements that create a dataset's tables and procedures, each to be run on its own, in order; none where its
/// objects have no rows.
pub fn migration(contract: &Contract, schema: &Ident) -> Result<Vec<String>, IdentError> {
    if contract.is_binary() {
        return Ok(Vec::new());
    }
    let names = Names::of(contract, schema)?;
    let mut statements = vec![
        format!("CREATE SCHEMA IF NOT EXISTS {schema}"),
        format!("CREATE SCHEMA IF NOT EXISTS \"{SERVICE_SCHEMA}\""),
        target(contract, &names),
        format!("CREATE TABLE IF NOT EXISTS {} (\"n\" integer)", names.lock),
        format!("CREATE TABLE IF NOT EXISTS {} (\n{LEDGER_TYPES}\n)", names.ledger),
    ];
    if let Some(history) = &names.history {
        statements.push(format!("CREATE SCHEMA IF NOT EXISTS \"{HISTORY_SCHEMA}\""));
        statements.push(format!(
            "{}\nDISTSTYLE AUTO\nSORTKEY AUTO",
            create_table(history, &target_columns(contract))
        ));
    }
    if let Some(newest) = &names.newest {
        statements.push(format!(
            "CREATE TABLE IF NOT EXISTS {newest} (\n  \"source\" varchar(4096) NOT NULL,\n  \"newest\" varchar(128)\n)"
        ));
    }
    statements.push(claim(&names));
    statements.push(balance(&names, contract.key.is_empty()));
    statements.extend(names.live.as_ref().map(|live| live_view(contract, &names.target, live)));
    Ok(statements)
}

/// A bound view would keep texts from being widened. A tombstone may be NULL where a row came past Penstock.
fn live_view(contract: &Contract, target: &str, live: &str) -> String {
    let columns: Vec<String> =
        target_columns(contract).iter().map(|column| format!("\"{}\"", column.name)).collect();
    format!(
        "CREATE OR REPLACE VIEW {live} AS\nSELECT {}\nFROM {target}\nWHERE \"_deleted\" = FALSE OR \"_deleted\" IS NULL\n\
         WITH NO SCHEMA BINDING",
        columns.join(", ")
    )
}

/// A column of a target: the contract's own ones, then the stamps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TargetColumn<'a> {
    /// Name without quotes.
    pub name: &'a str,
    /// Its type.
    pub ty: PhysicalType,
    /// Declared NOT NULL: key columns and the first stamps.
    pub not_null: bool,
}

/// The columns of a dataset's target, in order.
pub fn target_columns(contract: &Contract) -> Vec<TargetColumn<'_>> {
    let own = contract.columns.iter().map(|column| TargetColumn {
        name: column.physical.as_str(),
        ty: column.ty,
        not_null: column.key_position.is_some(),
    });
    own.chain(TARGET_STAMPS.iter().map(|(name, ty, not_null)| TargetColumn {
        name,
        ty: *ty,
        not_null: *not_null,
    }))
    .collect()
}

fn create_table(name: &str, columns: &[TargetColumn<'_>]) -> String {
    let column = |TargetColumn { name, ty, not_null }: &TargetColumn<'_>| {
        let not_null = if *not_null { " NOT NULL" } else { "" };
        format!("  \"{name}\" {ty}{not_null}")
    };
    let columns: Vec<String> = columns.iter().map(column).collect();
    format!("CREATE TABLE IF NOT EXISTS {name} (\n{}\n)", columns.join(",\n"))
}

fn target(contract: &Contract, names: &Names) -> String {
    let mut sql = create_table(&names.target, &target_columns(contract));
    let options = &contract.table_options;
    let name = |i: &usize| contract.columns.get(*i).map(|column: &Column| column.physical.to_string());
    match options.distkey.as_ref().and_then(name) {
        Some(column) => sql.push_str(&format!("\nDISTKEY ({column})")),
        None => sql.push_str("\nDISTSTYLE AUTO"),
    }
    let sortkey: Vec<String> = options.sortkey.iter().filter_map(name).collect();
    match sortkey.is_empty() {
        true => sql.push_str("\nSORTKEY AUTO"),
        false => sql.push_str(&format!("\nCOMPOUND SORTKEY ({})", sortkey.join(", "))),
    }
    sql
}

/// Raises when an object of the load is in the ledger already. RAISE carries no code: its text is matched.
fn claim(names: &Names) -> String {
    format!(
        "CREATE OR REPLACE PROCEDURE {}()\nAS $$\nDECLARE\n  n bigint;\nBEGIN\n  \
         SELECT COUNT(*) INTO n FROM \"p_obj\" o JOIN {} l ON l.\"object_id\" = o.\"object_id\" \
         WHERE l.\"status\" = 'loaded';\n  IF n > 0 THEN\n    \
         RAISE EXCEPTION 'penstock already loaded %', n;\n  END IF;\nEND;\n$$ LANGUAGE plpgsql SECURITY INVOKER",
        names.claim, names.ledger
    )
}

/// Raises when the ledger's counts are not what was read, or when a key that was written stands twice or not at all.
/// Without a key a record may stand once more from before the look-back, so only this load's rows are counted.
fn balance(names: &Names, append: bool) -> String {
    let Names { balance, ledger, target, .. } = names;
    let own_rows = match append {
        true => " AND t.\"_load_id\" IN (SELECT \"load_id\" FROM \"p_obj\")",
        false => "",
    };
    format!(
        "CREATE OR REPLACE PROCEDURE {balance}()\nAS $$\nDECLARE\n  n bigint;\nBEGIN\n  \
         SELECT COUNT(*) INTO n FROM \"p_obj\" o LEFT JOIN {ledger} l \
         ON l.\"load_id\" = o.\"load_id\" AND l.\"object_id\" = o.\"object_id\" \
         WHERE l.\"load_id\" IS NULL OR l.\"n_read\" <> o.\"n_read\" OR l.\"n_read\" <> \
         l.\"n_inserted\" + l.\"n_updated\" + l.\"n_unchanged\" + l.\"n_duplicate\" + l.\"n_rejected\";\n  \
         IF n > 0 THEN\n    RAISE EXCEPTION 'penstock out of balance %', n;\n  END IF;\n  \
         SELECT COUNT(*) INTO n FROM (SELECT w.\"_record_id\" FROM \"p_win\" w \
         LEFT JOIN {target} t ON t.\"_record_id\" = w.\"_record_id\"{own_rows} \
         WHERE w.\"_outcome\" IN ('inserted', 'updated', 'restamped') \
         GROUP BY w.\"_record_id\" HAVING COUNT(t.\"_record_id\") <> 1) d;\n  \
         IF n > 0 THEN\n    RAISE EXCEPTION 'penstock keys not written once %', n;\n  END IF;\nEND;\n\
         $$ LANGUAGE plpgsql SECURITY INVOKER"
    )
}

/// One view over the ledgers of all datasets, by table name.
pub fn ledger_view(tables: &[Ident]) -> Result<String, IdentError> {
    let mut selects = Vec::with_capacity(tables.len());
    for table in tables {
        let ledger = Ident::prefixed("objects_", table)?;
        selects.push(format!(
            "SELECT CAST('{}' AS varchar(127)) AS \"dataset\", {LEDGER_COLUMNS} FROM \"{SERVICE_SCHEMA}\".{ledger}",
            table.as_str()
        ));
    }
    Ok(format!(
        "CREATE OR REPLACE VIEW \"{SERVICE_SCHEMA}\".\"objects\" AS\n{}",
        selects.join("\nUNION ALL\n")
    ))
}

/// An IAM role as a database user: `"IAMR:<role>"`. Holding one proves that the name is an IAM role's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantRole(String);

impl GrantRole {
    /// Checks a role name: 1 to 64 of letters, digits and `+=,.@_-`.
    pub fn new(role: &str) -> Option<Self> {
        let plain = role.bytes().all(|b| b.is_ascii_alphanumeric() || b"+=,.@_-".contains(&b));
        ((1..=64).contains(&role.len()) && plain).then(|| Self(role.to_owned()))
    }

    /// The user's name without quotes.
    pub fn user(&self) -> String {
        format!("IAMR:{}", self.0)
    }

    /// Creates the user before its first connection, so that it can be granted to.
    pub fn create_user(&self) -> String {
        format!("CREATE USER \"{}\" PASSWORD DISABLE", self.user())
    }
}

/// What the loading function may do, and nothing beyond. Redshift asks for a writing privilege to LOCK a table.
pub fn grants(contract: &Contract, schema: &Ident, role: &GrantRole) -> Result<Vec<String>, IdentError> {
    let names = Names::of(contract, schema)?;
    let user = format!("\"{}\"", role.user());
    let mut grants = vec![
        format!("GRANT USAGE ON SCHEMA {schema} TO {user}"),
        format!("GRANT USAGE ON SCHEMA \"{SERVICE_SCHEMA}\" TO {user}"),
        format!("GRANT SELECT, INSERT, DELETE ON {} TO {user}", names.target),
        format!("GRANT SELECT, INSERT ON {} TO {user}", names.ledger),
        format!("GRANT SELECT, UPDATE, DELETE ON {} TO {user}", names.lock),
        format!("GRANT EXECUTE ON PROCEDURE {}() TO {user}", names.claim),
        format!("GRANT EXECUTE ON PROCEDURE {}() TO {user}", names.balance),
    ];
    if let Some(history) = &names.history {
        grants.push(format!("GRANT USAGE ON SCHEMA \"{HISTORY_SCHEMA}\" TO {user}"));
        grants.push(format!("GRANT SELECT, INSERT, DELETE ON {history} TO {user}"));
    }
    let newest = names.newest.map(|newest| format!("GRANT SELECT, INSERT, DELETE ON {newest} TO {user}"));
    grants.extend(newest);
    Ok(grants)
}
