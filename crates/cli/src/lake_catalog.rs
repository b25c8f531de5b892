//! `penstock catalog`: the lake's tables in Glue's catalog, made of the contracts: as SQL for Athena, as SQL for Redshift
//! Spectrum, as JSON for Glue, or applied. Only `--apply` asks a service and changes anything; no file is ever read.

mod athena;
mod glue;
mod input;
mod merge;
mod spectrum;
mod table;
mod types;
mod words;

use std::collections::BTreeMap;
use std::io::Write;

use penstock_aws::vars::Vars;
use penstock_core::contract::Contract;
use penstock_core::sql::CopyRole;
use serde_json::json;

use self::glue::{Database, Done};
use self::input::Input;
use self::spectrum::Access;
use self::table::{Home, LakeTable};
use self::words::Name;
use crate::Env;
use crate::args::CatalogArgs;
use crate::check::counted;
use crate::clients::Connect;
use crate::contracts::Contracts;
use crate::failure::{Exit, Failure};

/// Prints or applies the catalog of the contracts.
pub async fn run(
    args: &CatalogArgs,
    env: Env<'_>,
    connect: Connect,
    out: &mut dyn Write,
) -> Result<Exit, Failure> {
    let contracts = Contracts::read(&args.contracts.paths)?;
    let usable = contracts.usable()?;
    let database = database(env)?;
    let tables = tables(&usable, env)?;
    match args {
        CatalogArgs { apply: true, .. } => return apply(&database, &tables, connect, out).await,
        CatalogArgs { spectrum: true, .. } => print_spectrum(args, &database, &tables, env, out)?,
        CatalogArgs { json: true, .. } => print_json(&database, &tables, out)?,
        _ => print_athena(&database, &tables, out)?,
    }
    Ok(Exit::Ok)
}

fn database(env: Env<'_>) -> Result<Name, Failure> {
    let text = Vars::new(env).required("GLUE_DATABASE").map_err(|error| {
        Failure::usage(format!("{error}: it names the database of the tables in Glue's catalog"))
    })?;
    let wrong = || Failure::usage("environment variable GLUE_DATABASE must be 1 to 255 of a-z, 0-9 and _");
    Name::parse(&text).ok_or_else(wrong)
}

/// The tables of all contracts, each with a name of its own.
fn tables<'c>(contracts: &[(&str, &'c Contract)], env: Env<'_>) -> Result<Vec<LakeTable<'c>>, Failure> {
    let (mut tables, mut taken, mut faults) = (Vec::new(), BTreeMap::new(), Vec::new());
    for &(file, contract) in contracts {
        for home in Home::of(contract) {
            let bucket = bucket(home, env)?;
            let Some(table) = LakeTable::new(contract, home, &bucket) else {
                faults.push(format!(
                    "{file}: Glue takes no table name as long as that of {}",
                    contract.dataset
                ));
                continue;
            };
            for name in [Some(&table.name), table.latest.as_ref()].into_iter().flatten() {
                if let Some(other) = taken.insert(name.clone(), file) {
                    faults.push(format!("{file}: {other} has a table {name} in the catalog, too"));
                }
            }
            tables.push(table);
        }
    }
    if faults.is_empty() { Ok(tables) } else { Err(Failure::Refused(faults)) }
}

/// A bucket's name stands in SQL, so it has to be one.
fn bucket(home: Home, env: Env<'_>) -> Result<String, Failure> {
    let variable = home.variable();
    let name = Vars::new(env).required(variable).map_err(Failure::usage)?;
    let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'.' || b == b'-';
    match (3..=63).contains(&name.len()) && name.bytes().all(is_plain) {
        true => Ok(name),
        false => Err(Failure::usage(format!("environment variable {variable} must be the name of a bucket"))),
    }
}

fn print_athena(database: &Name, tables: &[LakeTable<'_>], out: &mut dyn Write) -> Result<(), Failure> {
    writeln!(out, "-- Athena runs one statement at a time\n\n{};\n", athena::create_database(database))?;
    for table in tables {
        let Contract { dataset, version, .. } = table.contract;
        writeln!(out, "-- dataset {dataset} {}\n", version.escape_debug())?;
        for sql in athena::statements(database, table) {
            writeln!(out, "{sql};\n")?;
        }
    }
    Ok(())
}

fn print_spectrum(
    args: &CatalogArgs,
    database: &Name,
    tables: &[LakeTable<'_>],
    env: Env<'_>,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let role = Vars::new(env).optional("SPECTRUM_ROLE_ARN").unwrap_or_else(|| "default".into());
    let role = CopyRole::new(&role).ok_or_else(|| {
        Failure::usage("environment variable SPECTRUM_ROLE_ARN must be the ARN of an IAM role, or default")
    })?;
    let access = Access { schema: &args.schema, role: &role, users: &args.roles };
    writeln!(out, "-- as an administrator of the warehouse, once\n")?;
    for sql in spectrum::statements(database, &access) {
        writeln!(out, "{sql};\n")?;
    }
    if let Some(sql) = spectrum::example(&args.schema, tables, env) {
        writeln!(
            out,
            "-- for example: rows of the lake that the warehouse does not have, by file\n\n{sql};"
        )?;
    }
    Ok(())
}

fn inputs(database: &Name, tables: &[LakeTable<'_>]) -> Vec<[Option<Input>; 2]> {
    tables.iter().map(|own| [Some(Input::table(own)), Input::latest(database, own)]).collect()
}

fn print_json(database: &Name, tables: &[LakeTable<'_>], out: &mut dyn Write) -> Result<(), Failure> {
    let inputs: Vec<Input> = inputs(database, tables).into_iter().flatten().flatten().collect();
    let all = json!({"DatabaseInput": {"Name": database.as_str()}, "TableInputs": inputs});
    writeln!(out, "{all:#}")?;
    Ok(())
}

async fn apply(
    name: &Name,
    tables: &[LakeTable<'_>],
    connect: Connect,
    out: &mut dyn Write,
) -> Result<Exit, Failure> {
    let clients = connect.clients().await?;
    let database = Database::new(&clients.glue, name);
    let done = database.ensure().await.map_err(Failure::refused)?;
    writeln!(out, "database {name} of Glue's catalog: {}", done.word())?;
    let (mut all, mut faults) = (Vec::new(), Vec::new());
    for of_table in inputs(name, tables) {
        for input in of_table.into_iter().flatten() {
            let put = database.put(&input).await;
            let word = put.as_ref().map_or("refused", |done| done.word());
            writeln!(out, "  {word:<9}  {:<5}  {}", input.kind(), input.name)?;
            match put {
                Ok(done) => all.push(done),
                Err(reasons) => {
                    faults.extend(reasons);
                    // A view over a table that is not as it should be would fail.
                    break;
                }
            }
        }
    }
    let of = |done: Done| all.iter().filter(|own| **own == done).count();
    let counts =
        [Done::Created, Done::Updated, Done::Unchanged].map(|own| format!("{} {}", of(own), own.word()));
    writeln!(out, "{}: {}", counted(all.len(), "table"), counts.join(", "))?;
    if faults.is_empty() { Ok(Exit::Ok) } else { Err(Failure::Refused(faults)) }
}
