//! The AWS clients of a command, made once. Asks no service.

use penstock_aws::vars::Vars;
use penstock_aws::warehouse::{Warehouse, WarehouseTarget};

use crate::Env;
use crate::failure::Failure;

/// Clients of what commands ask.
#[derive(Debug, Clone)]
pub struct Clients {
    /// Buckets.
    pub s3: aws_sdk_s3::Client,
    /// The queues.
    pub sqs: aws_sdk_sqs::Client,
    /// The streams.
    pub kinesis: aws_sdk_kinesis::Client,
    /// The lake's catalog.
    pub glue: aws_sdk_glue::Client,
    /// The warehouse's Data API.
    pub redshift: aws_sdk_redshiftdata::Client,
}

/// Where a command gets its clients, once its arguments and settings are known to be right.
#[derive(Debug, Clone)]
pub enum Connect {
    /// From the environment, as AWS tools do.
    FromEnvironment,
    /// They are there.
    With(Box<Clients>),
}

impl Connect {
    /// The clients; without a region there are none.
    pub async fn clients(self) -> Result<Clients, Failure> {
        if let Self::With(clients) = self {
            return Ok(*clients);
        }
        let config = penstock_aws::sdk_config().await;
        if config.region().is_none() {
            return Err(Failure::usage(
                "no AWS region is set: set AWS_REGION, or AWS_PROFILE to a profile that has one",
            ));
        }
        Ok(Clients {
            s3: penstock_aws::s3_client(&config),
            sqs: aws_sdk_sqs::Client::new(&config),
            kinesis: aws_sdk_kinesis::Client::new(&config),
            glue: aws_sdk_glue::Client::new(&config),
            redshift: aws_sdk_redshiftdata::Client::new(&config),
        })
    }
}

impl Clients {
    /// S3 as who may read the quarantine bucket, if a profile for that is named.
    pub async fn quarantine_reader(&self, env: Env<'_>) -> aws_sdk_s3::Client {
        match Vars::new(env).optional("QUARANTINE_PROFILE") {
            Some(own) => penstock_aws::s3_client(&penstock_aws::sdk_config_as(&own).await),
            None => self.s3.clone(),
        }
    }

    /// The warehouse at its target.
    pub fn warehouse(&self, target: WarehouseTarget) -> Warehouse {
        Warehouse::new(self.redshift.clone(), target)
    }
}

/// The warehouse that the environment names.
pub fn warehouse_target(env: Env<'_>) -> Result<WarehouseTarget, Failure> {
    WarehouseTarget::from_vars(&Vars::new(env)).map_err(|error| {
        Failure::usage(format!(
            "{error}: name the warehouse with WORKGROUP_NAME (serverless) or CLUSTER_IDENTIFIER (provisioned)"
        ))
    })
}
