//! The statements that make one database ready for its contracts, in the order in which they run. The SQL is
//! penstock-core's; here it is only told what each statement is about. Knows no warehouse.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use penstock_aws::warehouse::TableHome;
use penstock_core::contract::Contract;
use penstock_core::sql::{self, GrantRole, HISTORY_SCHEMA, Ident, IdentError, Model};

use crate::Env;
use crate::advice::quoted;
use crate::failure::Failure;

/// A dataset's table in its database, or the table of its history.
#[derive(Debug, Clone)]
pub struct Target<'a> {
    /// The contract's file.
    pub file: &'a str,
    /// The contract.
    pub contract: &'a Contract,
    /// Schema of the table.
    pub schema: Ident,
}

impl Target<'_> {
    /// `schema.table`, as people write it.
    pub fn name(&self) -> String {
        format!("{}.{}", self.schema.as_str(), self.contract.table.as_str())
    }

    /// The same as SQL.
    pub fn sql_name(&self) -> String {
        format!("{}.{}", self.schema, self.contract.table)
    }
}

/// The contracts of one database.
#[derive(Debug)]
pub struct Database<'a> {
    /// Its name.
    pub name: String,
    /// In the order of their files.
    pub targets: Vec<Target<'a>>,
    /// The models that they name, each once, in the order of their names.
    pub models: BTreeMap<&'a str, &'a Model>,
}

impl<'a> Database<'a> {
    /// Groups contracts by their databases, in the order in which they first appear; `database` names one.
    pub fn group(
        contracts: &[(&'a str, &'a Contract)],
        models: &'a BTreeMap<String, Model>,
        env: Env<'_>,
        database: impl Fn(&Contract) -> Result<String, Failure>,
    ) -> Result<Vec<Self>, Failure> {
        let mut databases: Vec<Self> = Vec::new();
        // Objects without rows have no table.
        for (file, contract) in contracts.iter().copied().filter(|(_, own)| !own.is_binary()) {
            let schema = TableHome::schema(contract, env)
                .map_err(|error| Failure::usage(format!("{file}: {error}")))?;
            let (name, target) = (database(contract)?, Target { file, contract, schema });
            let at = databases.iter().position(|own| own.name == name).unwrap_or_else(|| {
                databases.push(Self { name, targets: Vec::new(), models: BTreeMap::new() });
                databases.len() - 1
            });
            let Some(own) = databases.get_mut(at) else { continue };
            own.targets.push(target);
            let named = contract.table_options.after_load.iter();
            own.models
                .extend(named.filter_map(|name| models.get_key_value(name)).map(|(k, v)| (k.as_str(), v)));
        }
        Ok(databases)
    }

    /// The tables that loads write rows of contracts into: targets and histories.
    pub fn tables(&self) -> Vec<Target<'a>> {
        let mut tables = self.targets.clone();
        let keeping = self.targets.iter().filter(|target| target.contract.table_options.keep_history);
        let history = |target: &Target<'a>| Some(Target { schema: history_schema()?, ..target.clone() });
        tables.extend(keeping.filter_map(history));
        tables
    }

    /// The schemas of all that is made, but for Penstock's own.
    pub fn schemas(&self) -> BTreeSet<Ident> {
        let made = self.models.values().flat_map(|model| model.defined()).map(|own| &own.relation.schema);
        self.tables().iter().map(|target| &target.schema).chain(made).cloned().collect()
    }

    /// All statements but the users'. `ledgers` names the tables of other contracts whose ledgers are there already.
    pub fn statements(
        &self,
        ledgers: impl IntoIterator<Item = Ident>,
        roles: &[GrantRole],
    ) -> Result<Vec<Statement>, IdentError> {
        let mut sqls = Vec::new();
        for Target { contract, schema, .. } in &self.targets {
            sqls.extend(sql::migration(contract, schema)?);
        }
        let defined = || self.models.values().flat_map(|model| model.defined());
        sqls.extend(defined().map(|own| format!("CREATE SCHEMA IF NOT EXISTS {}", own.relation.schema)));
        sqls.extend(defined().map(|own| own.sql.clone()));
        let own = self.targets.iter().map(|target| target.contract.table.clone());
        let tables: BTreeSet<Ident> = own.chain(ledgers).collect();
        sqls.push(sql::ledger_view(&Vec::from_iter(tables))?);
        for role in roles {
            for Target { contract, schema, .. } in &self.targets {
                sqls.extend(sql::grants(contract, schema, role)?);
            }
            for model in self.models.values() {
                sqls.extend(sql::model_grants(model, role));
            }
        }
        // Schemas and their grants come once for each dataset.
        let mut seen = BTreeSet::new();
        sqls.retain(|sql| seen.insert(sql.clone()));
        Ok(sqls.into_iter().map(Statement::of).collect())
    }
}

fn history_schema() -> Option<Ident> {
    Ident::new(HISTORY_SCHEMA).ok()
}

/// What a statement makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Schema,
    Table,
    Procedure,
    View,
    User,
    Grant,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Schema => "schema",
            Self::Table => "table",
            Self::Procedure => "procedure",
            Self::View => "view",
            Self::User => "user",
            Self::Grant => "privilege",
        })
    }
}

/// A statement and what it makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// What it makes.
    pub kind: Kind,
    /// The name of what it makes, without quotes; for a grant what is granted to whom.
    pub object: String,
    /// Its text.
    pub sql: String,
}

/// How statements begin, by what they make.
const OPENINGS: [(&str, Kind); 5] = [
    ("CREATE SCHEMA IF NOT EXISTS ", Kind::Schema),
    ("CREATE TABLE IF NOT EXISTS ", Kind::Table),
    ("CREATE OR REPLACE PROCEDURE ", Kind::Procedure),
    ("CREATE OR REPLACE VIEW ", Kind::View),
    ("CREATE USER ", Kind::User),
];

impl Statement {
    /// Tells from its first words what a statement makes; all others grant.
    fn of(sql: String) -> Self {
        let opening = OPENINGS.iter().find_map(|(words, kind)| Some((sql.strip_prefix(words)?, *kind)));
        let (object, kind) = match opening {
            Some((rest, kind)) => (rest.split([' ', '(', '\n']).next().unwrap_or(rest), kind),
            None => (sql.strip_prefix("GRANT ").unwrap_or(&sql), Kind::Grant),
        };
        Self { kind, object: object.replace('"', ""), sql }
    }

    /// Creates a role's user.
    pub fn user(role: &GrantRole) -> Self {
        Self::of(role.create_user())
    }

    /// What it makes, as SQL.
    pub fn quoted_object(&self) -> String {
        let parts = self.object.split('.').map(quoted);
        parts.collect::<Vec<_>>().join(".")
    }

    /// The first line of its text.
    pub fn first_line(&self) -> &str {
        self.sql.lines().next().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contract(table: &str, database: &str) -> Contract {
        let text = format!(
            "apiVersion: v3.1.0\nkind: DataContract\nid: x\nversion: 1.0.0\nstatus: active\n\
             servers:\n  - server: w\n    type: redshift\n    database: {database}\n    schema: tgt\n\
             schema:\n  - name: {table}\n    properties:\n      - name: id\n        logicalType: integer\n        primaryKey: true\n"
        );
        Contract::parse(&text).unwrap()
    }

    fn database(contract: &Contract) -> Result<String, Failure> {
        Ok(contract.warehouse.database.to_string())
    }

    #[test]
    fn contracts_of_one_database_share_its_schemas_and_its_view() {
        let (a, b, c) = (contract("a", "one"), contract("b", "two"), contract("c", "one"));
        let models = BTreeMap::new();
        let databases =
            Database::group(&[("a", &a), ("b", &b), ("c", &c)], &models, &|_| None, database).unwrap();
        let names: Vec<_> = databases.iter().map(|own| (own.name.as_str(), own.targets.len())).collect();
        assert_eq!(names, [("one", 2), ("two", 1)]);
        let statements = databases[0].statements([Ident::new("older").unwrap()], &[]).unwrap();
        let count = |kind| statements.iter().filter(|own| own.kind == kind).count();
        assert_eq!(
            (count(Kind::Schema), count(Kind::Table), count(Kind::Procedure), count(Kind::View)),
            (2, 6, 4, 1)
        );
        let view = &statements.last().unwrap().sql;
        let places = ["objects_a", "objects_c", "objects_older"].map(|name| view.find(name).unwrap());
        assert!(places.is_sorted() && !view.contains("objects_b"), "{view}");
    }

    #[test]
    fn every_statement_of_core_is_known_by_its_name() {
        let a = contract("a", "one");
        let models = BTreeMap::new();
        let databases = Database::group(&[("a", &a)], &models, &|_| None, database).unwrap();
        let role = GrantRole::new("loader").unwrap();
        let statements = databases[0].statements([], std::slice::from_ref(&role)).unwrap();
        let told: Vec<String> = statements.iter().map(|own| format!("{} {}", own.kind, own.object)).collect();
        let expected = [
            "schema tgt",
            "schema penstock",
            "table tgt.a",
            "table penstock.lock_a",
            "table penstock.objects_a",
            "procedure penstock.sp_claim_a",
            "procedure penstock.sp_balance_a",
            "view penstock.objects",
        ];
        assert_eq!(told[..8], expected);
        assert!(statements[8..].iter().all(|own| own.kind == Kind::Grant && own.sql.starts_with("GRANT ")));
        assert!(told[8].starts_with("privilege USAGE ON SCHEMA tgt TO IAMR:loader"), "{}", told[8]);
        assert_eq!(Statement::user(&role).object, "IAMR:loader");
    }
}
