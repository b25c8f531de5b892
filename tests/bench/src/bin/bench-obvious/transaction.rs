//! One transaction: read, checked, derived, stamped and written in the hand-over format. Knows no Firehose.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::OnceLock;

use chrono::{DateTime, NaiveDateTime, Utc};
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

const CURRENCIES: [&str; 10] = ["EUR", "USD", "GBP", "CHF", "SEK", "NOK", "DKK", "PLN", "CZK", "JPY"];
const STATUSES: [&str; 4] = ["pending", "booked", "refunded", "cancelled"];
const SOURCES: [&str; 9] = [
    "account_id",
    "amount",
    "booked_at",
    "channel",
    "currency",
    "merchant",
    "note",
    "status",
    "transaction_id",
];
const EXPRESSIONS: [(&str, &str, &str); 3] = [
    ("amount_minor", "bigint", "minor(amount, 2)"),
    ("booked_date", "date", "date(booked_at)"),
    ("is_refund", "boolean", "status == 'refunded' || amount.startsWith('-')"),
];
/// What numeric(18,2) holds before its point.
const MAX_AMOUNT: i128 = 10i128.pow(16);

/// When and where a record came in.
pub struct Arrival<'a> {
    pub ms: i64,
    pub sequence_number: &'a str,
    pub subsequence_number: i64,
}

/// A row as it is handed over.
pub struct Row {
    pub record_id: String,
    pub row_hash: String,
    pub json: Vec<u8>,
    pub partition_keys: HashMap<String, String>,
}

type Checked<T> = Result<T, &'static str>;

impl Row {
    pub fn read(data: &[u8], source: &str, arrival: &Arrival<'_>) -> Checked<Self> {
        let transaction = serde_json::from_slice(data).map_err(|_| "no JSON object")?;
        let mut row = columns(transaction)?;
        let id = row.get("transaction_id").and_then(Value::as_str).unwrap_or_default();
        let booked_at = row.get("booked_at").and_then(Value::as_str).unwrap_or_default();
        let partition_keys = HashMap::from([
            ("dataset".to_owned(), "transactions".to_owned()),
            ("dt".to_owned(), booked_at[..10].to_owned()),
            ("booked_at".to_owned(), hive_escape(booked_at)),
        ]);
        let (record_id, row_hash) = (record_id(id), row_hash(&row));
        row.insert("_record_id".to_owned(), json!(record_id));
        row.insert("_row_hash".to_owned(), json!(row_hash));
        row.insert("_order".to_owned(), json!(order(arrival)));
        row.insert("_deleted".to_owned(), json!("false"));
        row.insert("_source".to_owned(), json!(source));
        row.insert("_dataset".to_owned(), json!("transactions"));
        row.insert("_contract_version".to_owned(), json!("1.0.0"));
        let mut json = serde_json::to_vec(&row).map_err(|_| "cannot be written")?;
        json.push(b'\n');
        Ok(Self { record_id, row_hash, json, partition_keys })
    }
}

/// The columns' canonical values by name, derived ones included; fields that are no columns are left out.
fn columns(mut transaction: Map<String, Value>) -> Checked<Map<String, Value>> {
    let mut text = |name: &str, max_bytes: usize| text(transaction.remove(name), max_bytes);
    let missing = "a required column is missing";
    let id = text("transaction_id", 64)?.ok_or(missing)?;
    let account = text("account_id", 34)?.ok_or(missing)?;
    let amount = amount(&text("amount", 64)?.ok_or(missing)?)?;
    let currency = text("currency", 3)?.ok_or(missing)?;
    let booked_at = booked_at(&text("booked_at", 64)?.ok_or(missing)?)?;
    let status = text("status", 16)?.ok_or(missing)?;
    let (channel, note) = (text("channel", 32)?, text("note", 512)?);
    if id.is_empty() {
        return Err("transaction_id is empty");
    }
    if !CURRENCIES.contains(&currency.as_str()) || !STATUSES.contains(&status.as_str()) {
        return Err("a value that is not in its list");
    }
    let merchant = match transaction.remove("merchant") {
        None | Some(Value::Null) => Value::Null,
        Some(merchant @ Value::Object(_)) => merchant,
        Some(_) => return Err("merchant is no object"),
    };
    let is_refund = status == "refunded" || amount.is_sign_negative();
    let columns = [
        ("transaction_id", Value::String(id)),
        ("account_id", Value::String(account)),
        ("amount", Value::String(amount.to_string())),
        ("currency", Value::String(currency)),
        ("booked_date", Value::String(booked_at[..10].to_owned())),
        ("booked_at", Value::String(booked_at)),
        ("merchant", merchant),
        ("channel", channel.map_or(Value::Null, Value::String)),
        ("status", Value::String(status)),
        ("note", note.map_or(Value::Null, Value::String)),
        ("amount_minor", Value::String(amount.mantissa().to_string())),
        ("is_refund", Value::String(is_refund.to_string())),
    ];
    Ok(columns.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

fn text(value: Option<Value>, max_bytes: usize) -> Checked<Option<String>> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.contains('\0') => Err("a text holds NUL"),
        Some(Value::String(text)) if text.len() > max_bytes => Err("a text is too long"),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err("a column is no text"),
    }
}

/// With exactly two decimals, and no more than those and sixteen digits before them.
fn amount(text: &str) -> Checked<Decimal> {
    let mut amount = Decimal::from_str_exact(text).map_err(|_| "amount is no number")?.normalize();
    if amount.scale() > 2 {
        return Err("amount has too many decimals");
    }
    amount.rescale(2);
    let fits = amount.mantissa().abs() < MAX_AMOUNT * 100;
    if fits { Ok(amount) } else { Err("amount has too many digits") }
}

/// `YYYY-MM-DD HH:MM:SS.ffffff+00`; a time without an offset is UTC.
fn booked_at(text: &str) -> Checked<String> {
    let time = DateTime::parse_from_rfc3339(text)
        .map(|time| time.to_utc())
        .or_else(|_| text.parse::<NaiveDateTime>().map(|time| time.and_utc()));
    let time: DateTime<Utc> = time.map_err(|_| "booked_at is no time")?;
    Ok(time.format("%Y-%m-%d %H:%M:%S%.6f+00").to_string())
}

/// The first 128 bits in hex, as of the row hash.
fn record_id(id: &str) -> String {
    let digest = Sha256::digest(format!("{}:{id}", id.len()));
    let head = digest.first_chunk().copied().unwrap_or_default();
    format!("{:032x}", u128::from_be_bytes(head))
}

/// Over the source columns that are not NULL, in ascending order of names, which serde_json's map has: their number,
/// for each a tag of its name and its length, all texts, zeros up to whole blocks. What the derived ones are made by
/// stands before.
fn row_hash(row: &Map<String, Value>) -> String {
    let (mut heads, mut texts, mut count) = (Vec::with_capacity(64), String::with_capacity(256), 0);
    for (name, value) in row.iter().filter(|(name, _)| !EXPRESSIONS.iter().any(|(own, ..)| own == name)) {
        let text: Cow<'_, str> = match value {
            Value::Null => continue,
            Value::String(text) => text.into(),
            nested => nested.to_string().into(),
        };
        count += 1;
        heads.extend_from_slice(&tags().0[name.as_str()]);
        push_leb128(text.len(), &mut heads);
        texts.push_str(&text);
    }
    let mut hashed = tags().1.to_vec();
    push_leb128(count, &mut hashed);
    hashed.extend_from_slice(&heads);
    hashed.extend_from_slice(texts.as_bytes());
    hashed.resize(hashed.len().next_multiple_of(64), 0);
    blake3::hash(&hashed).to_hex()[..32].to_owned()
}

type Tags = (HashMap<&'static str, [u8; 3]>, [u8; 8]);

fn tags() -> &'static Tags {
    static TAGS: OnceLock<Tags> = OnceLock::new();
    TAGS.get_or_init(|| {
        let names = SOURCES.map(|name| (name, tag(name)));
        let mut texts = String::new();
        for text in EXPRESSIONS.iter().flat_map(|(name, ty, logic)| [name, ty, logic]) {
            // Writing to a String cannot fail.
            let _infallible = write!(texts, "{}:{text}", text.len());
        }
        (names.into(), tag(&texts))
    })
}

/// The first bytes of a text's hash.
fn tag<const N: usize>(text: &str) -> [u8; N] {
    blake3::hash(text.as_bytes()).as_bytes().first_chunk().copied().unwrap_or([0; N])
}

fn push_leb128(mut number: usize, out: &mut Vec<u8>) {
    while number > 0x7f {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn order(arrival: &Arrival<'_>) -> String {
    let Arrival { ms, sequence_number, subsequence_number } = arrival;
    format!("{ms:013}/{sequence_number:0>56}/{subsequence_number:010}{:010}", 0)
}

fn hive_escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 12);
    for c in text.chars() {
        match c {
            '\0'..='\x1f'
            | '\x7f'
            | '"'
            | '#'
            | '%'
            | '\''
            | '*'
            | '/'
            | ':'
            | '='
            | '?'
            | '\\'
            | '{'
            | '['
            | ']'
            | '^' => {
                let _infallible = write!(out, "%{:02X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}
