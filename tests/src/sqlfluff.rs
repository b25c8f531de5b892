//! SQL held against sqlfluff's grammar of Redshift: PostgreSQL takes what Redshift does not.

use std::io::Write;
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use crate::paths::{tool, workspace_root};

/// Fails naming every statement, given as (name, SQL), that does not parse as Redshift's. Named parameters of
/// the Data API may stand in them. All in one call: each starts a Python process.
pub fn check_redshift_sql<N: AsRef<str>, S: AsRef<str>>(
    statements: impl IntoIterator<Item = (N, S)>,
) -> anyhow::Result<()> {
    let statements = statements.into_iter();
    let statements: Value =
        statements.map(|(name, sql)| json!({ "name": name.as_ref(), "sql": sql.as_ref() })).collect();
    let mut check = Command::new(tool("python")?)
        .arg(workspace_root().join("tests/python/sqlfluff_check.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("sqlfluff_check.py does not start")?;
    let mut stdin = check.stdin.take().context("sqlfluff_check.py has no standard input")?;
    stdin.write_all(statements.to_string().as_bytes()).context("sqlfluff_check.py does not read")?;
    drop(stdin);
    let output = check.wait_with_output().context("sqlfluff_check.py could not be waited for")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redshifts_own_statements_parse_with_parameters_and_escapes() {
        let statements = [
            (
                "copy",
                "COPY \"s\" (\"a\") FROM 's3://b/m' IAM_ROLE 'arn:aws:iam::1:role/r' MANIFEST FORMAT AS JSON 'auto' ZSTD",
            ),
            (
                "values",
                r#"INSERT INTO "s" ("a","b") VALUES (CAST(:p0 AS numeric(18,2)), 'it''s :no \' parameter'), (:p1::int, NULL)"#,
            ),
            ("procedure", "CREATE PROCEDURE p() AS $$ DECLARE n int; BEGIN n := 1; END; $$ LANGUAGE plpgsql"),
        ];
        check_redshift_sql(statements).unwrap();
    }

    #[test]
    fn only_the_statements_that_redshift_refuses_are_named() {
        let statements = [
            ("good", "SELECT 1"),
            ("conflict", "INSERT INTO a VALUES (1) ON CONFLICT DO NOTHING"),
            ("empty", " "),
        ];
        let error = check_redshift_sql(statements).unwrap_err().to_string();
        assert!(error.contains("conflict: ") && error.contains("empty: "), "{error}");
        assert!(!error.contains("good"), "{error}");
    }

    #[test]
    fn no_statements_are_no_success() {
        check_redshift_sql([("", ""); 0]).unwrap_err();
    }
}
