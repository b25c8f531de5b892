//! What in a contract is legal and yet cannot work, or is rarely meant. Says nothing about syntax: that is core's.

mod keys;
mod rules;

use penstock_core::contract::{Column, Contract, ContractError, Overflow, S3Server, Template};
use penstock_core::sql::{self, Ident, IdentError, SERVICE_SCHEMA};

pub use keys::misspelt;

/// What was found in one contract.
#[derive(Debug, Default)]
pub struct Findings {
    /// It cannot work.
    pub errors: Vec<ContractError>,
    /// It is rarely meant.
    pub notes: Vec<String>,
}

/// Looks through a contract.
pub fn look(contract: &Contract) -> Findings {
    let mut found = Findings::default();
    warehouse(contract, &mut found);
    groups(contract, &mut found);
    nullable(contract, &mut found);
    for column in contract.columns.iter().filter(|own| own.required && own.overflow == Overflow::Null) {
        let name = &column.name;
        found.notes.push(format!(
            "column {name} is required and penstock.overflow is null: a longer text becomes NULL, which required then \
             rejects"
        ));
    }
    semantics(contract, &mut found);
    found.notes.extend(contract.columns.iter().flat_map(rules::look));
    location(contract, &mut found);
    found
}

/// The first segment of a landing key is the route: nobody tells of objects elsewhere.
fn location(contract: &Contract, found: &mut Findings) {
    let Some(s3) = &contract.s3 else {
        let streamed = if contract.stream.is_some() { "; rows that come by the stream are" } else { "" };
        found.notes.push(format!(
            "no server of type s3: no file of the landing bucket is taken for this dataset{streamed}"
        ));
        return;
    };
    let route = route_of(s3);
    // A location may leave the route open.
    if contract.queue.is_some() && route.is_some_and(|own| !["queue", "*", "**"].contains(&own.as_str())) {
        found.notes.push("the location is not below queue/: only there a file goes the queue route".into());
    }
}

/// First segment of the keys that a location matches, as it is written.
pub fn route_of(s3: &S3Server) -> Option<String> {
    let text = s3.location.placeholder_text().ok()?;
    let (_, key) = text.strip_prefix("s3://")?.split_once('/')?;
    key.split('/').next().map(str::to_owned)
}

/// What loads do with rows, where it does not do what it seems to.
fn semantics(contract: &Contract, found: &mut Findings) {
    let options = &contract.table_options;
    if options.deleted_when.is_some() && contract.key.is_empty() {
        found.notes.push(
            "penstock.deletedWhen without a primary key: a tombstone deletes no row, it is only left out itself".into(),
        );
    }
    if !options.after_load.is_empty() && contract.queue.is_some() {
        found.notes.push(
            "penstock.afterLoad runs after loads of the copy route only: after those of the queue nothing runs".into(),
        );
    }
}

/// Names that only show when the tables are made.
fn warehouse(contract: &Contract, found: &mut Findings) {
    let mut refuse =
        |path: &str, reason: String| found.errors.push(ContractError { path: path.into(), reason });
    let schema = match literal(&contract.warehouse.schema) {
        Ok(None) => Ident::new("tgt"),
        Ok(Some(name)) if name == SERVICE_SCHEMA => {
            refuse("servers", format!("schema {SERVICE_SCHEMA} holds Penstock's own tables: name another"));
            return;
        }
        Ok(Some(name)) => Ident::new(&name),
        Err(reason) => {
            refuse("servers", format!("schema {reason}"));
            return;
        }
    };
    if let Err(reason) = literal(&contract.warehouse.database) {
        refuse("servers", format!("database {reason}"));
    }
    match schema.map(|schema| sql::migration(contract, &schema)) {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => {
            let of_history = matches!(error, IdentError::History(_));
            let about = if of_history { "" } else { "the table's name is too long for its ledger: " };
            refuse("schema[0]", format!("{about}{error}"))
        }
        Err(error) => refuse("servers", format!("schema {error}")),
    }
}

/// The text of a template without placeholders; `None` where it has some, which only a deployment can fill in.
fn literal(template: &Template) -> Result<Option<String>, String> {
    // A placeholder that is left open fails here, too.
    template.placeholder_text().map_err(|error| error.to_string())?;
    Ok(template.resolve(&|_| None).ok())
}

/// Rows of a queue are kept in order by group: without any key they would all be one.
fn groups(contract: &Contract, found: &mut Findings) {
    if contract.queue.is_some() && contract.group_by.is_empty() {
        found.errors.push(ContractError {
            path: "schema[0]".into(),
            reason: "the queue server needs penstock.groupBy or a primary key: without both, all rows are one group \
                     and load one message after the other"
                .into(),
        });
    }
}

fn nullable(contract: &Contract, found: &mut Findings) {
    let column = |i: &usize| contract.columns.get(*i).filter(|column| !column.required);
    let optional: Vec<&Column> = contract.partitions.iter().filter_map(column).collect();
    for Column { name, .. } in optional {
        found.notes.push(format!(
            "column {name} is partitioned and not required: rows without it share one partition"
        ));
    }
    if let Some(Column { name, .. }) = contract.order_by.as_ref().and_then(column) {
        found.notes.push(format!(
            "penstock.orderBy {name} is not required: a row without it loses against every row that has it"
        ));
    }
}
