//! What a table of the catalog becomes when its contract is held against it: nothing that others added is taken away,
//! and nothing is changed that queries or files rely on. Decides, and asks nothing.

use std::collections::{BTreeSet, HashMap};

use aws_sdk_glue::error::BuildError;
use aws_sdk_glue::types::{Column, SerDeInfo, StorageDescriptor, Table, TableInput};

use super::input::{COLUMNS, DATASET, Input};

type Parameters = HashMap<String, String>;

/// What a person can do about a table that is not changed.
const AGAIN: &str =
    "no file goes when a table is dropped: drop it, run this again, and repair its partitions";

/// The table as it has to be; `None` if it is so already. Otherwise why it is left as it is, one text a reason.
pub fn merged(want: &Input, have: &Table) -> Result<Option<TableInput>, Vec<String>> {
    let before = input_of(have).map_err(unbuilt)?;
    let wanted = TableInput::try_from(want).map_err(unbuilt)?;
    is_ours(&wanted, &before).map_err(|reason| vec![reason])?;
    let refusals = refusals(&wanted, &before);
    if !refusals.is_empty() {
        return Err(refusals);
    }
    let after = overlaid(wanted, before.clone());
    let is_same = comparable(after.clone()) == comparable(before);
    Ok((!is_same).then_some(after))
}

fn unbuilt(error: BuildError) -> Vec<String> {
    vec![error.to_string()]
}

/// A table that is there, as it would be written.
fn input_of(have: &Table) -> Result<TableInput, BuildError> {
    TableInput::builder()
        .name(have.name())
        .set_description(have.description().map(str::to_owned))
        .set_owner(have.owner().map(str::to_owned))
        .set_last_access_time(have.last_access_time().copied())
        .set_last_analyzed_time(have.last_analyzed_time().copied())
        .retention(have.retention())
        .set_storage_descriptor(have.storage_descriptor().cloned())
        .set_partition_keys(Some(have.partition_keys().to_vec()))
        .set_view_original_text(have.view_original_text().map(str::to_owned))
        .set_view_expanded_text(have.view_expanded_text().map(str::to_owned))
        .set_table_type(have.table_type().map(str::to_owned))
        .set_parameters(have.parameters().cloned())
        .set_target_table(have.target_table().cloned())
        .build()
}

/// The same with nothing in it that is there and empty: a catalog keeps the one as the other.
fn comparable(mut own: TableInput) -> TableInput {
    let text = |text: Option<String>| text.filter(|text| !text.is_empty());
    let plain = |columns: Option<Vec<Column>>| -> Vec<Column> {
        let plain = |mut column: Column| {
            column.comment = text(column.comment);
            column.parameters = column.parameters.filter(|own| !own.is_empty());
            column
        };
        columns.unwrap_or_default().into_iter().map(plain).collect()
    };
    own.description = text(own.description);
    own.view_original_text = text(own.view_original_text);
    own.view_expanded_text = text(own.view_expanded_text);
    own.parameters = own.parameters.filter(|own| !own.is_empty());
    own.partition_keys = Some(plain(own.partition_keys));
    let mut storage = own.storage_descriptor.unwrap_or_else(|| StorageDescriptor::builder().build());
    storage.columns = Some(plain(storage.columns));
    let mut serde = storage.serde_info.unwrap_or_else(|| SerDeInfo::builder().build());
    serde.parameters = serde.parameters.filter(|own| !own.is_empty());
    storage.serde_info = Some(serde);
    own.storage_descriptor = Some(storage);
    own
}

fn is_ours(want: &TableInput, have: &TableInput) -> Result<(), String> {
    let parameter = |own: &TableInput| own.parameters().and_then(|all| all.get(DATASET)).cloned();
    match (parameter(have), parameter(want)) {
        (None, _) => return Err(format!("is not Penstock's: it has no parameter {DATASET}")),
        (Some(theirs), Some(own)) if theirs != own => return Err(format!("is the one of dataset {theirs}")),
        _ => {}
    }
    match have.table_type() == want.table_type() {
        true => Ok(()),
        false => Err(format!("is of type {}", have.table_type().unwrap_or("unknown"))),
    }
}

/// What would make queries fail or lose files, each with what it is about.
fn refusals(want: &TableInput, have: &TableInput) -> Vec<String> {
    if want.view_original_text().is_some() {
        // A view is its text: nothing is lost with the one before.
        return Vec::new();
    }
    let mut found = column_refusals(want, have);
    let (wanted, there) = (want.partition_keys(), have.partition_keys());
    let is_same = |(a, b): (&Column, &Column)| a.name() == b.name() && is_same_type(a, b);
    if wanted.len() != there.len() || !wanted.iter().zip(there).all(is_same) {
        let (there, wanted) = (listed(there), listed(wanted));
        found.push(format!("it is partitioned by {there}, and by {wanted} in the contract; {AGAIN}"));
    }
    let (wanted, there) = (location(want), location(have));
    if wanted.trim_end_matches('/') != there.trim_end_matches('/') {
        found.push(format!("its files are at {there}, not at {wanted}"));
    }
    found
}

fn column_refusals(want: &TableInput, have: &TableInput) -> Vec<String> {
    let parameters = have.parameters().and_then(|own| own.get(COLUMNS));
    let ours: BTreeSet<&str> = parameters.map(|own| own.split(',').collect()).unwrap_or_default();
    // Which columns are folders is told by itself.
    let is_folder = |name: &str| want.partition_keys().iter().any(|own| own.name() == name);
    let refusal = |own: &Column| {
        let name = own.name();
        match columns(want).iter().find(|column| column.name() == name) {
            None if ours.contains(name) && !is_folder(name) => {
                Some(format!("column {name} is not in the contract any more; {AGAIN}"))
            }
            Some(column) if !is_same_type(column, own) => {
                let (there, wanted) = (ty(own), ty(column));
                Some(format!("column {name} is {there} there, and {wanted} by the contract; {AGAIN}"))
            }
            _ => None,
        }
    };
    columns(have).iter().filter_map(refusal).collect()
}

fn columns(table: &TableInput) -> &[Column] {
    table.storage_descriptor().map(StorageDescriptor::columns).unwrap_or_default()
}

fn location(table: &TableInput) -> &str {
    table.storage_descriptor().and_then(StorageDescriptor::location).unwrap_or("no place")
}

fn ty(column: &Column) -> &str {
    column.r#type().unwrap_or("of no type")
}

fn is_same_type(a: &Column, b: &Column) -> bool {
    let without_blanks = |own: &Column| ty(own).split_whitespace().collect::<String>();
    without_blanks(a).eq_ignore_ascii_case(&without_blanks(b))
}

fn listed(columns: &[Column]) -> String {
    match columns {
        [] => "nothing".into(),
        own => own.iter().map(|own| format!("{} {}", own.name(), ty(own))).collect::<Vec<_>>().join(", "),
    }
}

/// What is there, with what the contract says above it.
fn overlaid(want: TableInput, have: TableInput) -> TableInput {
    let is_view = want.view_original_text.is_some();
    let mut after = have;
    after.description = want.description.or(after.description);
    after.parameters = Some(joined(after.parameters, want.parameters));
    after.view_original_text = want.view_original_text;
    after.view_expanded_text = want.view_expanded_text;
    after.partition_keys = Some(side_by_side(want.partition_keys, after.partition_keys, false));
    after.storage_descriptor = Some(match (want.storage_descriptor, after.storage_descriptor) {
        (Some(want), Some(have)) => stored(want, have, !is_view),
        (want, have) => want.or(have).unwrap_or_else(|| StorageDescriptor::builder().build()),
    });
    after
}

fn stored(want: StorageDescriptor, mut have: StorageDescriptor, keeps_others: bool) -> StorageDescriptor {
    have.columns = Some(side_by_side(want.columns, have.columns, keeps_others));
    // A place that differs by its last slash alone is the same place.
    have.location = have.location.or(want.location);
    have.input_format = want.input_format.or(have.input_format);
    have.output_format = want.output_format.or(have.output_format);
    have.serde_info = match (want.serde_info, have.serde_info) {
        (Some(want), Some(mut have)) => {
            have.serialization_library = want.serialization_library.or(have.serialization_library);
            let parameters = joined(have.parameters, want.parameters);
            have.parameters = (!parameters.is_empty()).then_some(parameters);
            Some(have)
        }
        (want, have) => want.or(have),
    };
    have
}

/// The wanted columns in their order, with what others noted at them; behind them those that others added.
fn side_by_side(want: Option<Vec<Column>>, have: Option<Vec<Column>>, keeps_others: bool) -> Vec<Column> {
    let mut others = have.unwrap_or_default();
    let mut all = Vec::new();
    for mut own in want.unwrap_or_default() {
        if let Some(at) = others.iter().position(|other| other.name == own.name) {
            let there = others.remove(at);
            own.comment = own.comment.or(there.comment);
            let parameters = joined(there.parameters, own.parameters);
            own.parameters = (!parameters.is_empty()).then_some(parameters);
        }
        all.push(own);
    }
    if keeps_others {
        all.append(&mut others);
    }
    all
}

fn joined(have: Option<Parameters>, want: Option<Parameters>) -> Parameters {
    let mut all = have.unwrap_or_default();
    all.extend(want.unwrap_or_default());
    all
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::input::{Serde, Storage};
    use super::*;

    fn view() -> Input {
        let serde_info = Serde { serialization_library: None, parameters: BTreeMap::new() };
        let (location, input_format, output_format) = (None, None, None);
        Input {
            name: "v".into(),
            description: None,
            table_type: "VIRTUAL_VIEW",
            parameters: BTreeMap::from([(DATASET.to_owned(), "d".to_owned())]),
            partition_keys: Vec::new(),
            storage_descriptor: Storage {
                columns: Vec::new(),
                location,
                input_format,
                output_format,
                serde_info,
            },
            view_original_text: Some("text".into()),
            view_expanded_text: None,
        }
    }

    fn there() -> Table {
        let parameters = Parameters::from([(DATASET.to_owned(), "d".to_owned())]);
        let table = Table::builder().name("v").table_type("VIRTUAL_VIEW").set_parameters(Some(parameters));
        table.view_original_text("text").build().unwrap()
    }

    #[test]
    fn what_a_catalog_gives_back_empty_or_not_at_all_is_no_difference() {
        let bare = there();
        assert_eq!(merged(&view(), &bare), Ok(None));
        let mut full = there();
        let serde = SerDeInfo::builder().set_parameters(Some(Parameters::new())).build();
        full.storage_descriptor =
            Some(StorageDescriptor::builder().set_columns(Some(Vec::new())).serde_info(serde).build());
        (full.description, full.view_expanded_text) = (Some(String::new()), Some(String::new()));
        assert_eq!(merged(&view(), &full), Ok(None));
        full.view_original_text = Some("other".into());
        let after = merged(&view(), &full).unwrap().unwrap();
        assert_eq!(after.view_original_text(), Some("text"));
    }

    #[test]
    fn a_view_takes_no_tables_place() {
        let mut table = there();
        table.table_type = Some("EXTERNAL_TABLE".into());
        assert_eq!(merged(&view(), &table), Err(vec!["is of type EXTERNAL_TABLE".to_owned()]));
    }
}
