//! Why a function cannot start. Knows no function: each reads settings of its own.

use penstock_core::contract::SetError;

use crate::contracts::LoadContractsError;
use crate::vars::VarError;

/// The function cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting is missing or wrong.
    #[error(transparent)]
    Var(#[from] VarError),
    /// The contracts cannot be read.
    #[error(transparent)]
    Contracts(#[from] LoadContractsError),
    /// A contract's location cannot be used here.
    #[error(transparent)]
    Locations(#[from] SetError),
}
