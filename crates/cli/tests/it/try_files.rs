//! `penstock try`: local files of every format, what is told of them, what is written and what is not shown.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::common::{Run, contracts, payments, penstock, transactions};

/// A dataset that has no server at all: an integer key, a text, a classified one, and a rule that only warns.
const ORDERS: &str = "\
apiVersion: v3.1.0
kind: DataContract
id: 3f1b1d3e-7c54-4f0e-9a55-6f3d5f3a9b10
name: orders
version: 2.0.0
status: active
schema:
  - name: orders
    logicalType: object
    physicalType: table
    customProperties: [{property: penstock.maxRejectedFraction, value: 0.5}]
    properties:
      - {name: id, logicalType: integer, physicalType: bigint, primaryKey: true, primaryKeyPosition: 1, required: true}
      - {name: note, logicalType: string, physicalType: varchar(20)}
      - {name: iban, logicalType: string, physicalType: varchar(34), classification: restricted}
      - name: state
        logicalType: string
        physicalType: varchar(9)
        quality:
          - {metric: invalidValues, mustBe: 0, severity: warning, arguments: {validValues: [new, done]}}
";

const GOOD: &str = "{\"id\":1,\"note\":\"a\"}\n{\"id\":2}\n";

fn directory(files: &[(&str, &[u8])]) -> TempDir {
    let directory = contracts(&[("orders.odcs.yaml", ORDERS)]);
    for (name, bytes) in files {
        std::fs::write(directory.path().join(name), bytes).unwrap();
    }
    directory
}

fn try_in(directory: &Path, arguments: &[&str]) -> Run {
    let all = [&["try", "--contract", "orders.odcs.yaml"], arguments].concat();
    penstock(directory, &all, &[])
}

/// One file of these bytes.
fn one(name: &str, bytes: &[u8]) -> Run {
    try_in(directory(&[(name, bytes)]).path(), &[name])
}

/// The report of one file as JSON.
fn report(name: &str, bytes: &[u8]) -> Value {
    let run = try_in(directory(&[(name, bytes)]).path(), &["--json", name]);
    let all: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(all["is_complete"], run.code == 0, "{all}");
    all["files"][0].clone()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn lines(path: &Path) -> Vec<Value> {
    let bytes = std::fs::read(path).unwrap();
    let mut text = String::new();
    match bytes.starts_with(&[0x1f, 0x8b]) {
        true => drop(flate2::read::MultiGzDecoder::new(bytes.as_slice()).read_to_string(&mut text).unwrap()),
        false => text = String::from_utf8(bytes).unwrap(),
    }
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries.map(|own| own.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

const MESSY: &[u8] = b"{\"id\":1,\"note\":\"a\",\"iban\":\"DE77\",\"state\":\"new\",\"x\":1}\n\
    {\"id\":\"one\",\"iban\":\"DE77\",\"note\":\"far longer than twenty bytes\"}\n\
    \n\
    {\"id\":1,\"note\":\"a\",\"iban\":\"DE77\",\"state\":\"new\"}\n\
    no json DE77\n\
    {\"id\":1,\"note\":\"b\"}\n\
    {\"id\":3,\"state\":\"odd\"}\n";

#[test]
fn every_record_is_accounted_for_and_each_rule_names_its_first_place() {
    let file = report("m.json", MESSY);
    let counts =
        ["read", "accepted", "rejected", "extra_fields", "duplicates", "keys_with_versions", "bytes"];
    assert_eq!(counts.map(|name| file[name].as_u64().unwrap()), [6, 4, 2, 1, 1, 1, MESSY.len() as u64]);
    let found: Vec<_> = file["rejects"].as_array().unwrap().iter().collect();
    let places: Vec<_> = found.iter().map(|own| [&own["column"], &own["line"], &own["position"]]).collect();
    assert_eq!(places.len(), 3, "{found:?}");
    assert!(places.contains(&[&json!("id"), &json!(2), &json!(54)]), "{places:?}");
    assert!(places.contains(&[&json!("note"), &json!(2), &json!(54)]), "{places:?}");
    assert!(places.contains(&[&Value::Null, &json!(5), &json!(168)]), "{places:?}");
    assert_eq!(file["warnings"], json!([{"rule": "valid_values", "column": "state", "count": 1}]));
}

#[test]
fn the_report_is_read_from_top_to_bottom() {
    let run = one("m.json", MESSY);
    assert_eq!((run.code, run.err.as_str()), (0, ""));
    let head = "m.json (dataset orders 2.0.0)\n\
        read  accepted  rejected  extra fields  duplicates  keys with versions  bytes\n\
        ----  --------  --------  ------------  ----------  ------------------  -----\n   \
        6         4         2             1           1                   1    ";
    assert!(run.out.starts_with(head), "{}", run.out);
    let warnings =
        "\nwarnings  rule          column\n--------  ------------  ------\n       1  valid_values  state\n";
    assert!(run.out.contains(warnings), "{}", run.out);
    assert!(
        run.out.contains("\nnote    a      a      b      NULL\niban    ***    ***    ***    ***\n"),
        "{}",
        run.out
    );
    assert!(run.out.ends_with("\n1 file tried: 4 of 6 records can be loaded\n"), "{}", run.out);
}

#[test]
fn a_misspelt_name_shows_as_a_field_left_out_and_a_column_without_a_value() {
    let run = one("m.json", b"{\"id\":1,\"ntoe\":\"a\",\"x\":1}\n{\"id\":2,\"ntoe\":\"b\",\"iban\":\"D\"}\n");
    let left_out =
        "\nnote: left out, because the contract does not name it: ntoe (in 2 rows), x (in 1 row)\n";
    assert!(run.out.contains(left_out), "{}", run.out);
    assert!(run.out.contains("\nnote: no row has a value in: note, state\n"), "{}", run.out);
    let file = report("m.json", b"{\"id\":1,\"ntoe\":\"a\"}\n");
    assert_eq!(file["extra_names"], json!([{"name": "ntoe", "rows": 1}]));
    assert_eq!(file["empty_columns"], json!(["note", "iban", "state"]));
}

#[test]
fn classified_values_are_shown_only_when_asked_for() {
    let directory = directory(&[("m.json", MESSY)]);
    for more in [[].as_slice(), &["--json"]] {
        let hidden = try_in(directory.path(), &[more, &["m.json"]].concat());
        assert!(!hidden.out.contains("DE77") && hidden.out.contains("cannot be masked"), "{}", hidden.out);
        let shown = try_in(directory.path(), &[more, &["--show-classified", "m.json"]].concat());
        assert!(shown.out.contains("no json DE77"), "{}", shown.out);
    }
}

#[test]
fn every_format_gives_the_same_rows() {
    let csv = "\u{feff}note,id\r\n\"a \"\"b\"\",\nc\",1\r\n";
    let tsv = csv.replace("note,", "note\t").replace("\",1", "\"\t1");
    let text = r#"{"id":1,"note":"a \"b\",\nc"}"#;
    let files = [
        ("n.json", text.as_bytes().to_vec()),
        ("n.json.gz", gzip(text.as_bytes())),
        ("array.json", format!("[{text}]").into_bytes()),
        ("a.csv.gz", gzip(csv.as_bytes())),
        ("a.tsv", tsv.into_bytes()),
        ("a.avro", avro()),
        ("a.parquet", parquet()),
    ];
    for (name, bytes) in files {
        let file = report(name, &bytes);
        assert_eq!((&file["read"], &file["accepted"]), (&json!(1), &json!(1)), "{name}: {file}");
        let sample = &file["sample"][0];
        assert_eq!((&sample["id"], &sample["note"]), (&json!("1"), &json!("a \"b\",\nc")), "{name}");
    }
}

fn avro() -> Vec<u8> {
    let schema = r#"{"type":"record","name":"t","fields":[{"name":"id","type":"long"},{"name":"note","type":"string"}]}"#;
    let schema = apache_avro::Schema::parse_str(schema).unwrap();
    let mut writer = apache_avro::Writer::new(&schema, Vec::new());
    let mut record = apache_avro::types::Record::new(&schema).unwrap();
    record.put("id", 1i64);
    record.put("note", "a \"b\",\nc");
    writer.append(record).unwrap();
    writer.into_inner().unwrap()
}

fn parquet() -> Vec<u8> {
    let schema = "message t { required int64 id; required binary note (UTF8); }";
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::default()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<Int64Type>().write_batch(&[1], None, None).unwrap();
    column.close().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<ByteArrayType>().write_batch(&[ByteArray::from("a \"b\",\nc")], None, None).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    writer.into_inner().unwrap()
}

#[test]
fn more_rejects_than_the_contract_allows_are_told_by_the_exit_code() {
    let half = one("half.json", b"{\"id\":1}\n{}\n");
    assert_eq!(half.code, 0, "{}", half.out);
    let most = one("most.json", b"{\"id\":1}\n{}\n{}\n");
    assert_eq!(most.code, 1);
    let told = "error: 2 of 3 records rejected, the contract allows a fraction of 0.5\n";
    assert!(most.out.contains(told), "{}", most.out);
    assert!(
        most.out.ends_with("1 file tried: 1 of 3 records can be loaded; wrong: 1 file\n"),
        "{}",
        most.out
    );
}

#[test]
fn a_file_that_breaks_off_keeps_nobody_from_reading_the_others() {
    let packed = gzip(GOOD.as_bytes());
    let directory =
        directory(&[("cut.json.gz", &packed[..packed.len() - 4]), ("good.json", GOOD.as_bytes())]);
    let run = try_in(directory.path(), &["cut.json.gz", "/proc/self/mem", "good.json"]);
    assert_eq!(run.code, 1);
    assert!(run.out.contains("nothing behind the last record was read"), "{}", run.out);
    assert!(run.out.contains("error: cannot be read: "), "{}", run.out);
    let ends = |what: &str, end: &str| run.out.lines().any(|own| own.starts_with(what) && own.ends_with(end));
    assert!(ends("cut.json.gz ", "  broke off") && ends("/proc/self/mem ", "  not readable"), "{}", run.out);
    assert!(ends("good.json ", "  ok") && ends("all files ", ""), "{}", run.out);
    assert!(
        run.out.ends_with("3 files tried: 4 of 4 records can be loaded; wrong: 2 files\n"),
        "{}",
        run.out
    );
}

#[test]
fn an_empty_file_is_right_and_says_so() {
    let run = one("empty.json", b"");
    assert_eq!(run.code, 0);
    assert!(run.out.contains("note: there is no record in it\n"), "{}", run.out);
}

#[test]
fn rows_and_rejects_are_written_whole_with_all_values() {
    let directory = directory(&[("m.json", MESSY), ("good.json", GOOD.as_bytes()), ("rows.jsonl", b"old")]);
    let path = directory.path();
    let run = try_in(path, &["--rows", "rows.jsonl", "--rejects", "rejects.jsonl.gz", "m.json", "good.json"]);
    assert_eq!(run.code, 0, "{}", run.err);
    assert!(
        run.out.contains("\n6 rows written to rows.jsonl\n2 rejects written to rejects.jsonl.gz\n"),
        "{}",
        run.out
    );
    let rows = lines(&path.join("rows.jsonl"));
    assert_eq!(rows.len(), 6);
    assert_eq!((&rows[0]["id"], &rows[0]["iban"]), (&json!("1"), &json!("DE77")));
    assert_eq!((&rows[0]["_source"], &rows[5]["_source"]), (&json!("m.json"), &json!("good.json")));
    assert_eq!((&rows[0]["_dataset"], &rows[0]["_contract_version"]), (&json!("orders"), &json!("2.0.0")));
    let rejects = lines(&path.join("rejects.jsonl.gz"));
    let found: Vec<_> = rejects.iter().map(|own| (&own["line"], &own["raw"])).collect();
    assert_eq!(found[1], (&json!(5), &json!("no json DE77")));
    let mode = std::fs::metadata(path.join("rows.jsonl")).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "others can read what is classified");
    assert_eq!(names(path), ["good.json", "m.json", "orders.odcs.yaml", "rejects.jsonl.gz", "rows.jsonl"]);
}

#[test]
fn a_file_that_is_read_or_a_device_is_never_replaced() {
    let directory = directory(&[("good.json", GOOD.as_bytes())]);
    for (arguments, told) in [
        (["--rows", "./good.json", "good.json"].as_slice(), "good.json: is read, and would be replaced"),
        (&["--rejects", "orders.odcs.yaml", "good.json"], "orders.odcs.yaml: is read, and would be replaced"),
        (&["--rows", "/dev/null", "good.json"], "/dev/null: is there and is no file"),
        (&["--rows", "a", "--rejects", "./a", "good.json"], "--rows and --rejects name the same file"),
        (&["--rows", "no/such/a", "good.json"], "no/such/a: cannot be written"),
    ] {
        let run = try_in(directory.path(), arguments);
        assert_eq!((run.code, run.out.as_str()), (2, ""), "{arguments:?}");
        assert!(run.err.contains(told), "{}", run.err);
    }
    assert_eq!(std::fs::read_to_string(directory.path().join("good.json")).unwrap(), GOOD);
    assert_eq!(names(directory.path()), ["good.json", "orders.odcs.yaml"]);
}

#[test]
fn wrong_usage_is_told_before_anything_is_read() {
    let directory = directory(&[("good.json", GOOD.as_bytes())]);
    for (arguments, told) in [
        (["good.json", "missing.json"].as_slice(), "error: missing.json: no such file\n"),
        (&["."], "error: .: is a directory"),
        (&["-", "-"], "- stands twice"),
        (&["--dataset", "other", "good.json"], "no contract of dataset other; there is orders\n"),
        (&[], "required"),
        (&["--sample", "9999", "good.json"], "a whole number up to 1000"),
    ] {
        let run = try_in(directory.path(), arguments);
        assert_eq!((run.code, run.out.as_str()), (2, ""), "{arguments:?}");
        assert!(run.err.contains(told), "{}", run.err);
    }
}

#[test]
fn the_dataset_chooses_among_the_contracts_of_a_directory() {
    let several = contracts(&[
        ("t.odcs.yaml", &transactions(&[])),
        ("p.odcs.yaml", &payments()),
        ("a.json", "{}\n"),
        ("w.odcs.yaml", "schema: ["),
    ]);
    let run = penstock(several.path(), &["try", "--contract", ".", "a.json"], &[]);
    assert!(run.code == 2 && run.err.contains("--dataset: payments, transactions"), "{}", run.err);
    let run = penstock(several.path(), &["try", "--contract", ".", "--dataset", "payments", "a.json"], &[]);
    assert!(run.code == 0 && run.out.contains("dataset payments 1.0.0"), "{}", run.err);
    let run = penstock(several.path(), &["try", "--contract", "w.odcs.yaml", "a.json"], &[]);
    assert!(run.code == 1 && run.err.contains("w.odcs.yaml: not a YAML document"), "{}", run.err);
}

#[test]
fn a_row_that_no_message_can_hold_is_a_reject_as_it_is_for_the_function() {
    let long = format!(r#""merchant":{{"name":"{}"}}"#, "x".repeat(65_000));
    let row = format!(
        "{{\"transaction_id\":\"t\",\"account_id\":\"a\",\"amount\":\"1\",\"currency\":\"EUR\",\
         \"booked_at\":\"2026-01-02T03:04:05Z\",\"status\":\"booked\",{long}}}"
    );
    let files = contracts(&[("t.odcs.yaml", &transactions(&[])), ("a.json", &row)]);
    let run = penstock(files.path(), &["try", "--contract", "t.odcs.yaml", "a.json"], &[]);
    assert!(run.out.contains("row_too_large"), "{}", run.out);
}

#[test]
fn a_file_of_another_format_than_the_contracts_is_easily_told() {
    let csv = "transaction_id,amount\nt1,1\n";
    let files = contracts(&[("t.odcs.yaml", &transactions(&[])), ("a.csv", csv)]);
    let run = penstock(files.path(), &["try", "--contract", "t.odcs.yaml", "a.csv"], &[]);
    let note = "\nnote: no record fits; the contract says that its files are json\n";
    assert!(run.code == 0 && run.out.contains(note), "{}", run.out);
}

fn child(directory: &Path, arguments: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_penstock"));
    command
        .args(["try", "--contract", "orders.odcs.yaml"])
        .args(arguments)
        .current_dir(directory)
        .env_clear();
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn standard_input_is_a_file_too() {
    let directory = directory(&[]);
    let mut child = child(directory.path(), &["-"]);
    child.stdin.take().unwrap().write_all(&gzip(GOOD.as_bytes())).unwrap();
    let run = Run::from(child.wait_with_output().unwrap());
    assert!(run.code == 0 && run.out.starts_with("- (dataset orders 2.0.0)\n"), "{} {}", run.out, run.err);
    assert!(run.out.ends_with("1 file tried: 2 of 2 records can be loaded\n"), "{}", run.out);
}

#[test]
fn a_run_that_is_interrupted_leaves_no_file() {
    let directory = directory(&[("good.json", GOOD.as_bytes())]);
    let mut child = child(directory.path(), &["--rows", "rows.jsonl", "good.json", "-"]);
    let open = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    // Once the first file is told of, the second one, which does not end, is waited for.
    let (mut line, mut stdout) = (String::new(), BufReader::new(open.1));
    stdout.read_line(&mut line).unwrap();
    assert!(line.starts_with("good.json"), "{line}");
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().signal(), Some(2));
    assert_eq!(names(directory.path()), ["good.json", "orders.odcs.yaml"]);
    drop(open.0);
}
