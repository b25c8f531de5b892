//! What kind of fault a failed transaction's text tells. The Data API gives no code, only the text; Redshift's own
//! conflict is just `1023`. What is not known for sure counts as transient: nothing is lost by trying again.

/// Kinds of faults, by what helps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Another writer was faster, or a deadlock: the same transaction again.
    Conflict,
    /// A value that the table does not take: again only without the culprit.
    Data,
    /// An object of the load is in the ledger already.
    AlreadyLoaded,
    /// The load's own checks failed: a person must look.
    OutOfBalance,
    /// Missing table, permission, connection, capacity, a cancelled statement, anything unknown.
    Transient,
}

impl Fault {
    /// The name in logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Conflict => "conflict",
            Self::Data => "data",
            Self::AlreadyLoaded => "already_loaded",
            Self::OutOfBalance => "out_of_balance",
            Self::Transient => "transient",
        }
    }
}

/// Texts of errors that a value caused, in lower case (Redshift's leader and compute nodes word some differently).
const DATA: &[&str] = &[
    "value too long for",
    "invalid input syntax",
    "invalid input value",
    "numeric field overflow",
    // COPY, of a file with a value that the table does not take; what else it fails with is not of the values.
    "load into table",
    "numeric data overflow",
    "overflow (",
    "overflows",
    "out of range",
    "violates not-null",
    "cannot insert a null value",
    "null value in column",
    "invalid digit",
    "invalid value",
    "invalid byte sequence",
    "multibyte character not supported",
    "string contains invalid or unsupported utf8",
    "invalid json",
    "could not parse json",
    "json parsing",
    "invalid hexadecimal",
    "precision exceeds",
    "unicode low surrogate",
    "unicode high surrogate",
    "unsupported unicode escape",
];

/// Tells the kind of a fault from the warehouse's text. What stands in quotes is left out of it: errors repeat the
/// value that they are about, and a value must not choose how it is treated.
pub fn classify(message: &str) -> Fault {
    let text = without_quoted(&message.to_lowercase());
    let has = |part: &str| text.contains(part);
    if has("penstock already loaded") {
        Fault::AlreadyLoaded
    } else if has("penstock out of balance") || has("penstock keys not written once") {
        Fault::OutOfBalance
    } else if text.trim_start().starts_with("1023")
        || has("error: 1023")
        || has("conflict with concurrent transaction")
        || has("serializable isolation violation")
        || has("could not serialize access")
        || has("deadlock detected")
        || has("40p01")
    {
        Fault::Conflict
    } else if DATA.iter().any(|part| has(part)) {
        Fault::Data
    } else {
        Fault::Transient
    }
}

fn without_quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find(['"', '\'']) {
        out.push_str(&rest[..open]);
        let quote = if rest[open..].starts_with('"') { '"' } else { '\'' };
        // The last quote of the kind closes: a value may hold quotes of its own.
        match rest[open + 1..].rfind(quote) {
            Some(close) => rest = &rest[open + 1 + close + 1..],
            None => break,
        }
    }
    out.push_str(if rest.contains(['"', '\'']) { "" } else { rest });
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_value_caused_counts_as_data() {
        for (text, fault) in [
            ("ERROR: 1023", Fault::Conflict),
            ("1023", Fault::Conflict),
            ("Query #3 failed with ERROR: 1023", Fault::Conflict),
            ("ERROR: could not complete because of conflict with concurrent transaction", Fault::Conflict),
            ("ERROR: value 1023 is out of range for type smallint", Fault::Data),
            ("ERROR: 1023 DETAIL: Serializable isolation violation on table - 1234", Fault::Conflict),
            ("ERROR: deadlock detected", Fault::Conflict),
            ("ERROR: penstock already loaded 3", Fault::AlreadyLoaded),
            ("ERROR: penstock out of balance 1", Fault::OutOfBalance),
            ("ERROR: value too long for type character varying(4)", Fault::Data),
            ("ERROR: Value too long for character type", Fault::Data),
            ("ERROR: invalid input syntax for type numeric: \"1023 deadlock detected\"", Fault::Data),
            (
                "ERROR: invalid input syntax for type numeric: \"a\" penstock already loaded \"b\"",
                Fault::Data,
            ),
            ("ERROR: invalid input syntax for type numeric: \"1023", Fault::Data),
            ("ERROR: relation \"tgt.x\" does not exist", Fault::Transient),
            ("ERROR: permission denied for relation x", Fault::Transient),
            ("the statement was cancelled", Fault::Transient),
        ] {
            assert_eq!(classify(text), fault, "{text}");
        }
    }
}
