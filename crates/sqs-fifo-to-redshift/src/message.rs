//! One queue message, taken apart: its rows checked against the contract of today, its rejects, its group and time.
//! Knows no SQL and makes no call.

use std::sync::Arc;

use aws_lambda_events::sqs::SqsMessage;
use penstock_aws::contracts::Datasets;
use penstock_core::ident;
use penstock_core::quarantine::Subject;
use penstock_core::queue::Envelope;
use penstock_core::reject::{Reject, Rule, Violation};
use penstock_core::row::{self, Checker, Session, Warnings};

use crate::error::Error;

/// What every message has, ours or not.
#[derive(Debug, Clone)]
pub struct Head {
    /// SQS message id.
    pub id: String,
    /// For changing its visibility.
    pub receipt_handle: Option<String>,
    /// Ordered group; a message without one is a group of its own.
    pub group: String,
    /// When it was sent, in ms since 1970.
    pub sent_ms: u64,
    /// ARN of the queue.
    pub queue: String,
}

impl Head {
    /// Reads the attributes, which are texts in the event.
    pub fn of(message: &SqsMessage) -> Self {
        let id = message.message_id.clone().unwrap_or_default();
        let attribute = |name: &str| message.attributes.get(name).cloned();
        Self {
            group: attribute("MessageGroupId").unwrap_or_else(|| format!("message {id}")),
            sent_ms: attribute("SentTimestamp").and_then(|text| text.parse().ok()).unwrap_or(0),
            receipt_handle: message.receipt_handle.clone(),
            queue: message.event_source_arn.clone().unwrap_or_default(),
            id,
        }
    }
}

/// A message of a dataset that we know.
#[derive(Debug)]
pub struct Rows {
    /// The dataset's contract, ready for use.
    pub checker: Arc<Checker>,
    /// `s3://bucket/key` of the object the rows came from.
    pub source: String,
    /// Rows that fit the contract.
    pub rows: row::Rows,
    /// Rows that do not.
    pub rejects: Vec<Reject>,
    /// Texts that were cut or emptied because the contract has narrowed since.
    pub warnings: Warnings,
}

/// What a message's body is.
#[derive(Debug)]
pub enum Body {
    /// Rows of a dataset.
    Rows(Rows),
    /// Not ours, or of a dataset that no contract names.
    Unknown(Violation),
}

impl Body {
    /// Reads a body. An unusable contract is an error: the message waits for a better deployment.
    pub fn read(body: &str, datasets: &Datasets) -> Result<Self, Error> {
        let envelope = match Envelope::parse(body) {
            Ok(envelope) => envelope,
            Err(violation) => return Ok(Self::Unknown(violation)),
        };
        let Some(checker) = datasets.named(&envelope.dataset) else {
            let violation = Violation::record(Rule::UnknownDataset, "no contract has the message's dataset");
            return Ok(Self::Unknown(violation));
        };
        let checker = checker.map_err(|error| Error::Contract(error.to_string()))?;
        let own = &checker.contract().version;
        if is_newer(&envelope.contract_version, own) {
            // Loading it would drop columns that this deployment does not know yet: it waits for its deployment.
            let theirs = &envelope.contract_version;
            return Err(Error::Contract(format!(
                "rows of version {theirs} are newer than the deployed {own}"
            )));
        }
        let mut found = Rows {
            checker,
            source: envelope.source,
            rows: row::Rows::default(),
            rejects: Vec::new(),
            warnings: Warnings::default(),
        };
        let mut session = Session::default();
        for raw in envelope.rows {
            match found.checker.check_stamped(&mut session, raw.get().as_bytes(), &mut found.rows) {
                Ok(_) => {}
                Err(violations) => found.rejects.push(Reject {
                    position: None,
                    line: None,
                    violations,
                    raw: raw.get().as_bytes().to_vec(),
                }),
            }
        }
        found.warnings.append(session.warnings());
        Ok(Self::Rows(found))
    }
}

/// Whether a version such as 1.10.0 comes after another; what is not made of numbers is not compared.
fn is_newer(version: &str, than: &str) -> bool {
    let numbers =
        |text: &str| text.split('.').map(|part| part.parse::<u64>().ok()).collect::<Option<Vec<_>>>();
    match (numbers(version), numbers(than)) {
        (Some(version), Some(than)) => version > than,
        _ => false,
    }
}

impl Rows {
    /// Whose rejects a message's are; `step` keeps those of the warehouse apart from those of the contract.
    pub fn subject(&self, head: &Head, step: &str) -> Subject {
        let contract = self.checker.contract();
        Subject {
            dataset: contract.dataset.clone(),
            id: ident::stable_id(["message", &head.id, step]),
            source: self.source.clone(),
            contract_version: Some(contract.version.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number() {
        assert!(is_newer("1.10.0", "1.9.3") && is_newer("2", "1.9"));
        assert!(!is_newer("1.0.0", "1.0.0") && !is_newer("0.9.0", "1.0.0") && !is_newer("next", "1.0.0"));
    }
}
