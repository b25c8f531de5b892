//! The SQL that lets Redshift query the lake: an external schema over the catalog's database, who may use it, and a join
//! to begin with. Runs nothing.

use penstock_aws::warehouse::TableHome;
use penstock_core::sql::{CopyRole, GrantRole, Ident};

use super::table::LakeTable;
use super::words::Name;
use crate::Env;

/// Who reads, and under which names.
pub struct Access<'a> {
    /// The schema in Redshift.
    pub schema: &'a Ident,
    /// Whom Redshift is when it reads the catalog and the files.
    pub role: &'a CopyRole,
    /// Who may query.
    pub users: &'a [GrantRole],
}

/// The statements, in the order in which they run.
pub fn statements(database: &Name, access: &Access<'_>) -> Vec<String> {
    let Access { schema, role, users } = access;
    let mut statements = vec![format!(
        "CREATE EXTERNAL SCHEMA IF NOT EXISTS {schema}\nFROM DATA CATALOG\nDATABASE '{database}'\nIAM_ROLE {role}"
    )];
    let grant = |user: &GrantRole| {
        // A user that is there already makes the statement fail, so it is for a person to run.
        let create = user.create_user();
        format!(
            "-- where it is no user yet: {create};\nGRANT USAGE ON SCHEMA {schema} TO \"{}\"",
            user.user()
        )
    };
    statements.extend(users.iter().map(grant));
    statements
}

/// A query over both: by file, the rows of the lake that the warehouse does not have. Of the first table whose rows can
/// be found again in a warehouse whose schema is known.
pub fn example(schema: &Ident, tables: &[LakeTable<'_>], env: Env<'_>) -> Option<String> {
    tables.iter().find_map(|table| {
        let home = TableHome::schema(table.contract, env).ok()?;
        table.columns.iter().find(|own| own.name == "_record_id")?;
        Some(format!(
            "SELECT l.\"_source\", COUNT(*)\nFROM {schema}.{} l\nLEFT JOIN {home}.{} w ON w.\"_record_id\" = l.\"_record_id\"\n\
             WHERE w.\"_record_id\" IS NULL\nGROUP BY l.\"_source\"\nORDER BY COUNT(*) DESC",
            table.name.in_sql(),
            table.contract.table,
        ))
    })
}
