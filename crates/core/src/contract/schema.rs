//! The contract's schema object: columns, key, winner, groups and the options of the target table.
//! Knows nothing of servers; it is handed them.

use super::column::Column;
use super::custom::Custom;
use super::odcs::SchemaObject;
use super::quality::{self, Check, RowRule, Severity};
use super::servers::Servers;
use super::template::Template;
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

/// What rows of new content under an old key do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnReplace {
    /// They come on top: nothing is deleted unasked.
    #[default]
    Append,
    /// They take the place of that key's earlier rows.
    Replace,
}

/// How objects of a dataset lie in the lake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LakeFormat {
    /// As they came: copied by S3, read by nobody.
    AsIs,
    /// Converted to Parquet, each row checked.
    Parquet,
}

/// What a dataset is in the lake.
#[derive(Debug, Clone)]
pub struct Lake {
    /// How its objects lie there, where the contract says it: then its stage objects go there, too.
    pub format: Option<LakeFormat>,
    /// Whether rows in Parquet carry their stamps and `_source`.
    pub has_stamps: bool,
    /// Glue job that converts its stage objects, and objects that are too much for a function.
    pub glue_job: Option<Template>,
    /// Glue crawler that is started when files of it came into the lake.
    pub crawler: Option<Template>,
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
    /// CEL over a row: it is a tombstone.
    pub deleted_when: Option<String>,
    /// Every accepted version is kept in the history table.
    pub keep_history: bool,
    /// For new content under an old key.
    pub on_replace: OnReplace,
    /// Models that run after a load of the copy route, by name.
    pub after_load: Vec<String>,
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
    let mut row_rules = Vec::new();
    let mut columns = columns(object, &servers, &mut row_rules, &mut notes)?;
    let unique_together = quality_rules(object, &columns, &mut row_rules, &mut notes)?;
    let key = positions(&columns, "primaryKey", |column| column.key_position)?;
    note_unique(&mut columns, &key, &unique_together, &mut notes);
    let mut custom = Custom::read(PATH, &object.custom_properties)?;
    let names = Names(&columns);
    let order_by = custom.text("orderBy")?.map(|name| names.order_by(name)).transpose()?;
    let group_by = hashed(&mut custom, &names, "groupBy")?.unwrap_or_else(|| key.clone());
    let partition_by = hashed(&mut custom, &names, "partitionBy")?.unwrap_or_default();
    let table_options = table_options(&mut custom, &names)?;
    replaces(&table_options, &key, &servers)?;
    let lake = lake(&mut custom)?;
    custom.finish()?;
    only_copied(&lake, &table_options, &servers)?;
    let partitions = positions(&columns, "partitioned", |column| column.partition_position)?;
    leaves_columns(&lake, &columns, &partitions)?;
    Ok(Contract {
        dataset,
        version: version.to_owned(),
        description: object.description.clone(),
        table,
        key,
        order_by,
        group_by,
        partition_by,
        partitions,
        unique_together,
        row_rules,
        table_options,
        lake,
        columns,
        s3: servers.s3,
        queue: servers.queue,
        stream: servers.stream,
        warehouse: servers.warehouse,
        latency: None,
        notes,
    })
}

/// Partition columns stand in the names of folders alone: files must have others.
fn leaves_columns(lake: &Lake, columns: &[Column], partitions: &[usize]) -> Result<(), ContractError> {
    match !lake.has_stamps && partitions.len() == columns.len() {
        true => Err(ContractError::at(
            PATH,
            "with penstock.lakeStamps false a column must be left that is not partitioned".into(),
        )),
        false => Ok(()),
    }
}

/// Columns whose hash tells rows apart.
fn hashed(
    custom: &mut Custom<'_>,
    names: &Names<'_>,
    property: &str,
) -> Result<Option<Vec<usize>>, ContractError> {
    match custom.texts(property)? {
        Some(own) if own.is_empty() => {
            Err(ContractError::at(PATH, format!("penstock.{property} must name at least one column")))
        }
        Some(own) => names.all(property, &own).map(Some),
        None => Ok(None),
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

fn columns(
    object: &SchemaObject,
    servers: &Servers,
    row_rules: &mut Vec<RowRule>,
    notes: &mut Notes,
) -> Result<Vec<Column>, ContractError> {
    let mut columns: Vec<Column> = Vec::with_capacity(object.properties.len());
    for (i, property) in object.properties.iter().enumerate() {
        let path = format!("{PATH}.properties[{i}]");
        let column = Column::read(&path, property, row_rules, notes)?;
        let clash = columns.iter().find(|own| own.physical == column.physical || own.name == column.name);
        if let Some(own) = clash {
            return Err(ContractError::at(
                &path,
                format!("{:?} is there already, as {:?}", column.name, own.name),
            ));
        }
        columns.push(column);
    }
    let path = format!("{PATH}.properties");
    match (columns.is_empty(), servers.is_binary()) {
        (true, false) => return Err(ContractError::at(&path, "a dataset needs columns".into())),
        (false, true) => notes.not_enforced(&path, "objects of format binary are not looked into"),
        _ => {}
    }
    Ok(columns)
}

/// The schema's own quality rules; gives the columns that are unique together.
fn quality_rules(
    object: &SchemaObject,
    columns: &[Column],
    row_rules: &mut Vec<RowRule>,
    notes: &mut Notes,
) -> Result<Vec<(Vec<usize>, Severity)>, ContractError> {
    let mut unique = Vec::new();
    for (i, own) in object.quality.iter().enumerate() {
        let path = format!("{PATH}.quality[{i}]");
        match quality::read(&path, own, notes)? {
            None => {}
            Some((Check::Row(cel), severity)) => row_rules.push(RowRule::new(&path, own, cel, severity)),
            Some((Check::Duplicates(names), severity)) if !names.is_empty() => {
                let path = format!("{path}.arguments.properties");
                let column = |name: &String| {
                    let is_named = |own: &Column| own.name == *name || own.physical.as_str() == name;
                    let found = columns.iter().position(is_named);
                    found.ok_or_else(|| ContractError::at(&path, format!("names no column: {name:?}")))
                };
                unique.push((names.iter().map(column).collect::<Result<_, _>>()?, severity));
            }
            Some((Check::Duplicates(_), _)) => notes.not_in_flight(&path, "names no arguments.properties"),
            Some(_) => notes.not_in_flight(&path, "names no column: it belongs to a property's quality"),
        }
    }
    Ok(unique)
}

/// The merge keeps one row a key, so the sole key column needs no further rule; others are only held among rows that
/// are seen together, which is told.
fn note_unique(
    columns: &mut [Column],
    key: &[usize],
    together: &[(Vec<usize>, Severity)],
    notes: &mut Notes,
) {
    const WHY: &str = "is held only among the rows that are read together: ask the warehouse about all";
    if let [sole] = key
        && let Some(column) = columns.get_mut(*sole)
    {
        column.unique = None;
    }
    for (i, _) in columns.iter().enumerate().filter(|(_, column)| column.unique.is_some()) {
        notes.not_in_flight(&format!("{PATH}.properties[{i}]"), &format!("unique {WHY}"));
    }
    for (own, _) in together {
        let names: Vec<&str> =
            own.iter().filter_map(|i| columns.get(*i)).map(|column| column.name.as_str()).collect();
        notes.not_in_flight(PATH, &format!("unique {} {WHY}", names.join(", ")));
    }
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
        deleted_when: custom.text("deletedWhen")?.map(str::to_owned),
        keep_history: custom.flag("keepHistory")?.unwrap_or_default(),
        on_replace: custom
            .choice("onReplace", &[("append", OnReplace::Append), ("replace", OnReplace::Replace)])?
            .unwrap_or_default(),
        after_load: after_load(custom)?,
    })
}

/// Models are files of that name, so names are kept to plain words.
fn after_load(custom: &mut Custom<'_>) -> Result<Vec<String>, ContractError> {
    let names = custom.texts("afterLoad")?.unwrap_or_default();
    let refuse = |reason: String| ContractError::at(PATH, format!("penstock.afterLoad: {reason}"));
    for (i, name) in names.iter().enumerate() {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        if !(1..=64).contains(&name.len()) || !name.bytes().all(plain) {
            return Err(refuse(format!("{name:?} must be 1 to 64 of a-z, 0-9 and _")));
        }
        if names.iter().take(i).any(|own| own == name) {
            return Err(refuse(format!("{name:?} is named twice")));
        }
    }
    Ok(names.into_iter().map(str::to_owned).collect())
}

/// Rows take each other's place by object only where no key decides, and only where an object loads as a whole.
fn replaces(options: &TableOptions, key: &[usize], servers: &Servers) -> Result<(), ContractError> {
    let reason = match options.on_replace {
        OnReplace::Append => return Ok(()),
        _ if !key.is_empty() => "with a primary key rows take each other's place by key",
        _ if servers.queue.is_some() || servers.stream.is_some() => {
            "only the copy route loads an object as a whole: the contract must have no queue and no stream"
        }
        OnReplace::Replace => return Ok(()),
    };
    Err(ContractError::at(PATH, format!("penstock.onReplace replace is not possible: {reason}")))
}

/// What the dataset is in the lake.
fn lake(custom: &mut Custom<'_>) -> Result<Lake, ContractError> {
    let formats = [("as-is", LakeFormat::AsIs), ("parquet", LakeFormat::Parquet)];
    Ok(Lake {
        format: custom.choice("lakeFormat", &formats)?,
        has_stamps: custom.flag("lakeStamps")?.unwrap_or(true),
        glue_job: custom.text("glueJob")?.map(Template::new),
        crawler: custom.text("crawler")?.map(Template::new),
    })
}

/// What asks for rows has no effect where objects are copied as they are.
fn only_copied(lake: &Lake, options: &TableOptions, servers: &Servers) -> Result<(), ContractError> {
    let asks_for_rows = [
        ("penstock.lakeFormat parquet", lake.format == Some(LakeFormat::Parquet)),
        ("penstock.afterLoad", !options.after_load.is_empty()),
        ("penstock.keepHistory", options.keep_history),
        ("penstock.deletedWhen", options.deleted_when.is_some()),
        ("penstock.onReplace replace", options.on_replace == OnReplace::Replace),
        ("a queue", servers.queue.is_some()),
        ("a stream", servers.stream.is_some()),
    ];
    match asks_for_rows.iter().find(|(_, asks)| servers.is_binary() && *asks) {
        None => Ok(()),
        Some((what, _)) => Err(ContractError::at(
            PATH,
            format!("{what} is not possible: objects of format binary go into the lake as they are"),
        )),
    }
}
