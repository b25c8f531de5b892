//! The contract's schema object: columns, key, winner, groups and the options of the target table.
//! Knows nothing of servers; it is handed them.

use super::column::Column;
use super::custom::Custom;
use super::odcs::SchemaObject;
use super::servers::Servers;
use super::types::PhysicalType;
use super::{Contract, ContractError, Notes};
use crate::sql::Ident;

/// What a field that the contract does not name does to its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ExtraColumns {
    /// Left out and counted.
    #[default]
    Ignore,
    /// The record is rejected.
    Reject,
}

/// Options of the dataset beyond its columns.
#[derive(Debug, Clone)]
pub struct TableOptions {
    /// Over this share of rejects an object fails (copy, lake) or is partial and alarmed (queue, stream).
    pub max_rejected_fraction: f64,
    /// For fields that the contract does not name.
    pub extra_columns: ExtraColumns,
    /// How far back an append looks for the same record id.
    pub dedup_days: u32,
    /// DISTKEY column; AUTO when none.
    pub distkey: Option<usize>,
    /// SORTKEY columns; AUTO when none.
    pub sortkey: Vec<usize>,
}

const DEFAULT_DEDUP_DAYS: u32 = 7;
const PATH: &str = "schema[0]";

pub(super) fn read(
    object: &SchemaObject,
    version: &str,
    servers: Servers,
    mut notes: Notes,
) -> Result<Contract, ContractError> {
    let table = Ident::new(object.physical_name.as_deref().unwrap_or(&object.name))
        .map_err(|error| ContractError::at(PATH, error.to_string()))?;
    let dataset = dataset_name(&object.name)?;
    let columns = columns(object, &mut notes)?;
    for i in 0..object.quality.len() {
        notes.not_built(&format!("{PATH}.quality[{i}]"), "is not checked yet");
    }
    let mut custom = Custom::read(PATH, &object.custom_properties)?;
    let names = Names(&columns);
    let key = positions(&columns, "primaryKey", |column| column.key_position)?;
    let order_by = custom.text("orderBy")?.map(|name| names.order_by(name)).transpose()?;
    let group_by = group_by(&mut custom, &names, &key)?;
    if let Some(own) = custom.texts("partitionBy")? {
        names.all("partitionBy", &own)?;
        notes.not_built(PATH, "penstock.partitionBy");
    }
    let table_options = table_options(&mut custom, &names)?;
    later(&mut custom, &mut notes)?;
    custom.finish()?;
    let partitions = positions(&columns, "partitioned", |column| column.partition_position)?;
    Ok(Contract {
        dataset,
        version: version.to_owned(),
        table,
        key,
        order_by,
        group_by,
        partitions,
        table_options,
        columns,
        s3: servers.s3,
        queue: servers.queue,
        stream: servers.stream,
        warehouse: servers.warehouse,
        notes,
    })
}

fn group_by(custom: &mut Custom<'_>, names: &Names<'_>, key: &[usize]) -> Result<Vec<usize>, ContractError> {
    match custom.texts("groupBy")? {
        Some(own) if own.is_empty() => {
            Err(ContractError::at(PATH, "penstock.groupBy must name at least one column".into()))
        }
        Some(own) => names.all("groupBy", &own),
        None => Ok(key.to_vec()),
    }
}

/// Datasets name S3 prefixes, message groups and statements, so their names are kept to what all of these take.
fn dataset_name(name: &str) -> Result<String, ContractError> {
    let plain = !name.is_empty()
        && name.len() <= 64
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b));
    match plain {
        true => Ok(name.to_owned()),
        false => Err(ContractError::at(
            "schema[0].name",
            format!(
                "{name:?} must be 1 to 64 of A-Z, a-z, 0-9, '_', '-' and '.', and start with a letter or digit"
            ),
        )),
    }
}

fn columns(object: &SchemaObject, notes: &mut Notes) -> Result<Vec<Column>, ContractError> {
    let mut columns: Vec<Column> = Vec::with_capacity(object.properties.len());
    for (i, property) in object.properties.iter().enumerate() {
        let path = format!("{PATH}.properties[{i}]");
        let column = Column::read(&path, property, notes)?;
        let clash = columns.iter().find(|own| own.physical == column.physical || own.name == column.name);
        if let Some(own) = clash {
            return Err(ContractError::at(
                &path,
                format!("{:?} is there already, as {:?}", column.name, own.name),
            ));
        }
        columns.push(column);
    }
    if columns.is_empty() {
        return Err(ContractError::at(&format!("{PATH}.properties"), "a dataset needs columns".into()));
    }
    Ok(columns)
}

/// Columns with a position, in that order; without positions, in contract order. A position given twice is an error.
fn positions(
    columns: &[Column],
    name: &str,
    position: impl Fn(&Column) -> Option<u32>,
) -> Result<Vec<usize>, ContractError> {
    let mut found: Vec<(u32, usize)> =
        columns.iter().enumerate().filter_map(|(i, column)| Some((position(column)?, i))).collect();
    found.sort_unstable();
    let twice = found.windows(2).any(|pair| pair[0].0 == pair[1].0 && pair[0].0 != u32::MAX);
    match twice {
        true => Err(ContractError::at(
            &format!("{PATH}.properties"),
            format!("two columns have the same position of {name}"),
        )),
        false => Ok(found.into_iter().map(|(_, i)| i).collect()),
    }
}

/// Finds columns by the name that a contract uses for them: the source name, or the warehouse name.
struct Names<'a>(&'a [Column]);

impl Names<'_> {
    fn one(&self, property: &str, name: &str) -> Result<usize, ContractError> {
        self.0
            .iter()
            .position(|column| column.name == name || column.physical.as_str() == name)
            .ok_or_else(|| ContractError::at(PATH, format!("penstock.{property} names no column: {name:?}")))
    }

    fn all(&self, property: &str, names: &[&str]) -> Result<Vec<usize>, ContractError> {
        names.iter().map(|name| self.one(property, name)).collect()
    }

    fn order_by(&self, name: &str) -> Result<usize, ContractError> {
        let at = self.one("orderBy", name)?;
        match self.0[at].ty {
            PhysicalType::Super | PhysicalType::Boolean | PhysicalType::Varbyte(_) => Err(ContractError::at(
                PATH,
                format!("penstock.orderBy: a {} column has no order", self.0[at].ty),
            )),
            _ => Ok(at),
        }
    }
}

fn table_options(custom: &mut Custom<'_>, names: &Names<'_>) -> Result<TableOptions, ContractError> {
    let auto = |name: &&str| !name.eq_ignore_ascii_case("auto");
    let distkey = custom.text("distkey")?.filter(auto).map(|name| names.one("distkey", name)).transpose()?;
    let sortkey: Vec<&str> = custom.texts("sortkey")?.unwrap_or_default().into_iter().filter(auto).collect();
    let dedup_days = custom.number("dedupDays", 1..=36_500)?.and_then(|days| u32::try_from(days).ok());
    Ok(TableOptions {
        max_rejected_fraction: custom.fraction("maxRejectedFraction")?.unwrap_or(1.0),
        extra_columns: custom
            .choice("extraColumns", &[("ignore", ExtraColumns::Ignore), ("reject", ExtraColumns::Reject)])?
            .unwrap_or_default(),
        dedup_days: dedup_days.unwrap_or(DEFAULT_DEDUP_DAYS),
        distkey,
        sortkey: names.all("sortkey", &sortkey)?,
    })
}

/// Properties that later routes use: their values are checked, their effect is not there yet.
fn later(custom: &mut Custom<'_>, notes: &mut Notes) -> Result<(), ContractError> {
    let set = [
        ("deletedWhen", custom.text("deletedWhen")?.is_some()),
        ("onReplace", custom.choice("onReplace", &[("append", false), ("replace", true)])?.unwrap_or(false)),
        ("keepHistory", custom.flag("keepHistory")?.unwrap_or(false)),
        ("afterLoad", custom.texts("afterLoad")?.is_some()),
        ("lakeFormat", custom.choice("lakeFormat", &[("as-is", ()), ("parquet", ())])?.is_some()),
        ("glueJob", custom.text("glueJob")?.is_some()),
        ("crawler", custom.text("crawler")?.is_some()),
    ];
    for (name, _) in set.iter().filter(|(_, is_set)| *is_set) {
        notes.not_built(PATH, &format!("penstock.{name}"));
    }
    Ok(())
}
