//! Which warehouse and by which credentials: a serverless workgroup, or a provisioned cluster, with the caller's role
//! or a secret.

use crate::vars::{VarError, Vars};

/// Where SQL runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compute {
    /// Redshift Serverless.
    Workgroup(String),
    /// A provisioned cluster.
    Cluster(String),
}

/// A warehouse and the secret to use, if not the caller's role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WarehouseTarget {
    /// Workgroup or cluster.
    pub compute: Compute,
    /// Secret of a database user; without one the caller's IAM role is the user.
    pub secret_arn: Option<String>,
}

impl WarehouseTarget {
    /// Reads `WORKGROUP_NAME` or `CLUSTER_IDENTIFIER`, and `SECRET_ARN`.
    pub fn from_vars(vars: &Vars<'_>) -> Result<Self, VarError> {
        let compute = match (vars.optional("WORKGROUP_NAME"), vars.optional("CLUSTER_IDENTIFIER")) {
            (Some(workgroup), None) => Compute::Workgroup(workgroup),
            (None, Some(cluster)) => Compute::Cluster(cluster),
            (None, None) => return Err(VarError::Missing("WORKGROUP_NAME")),
            (Some(_), Some(_)) => {
                let expected = "left out when CLUSTER_IDENTIFIER is set";
                return Err(VarError::Invalid { name: "WORKGROUP_NAME", expected });
            }
        };
        Ok(Self { compute, secret_arn: vars.optional("SECRET_ARN") })
    }

    pub(super) fn workgroup(&self) -> Option<String> {
        match &self.compute {
            Compute::Workgroup(name) => Some(name.clone()),
            Compute::Cluster(_) => None,
        }
    }

    pub(super) fn cluster(&self) -> Option<String> {
        match &self.compute {
            Compute::Cluster(id) => Some(id.clone()),
            Compute::Workgroup(_) => None,
        }
    }
}
