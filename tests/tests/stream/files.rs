//! Files of the two datasets, made from a seed: versions that compete for a key, rows that come twice, equal lines, nested
//! columns, tombstones and bad records. What is in a file is told to the model as it is written.

use std::io::Write as _;

use penstock_tests::{Random, StreamRoute, expected};
use serde_json::Value;

use crate::model::{Object, Record};

/// In a field that no contract knows: more to read, and no more to send.
const PADDING: &str =
    "01234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890";

/// A file before it is put.
#[derive(Debug, Default, Clone)]
pub struct Draft {
    /// Its text.
    pub text: String,
    /// Its good records.
    pub records: Vec<Record>,
    /// How many bad ones it has.
    pub rejected: usize,
}

/// One version of a customer.
#[derive(Debug, Clone)]
pub struct Customer {
    id: u64,
    /// Minutes since the first of January: of two versions of a customer no two are the same.
    minute: u64,
    salt: u64,
}

impl Customer {
    /// Of `ids` customers one, as it was at some minute. What it was then follows from both.
    pub fn draw(random: &mut Random, ids: u64) -> Self {
        let (id, minute) = (random.below(ids), random.below(30 * 24 * 60));
        Self { id, minute, salt: Random::new(id, minute).below(1 << 20) }
    }

    fn time(&self, date_end: &str, end: &str) -> String {
        let (day, hour, minute) = (1 + self.minute / 1440, self.minute / 60 % 24, self.minute % 60);
        format!("2026-01-{day:02}{date_end}{hour:02}:{minute:02}:00{end}")
    }
}

impl Draft {
    /// An empty file of customers.
    pub fn of_customers() -> Self {
        Self { text: "updated_at,customer_id,name,ignored,status,balance\n".to_owned(), ..Self::default() }
    }

    /// Adds a version of a customer.
    pub fn customer(&mut self, own: &Customer) {
        let (id, name) = (format!("c-{:05}", own.id), format!("Ann, \"{}\" Ä", own.salt % 97));
        let cents = (!own.salt.is_multiple_of(5)).then_some(own.salt % 10_000);
        let balance = cents.map(|cents| format!("{}.{:02}", cents / 100, cents % 100));
        let status = if own.salt.is_multiple_of(11) { "closed" } else { "open" };
        let quoted = name.replace('"', "\"\"");
        let given = balance.clone().unwrap_or_default();
        let line = format!("{},{id},\"{quoted}\",{PADDING},{status},{given}\n", own.time("T", "Z"));
        let told = balance.as_deref().unwrap_or("null");
        let printed = format!("{id}|{name}|{told}|{status}|{}", own.time(" ", "+00"));
        let columns = vec![
            ("customer_id", Some(id.clone())),
            ("name", Some(name)),
            ("balance", balance.clone()),
            ("status", Some(status.to_owned())),
            ("updated_at", Some(own.time(" ", ".000000+00"))),
        ];
        let (key, order_by) = (Some(id), Some(own.time("T", "")));
        self.push(
            &line,
            Record { position: 0, key, order_by, columns, printed, is_deleted: Some(status == "closed") },
        );
    }

    /// Adds a click; few different ones, so that equal lines stand in one file.
    pub fn click(&mut self, random: &mut Random) {
        let visitor = random.percent(90).then(|| format!("v{}", random.below(50)));
        let page = format!("/{}", "ü/".repeat(random.below(6) as usize));
        let (day, second) = (1 + random.below(3), random.below(60));
        let time = |between: &str, end: &str| format!("2026-02-{day:02}{between}10:00:{second:02}{end}");
        let device =
            random.percent(50).then(|| format!("{{\"os\":\"x\",\"view\":{{\"h\":{second},\"w\":2}}}}"));
        let member =
            visitor.as_ref().map(|visitor| format!("\"visitor\":\"{visitor}\", ")).unwrap_or_default();
        let given = device.as_deref().unwrap_or("null");
        let line = format!(
            "{{{member}\"page\":\"{page}\",\"at\":\"{}\",\"more\":\"{PADDING}\",\"device\":{given}}}\n",
            time("T", "Z")
        );
        let told = |text: &Option<String>| text.clone().unwrap_or_else(|| "null".to_owned());
        let printed = format!("{}|{page}|{}|{}", told(&visitor), time(" ", "+00"), told(&device));
        let columns = vec![
            ("visitor", visitor),
            ("page", Some(page)),
            ("at", Some(time(" ", ".000000+00"))),
            ("device", device),
        ];
        let (key, order_by, is_deleted) = (None, None, None);
        self.push(&line, Record { position: 0, key, order_by, columns, printed, is_deleted });
    }

    /// Adds a record that is none.
    pub fn bad(&mut self, line: &str) {
        self.rejected += 1;
        self.text.push_str(line);
    }

    fn push(&mut self, line: &str, record: Record) {
        let position = self.text.len() as u64;
        self.records.push(Record { position, ..record });
        self.text.push_str(line);
    }
}

/// So many versions of customers, some of them twice, with bad records between.
pub fn customers(random: &mut Random, count: usize) -> Draft {
    const BAD: [&str; 3] = [
        "2026-01-01T00:00:00Z,,no id,x,open,1\n",
        "yesterday,c-00001,Ann,x,open,1.00\n",
        "2026-01-01T00:00:00Z,c-00001,Ann,x,open,1.005\n",
    ];
    let mut draft = Draft::of_customers();
    while draft.records.len() < count {
        if random.percent(2) {
            draft.bad(random.one(&BAD));
        }
        let own = Customer::draw(random, count as u64 / 3 + 1);
        draft.customer(&own);
        if random.percent(5) {
            draft.customer(&own);
        }
    }
    draft
}

/// So many clicks, with bad records between.
pub fn clicks(random: &mut Random, count: usize) -> Draft {
    const BAD: [&str; 3] = [
        "{\"page\":\n",
        "{\"page\":\"/\",\"at\":\"noon\"}\n",
        "{\"at\":\"2026-02-01T10:00:00Z\",\"visitor\":\"v1\"}\n",
    ];
    let mut draft = Draft::default();
    for _ in 0..count {
        if random.percent(2) {
            draft.bad(random.one(&BAD));
        }
        draft.click(random);
    }
    draft
}

/// Puts a draft; the object as the model has it, and its event.
pub async fn put(
    route: &StreamRoute,
    table: &'static str,
    key: &str,
    draft: &Draft,
) -> anyhow::Result<(Object, Value)> {
    let body = if key.ends_with(".gz") { gzip(&draft.text)? } else { draft.text.clone().into_bytes() };
    let event = route.landing.put_for_event(key, body).await?;
    let (id, modified_ms) = expected::told(&route.landing, key).await?;
    let uri = format!("s3://{}/{key}", route.landing.name);
    let (records, rejected) = (draft.records.clone(), draft.rejected);
    Ok((Object { table, uri, id, modified_ms, records, rejected }, event))
}

/// A text, packed.
pub fn gzip(text: &str) -> anyhow::Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text.as_bytes())?;
    Ok(encoder.finish()?)
}
