//! The project's contract of transactions, as the benchmarks need it: with its variables filled in, beside nine
//! others, for another format.

use std::path::Path;

use anyhow::Context as _;

use crate::sample::Form;

const TRANSACTIONS: &str = include_str!("../../../infra/contracts/transactions.odcs.yaml");
/// The nested column.
const MERCHANT: &str = "      - name: merchant\n";
/// What stands behind the servers that rows go to on their way.
const WAREHOUSE: &str = "  - server: warehouse\n";
/// The derived columns are the last ones.
const FIRST_DERIVED: &str = "      - name: booked_date\n";

/// Writes ten contracts: that of transactions, and nine of other datasets with as many rules.
pub fn write_ten(folder: &Path) -> anyhow::Result<()> {
    let text = filled();
    std::fs::write(folder.join("transactions.odcs.yaml"), &text).context("contract")?;
    for n in 1..10 {
        let name = format!("postings_{n}");
        let file = folder.join(format!("{name}.odcs.yaml"));
        std::fs::write(file, text.replace("transactions", &name)).context("contract")?;
    }
    Ok(())
}

/// The contract of transactions for files of a form, with its derived columns or with those alone that a source has.
pub fn of_form(form: Form, with_derived: bool) -> String {
    let mut text = match form {
        Form::Ndjson => filled(),
        Form::FlatCsv | Form::NestedCsv => {
            filled().replace("*.json", "*.csv").replace("format: json", "format: csv")
        }
    };
    if let (Form::FlatCsv, Some(start)) = (form, text.find(MERCHANT)) {
        let end = text.get(start + 1..).and_then(|rest| rest.find("      - name: "));
        text.replace_range(start..end.map_or(text.len(), |end| start + 1 + end), "");
    }
    if let (false, Some(derived)) = (with_derived, text.find(FIRST_DERIVED)) {
        text.truncate(derived);
    }
    text
}

/// The contract of transactions for NDJSON that goes onto the stream `bench`, `none` or `kpl` being how it is packed.
pub fn on_stream(aggregate: &str) -> String {
    let server = format!(
        "  - server: stream\n    type: kinesis\n    customProperties:\n      \
         - {{property: penstock.streamName, value: bench}}\n      \
         - {{property: penstock.aggregate, value: {aggregate}}}\n"
    );
    filled().replace("/queue/transactions/", "/stream/transactions/").replacen(
        WAREHOUSE,
        &(server + WAREHOUSE),
        1,
    )
}

/// The contract of transactions with a Glue job.
pub fn with_job() -> String {
    let job = "    customProperties:\n      - {property: penstock.glueJob, value: bench}\n      - property: penstock.orderBy\n";
    filled().replacen("    customProperties:\n      - property: penstock.orderBy\n", job, 1)
}

fn filled() -> String {
    TRANSACTIONS
        .replace("${LANDING_BUCKET}", "bench-landing")
        .replace("${LOAD_QUEUE_URL}", "https://sqs.eu-central-1.amazonaws.com/123456789012/load.fifo")
        .replace("${DATABASE}", "warehouse")
}

#[cfg(test)]
mod tests {
    use super::*;
    use penstock_core::contract::{Aggregate, ContractSet};

    #[test]
    fn only_derived_columns_are_left_out() {
        for form in [Form::Ndjson, Form::FlatCsv, Form::NestedCsv] {
            let [all, sources] = [true, false].map(|with_derived| {
                let text = of_form(form, with_derived);
                ContractSet::parse([("t", text.as_str())]).unwrap().iter().next().unwrap().clone()
            });
            let kept = all.columns.iter().filter(|column| column.derived.is_none()).map(|own| &own.name);
            assert!(kept.eq(sources.columns.iter().map(|own| &own.name)), "{form:?}");
            assert!(sources.columns.len() < all.columns.len());
        }
    }

    #[test]
    fn the_stream_and_how_it_is_packed_are_in_the_contract() {
        for (name, aggregate) in [("none", Aggregate::None), ("kpl", Aggregate::Kpl)] {
            let set = ContractSet::parse([("t", on_stream(name).as_str())]).unwrap();
            let stream = set.iter().next().unwrap().stream.clone().unwrap();
            assert_eq!(stream.aggregate, aggregate);
            assert_eq!(stream.stream_name.unwrap().as_str(), "bench");
        }
    }

    #[test]
    fn the_job_is_in_the_contract() {
        let set = ContractSet::parse([("t", with_job().as_str())]).unwrap();
        assert_eq!(set.iter().next().unwrap().lake.glue_job.as_ref().unwrap().as_str(), "bench");
    }

    #[test]
    fn the_ten_contracts_can_stand_together() {
        let folder = tempfile::tempdir().unwrap();
        write_ten(folder.path()).unwrap();
        let files = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
        let texts: Vec<_> =
            files.map(|path| (path.display().to_string(), std::fs::read_to_string(&path).unwrap())).collect();
        let set =
            ContractSet::parse(texts.iter().map(|(name, text)| (name.as_str(), text.as_str()))).unwrap();
        set.check_locations().unwrap();
        assert_eq!(set.iter().count(), 10);
    }
}
