//! Rejects as people read them: a table a source for the first ones, and a summary of all. Is given lines that may be
//! shown, and asks nothing.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::Write;

use super::line::{BrokenRule, Line};
use crate::check::counted;
use crate::printable::{printable, shortened};
use crate::table::{Align, Table};

/// Width of a record's beginning.
const RAW_WIDTH: usize = 72;
/// Width of a reason; only the warehouse's are longer.
const REASON_WIDTH: usize = 120;

/// A source and its dataset.
type Origin = (String, String);

/// What was found so far.
#[derive(Debug)]
pub struct Report {
    limit: usize,
    shown: usize,
    found: usize,
    origins: HashSet<Origin>,
    /// In the order in which they came, with the shown rejects.
    groups: Vec<(Origin, Table)>,
    group_at: HashMap<Origin, usize>,
    counts: BTreeMap<(String, String), usize>,
}

impl Report {
    /// A report that shows at most so many rejects in full.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            shown: 0,
            found: 0,
            origins: HashSet::new(),
            groups: Vec::new(),
            group_at: HashMap::new(),
            counts: BTreeMap::new(),
        }
    }

    /// Adds a reject.
    pub fn add(&mut self, line: &Line) {
        self.found += 1;
        for BrokenRule { rule, column, .. } in &line.rules {
            *self.counts.entry((rule.clone(), column.clone().unwrap_or_default())).or_default() += 1;
        }
        let origin = (line.source.clone(), line.dataset.clone());
        if self.shown < self.limit {
            self.shown += 1;
            let at = *self.group_at.entry(origin.clone()).or_insert(self.groups.len());
            if at == self.groups.len() {
                let heads = ["where", "rule", "column", "reason", "record"].map(|head| (head, Align::Left));
                self.groups.push((origin.clone(), Table::new(heads)));
            }
            if let Some((_, table)) = self.groups.get_mut(at) {
                show(line, table);
            }
        }
        self.origins.insert(origin);
    }

    /// Whether there was any.
    pub fn is_empty(&self) -> bool {
        self.found == 0
    }

    /// Prints the groups and the summary.
    pub fn print(&self, out: &mut dyn Write) -> std::io::Result<()> {
        for ((source, dataset), table) in &self.groups {
            writeln!(out, "{} (dataset {})\n{table}", printable(source), printable(dataset))?;
        }
        let heads = [("rule", Align::Left), ("column", Align::Left), ("count", Align::Right)];
        let mut table = Table::new(heads);
        let mut counts: Vec<_> = self.counts.iter().collect();
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        for ((rule, column), count) in counts {
            table.push([rule.as_str(), column, &count.to_string()]);
        }
        let (rejects, sources) = (counted(self.found, "reject"), counted(self.origins.len(), "source"));
        let rest = match self.found - self.shown {
            0 => String::new(),
            _ => format!("; {} shown, --limit 0 shows all", self.shown),
        };
        writeln!(out, "{table}\n{rejects} of {sources}{rest}")
    }
}

/// A row a broken rule; place and record stand in the first.
fn show(line: &Line, table: &mut Table) {
    let place = match (line.line, line.position) {
        (Some(line), _) => format!("line {line}"),
        (None, Some(position)) => format!("byte {position}"),
        (None, None) => "-".to_owned(),
    };
    let hex = line.raw_hex.as_ref().map(|hex| format!("hex {hex}"));
    let raw = line.raw.as_ref().or(hex.as_ref()).map(|raw| shortened(raw, RAW_WIDTH)).unwrap_or_default();
    let mut firsts = [place, raw];
    for BrokenRule { rule, column, reason } in &line.rules {
        let [place, raw] = std::mem::take(&mut firsts);
        let reason = shortened(reason, REASON_WIDTH);
        table.push([&place, rule, column.as_deref().unwrap_or_default(), &reason, &raw]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(source: &str, place: &str, rules: &str, raw: &str) -> Line {
        let raw = serde_json::Value::from(raw);
        let text = format!(
            "{{\"dataset\":\"t\",\"object_id\":\"0\",\"source\":\"{source}\"{place},\"rules\":[{rules}],\"raw\":{raw}}}"
        );
        serde_json::from_str(&text).unwrap()
    }

    fn printed(report: &Report) -> String {
        let mut out = Vec::new();
        report.print(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    const PATTERN: &str = r#"{"rule":"pattern","column":"currency","reason":"must match"}"#;

    #[test]
    fn rejects_of_one_source_stand_together_and_are_counted_by_rule_and_column() {
        let mut report = Report::new(50);
        let whole = r#"{"rule":"not_an_object","reason":"a record must be a JSON object"}"#;
        report.add(&line("s3://b/1", ",\"position\":7,\"line\":2", PATTERN, "{\"a\":1}"));
        report.add(&line("s3://b/2", ",\"position\":7", whole, "\u{1b}[2J\nx"));
        report.add(&line("s3://b/1", "", PATTERN, &"x".repeat(200)));
        let expected = format!(
            "s3://b/1 (dataset t)\n\
             where   rule     column    reason      record\n\
             ------  -------  --------  ----------  {dashes}\n\
             line 2  pattern  currency  must match  {{\"a\":1}}\n\
             -       pattern  currency  must match  {record}…\n\n\
             s3://b/2 (dataset t)\n\
             where   rule           column  reason                          record\n\
             ------  -------------  ------  ------------------------------  ------------\n\
             byte 7  not_an_object          a record must be a JSON object  \\u001b[2J\\nx\n\n\
             rule           column    count\n-------------  --------  -----\n\
             pattern        currency      2\nnot_an_object                1\n\n3 rejects of 2 sources\n",
            dashes = "-".repeat(72),
            record = "x".repeat(71)
        );
        assert_eq!(printed(&report), expected);
    }

    #[test]
    fn what_is_over_the_limit_is_counted_all_the_same() {
        let mut report = Report::new(1);
        for source in ["s3://b/1", "s3://b/2", "s3://b/2"] {
            report.add(&line(source, "", PATTERN, "{}"));
        }
        let text = printed(&report);
        assert!(!text.contains("s3://b/2") && text.contains("currency      3\n"), "{text}");
        assert!(text.ends_with("3 rejects of 2 sources; 1 shown, --limit 0 shows all\n"), "{text}");
    }
}
