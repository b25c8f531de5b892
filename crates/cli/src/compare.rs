//! Holds a table that is there against its contract, column by column, and says what a migration does about it and
//! what only a person can. Runs nothing.

use penstock_aws::warehouse::{WarehouseColumn, WarehouseType};
use penstock_core::contract::{Column, PhysicalType};
use penstock_core::sql::{TargetColumn, target_columns};

use crate::advice::{block, converted, quoted, rebuild, rename};
use crate::alter::Alteration;
use crate::catalog::Table;
use crate::statement::Target;

/// One difference of a table from its contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// A migration does it.
    Alter(Alteration),
    /// It would destroy something or cannot be done: why, and what a person would have to run.
    Refuse(String),
}

impl Difference {
    /// What a migration does about it.
    pub fn alteration(&self) -> Option<&Alteration> {
        match self {
            Self::Alter(alteration) => Some(alteration),
            Self::Refuse(_) => None,
        }
    }

    /// The same, where it widens a text.
    pub fn widening(&self) -> Option<&Alteration> {
        self.alteration().filter(|own| own.widened_from.is_some())
    }

    /// The same difference, which an obstacle keeps from being migrated.
    pub fn refused(self, obstacle: &str) -> Self {
        match self {
            Self::Alter(own) => {
                Self::Refuse(format!("{} is to become {}, but {obstacle}", own.subject(), own.ty))
            }
            refused @ Self::Refuse(_) => refused,
        }
    }

    /// What differs; of what a migration does, `when` it will.
    pub fn told(&self, when: &str) -> String {
        match self {
            Self::Alter(alteration) => format!("{}; {when}", alteration.difference()),
            Self::Refuse(text) => text.clone(),
        }
    }
}

/// What a table lacks, in the order of the contract's columns; empty where it is the contract's.
pub fn differences(target: &Target<'_>, table: &Table) -> Vec<Difference> {
    if table.kind == "VIEW" {
        let told = "is a view, and loads write to a table: drop it or rename it";
        return vec![Difference::Refuse(format!("{} {told}", target.name()))];
    }
    let refuse = |name: &str, told| Difference::Refuse(format!("{}: column {name} {told}", target.name()));
    let wanted = target_columns(target.contract);
    let mut found = Vec::new();
    for column in &wanted {
        let own = table.columns.iter().find(|own| own.name == column.name);
        match own.map_or_else(|| missing(target, column), |own| differs(target, column, own, table)) {
            None => {}
            Some(Ok(alteration)) => found.push(Difference::Alter(alteration)),
            Some(Err(told)) => found.push(refuse(column.name, told)),
        }
    }
    let unfilled = extra(target, table).filter(|own| !own.nullable && !own.has_default);
    found.extend(unfilled.map(|own| {
        let told = "is not in the contract and is NOT NULL without a default, so every load would fail; to remove it:";
        refuse(&own.name, format!("{told}{}", drop_column(target, own)))
    }));
    found
}

/// Columns that only the warehouse has and that loads leave NULL: they are not dropped.
pub fn kept_columns(target: &Target<'_>, table: &Table) -> Vec<String> {
    let kept = extra(target, table).filter(|own| own.nullable || own.has_default);
    let told = kept.map(|own| {
        let (name, sql) = (&own.name, drop_column(target, own));
        format!("{}: column {name} is not in the contract and stays; to drop it:{sql}", target.name())
    });
    told.collect()
}

fn extra<'t>(target: &Target<'_>, table: &'t Table) -> impl Iterator<Item = &'t WarehouseColumn> {
    let wanted: Vec<String> =
        target_columns(target.contract).iter().map(|column| column.name.to_owned()).collect();
    table.columns.iter().filter(move |own| !wanted.contains(&own.name))
}

fn drop_column(target: &Target<'_>, own: &WarehouseColumn) -> String {
    block(&[format!("ALTER TABLE {} DROP COLUMN {}", target.sql_name(), quoted(&own.name))])
}

/// The contract's column; a stamp is none.
fn of_contract<'a>(target: &Target<'a>, name: &str) -> Option<&'a Column> {
    target.contract.columns.iter().find(|own| own.physical.as_str() == name)
}

/// What is done about a column, or why nothing is.
type Verdict = Option<Result<Alteration, String>>;

fn missing(target: &Target<'_>, column: &TargetColumn<'_>) -> Verdict {
    let TargetColumn { name, ty, not_null } = column;
    let of_contract = of_contract(target, name);
    let told = match of_contract {
        None if *not_null => format!(
            "is missing ({ty} NOT NULL) and cannot be added to rows that are there; was the table made by something \
             else? Move it away and run again:{}",
            block(&[rename(target)])
        ),
        Some(_) if *not_null => format!(
            "is missing ({ty} NOT NULL) and of the key: rows that are there have no value for it and are known by \
             another key. Move the table away, run again and load its files again:{}",
            block(&[rename(target)])
        ),
        Some(own) if own.required => format!(
            "is missing and required: rows that are there would have no value, and Redshift adds NOT NULL only with a \
             DEFAULT. Let the contract say required: false, or add it and give those rows a value:{}",
            block(&[
                Alteration::add(target, name, *ty).sql(),
                format!("UPDATE {} SET \"{name}\" = <value>", target.sql_name()),
            ])
        ),
        _ => return Some(Ok(Alteration::add(target, name, *ty))),
    };
    Some(Err(told))
}

fn differs(target: &Target<'_>, column: &TargetColumn<'_>, own: &WarehouseColumn, table: &Table) -> Verdict {
    let rebuilt = |value: &str| rebuild(target, column, table, value);
    let (name, same) = (column.name, format!("\"{}\"", column.name));
    if !own.ty.is(column.ty) {
        return Some(other_type(target, column, own, table));
    }
    if own.nullable && column.not_null {
        return Some(Err(format!(
            "may be NULL in the warehouse and is NOT NULL by the contract, and Redshift cannot set that. If it is new in \
             the key, rows that are there are known by another one: move the table away, run again and load its \
             files again:{}\n  else {}",
            block(&[rename(target)]),
            rebuilt(&same)
        )));
    }
    let is_required = of_contract(target, name).is_some_and(|own| own.required);
    let told = "is NOT NULL in the warehouse and may be NULL by the contract";
    (!own.nullable && !column.not_null && !is_required).then(|| Err(format!("{told}; {}", rebuilt(&same))))
}

fn other_type(
    target: &Target<'_>,
    column: &TargetColumn<'_>,
    own: &WarehouseColumn,
    table: &Table,
) -> Result<Alteration, String> {
    use PhysicalType::Varchar;
    use WarehouseType::Known;
    let head = format!("is {} in the warehouse and {} by the contract", own.ty, column.ty);
    let value = converted(column.name, &own.ty, column.ty);
    match (&own.ty, column.ty) {
        (Known(Varchar(have)), Varchar(want)) if *have < want && own.has_default => Err(format!(
            "{head}, and Redshift widens no column with a DEFAULT; {}",
            rebuild(target, column, table, &value)
        )),
        (Known(Varchar(have)), Varchar(want)) if *have < want => {
            Ok(Alteration::widen(target, column.name, *have, column.ty))
        }
        (Known(Varchar(have)), Varchar(_)) => Err(format!(
            "{head}; a column is not narrowed: let the contract say varchar({have}); else, where longer texts may be cut, {}",
            rebuild(target, column, table, &value)
        )),
        _ => Err(format!("{head}; {}", rebuild(target, column, table, &value))),
    }
}
