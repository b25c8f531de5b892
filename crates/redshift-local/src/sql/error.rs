//! Why a statement does not run, in the words a Redshift caller would read.
//! Knows neither PostgreSQL's wire errors nor HTTP.

/// A statement that failed or was never let through to PostgreSQL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SqlError {
    /// The text after `ERROR: `.
    pub message: String,
    /// The text after `DETAIL: `, where Redshift prints one.
    pub detail: Option<String>,
    /// The SQLSTATE, Redshift's `XX000` where it has no better one.
    pub sqlstate: String,
}

impl SqlError {
    /// An error with its SQLSTATE.
    pub fn new(sqlstate: &str, message: impl Into<String>) -> Self {
        Self { message: message.into(), detail: None, sqlstate: sqlstate.to_owned() }
    }

    /// The construct is valid PostgreSQL, but Redshift fails on it or gives it another meaning.
    pub fn refused(construct: impl std::fmt::Display, advice: &str) -> Self {
        let advice = if advice.is_empty() { String::new() } else { format!(": {advice}") };
        Self::new("0A000", format!("Redshift refuses {construct}{advice}"))
    }

    /// Redshift has it, this crate does not translate it.
    pub fn unsupported(construct: impl std::fmt::Display) -> Self {
        Self::new("0A000", format!("{construct} is not supported by redshift-local yet"))
    }

    /// The statement cannot be parsed.
    pub fn syntax(reason: impl std::fmt::Display) -> Self {
        Self::new("42601", format!("syntax error: {reason}"))
    }

    /// The text that `DescribeStatement` gives as `Error`.
    pub fn report(&self) -> String {
        match &self.detail {
            Some(detail) => format!("ERROR: {} DETAIL: {detail}", self.message),
            None => format!("ERROR: {}", self.message),
        }
    }
}
