//! Where files end, and the accounts that have to add up there: receipts, rejects, tables, ledger. It does not know
//! how the rows came, so that a route under test and a deployed one are held to the same.

use anyhow::Context as _;
use penstock_aws::vars::Vars;
use penstock_aws::warehouse::{Warehouse, WarehouseTarget};
use redshift_local::Server;
use serde_json::Value;

use crate::samples::rival_winner;
use crate::{Bucket, MiniStack};

/// The workgroup's name; redshift-local takes any.
pub(crate) const WORKGROUP: &str = "local";

/// The results of one route, read as the warehouse's administrator.
#[derive(Debug)]
pub struct Results {
    /// Receipts.
    pub work: Bucket,
    /// Rejects.
    pub quarantine: Bucket,
    /// Name of the database.
    pub database: String,
    sql: Warehouse,
}

impl Results {
    pub(crate) async fn new(
        cloud: &MiniStack,
        redshift: &Server,
        database: &str,
        [work, quarantine]: [Bucket; 2],
    ) -> anyhow::Result<Self> {
        let vars = |name: &str| (name == "WORKGROUP_NAME").then(|| WORKGROUP.to_owned());
        let target = WarehouseTarget::from_vars(&Vars::new(&vars))?;
        let config = aws_sdk_redshiftdata::config::Builder::from(&cloud.sdk_config().await);
        let client =
            aws_sdk_redshiftdata::Client::from_conf(config.endpoint_url(redshift.endpoint()).build());
        Ok(Self { work, quarantine, database: database.to_owned(), sql: Warehouse::new(client, target) })
    }

    /// Rows of a query as texts.
    pub async fn sql(&self, sql: &str) -> anyhow::Result<Vec<Vec<Option<String>>>> {
        self.sql.execute(&self.database, sql).await.with_context(|| sql.to_owned())
    }

    /// Rows of a query as one text each, NULL as `null`, columns with `|` between.
    pub async fn lines(&self, sql: &str) -> anyhow::Result<Vec<String>> {
        let text = |value: Option<String>| value.unwrap_or_else(|| "null".into());
        let rows = self.sql(sql).await?;
        Ok(rows.into_iter().map(|row| row.into_iter().map(text).collect::<Vec<_>>().join("|")).collect())
    }

    /// Every transaction with what says which version of it this is, in the order of its key.
    pub async fn transactions(&self) -> anyhow::Result<Vec<String>> {
        let columns = "transaction_id, amount, status, booked_at, _row_hash, _order, _source";
        self.lines(&format!("SELECT {columns} FROM tgt.transactions ORDER BY transaction_id")).await
    }

    /// Holds the first `keys` transactions to those that have to win when [`rivals`](crate::samples::rivals) were
    /// loaded.
    pub async fn check_rivals(&self, keys: usize) -> anyhow::Result<()> {
        let own = format!("FROM tgt.transactions WHERE transaction_id < 'tx-{keys:08}'");
        let found =
            self.lines(&format!("SELECT transaction_id, status {own} ORDER BY transaction_id")).await?;
        let winners: Vec<_> = (0..keys).map(|n| format!("tx-{n:08}|{}", rival_winner(n))).collect();
        anyhow::ensure!(found == winners, "not the winners, each once: {found:?}");
        Ok(())
    }

    /// The one number that a query gives.
    pub async fn number(&self, sql: &str) -> anyhow::Result<i64> {
        let rows = self.sql(sql).await?;
        let first = rows.first().and_then(|row| row.first()).and_then(|value| value.clone());
        first.with_context(|| format!("{sql} gave nothing"))?.parse().context("a number")
    }

    /// Every line of the quarantine bucket, keys in order.
    pub async fn quarantined(&self) -> anyhow::Result<Vec<Value>> {
        let mut lines = Vec::new();
        for key in self.quarantine.list("").await? {
            let mut text = String::new();
            let packed = self.quarantine.get(&key).await?;
            std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&packed[..]), &mut text)?;
            for line in text.lines() {
                lines.push(serde_json::from_str(line).with_context(|| key.clone())?);
            }
        }
        Ok(lines)
    }

    /// The rules of every quarantined line, in order.
    pub async fn quarantined_rules(&self) -> anyhow::Result<Vec<String>> {
        let lines = self.quarantined().await?;
        let rules = lines.iter().flat_map(|line| line["rules"].as_array().into_iter().flatten());
        Ok(rules.filter_map(|rule| rule["rule"].as_str().map(str::to_owned)).collect())
    }

    /// Every receipt, keys in order; each must balance.
    pub async fn receipts(&self) -> anyhow::Result<Vec<Value>> {
        let mut receipts = Vec::new();
        for key in self.work.list("receipts/").await? {
            let receipt: Value = serde_json::from_slice(&self.work.get(&key).await?)?;
            let count = |name: &str| receipt[name].as_u64().unwrap_or(u64::MAX / 8);
            let accounted = count("rejected") + count("duplicate") + count("sent");
            anyhow::ensure!(count("read") == accounted, "{key} does not balance: {receipt}");
            receipts.push(receipt);
        }
        Ok(receipts)
    }

    /// Holds the quarantine to the receipts: every record that a receipt counts as rejected is one line there.
    pub async fn check_quarantine(&self) -> anyhow::Result<()> {
        let rejected: u64 =
            self.receipts().await?.iter().filter_map(|receipt| receipt["rejected"].as_u64()).sum();
        // A record has a position; an object's own fault and a message have none.
        let lines = self.quarantined().await?.iter().filter(|line| line["position"].is_u64()).count();
        anyhow::ensure!(rejected == lines as u64, "{rejected} records rejected, {lines} lines in quarantine");
        Ok(())
    }

    /// Holds a dataset's ledger to its table: each line balances, and what was inserted is what is there.
    pub async fn check_ledger(&self, table: &str) -> anyhow::Result<()> {
        let unbalanced = format!(
            "SELECT COUNT(*) FROM penstock.objects_{table} WHERE n_read <> \
             n_inserted + n_updated + n_unchanged + n_duplicate + n_rejected"
        );
        anyhow::ensure!(self.number(&unbalanced).await? == 0, "ledger lines do not balance");
        let inserted = format!("SELECT COALESCE(SUM(n_inserted), 0) FROM penstock.objects_{table}");
        let (inserted, rows) =
            (self.number(&inserted).await?, self.number(&format!("SELECT COUNT(*) FROM tgt.{table}")).await?);
        anyhow::ensure!(inserted == rows, "the ledger says {inserted} inserted, the table has {rows}");
        let twice = format!(
            "SELECT COUNT(*) FROM (SELECT _record_id FROM tgt.{table} GROUP BY _record_id HAVING COUNT(*) > 1) d"
        );
        anyhow::ensure!(self.number(&twice).await? == 0, "records stand twice");
        Ok(())
    }
}
