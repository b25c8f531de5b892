//! Contracts of the robustness tests: every column type, in every format and dialect.

use std::sync::{Arc, LazyLock};

use penstock_core::contract::Contract;
use penstock_core::row::Checker;

/// A dataset, and the key of an object of it.
pub struct Dataset {
    pub name: &'static str,
    pub key: &'static str,
    pub checker: Arc<Checker>,
}

/// Every type of the warehouse, every rule on a value, a derived column.
const COLUMNS: [&str; 20] = [
    "name: id, physicalType: bigint, required: true",
    "name: name, physicalType: varchar(40), logicalTypeOptions: {minLength: 1, pattern: '^[^!]*$'}",
    "name: code, physicalType: char(3), quality: [{metric: invalidValues, mustBe: 0, arguments: {validValues: [EUR, USD, '']}}]",
    "name: amount, physicalType: 'numeric(18,2)', logicalTypeOptions: {minimum: -1000000, maximum: 1000000, multipleOf: 0.01}",
    "name: big, physicalType: 'numeric(38,0)'",
    "name: fine, physicalType: 'numeric(38,37)'",
    "name: small, physicalType: smallint",
    "name: whole, physicalType: integer",
    "name: short, physicalType: real",
    "name: long, physicalType: double precision",
    "name: flag, physicalType: boolean",
    "name: day, physicalType: date",
    "name: at, physicalType: timestamptz",
    "name: local, physicalType: timestamp",
    "name: clock, physicalType: time",
    "name: doc, physicalType: super",
    "name: tags, logicalType: array, physicalType: super, logicalTypeOptions: {maxItems: 3}",
    "name: octets, physicalType: varbyte(16)",
    "name: cut, physicalType: varchar(5), customProperties: [{property: penstock.overflow, value: truncate}]",
    "name: day_of, logicalType: date, physicalType: date, transformLogic: date(at), transformSourceObjects: [at]",
];

/// Columns whose source is written otherwise than their canonical text.
const FORMATTED: [&str; 4] = [
    "name: id, physicalType: bigint, required: true",
    "name: day, physicalType: date, logicalTypeOptions: {format: dd/MM/yyyy}",
    "name: at, physicalType: timestamptz, logicalTypeOptions: {format: epoch_millis}",
    "name: local, physicalType: timestamp, logicalTypeOptions: {format: 'MMM dd yyyy HH:mm:ss'}",
];

/// A contract of one dataset: what its S3 server says besides its location, custom properties, columns.
pub fn contract_text(server: &str, custom: &str, columns: &[&str]) -> String {
    let columns: String = columns.iter().map(|column| format!("      - {{{column}}}\n")).collect();
    format!(
        "apiVersion: v3.1.0\nkind: DataContract\nid: t\nversion: 1.2.3\nstatus: active\n\
         servers: [{{server: landing, type: s3, location: 's3://b/t/*'{server}}}]\n\
         schema:\n  - name: t\n    customProperties: [{custom}]\n    properties:\n{columns}"
    )
}

pub fn compile(text: &str) -> Arc<Checker> {
    let contract = Contract::parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    Arc::new(Checker::compile(Arc::new(contract)).unwrap_or_else(|error| panic!("{error}")))
}

/// A dataset of JSON records with the columns.
pub fn json(columns: &[&str]) -> Arc<Checker> {
    compile(&contract_text(", format: json", "", columns))
}

/// A dataset of CSV records with the columns, and more of the server's properties.
pub fn csv(properties: &str, columns: &[&str]) -> Arc<Checker> {
    compile(&contract_text(&format!(", format: csv{properties}"), "", columns))
}

const KEY: &str = "name: id, physicalType: bigint, required: true, primaryKey: true, primaryKeyPosition: 1";
const STRICT: &str = "{property: penstock.extraColumns, value: reject}";

static ALL: LazyLock<Vec<Dataset>> = LazyLock::new(|| {
    let mut keyed = COLUMNS.to_vec();
    keyed[0] = KEY;
    let dataset = |name, key, server: &str, custom: &str, columns: &[&str]| {
        let checker = compile(&contract_text(server, custom, columns));
        Dataset { name, key, checker }
    };
    let custom = |properties: &str| format!(", format: csv, customProperties: [{properties}]");
    let none = "{property: penstock.header, value: none}";
    let mut all = vec![
        dataset("json", "a.json", ", format: json", "", &COLUMNS),
        dataset("keyed", "a.json", ", format: json", "", &keyed),
        dataset("lines", "a.json", ", format: json, delimiter: new_line", STRICT, &COLUMNS),
        dataset("array", "a.json", ", format: json, delimiter: array", "", &COLUMNS),
        dataset("formatted", "a.json", ", format: json", "", &FORMATTED),
        dataset("csv", "a.csv", ", format: csv", "", &COLUMNS),
        dataset("csv strict", "a.csv", ", format: csv", STRICT, &COLUMNS),
        dataset("csv formatted", "a.csv", &custom(none), "", &FORMATTED),
        dataset(
            "csv semicolons",
            "a.csv",
            &format!(
                ", delimiter: ';'{}",
                custom(&format!("{none}, {{property: penstock.nullText, value: ['NULL', '-']}}"))
            ),
            "",
            &COLUMNS,
        ),
        dataset("csv lines", "a.csv", &custom("{property: penstock.multiline, value: false}"), "", &COLUMNS),
        dataset("csv bare", "a.csv", &custom("{property: penstock.quote, value: none}"), "", &COLUMNS),
        dataset("any json", "a.json", "", "", &COLUMNS),
        dataset("any tsv", "a.tsv.gz", "", "", &COLUMNS),
    ];
    if cfg!(feature = "avro") {
        all.push(dataset("avro", "a.avro", ", format: avro", "", &COLUMNS));
    }
    if cfg!(feature = "parquet") {
        all.push(dataset("parquet", "a.parquet", ", format: parquet", "", &COLUMNS));
    }
    all
});

pub fn all() -> &'static [Dataset] {
    &ALL
}

pub fn named(name: &str) -> &'static Dataset {
    all().iter().find(|own| own.name == name).unwrap_or_else(|| panic!("no dataset is named {name}"))
}
