//! Orders without end, the same on every run: what a table of sales usually has, one value a field. Knows nothing of
//! what is measured.

use std::fmt::Write as _;

use crate::sample::SplitMix;

const FIRST: [&str; 16] = [
    "Anna", "Björn", "Chloé", "David", "Elif", "Fatima", "Georg", "Hanna", "Ivan", "Jana", "Kofi", "Lena",
    "Mohamed", "Nina", "Oskar", "Zoë",
];
const LAST: [&str; 16] = [
    "Müller", "Schmidt", "Kowalska", "García", "Rossi", "Nielsen", "Öztürk", "Novák", "Silva", "Dubois",
    "Smith", "Jansen", "Popescu", "Virtanen", "Horvat", "Nagy",
];
const COUNTRIES: [&str; 12] = ["DE", "FR", "PL", "ES", "IT", "DK", "TR", "CZ", "PT", "GB", "NL", "RO"];
const STATUSES: [&str; 6] = ["delivered", "delivered", "delivered", "shipped", "cancelled", "returned"];
const NOTES: [&str; 6] =
    ["ring twice", "leave at the door", "call before delivery", "gift wrap", "second floor", "with invoice"];

/// The contract of the orders; `FORMAT` and `STAMPS` are to be filled in.
pub const CONTRACT: &str = "apiVersion: v3.1.0
kind: DataContract
id: orders
version: 1.0.0
status: active
servers:
  - {server: landing, type: s3, location: 's3://bench-landing/lake/orders/*', format: FORMAT}
schema:
  - name: orders
    customProperties:
      - {property: penstock.lakeStamps, value: STAMPS}
    properties:
      - {name: order_id, physicalType: bigint, required: true}
      - {name: customer_id, physicalType: varchar(12), required: true}
      - {name: customer_name, physicalType: varchar(100)}
      - {name: country, physicalType: char(2)}
      - {name: status, physicalType: varchar(20)}
      - {name: quantity, physicalType: integer}
      - {name: amount, physicalType: 'numeric(12,2)'}
      - {name: tax, physicalType: 'numeric(12,4)'}
      - {name: weight, physicalType: double precision}
      - {name: is_gift, physicalType: boolean}
      - {name: order_date, physicalType: date}
      - {name: ordered_at, physicalType: timestamp}
      - {name: updated_at, physicalType: timestamptz}
      - {name: note, physicalType: varchar(200)}
";

const COLUMNS: [&str; 14] = [
    "order_id",
    "customer_id",
    "customer_name",
    "country",
    "status",
    "quantity",
    "amount",
    "tax",
    "weight",
    "is_gift",
    "order_date",
    "ordered_at",
    "updated_at",
    "note",
];
/// Columns whose values are no texts in JSON: numbers but for the decimals, which are quoted to keep their digits.
const BARE: [&str; 4] = ["order_id", "quantity", "weight", "is_gift"];

/// How orders are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum OrderForm {
    /// RFC 4180 with a header.
    Csv,
    /// One JSON object a line.
    Ndjson,
}

impl OrderForm {
    /// As the command line has it.
    pub fn argument(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Ndjson => "ndjson",
        }
    }

    /// As a contract has it.
    pub fn format(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Ndjson => "json",
        }
    }
}

/// Makes orders one after the other.
#[derive(Debug)]
pub struct Orders {
    random: SplitMix,
    made: u64,
    form: OrderForm,
    /// The values of one order.
    values: [String; 14],
}

impl Orders {
    /// From the first one.
    pub fn new(form: OrderForm) -> Self {
        Self { random: SplitMix(20_260_401), made: 0, form, values: Default::default() }
    }

    /// How many were made.
    pub fn made(&self) -> u64 {
        self.made
    }

    /// Appends what stands before the first one.
    pub fn write_header(&self, out: &mut String) {
        if self.form == OrderForm::Csv {
            out.push_str(&COLUMNS.join(","));
            out.push('\n');
        }
    }

    /// Appends the next one, with its line break.
    pub fn write(&mut self, out: &mut String) {
        self.fill();
        self.made += 1;
        for (at, (name, value)) in COLUMNS.iter().zip(&self.values).enumerate() {
            // Writing to a String cannot fail.
            let _infallible = match self.form {
                OrderForm::Csv => write!(out, "{}{value}", if at == 0 { "" } else { "," }),
                OrderForm::Ndjson => {
                    let quote = if value.is_empty() || BARE.contains(name) { "" } else { "\"" };
                    let value = if value.is_empty() { "null" } else { value };
                    let before = if at == 0 { "{" } else { "," };
                    write!(out, "{before}\"{name}\":{quote}{value}{quote}")
                }
            };
        }
        out.push_str(if self.form == OrderForm::Csv { "\n" } else { "}\n" });
    }

    fn fill(&mut self) {
        let random = &mut self.random;
        let (seconds, cents) = (self.made / 3, 100 + random.below(50_000));
        let (day, clock) = (1 + seconds / 86_400 % 28, seconds % 86_400);
        let (month, hour, minute, second) =
            (1 + seconds / 2_419_200 % 12, clock / 3600, clock / 60 % 60, clock % 60);
        let micros = random.below(1_000_000);
        let customer = random.below(150_000);
        let of = |list: &[&str], at: u64| {
            list.get(at as usize % list.len()).copied().unwrap_or_default().to_owned()
        };
        self.values = [
            (10_000_000_001 + self.made).to_string(),
            format!("C-{customer:07}"),
            format!("{} {}", of(&FIRST, customer / 7), of(&LAST, customer / 113)),
            of(&COUNTRIES, customer),
            of(&STATUSES, random.below(6)),
            (1 + random.below(20)).to_string(),
            format!("{}.{:02}", cents / 100, cents % 100),
            format!("{}.{:04}", cents * 19 / 10_000, cents * 19 % 10_000),
            format!("{}.{}", random.below(30), random.below(1000)),
            (random.below(10) == 0).to_string(),
            format!("2026-{month:02}-{day:02}"),
            format!("2026-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{micros:06}"),
            format!(
                "2026-{month:02}-{:02}T{:02}:{:02}:{second:02}Z",
                1 + random.below(28),
                random.below(24),
                random.below(60)
            ),
            match random.below(4) {
                0 => format!("{} {}", of(&NOTES, random.below(6)), random.below(500)),
                _ => String::new(),
            },
        ];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_hold_the_same_orders() {
        let [csv, json] = [OrderForm::Csv, OrderForm::Ndjson].map(|form| {
            let (mut orders, mut out) = (Orders::new(form), String::new());
            (0..100).for_each(|_| orders.write(&mut out));
            out
        });
        for (row, record) in csv.lines().zip(json.lines()) {
            let record: serde_json::Value = serde_json::from_str(record).unwrap();
            let text = |name: &&str| match &record[*name] {
                serde_json::Value::Null => String::new(),
                serde_json::Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            let values: Vec<String> = COLUMNS.iter().map(text).collect();
            let weight = COLUMNS.iter().position(|name| *name == "weight").unwrap();
            for (at, (own, other)) in row.split(',').zip(&values).enumerate() {
                let same = |a: &str, b: &str| a.parse::<f64>().ok() == b.parse::<f64>().ok();
                assert!(own == other || (at == weight && same(own, other)), "{own} {other}");
            }
        }
    }
}
