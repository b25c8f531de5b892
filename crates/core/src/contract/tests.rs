//! Tests of contracts that are taken: what they give, and what is only noted.

use std::sync::Arc;

use super::*;
use crate::fixtures::{QUEUE, S3, TRANSACTIONS, contract, contract_text};
use crate::row::Checker;

const ID: &str = "name: id, physicalType: bigint, primaryKey: true";

fn property(name: &str, value: &str) -> String {
    format!("{{property: penstock.{name}, value: {value}}}")
}

#[test]
fn the_transactions_contract_gives_its_columns_key_groups_and_servers() {
    let own = Contract::parse(TRANSACTIONS).unwrap();
    let columns: Vec<String> =
        own.columns.iter().map(|c| format!("{} {}", c.physical.as_str(), c.ty)).collect();
    assert_eq!(
        columns,
        [
            "transaction_id varchar(64)",
            "account_id varchar(34)",
            "amount numeric(18,2)",
            "currency char(3)",
            "booked_at timestamptz",
            "merchant super",
            "channel varchar(32)",
            "status varchar(16)",
            "note varchar(512)",
            "booked_date date",
            "amount_minor bigint",
            "is_refund boolean",
        ]
    );
    assert_eq!(
        (own.dataset.as_str(), own.version.as_str(), own.table.as_str()),
        ("transactions", "1.0.0", "transactions")
    );
    assert_eq!((own.key.as_slice(), own.order_by, own.group_by.as_slice()), (&[0][..], Some(4), &[1][..]));
    assert_eq!(own.partitions, [4]);
    let masked: Vec<&str> = own.columns.iter().filter(|c| c.masked).map(|c| c.name.as_str()).collect();
    assert_eq!(masked, ["account_id"]);
    let derived: Vec<&str> =
        own.columns.iter().filter(|c| c.derived.is_some()).map(|c| c.name.as_str()).collect();
    assert_eq!(derived, ["booked_date", "amount_minor", "is_refund"]);
    let queue = own.queue().unwrap();
    assert_eq!((queue.groups, queue.rows_per_message, queue.url.as_str()), (64, 100, "${LOAD_QUEUE_URL}"));
    assert_eq!(
        own.s3.as_ref().unwrap().location.as_str(),
        "s3://${LANDING_BUCKET}/queue/transactions/*.json"
    );
    assert_eq!((own.warehouse.database.as_str(), own.warehouse.schema.as_str()), ("${DATABASE}", "tgt"));
    assert_eq!(own.notes.lines(), [] as [&str; 0]);
    Checker::compile(Arc::new(own)).unwrap();
}

#[test]
fn defaults_are_those_of_the_documentation() {
    let own = contract("", &["name: a, logicalType: string"]);
    let options = &own.table_options;
    assert_eq!((options.max_rejected_fraction, options.dedup_days), (1.0, 7));
    assert_eq!(options.extra_columns, ExtraColumns::Ignore);
    assert_eq!((options.distkey, options.sortkey.len(), own.order_by), (None, 0, None));
    assert_eq!(own.columns[0].ty, PhysicalType::Varchar(MAX_VARCHAR_BYTES));
    assert_eq!((own.columns[0].overflow, own.columns[0].required), (Overflow::Reject, false));
    let bare = Contract::parse(&contract_text(
        "{server: q, type: custom, customProperties: [{property: penstock.queueUrl, value: u}]}",
        "",
        &[ID],
    ));
    let queue = bare.unwrap().queue.unwrap();
    assert_eq!((queue.groups, queue.rows_per_message), (64, 100));
}

#[test]
fn every_custom_property_of_the_schema_is_taken_or_noted() {
    let built = [
        ("orderBy", "a"),
        ("groupBy", "a"),
        ("groupBy", "[id, a]"),
        ("partitionBy", "a"),
        ("partitionBy", "[id, a]"),
        ("maxRejectedFraction", "0.25"),
        ("extraColumns", "reject"),
        ("dedupDays", "30"),
        ("distkey", "id"),
        ("distkey", "AUTO"),
        ("sortkey", "[a, id]"),
        ("sortkey", "auto"),
        ("onReplace", "append"),
        ("keepHistory", "false"),
        ("keepHistory", "true"),
        ("deletedWhen", "a == 'x'"),
        ("afterLoad", "[m1, m2]"),
        ("lakeFormat", "parquet"),
        ("lakeFormat", "as-is"),
        ("lakeStamps", "false"),
        ("glueJob", "g"),
        ("crawler", "c"),
    ];
    for (name, value) in built {
        let value = if value.contains('\'') { format!("\"{value}\"") } else { value.to_owned() };
        let own = contract(&property(name, &value), &[ID, "name: a, physicalType: varchar(9)"]);
        assert!(own.notes.lines().is_empty(), "{name} {value}: {:?}", own.notes);
    }
}

#[test]
fn every_server_of_the_documentation_is_taken_or_noted() {
    let custom = |properties: &str| format!("customProperties: [{properties}]");
    let kinesis = custom(
        "{property: penstock.streamName, value: s}, {property: penstock.deliveryStream, value: d}, {property: penstock.aggregate, value: kpl}",
    );
    let csv = custom(
        "{property: penstock.nullText, value: ['NULL', '']}, {property: penstock.header, value: names}, \
        {property: penstock.quote, value: '\"'}, {property: penstock.compression, value: gzip}, {property: penstock.multiline, value: true}",
    );
    for (server, noted) in [
        (S3.to_owned(), 0),
        ("{server: s, type: s3, location: 's3://b/k', format: json, delimiter: new_line}".to_owned(), 0),
        ("{server: s, type: s3, location: 's3://b/k', format: json, delimiter: array}".to_owned(), 0),
        (format!("{{server: s, type: s3, location: 's3://b/k', format: csv, delimiter: ';', {csv}}}"), 0),
        ("{server: s, type: s3, location: 's3://b/k', format: parquet}".to_owned(), 0),
        ("{server: s, type: s3, location: 's3://b/k', format: avro}".to_owned(), 0),
        // It has a column here.
        ("{server: s, type: s3, location: 's3://b/k', format: binary}".to_owned(), 1),
        (QUEUE.to_owned(), 0),
        (format!("{{server: k, type: kinesis, {kinesis}}}"), 0),
        ("{server: w, type: redshift, database: d, schema: s, host: h}".to_owned(), 0),
        ("{server: other, type: custom}".to_owned(), 0),
        ("{server: pg, type: postgres, database: d, schema: s, host: h, port: 1}".to_owned(), 1),
    ] {
        let own = Contract::parse(&contract_text(&server, "", &[ID]))
            .unwrap_or_else(|error| panic!("{server}: {error}"));
        assert_eq!(own.notes.lines().len(), noted, "{server}: {:?}", own.notes);
    }
}

#[test]
fn objects_that_are_not_looked_into_need_no_columns_and_have_no_table() {
    const BINARY: &str = "{server: s, type: s3, location: 's3://b/lake/t/**', format: binary}";
    let as_is = property("lakeFormat", "as-is");
    for custom in ["", as_is.as_str()] {
        let text = contract_text(BINARY, custom, &[]).replace("    properties:\n", "");
        let own = Contract::parse(&text).unwrap_or_else(|error| panic!("{error}"));
        assert!(own.is_binary() && own.columns.is_empty());
        assert_eq!(own.notes.lines(), [] as [&str; 0]);
        let schema = crate::sql::Ident::new("tgt").unwrap();
        assert_eq!(crate::sql::migration(&own, &schema).unwrap(), [] as [&str; 0]);
        Checker::compile(Arc::new(own)).unwrap();
    }
    let with_columns = Contract::parse(&contract_text(BINARY, "", &[ID])).unwrap();
    let expected =
        "not enforced: schema[0].properties: objects of format binary are not looked into".to_owned();
    assert_eq!(with_columns.notes.lines(), [expected]);
    assert!(!contract("", &[ID]).is_binary());
}

#[test]
fn every_property_of_a_column_is_read() {
    let own = contract(
        "",
        &[
            "name: b, physicalName: bb, physicalType: varchar(9), primaryKey: true, primaryKeyPosition: 2",
            "name: a, logicalType: integer, primaryKey: true, primaryKeyPosition: 1, description: d, tags: [x], examples: [1]",
            "name: c, logicalType: string, physicalType: char(3), required: true, partitioned: true, partitionKeyPosition: 2, \
         customProperties: [{property: penstock.overflow, value: truncate}, {property: other.tool, value: {x: 1}}]",
            "name: d, logicalType: date, partitioned: true, partitionKeyPosition: 1, classification: Confidential",
            "name: e, logicalType: boolean, transformLogic: 'a > 1', transformSourceObjects: [a]",
            "name: f, logicalType: object, properties: [{name: x, logicalType: string}]",
            "name: g, logicalType: array, items: {logicalType: string}",
            "name: h, logicalType: timestamp",
            "name: i, logicalType: time",
            "name: j, logicalType: number, physicalType: real",
            "name: k, logicalType: string, physicalType: varbyte(4)",
            "name: l, physicalType: 'numeric(38,37)', unique: true",
        ],
    );
    assert_eq!((own.key.as_slice(), own.partitions.as_slice()), (&[1, 0][..], &[3, 2][..]));
    assert_eq!(own.columns[0].physical.as_str(), "bb");
    assert!(
        own.columns[0].required
            && own.columns[2].required
            && !own.columns[3].required
            && own.columns[3].masked
    );
    assert_eq!(own.columns[2].overflow, Overflow::Truncate);
    assert_eq!(
        (own.columns[4].derived.as_deref(), own.columns[4].derived_from.as_slice()),
        (Some("a > 1"), &["a".to_owned()][..])
    );
    let types: Vec<String> = own.columns.iter().skip(4).map(|c| c.ty.to_string()).collect();
    assert_eq!(
        types,
        ["boolean", "super", "super", "timestamptz", "time", "real", "varbyte(4)", "numeric(38,37)"]
    );
    // Members of objects, items of arrays, and unique outside of the key.
    assert_eq!(own.notes.lines().len(), 3, "{:?}", own.notes);
}

#[test]
fn placeholders_are_kept_until_their_server_is_used() {
    let set = ContractSet::parse([("a.yaml", TRANSACTIONS)]).unwrap();
    let missing = set.locations(&|_| None).unwrap_err().to_string();
    assert!(missing.contains("a.yaml") && missing.contains("LANDING_BUCKET"), "{missing}");
    let found = set.locations(&|name| (name == "LANDING_BUCKET").then(|| "landing-1".into())).unwrap();
    assert!(found[0].0.matches("landing-1", "queue/transactions/x.json"));
    assert!(!found[0].0.matches("landing-1", "queue/transactions/y/x.json"));
}

#[test]
fn datasets_and_tables_and_locations_are_told_apart() {
    let at = |name: &str, table: &str, location: &str| {
        contract_text(S3, "", &[ID])
            .replace("- name: t\n", &format!("- name: {name}\n    physicalName: {table}\n"))
            .replace("s3://b/t/*", location)
    };
    let set = |a: String, b: String| ContractSet::parse([("a", a.as_str()), ("b", b.as_str())]);
    let one = at("one", "one", "s3://${B}/x/*.json");
    assert!(matches!(set(one.clone(), at("one", "two", "s3://b/y")), Err(SetError::Twice { .. })));
    assert!(matches!(set(one.clone(), at("two", "one", "s3://b/y")), Err(SetError::Twice { .. })));
    for (location, overlaps) in [
        ("s3://${B}/x/a*", true),
        ("s3://${B}/**", true),
        ("s3://${B}/y/*.json", false),
        ("s3://${C}/x/*.json", false),
        ("s3://${B}/x/*.csv", false),
    ] {
        let own = set(one.clone(), at("two", "two", location)).unwrap();
        assert_eq!(own.check_locations().is_err(), overlaps, "{location}");
    }
    let error = ContractSet::parse([("bad.yaml", "kind: x")]).unwrap_err().to_string();
    assert!(error.starts_with("bad.yaml: "), "{error}");
}
