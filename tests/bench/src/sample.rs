//! Transactions without end, the same on every run: a small generator of its own, no clock. Every one fits the
//! contract. Knows the contract's source columns and nothing of what is measured.

use std::fmt::Write as _;

use serde::Serialize;

const CURRENCIES: [&str; 10] = ["EUR", "USD", "GBP", "CHF", "SEK", "NOK", "DKK", "PLN", "CZK", "JPY"];
const CHANNELS: [&str; 5] = ["pos", "web", "transfer", "atm", "direct_debit"];
const STATUSES: [&str; 8] =
    ["booked", "booked", "booked", "booked", "booked", "pending", "refunded", "cancelled"];
const CITIES: [&str; 6] = ["Köln", "Berlin", "Zürich", "Malmö", "Kraków", "London"];
const NOTES: [&str; 5] =
    ["invoice", "thanks, see you", "the \"blue\" one", "Miete März, Wohnung 3", "gift\u{2009}card"];
const OFFSETS: [&str; 3] = ["Z", "+01:00", "-05:00"];

/// A transaction as its source writes it.
#[derive(Debug, Default, Serialize)]
pub struct Transaction {
    transaction_id: String,
    account_id: String,
    amount: String,
    currency: &'static str,
    booked_at: String,
    merchant: Option<Merchant>,
    channel: &'static str,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

/// Its keys in ascending order, as serde_json's maps and every peer keep them.
#[derive(Debug, Serialize)]
struct Merchant {
    city: &'static str,
    mcc: u64,
    name: String,
}

/// What separates and quotes: the forms that records are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One JSON object a line.
    Ndjson,
    /// RFC 4180, the same columns but the merchant: one value a field, as most files have.
    FlatCsv,
    /// RFC 4180, the same columns, the merchant as JSON in a quoted field.
    NestedCsv,
}

impl Form {
    /// The first line, where there is one that is no record.
    pub fn header(self) -> &'static str {
        match self {
            Self::Ndjson => "",
            Self::FlatCsv => "transaction_id,account_id,amount,currency,booked_at,channel,status,note\n",
            Self::NestedCsv => {
                "transaction_id,account_id,amount,currency,booked_at,merchant,channel,status,note\n"
            }
        }
    }
}

/// Makes transactions one after the other.
#[derive(Debug)]
pub struct Transactions {
    random: SplitMix,
    made: u64,
}

impl Transactions {
    /// From the first one.
    pub fn new() -> Self {
        Self { random: SplitMix(20_260_305), made: 0 }
    }

    /// Appends the next one, with its line break.
    pub fn write(&mut self, form: Form, out: &mut Vec<u8>) -> anyhow::Result<()> {
        let transaction = self.next();
        match form {
            Form::Ndjson => serde_json::to_writer(&mut *out, &transaction)?,
            Form::FlatCsv => transaction.write_csv(None, out)?,
            Form::NestedCsv => transaction.write_csv(Some(&transaction.merchant), out)?,
        }
        out.push(b'\n');
        Ok(())
    }

    /// All that fit `bytes`, and how many they are; CSV with its header.
    pub fn file(form: Form, bytes: usize) -> anyhow::Result<(Vec<u8>, u64)> {
        let (mut transactions, mut out) = (Self::new(), Vec::with_capacity(bytes + 1024));
        out.extend_from_slice(form.header().as_bytes());
        while out.len() < bytes {
            transactions.write(form, &mut out)?;
        }
        Ok((out, transactions.made))
    }

    fn next(&mut self) -> Transaction {
        self.made += 1;
        let random = &mut self.random;
        let currency = random.one_of(&CURRENCIES);
        Transaction {
            transaction_id: format!("tx-{:08}-{:04x}", self.made, random.below(1 << 16)),
            account_id: format!("DE89370400440532{:06}", random.below(50_000)),
            amount: amount(random, currency),
            currency,
            booked_at: booked_at(random),
            merchant: (random.below(2) == 0).then(|| Merchant {
                city: random.one_of(&CITIES),
                mcc: 5_411 + random.below(400),
                name: format!("Merchant {}", random.below(500)),
            }),
            channel: random.one_of(&CHANNELS),
            status: random.one_of(&STATUSES),
            note: (random.below(4) == 0)
                .then(|| format!("{} {}", random.one_of(&NOTES), random.below(100_000))),
        }
    }
}

impl Transaction {
    fn write_csv(&self, merchant: Option<&Option<Merchant>>, out: &mut Vec<u8>) -> anyhow::Result<()> {
        let plain = [&self.transaction_id, &self.account_id, &self.amount, self.currency, &self.booked_at];
        for text in plain {
            out.extend_from_slice(text.as_bytes());
            out.push(b',');
        }
        if let Some(merchant) = merchant {
            if let Some(merchant) = merchant {
                quote(&serde_json::to_string(merchant)?, out);
            }
            out.push(b',');
        }
        for text in [self.channel, self.status] {
            out.extend_from_slice(text.as_bytes());
            out.push(b',');
        }
        if let Some(note) = &self.note {
            match note.contains([',', '"']) {
                true => quote(note, out),
                false => out.extend_from_slice(note.as_bytes()),
            }
        }
        Ok(())
    }
}

fn quote(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend_from_slice(text.replace('"', "\"\"").as_bytes());
    out.push(b'"');
}

/// As many decimals as the currency has: yen have none.
fn amount(random: &mut SplitMix, currency: &str) -> String {
    let mut text = String::with_capacity(12);
    if random.below(12) == 0 {
        text.push('-');
    }
    // Writing to a String cannot fail.
    let _infallible = match currency {
        "JPY" => write!(text, "{}", 1 + random.below(900_000)),
        _ => write!(text, "{}.{:02}", random.below(9_000), 1 + random.below(99)),
    };
    text
}

/// Within five days, to the microsecond or the second.
fn booked_at(random: &mut SplitMix) -> String {
    let (day, second) = (1 + random.below(5), random.below(86_400));
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let mut text = format!("2026-03-{day:02}T{hour:02}:{minute:02}:{second:02}");
    if random.below(3) != 0 {
        let _infallible = write!(text, ".{:06}", random.below(1_000_000));
    }
    text.push_str(random.one_of(&OFFSETS));
    text
}

/// SplitMix64: no better randomness is needed, and no crate decides what is measured.
#[derive(Debug)]
pub struct SplitMix(pub u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number under `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }

    fn one_of<const N: usize>(&mut self, texts: &[&'static str; N]) -> &'static str {
        texts.get(self.below(N as u64) as usize).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_run_makes_the_same_transactions() {
        let first = Transactions::file(Form::Ndjson, 20_000).unwrap();
        assert_eq!(first, Transactions::file(Form::Ndjson, 20_000).unwrap());
        assert_eq!(first.0.iter().filter(|byte| **byte == b'\n').count() as u64, first.1);
    }

    #[test]
    fn both_forms_hold_the_same_values() {
        let (json, _) = Transactions::file(Form::Ndjson, 20_000).unwrap();
        let (csv, _) = Transactions::file(Form::NestedCsv, 20_000).unwrap();
        let first: serde_json::Value =
            serde_json::from_slice(json.split(|b| *b == b'\n').next().unwrap()).unwrap();
        let row = String::from_utf8(csv).unwrap().lines().nth(1).unwrap().to_owned();
        assert!(row.starts_with(first["transaction_id"].as_str().unwrap()), "{row}");
        assert!(row.contains(first["booked_at"].as_str().unwrap()), "{row}");
    }
}
