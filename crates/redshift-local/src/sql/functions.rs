//! The functions that Redshift has, and what each becomes on PostgreSQL. A name that is not here is not let
//! through: PostgreSQL has hundreds that Redshift lacks. Does not walk the tree; `rewrite` calls it per function.

use sqlparser::ast::{BinaryOperator, CastKind, helpers::attached_token::AttachedToken};
use sqlparser::ast::{
    CaseWhen, DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause,
    FunctionArguments, Ident, ObjectName, ObjectNamePart, Value,
};

use super::error::SqlError;
use super::function_names::{LEADER, LOCAL, MISSING, REBUILT, RENAMED, SAME};
use super::scope::parts;
use super::types::SCHEMA;

/// Whether the statement may call the function at all.
pub fn judge(name: &ObjectName, user_tables: bool) -> Result<(), SqlError> {
    let Some(function) = known_name(name) else {
        return Err(SqlError::unsupported(format!("the user-defined function {name}")));
    };
    let shown = function.to_uppercase();
    let function = function.as_str();
    if LEADER.contains(&function) {
        if user_tables {
            let advice = "it runs on the leader node only; bind the value as a literal, or use GETDATE()";
            return Err(SqlError::refused(format!("{shown} with user tables"), advice));
        }
        return Ok(());
    }
    let renamed = RENAMED.iter().any(|(from, _)| *from == function);
    if SAME.contains(&function) || LOCAL.contains(&function) || REBUILT.contains(&function) || renamed {
        return Ok(());
    }
    if MISSING.contains(&function) {
        return Err(SqlError::unsupported(format!("the function {shown}")));
    }
    if function.starts_with("pg_advisory") || function.starts_with("pg_try_advisory") {
        return Err(SqlError::refused(format!("the advisory lock {shown}"), "use LOCK"));
    }
    Err(SqlError::refused(format!("the function {shown}"), "it has no such function"))
}

/// The last part in lower case, where the schema is none or the system's.
fn known_name(name: &ObjectName) -> Option<String> {
    match parts(name).as_slice() {
        [function] => Some(function.to_lowercase()),
        [schema, function] if schema == "pg_catalog" => Some(function.to_lowercase()),
        _ => None,
    }
}

/// What PostgreSQL is to evaluate instead; the arguments are already rewritten.
pub fn rebuild(mut function: Function) -> Result<Expr, SqlError> {
    let name = known_name(&function.name).unwrap_or_default();
    match name.as_str() {
        "listagg" => return listagg(function),
        "nvl2" => return nvl2(arguments(function)?),
        "decode" => return decode(arguments(function)?),
        "concat" => return concat(arguments(function)?),
        "dateadd" | "datediff" | "date_add" | "date_diff" => date_part(&mut function)?,
        "date_part" => quote_part(&mut function),
        _ => {}
    }
    if LOCAL.contains(&name.as_str()) {
        function.name = local(&name);
    } else if let Some((_, to)) = RENAMED.iter().find(|(from, _)| *from == name) {
        function.name = named(to);
    }
    Ok(Expr::Function(function))
}

/// `SYSDATE` stands without parentheses.
pub fn is_bare(ident: &Ident) -> bool {
    ident.quote_style.is_none() && ident.value.eq_ignore_ascii_case("sysdate")
}

/// A call of one of this crate's functions.
pub fn call(name: &str, args: Vec<Expr>) -> Expr {
    let args = args.into_iter().map(|arg| FunctionArg::Unnamed(FunctionArgExpr::Expr(arg))).collect();
    let list = sqlparser::ast::FunctionArgumentList { duplicate_treatment: None, args, clauses: Vec::new() };
    Expr::Function(Function {
        name: named(name),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(list),
        within_group: Vec::new(),
        filter: None,
        null_treatment: None,
        over: None,
    })
}

/// A call of the function `name` in this crate's schema.
pub fn call_local(name: &str, args: Vec<Expr>) -> Expr {
    call(&format!("{SCHEMA}.{name}"), args)
}

/// `CAST(expr AS data_type)`.
pub fn cast(expr: Expr, data_type: DataType) -> Expr {
    Expr::Cast { kind: CastKind::Cast, expr: Box::new(expr), data_type, format: None }
}

fn local(name: &str) -> ObjectName {
    named(&format!("{SCHEMA}.{name}"))
}

fn named(name: &str) -> ObjectName {
    ObjectName(name.split('.').map(|part| ObjectNamePart::Identifier(Ident::new(part))).collect())
}

fn arguments(function: Function) -> Result<Vec<Expr>, SqlError> {
    let FunctionArguments::List(list) = function.args else { return Ok(Vec::new()) };
    list.args
        .into_iter()
        .map(|arg| match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Ok(expr),
            other => Err(SqlError::syntax(format!("the argument {other}"))),
        })
        .collect()
}

/// The first argument is a date part, bare or quoted; the dates that are literals are timestamps.
fn date_part(function: &mut Function) -> Result<(), SqlError> {
    quote_part(function);
    let FunctionArguments::List(list) = &mut function.args else { return Ok(()) };
    if list.args.len() != 3 {
        return Err(SqlError::syntax(format!("{} takes three arguments", function.name)));
    }
    for arg in &mut list.args[1..] {
        if let FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) = arg
            && let Expr::Value(value) = &*expr
            && matches!(value.value, Value::SingleQuotedString(_) | Value::EscapedStringLiteral(_))
            && !is_digits(&value.value)
        {
            let literal = expr.clone();
            *expr = cast(literal, DataType::Timestamp(None, sqlparser::ast::TimezoneInfo::None));
        }
    }
    Ok(())
}

fn is_digits(value: &Value) -> bool {
    matches!(value, Value::SingleQuotedString(text) if text.trim_start_matches('-').bytes().all(|b| b.is_ascii_digit()))
}

fn quote_part(function: &mut Function) {
    let FunctionArguments::List(list) = &mut function.args else { return };
    if let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))) = list.args.first_mut()
        && let Expr::Identifier(part) = expr
    {
        *expr = Expr::Value(Value::SingleQuotedString(part.value.to_lowercase()).into());
    }
}

fn listagg(mut function: Function) -> Result<Expr, SqlError> {
    if function.over.is_some() {
        return Err(SqlError::unsupported("LISTAGG ... OVER"));
    }
    let order = std::mem::take(&mut function.within_group);
    let FunctionArguments::List(list) = &mut function.args else { return Err(SqlError::syntax("LISTAGG()")) };
    let empty = Expr::Value(Value::SingleQuotedString(String::new()).into());
    if list.args.len() == 1 {
        list.args.push(FunctionArg::Unnamed(FunctionArgExpr::Expr(empty)));
    }
    let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(value))) = list.args.first_mut() else {
        return Err(SqlError::syntax("LISTAGG without an argument"));
    };
    let original = value.clone();
    let text = cast(original.clone(), DataType::Text);
    *value = text.clone();
    let distinct = list.duplicate_treatment.is_some();
    let order = order
        .into_iter()
        .map(|mut by| {
            // With DISTINCT, PostgreSQL orders by the very argument only.
            if distinct && by.expr == original {
                by.expr = text.clone();
            }
            by
        })
        .collect::<Vec<_>>();
    if !order.is_empty() {
        list.clauses.push(FunctionArgumentClause::OrderBy(order));
    }
    function.name = named("string_agg");
    Ok(Expr::Function(function))
}

fn nvl2(args: Vec<Expr>) -> Result<Expr, SqlError> {
    let [tested, given, missing] =
        <[Expr; 3]>::try_from(args).map_err(|_| SqlError::syntax("NVL2 takes three arguments"))?;
    let condition = Expr::IsNotNull(Box::new(Expr::Nested(Box::new(tested))));
    Ok(case(vec![CaseWhen { condition, result: given }], Some(missing)))
}

/// DECODE compares as `=` does, except that NULL meets NULL.
fn decode(args: Vec<Expr>) -> Result<Expr, SqlError> {
    let mut args = args.into_iter();
    let (Some(tested), true) = (args.next(), args.len() >= 2) else {
        return Err(SqlError::syntax("DECODE takes at least three arguments"));
    };
    let mut whens = Vec::new();
    let mut otherwise = None;
    while let Some(search) = args.next() {
        let Some(result) = args.next() else {
            otherwise = Some(search);
            break;
        };
        let tested = Box::new(Expr::Nested(Box::new(tested.clone())));
        let condition = Expr::IsNotDistinctFrom(tested, Box::new(Expr::Nested(Box::new(search))));
        whens.push(CaseWhen { condition, result });
    }
    Ok(case(whens, otherwise))
}

fn case(conditions: Vec<CaseWhen>, otherwise: Option<Expr>) -> Expr {
    Expr::Case {
        case_token: AttachedToken::empty(),
        end_token: AttachedToken::empty(),
        operand: None,
        conditions,
        else_result: otherwise.map(Box::new),
    }
}

/// Redshift's CONCAT takes two texts and is NULL where one is; PostgreSQL's skips NULL.
fn concat(args: Vec<Expr>) -> Result<Expr, SqlError> {
    let [left, right] = <[Expr; 2]>::try_from(args)
        .map_err(|_| SqlError::refused("CONCAT of more or less than two texts", "use ||"))?;
    let text = |side| Box::new(cast(side, DataType::Text));
    let joined = Expr::BinaryOp { left: text(left), op: BinaryOperator::StringConcat, right: text(right) };
    Ok(Expr::Nested(Box::new(joined)))
}
