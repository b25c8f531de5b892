//! Glue's catalog: a database that is there, and its tables as their contracts have them. Whoever else changes a table at
//! the same time is not overwritten. Knows no contract.

use aws_sdk_glue::Client;
use aws_sdk_glue::error::ProvideErrorMetadata;
use aws_sdk_glue::types::{DatabaseInput, Table, TableInput};
use penstock_aws::answered;

use super::input::Input;
use super::merge::merged;
use super::words::Name;

/// How often a table is looked at anew because somebody else has changed it.
const MAX_LOOKS: u32 = 5;

/// What became of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// It was not there.
    Created,
    /// It differed.
    Updated,
    /// Nothing was done.
    Unchanged,
}

impl Done {
    /// For people.
    pub fn word(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Unchanged => "unchanged",
        }
    }
}

/// One database of the catalog.
#[derive(Debug)]
pub struct Database<'a> {
    client: &'a Client,
    name: &'a Name,
}

/// A write that somebody else was faster with.
enum Outcome {
    Done(Done),
    Again,
}

impl<'a> Database<'a> {
    /// The database of that name.
    pub fn new(client: &'a Client, name: &'a Name) -> Self {
        Self { client, name }
    }

    /// Makes it, if it is not there. What is there stays as it is.
    pub async fn ensure(&self) -> Result<Done, String> {
        let name = self.name;
        match self.client.get_database().name(name.as_str()).send().await {
            Ok(_) => return Ok(Done::Unchanged),
            Err(error) if error.code() == Some("EntityNotFoundException") => {}
            Err(error) => return Err(format!("database {name} cannot be looked at: {}", answered(&error))),
        }
        let input =
            DatabaseInput::builder().name(name.as_str()).build().map_err(|error| error.to_string())?;
        match self.client.create_database().database_input(input).send().await {
            Ok(_) => Ok(Done::Created),
            Err(error) if error.code() == Some("AlreadyExistsException") => Ok(Done::Unchanged),
            Err(error) => Err(format!("database {name} cannot be created: {}", answered(&error))),
        }
    }

    /// Makes the table what it has to be, or says why it is left as it is.
    pub async fn put(&self, want: &Input) -> Result<Done, Vec<String>> {
        let named = |reason: String| format!("{} {}.{}: {reason}", want.kind(), self.name, want.name);
        for _ in 0..MAX_LOOKS {
            let outcome = match self.table(&want.name).await {
                Err(reason) => return Err(vec![named(reason)]),
                Ok(None) => self.create(want).await,
                Ok(Some(have)) => match merged(want, &have) {
                    Err(reasons) => return Err(reasons.into_iter().map(named).collect()),
                    Ok(None) => Ok(Outcome::Done(Done::Unchanged)),
                    Ok(Some(input)) => self.update(input, have.version_id()).await,
                },
            };
            match outcome {
                Err(reason) => return Err(vec![named(reason)]),
                Ok(Outcome::Done(done)) => return Ok(done),
                Ok(Outcome::Again) => {}
            }
        }
        Err(vec![named("somebody else goes on changing it: run this again".to_owned())])
    }

    async fn table(&self, name: &str) -> Result<Option<Table>, String> {
        match self.client.get_table().database_name(self.name.as_str()).name(name).send().await {
            Ok(answer) => Ok(answer.table),
            Err(error) if error.code() == Some("EntityNotFoundException") => Ok(None),
            Err(error) => Err(format!("cannot be looked at: {}", answered(&error))),
        }
    }

    async fn create(&self, want: &Input) -> Result<Outcome, String> {
        let input = TableInput::try_from(want).map_err(|error| error.to_string())?;
        let call = self.client.create_table().database_name(self.name.as_str()).table_input(input);
        match call.send().await {
            Ok(_) => Ok(Outcome::Done(Done::Created)),
            Err(error) if error.code() == Some("AlreadyExistsException") => Ok(Outcome::Again),
            Err(error) => Err(format!("cannot be created: {}", answered(&error))),
        }
    }

    async fn update(&self, input: TableInput, version: Option<&str>) -> Result<Outcome, String> {
        let call = self.client.update_table().database_name(self.name.as_str()).table_input(input);
        match call.set_version_id(version.map(str::to_owned)).send().await {
            Ok(_) => Ok(Outcome::Done(Done::Updated)),
            Err(error) if error.code() == Some("ConcurrentModificationException") => Ok(Outcome::Again),
            Err(error) => Err(format!("cannot be updated: {}", answered(&error))),
        }
    }
}
