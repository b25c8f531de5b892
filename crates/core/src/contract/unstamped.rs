//! What reading a dataset's source records takes beyond their types: told to a job that knows types alone, so that it
//! refuses what it would get wrong. Knows no job.

use super::{Compression, Contract, Delimiter, ExtraColumns, Format, LogicalType, Overflow};
use crate::contract::Column;

impl Contract {
    /// Everything that has to be done with source records beyond reading JSON Lines and holding values to their types,
    /// in words; empty where that is all.
    pub fn unstamped_needs(&self) -> Vec<String> {
        let mut needs = Vec::new();
        let options = &self.table_options;
        if let Some(server) = &self.s3 {
            let is_lines =
                matches!(server.format, None | Some(Format::Json)) && server.delimiter != Delimiter::Array;
            let is_told_by_name = matches!(server.compression, Compression::Auto | Compression::Gzip);
            needs.extend((!is_lines).then(|| "another format than JSON Lines".to_owned()));
            needs.extend((!is_told_by_name).then(|| "another compression than gzip".to_owned()));
        }
        needs.extend(options.deleted_when.is_some().then(|| "penstock.deletedWhen".to_owned()));
        needs.extend(
            (options.extra_columns == ExtraColumns::Reject).then(|| "penstock.extraColumns".to_owned()),
        );
        let is_over_rows = !self.row_rules.is_empty() || !self.unique_together.is_empty();
        needs.extend(is_over_rows.then(|| "rules on records".to_owned()));
        needs
            .extend((options.max_rejected_fraction < 1.0).then(|| "penstock.maxRejectedFraction".to_owned()));
        needs.extend(self.columns.iter().filter_map(Column::needs));
        needs
    }
}

impl Column {
    fn needs(&self) -> Option<String> {
        let name = &self.name;
        if self.derived.is_some() {
            return Some(format!("the derivation of {name}"));
        }
        let is_held = matches!(self.logical, Some(LogicalType::Object | LogicalType::Array));
        let has_rules = is_held || self.unique.is_some() || self.rules.has_any();
        // Read by a format of its own.
        let has_rules = has_rules || self.rules.time_format.is_some();
        let cuts = self.overflow != Overflow::Reject;
        (has_rules || cuts).then(|| format!("the rules of {name}"))
    }
}

#[cfg(test)]
mod tests {
    use crate::fixtures::contract;

    fn needs(custom: &str, columns: &[&str]) -> Vec<String> {
        contract(custom, columns).unstamped_needs()
    }

    #[test]
    fn types_alone_need_nothing_more() {
        let columns = [
            "name: id, physicalType: bigint, primaryKey: true",
            "name: Text, physicalName: text, physicalType: varchar(9), required: true",
            "name: at, physicalType: timestamptz, partitioned: true",
            "name: json, physicalType: super",
        ];
        assert_eq!(needs("{property: penstock.orderBy, value: at}", &columns), Vec::<String>::new());
    }

    #[test]
    fn everything_else_is_named() {
        let columns = [
            "name: id, physicalType: bigint, logicalTypeOptions: {minimum: 1}",
            "name: a, logicalType: object",
            "name: b, physicalType: varchar(9), transformLogic: \"'x'\"",
            "name: c, physicalType: varchar(9), unique: true",
            "name: d, physicalType: varchar(9), customProperties: [{property: penstock.overflow, value: 'null'}]",
            "name: e, logicalType: date, logicalTypeOptions: {format: dd.MM.yyyy}",
        ];
        let custom = "{property: penstock.deletedWhen, value: \"id == 1\"}, {property: penstock.extraColumns, value: reject}, \
            {property: penstock.maxRejectedFraction, value: 0.5}";
        let rules = ["id", "a"].map(|name| format!("the rules of {name}"));
        let more = ["c", "d", "e"].map(|name| format!("the rules of {name}"));
        let table = ["penstock.deletedWhen", "penstock.extraColumns", "penstock.maxRejectedFraction"];
        let mut want: Vec<String> = table.map(str::to_owned).to_vec();
        want.extend(rules);
        want.push("the derivation of b".to_owned());
        want.extend(more);
        assert_eq!(needs(custom, &columns), want);
    }
}
