//! Where a dataset's table lives: the contract's redshift server with its placeholders filled in.

use penstock_core::contract::{Contract, TemplateError};
use penstock_core::sql::{Ident, IdentError};

/// The database where no contract and no `DATABASE` names one.
pub const DEFAULT_DATABASE: &str = "dev";

/// Database and schema of a target table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableHome {
    /// Database.
    pub database: String,
    /// Schema.
    pub schema: Ident,
}

/// A redshift server that cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum HomeError {
    /// A placeholder without a value.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// The schema's name.
    #[error("schema {0}")]
    Schema(#[from] IdentError),
    /// The dataset has no table.
    #[error("objects of format binary have no rows, and so no table")]
    NoRows,
}

impl TableHome {
    /// Fills in the placeholders; `DATABASE` is `dev` where it is not set.
    pub fn of(contract: &Contract, env: &dyn Fn(&str) -> Option<String>) -> Result<Self, HomeError> {
        if contract.is_binary() {
            return Err(HomeError::NoRows);
        }
        Ok(Self { database: Self::database(contract, env)?, schema: Self::schema(contract, env)? })
    }

    /// The database alone.
    pub fn database(contract: &Contract, env: &dyn Fn(&str) -> Option<String>) -> Result<String, HomeError> {
        let set = |name: &str| env(name).filter(|value| !value.is_empty());
        let env =
            |name: &str| set(name).or_else(|| (name == "DATABASE").then(|| DEFAULT_DATABASE.to_owned()));
        Ok(contract.warehouse.database.resolve(&env)?)
    }

    /// The schema alone.
    pub fn schema(contract: &Contract, env: &dyn Fn(&str) -> Option<String>) -> Result<Ident, HomeError> {
        Ok(Ident::new(&contract.warehouse.schema.resolve(env)?)?)
    }
}
