//! Statements that sqlparser's Redshift dialect does not parse and that need little or no change: users, groups,
//! comments, default privileges. Recognised by their first words, printed token by token.

use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::clauses::{Cursor, print, starts_with};
use super::error::SqlError;
use super::{Text, Translated};

/// The statement's translation, where its first words are known here.
pub fn translate(tokens: &[TokenWithSpan]) -> Option<Result<Translated, SqlError>> {
    if starts_with(tokens, &["create", "user"]) {
        return Some(create_user(tokens));
    }
    if starts_with(tokens, &["create", "group"]) || starts_with(tokens, &["create", "role"]) {
        return Some(named(tokens, "CREATE ROLE", "CREATE GROUP"));
    }
    if starts_with(tokens, &["drop", "user"])
        || starts_with(tokens, &["drop", "group"])
        || starts_with(tokens, &["drop", "role"])
    {
        let rest = &tokens[2..];
        return Some(Ok(Translated::plain("DROP USER", format!("DROP ROLE {}", print(rest)))));
    }
    if starts_with(tokens, &["grant", "role"]) || starts_with(tokens, &["revoke", "role"]) {
        let verb = tokens[0].token.to_string();
        return Some(Ok(Translated::plain("GRANT", format!("{verb} {}", without_role_words(&tokens[2..])))));
    }
    if starts_with(tokens, &["alter", "user"]) {
        return Some(Err(SqlError::unsupported("ALTER USER")));
    }
    passed(tokens).or_else(|| refused(tokens))
}

fn create_user(tokens: &[TokenWithSpan]) -> Result<Translated, SqlError> {
    let mut cursor = Cursor::new(tokens);
    cursor.take(&["create", "user"]);
    let name = cursor.next().ok_or_else(|| SqlError::syntax("CREATE USER without a name"))?;
    cursor.take(&["with"]);
    if !cursor.take(&["password"]) {
        return Err(SqlError::syntax("CREATE USER needs PASSWORD"));
    }
    let disabled = cursor.take(&["disable"]);
    if !disabled && !matches!(cursor.next().map(|t| &t.token), Some(Token::SingleQuotedString(_))) {
        return Err(SqlError::syntax("PASSWORD needs '...' or DISABLE"));
    }
    if cursor.peek().is_some() {
        return Err(SqlError::unsupported(format!("CREATE USER ... {}", print(cursor.rest()))));
    }
    Ok(Translated::plain("CREATE USER", format!("CREATE ROLE {} LOGIN", name.token)))
}

fn named(tokens: &[TokenWithSpan], verb: &str, kind: &'static str) -> Result<Translated, SqlError> {
    match &tokens[2..] {
        [name] => Ok(Translated::plain(kind, format!("{verb} {}", name.token))),
        _ => Err(SqlError::unsupported(format!("{kind} with options"))),
    }
}

fn without_role_words(tokens: &[TokenWithSpan]) -> String {
    let kept: Vec<_> =
        tokens.iter().filter(|t| !super::clauses::is_word(&t.token, "role")).cloned().collect();
    print(&kept)
}

/// What PostgreSQL takes as it is.
fn passed(tokens: &[TokenWithSpan]) -> Option<Result<Translated, SqlError>> {
    if starts_with(tokens, &["comment", "on"]) {
        return Some(Ok(Translated::plain("COMMENT", print(tokens))));
    }
    let on_all = tokens.windows(3).any(|w| starts_with(w, &["on", "all", "procedures"]));
    if on_all && (starts_with(tokens, &["grant"]) || starts_with(tokens, &["revoke"])) {
        return Some(Ok(Translated::plain("GRANT", print(tokens))));
    }
    if starts_with(tokens, &["alter", "default", "privileges"]) {
        let text = print(tokens).replace(" PROCEDURES ", " ROUTINES ").replace(" procedures ", " ROUTINES ");
        return Some(Ok(Translated::plain("ALTER DEFAULT PRIVILEGES", text)));
    }
    if starts_with(tokens, &["alter", "schema"])
        || has(tokens, &["owner", "to"]) && starts_with(tokens, &["alter"])
    {
        return Some(Ok(Translated::plain("ALTER", print(tokens))));
    }
    let physical =
        [&["alter", "diststyle"][..], &["alter", "distkey"], &["alter", "encode"], &["alter", "sortkey"]];
    if starts_with(tokens, &["alter", "table"]) && physical.iter().any(|words| has(tokens, words)) {
        return Some(Ok(Translated::plain("ALTER TABLE", "SELECT".to_owned())));
    }
    None
}

fn has(tokens: &[TokenWithSpan], words: &[&str]) -> bool {
    tokens.windows(words.len()).any(|window| starts_with(window, words))
}

/// What the parser cannot read and a message should name.
fn refused(tokens: &[TokenWithSpan]) -> Option<Result<Translated, SqlError>> {
    let error = if starts_with(tokens, &["create", "external"]) {
        SqlError::unsupported(format!("CREATE EXTERNAL {}", tokens.get(2)?.token.to_string().to_uppercase()))
    } else if starts_with(tokens, &["create", "materialized"]) || starts_with(tokens, &["refresh"]) {
        SqlError::unsupported("materialized views")
    } else if starts_with(tokens, &["create", "index"]) || starts_with(tokens, &["create", "unique", "index"])
    {
        SqlError::refused("CREATE INDEX", "it has no indexes; declare a SORTKEY")
    } else if ["domain", "extension", "sequence", "trigger"]
        .iter()
        .any(|w| starts_with(tokens, &["create", w]))
    {
        SqlError::refused(format!("CREATE {}", tokens.get(1)?.token.to_string().to_uppercase()), "")
    } else if starts_with(tokens, &["merge"]) && has(tokens, &["remove", "duplicates"]) {
        SqlError::unsupported("MERGE ... REMOVE DUPLICATES")
    } else if has_filter(tokens) {
        SqlError::refused("FILTER", "use CASE inside the aggregate")
    } else if has(tokens, &["select", "approximate"]) {
        SqlError::unsupported("APPROXIMATE")
    } else {
        return None;
    };
    Some(Err(error))
}

fn has_filter(tokens: &[TokenWithSpan]) -> bool {
    tokens.windows(3).any(|w| {
        w[0].token == Token::RParen
            && super::clauses::is_word(&w[1].token, "filter")
            && w[2].token == Token::LParen
    })
}

impl Translated {
    /// A statement without a result, printed as it is.
    pub fn plain(kind: &'static str, sql: String) -> Self {
        Self {
            kind,
            text: Text::Sql(sql),
            domains: Default::default(),
            writes: None,
            has_result_set: false,
            outside_transaction: false,
        }
    }
}
