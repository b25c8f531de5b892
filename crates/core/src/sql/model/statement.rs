//! One statement of a model: what it does, to which table, and which tables it reads. Refuses by name what Redshift
//! would not take, or what would end the transaction. Reads tokens only: that the rest is SQL, the warehouse tells.

use std::collections::BTreeSet;
use std::fmt;

use super::ModelError;
use super::tokens::{Kind, Token};
use crate::contract::Contract;
use crate::sql::{HISTORY_SCHEMA, Ident, LIVE_SUFFIX, MAX_STATEMENT_BYTES, SERVICE_SCHEMA};

/// A table or view with its schema.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Relation {
    /// Its schema.
    pub schema: Ident,
    /// Its name.
    pub name: Ident,
}

impl Relation {
    /// Whether it is a table or view of a dataset, whose target is in a schema that `is_schema` takes.
    pub fn is_of(&self, contract: &Contract, is_schema: impl Fn(&Ident) -> bool) -> bool {
        let (name, table, options) = (self.name.as_str(), contract.table.as_str(), &contract.table_options);
        let is_live = options.deleted_when.is_some() && name.strip_suffix(LIVE_SUFFIX) == Some(table);
        let is_history = options.keep_history && self.schema.as_str() == HISTORY_SCHEMA && name == table;
        is_history || is_schema(&self.schema) && (name == table || is_live)
    }
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema.as_str(), self.name.as_str())
    }
}

/// What a statement does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelKind {
    /// Creates a table.
    Table,
    /// Creates or replaces a view.
    View,
    /// Deletes rows.
    Delete,
    /// Inserts rows.
    Insert,
}

impl ModelKind {
    /// Whether it is run by a migration.
    pub fn defines(self) -> bool {
        matches!(self, Self::Table | Self::View)
    }
}

/// A statement of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelStatement {
    /// Where it begins, from 1.
    pub line: usize,
    /// What it does.
    pub kind: ModelKind,
    /// What it makes or writes.
    pub relation: Relation,
    /// Tables and views that it reads.
    pub reads: BTreeSet<Relation>,
    /// Its text; its first words and its relation are always written the same way.
    pub sql: String,
}

const OPENINGS: [(&str, ModelKind); 4] = [
    ("CREATE TABLE IF NOT EXISTS", ModelKind::Table),
    ("CREATE OR REPLACE VIEW", ModelKind::View),
    ("DELETE FROM", ModelKind::Delete),
    ("INSERT INTO", ModelKind::Insert),
];

/// Ends a view, so that it keeps no text of a dataset's from being widened.
const UNBOUND: [&str; 4] = ["with", "no", "schema", "binding"];

impl ModelStatement {
    pub(super) fn read(text: &str, tokens: &[Token<'_>]) -> Result<Self, ModelError> {
        let line = tokens.first().map_or(1, |token| token.line);
        let refuse = |line: usize, reason: String| Err(ModelError { line, reason });
        let opening = OPENINGS.iter().find(|(words, _)| begins(tokens, words));
        let Some((words, kind)) = opening else {
            let first = tokens.first().map(|token| token.text.to_uppercase()).unwrap_or_default();
            let allowed: Vec<&str> = OPENINGS.iter().map(|(words, _)| *words).collect();
            return refuse(line, format!("{first} is not taken here: {} are", allowed.join(", ")));
        };
        let rest = tokens.get(words.split(' ').count()..).unwrap_or_default();
        let (relation, rest) = relation(rest, line)?;
        if [SERVICE_SCHEMA, HISTORY_SCHEMA].contains(&relation.schema.as_str()) {
            return refuse(line, format!("schema {} is Penstock's own", relation.schema.as_str()));
        }
        let unbound = rest.len().checked_sub(UNBOUND.len()).and_then(|at| rest.get(at..));
        if *kind == ModelKind::View && !unbound.is_some_and(|end| same_words(end, &UNBOUND)) {
            return refuse(
                line,
                "a view must end WITH NO SCHEMA BINDING: a bound one keeps columns from being widened".into(),
            );
        }
        rest.iter().enumerate().try_for_each(|(i, _)| refused(rest, i))?;
        let (start, end) = (rest.first().map_or(0, |own| own.start), rest.last().map_or(0, Token::end));
        let body = text.get(start..end).unwrap_or_default();
        let sql = format!("{words} {}.{} {body}", relation.schema, relation.name);
        if sql.len() > MAX_STATEMENT_BYTES {
            return refuse(line, format!("is longer than {MAX_STATEMENT_BYTES} bytes"));
        }
        Ok(Self { line, kind: *kind, reads: reads(rest)?, relation, sql: sql.trim_end().to_owned() })
    }
}

fn begins(tokens: &[Token<'_>], words: &str) -> bool {
    let words: Vec<&str> = words.split(' ').collect();
    tokens.get(..words.len()).is_some_and(|own| same_words(own, &words))
}

fn same_words(tokens: &[Token<'_>], words: &[&str]) -> bool {
    tokens.len() == words.len() && tokens.iter().zip(words).all(|(token, word)| token.is(word))
}

/// `schema.name` in front, and what follows it.
fn relation<'a, 't>(tokens: &'a [Token<'t>], line: usize) -> Result<(Relation, &'a [Token<'t>]), ModelError> {
    let refuse = |reason: String| ModelError { line: tokens.first().map_or(line, |own| own.line), reason };
    let Some(first) = tokens.first() else { return Err(refuse("a table is missing".into())) };
    let unqualified = || refuse(format!("{} must be written as schema.table", first.text));
    let [schema, dot, name, rest @ ..] = tokens else { return Err(unqualified()) };
    let (Some(schema), true, Some(name)) = (schema.name(), dot.is("."), name.name()) else {
        return Err(unqualified());
    };
    let ident = |name: &str| Ident::new(name).map_err(|error| refuse(error.to_string()));
    Ok((Relation { schema: ident(&schema)?, name: ident(&name)? }, rest))
}

/// What passes on PostgreSQL and not on Redshift, by name.
fn refused(tokens: &[Token<'_>], at: usize) -> Result<(), ModelError> {
    const PAIRS: [(&str, &str, &str); 8] = [
        ("on", "conflict", "ON CONFLICT"),
        ("distinct", "on", "DISTINCT ON"),
        ("distinct", "from", "IS DISTINCT FROM"),
        ("filter", "(", "FILTER"),
        ("now", "(", "NOW()"),
        ("generate_series", "(", "GENERATE_SERIES"),
        ("string_agg", "(", "STRING_AGG"),
        ("array", "[", "ARRAY[...]"),
    ];
    const WORDS: [&str; 3] = ["returning", "lateral", "current_timestamp"];
    let (Some(own), next) = (tokens.get(at), tokens.get(at + 1)) else { return Ok(()) };
    let word = WORDS.iter().find(|word| own.is(word)).map(|word| word.to_uppercase());
    let pair = PAIRS.iter().find(|(a, b, _)| own.is(a) && next.is_some_and(|next| next.is(b)));
    match word.or_else(|| pair.map(|(.., name)| (*name).to_owned())) {
        Some(name) => {
            Err(ModelError { line: own.line, reason: format!("Redshift does not take {name} here") })
        }
        None => Ok(()),
    }
}

/// Tables after FROM, JOIN and USING, but for those that WITH names.
fn reads(tokens: &[Token<'_>]) -> Result<BTreeSet<Relation>, ModelError> {
    let named: BTreeSet<String> = tokens
        .windows(3)
        .filter(|own| own[1].is("as") && own[2].is("("))
        .filter_map(|own| own[0].name())
        .collect();
    let mut found = BTreeSet::new();
    // Whether each open parenthesis holds a query: FROM in another one is of a function, as in EXTRACT(DAY FROM x).
    let mut open: Vec<bool> = Vec::new();
    for (i, token) in tokens.iter().enumerate() {
        let rest = tokens.get(i + 1..).unwrap_or_default();
        if token.is("(") {
            open.push(begins_query(rest));
        } else if token.is(")") {
            open.pop();
        }
        let is_list = rest.first().is_some_and(|next| next.is("("));
        let reads = token.is("from") || token.is("join") || token.is("using") && !is_list;
        if reads && open.last().copied().unwrap_or(true) {
            found.extend(table(rest, token.line, &named)?);
        }
    }
    Ok(found)
}

fn begins_query(tokens: &[Token<'_>]) -> bool {
    tokens.first().is_some_and(|own| own.is("select") || own.is("with") || own.is("("))
}

/// The table in front; none where WITH names it or a query stands there.
fn table(
    tokens: &[Token<'_>],
    line: usize,
    named: &BTreeSet<String>,
) -> Result<Option<Relation>, ModelError> {
    let (first, rest) = (tokens.first(), tokens.get(1..).unwrap_or_default());
    if let Some(first) = first.filter(|own| own.is("(")) {
        let reason = "a parenthesis here must hold a query".to_owned();
        return if begins_query(rest) { Ok(None) } else { Err(ModelError { line: first.line, reason }) };
    }
    let is_bare = rest.first().is_none_or(|dot| !dot.is("."));
    if is_bare && first.and_then(Token::name).is_some_and(|name| named.contains(&name)) {
        return no_comma(rest).map(|()| None);
    }
    let (relation, after) = relation(tokens, line)?;
    no_comma(after).map(|()| Some(relation))
}

/// A second table behind a comma would not be seen.
fn no_comma(after: &[Token<'_>]) -> Result<(), ModelError> {
    let alias = |own: &&Token<'_>| own.is("as") || matches!(own.kind, Kind::Word | Kind::Quoted);
    let skipped = after.iter().take(2).take_while(alias).count();
    // Without AS one word at most is an alias.
    let comma = after.iter().take(skipped + 1).find(|own| own.is(","));
    match comma {
        Some(own) => {
            Err(ModelError { line: own.line, reason: "write JOIN instead of a comma between tables".into() })
        }
        None => Ok(()),
    }
}
