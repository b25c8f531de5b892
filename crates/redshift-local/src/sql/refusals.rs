//! What PostgreSQL accepts in queries and expressions and Redshift does not. Reads the tree, changes nothing;
//! statements as a whole are judged in `dml`, `ddl` and `mod`.

use std::ops::ControlFlow;

use sqlparser::ast::{
    BinaryOperator, DataType, Distinct, Expr, Function, NamedWindowExpr, Query, Select, SelectItem, SetExpr,
    Statement, TableFactor, Value, ValueWithSpan, Visit, Visitor, WindowSpec, WindowType,
};

use super::error::SqlError;
use super::functions;
use super::scope::{Scope, parts};
use super::subqueries;

type Flow = ControlFlow<Box<SqlError>>;

/// Goes through a statement; the first construct that Redshift would not take is the error.
pub fn check(statement: &Statement) -> Result<(), SqlError> {
    let scope = Scope::of(statement);
    let mut visitor = Refusals {
        user_tables: scope.has_user_table(),
        plain: matches!(statement, Statement::Query(_)),
        values_allowed: usize::from(matches!(statement, Statement::Insert(_))),
        depth: 0,
    };
    match statement.visit(&mut visitor) {
        ControlFlow::Continue(()) => subqueries::check(statement, &scope),
        ControlFlow::Break(error) => Err(*error),
    }
}

struct Refusals {
    user_tables: bool,
    /// The statement is a query of its own, not a part of an INSERT, a view or a table.
    plain: bool,
    /// The depth at which VALUES may stand: as the source of an INSERT only.
    values_allowed: usize,
    depth: usize,
}

fn refuse(construct: impl std::fmt::Display, advice: &str) -> Flow {
    ControlFlow::Break(Box::new(SqlError::refused(construct, advice)))
}

fn unsupported(construct: &str) -> Flow {
    ControlFlow::Break(Box::new(SqlError::unsupported(construct)))
}

const GO: Flow = ControlFlow::Continue(());

impl Visitor for Refusals {
    type Break = Box<SqlError>;

    fn pre_visit_query(&mut self, query: &Query) -> Flow {
        self.depth += 1;
        if !query.locks.is_empty() {
            return refuse("SELECT ... FOR UPDATE", "use LOCK");
        }
        if query.fetch.is_some() {
            return refuse("FETCH FIRST", "use LIMIT");
        }
        if query.with.iter().flat_map(|with| &with.cte_tables).any(|cte| cte.materialized.is_some()) {
            return refuse("MATERIALIZED in WITH", "");
        }
        self.check_body(&query.body)
    }

    fn post_visit_query(&mut self, _: &Query) -> Flow {
        self.depth -= 1;
        GO
    }

    fn pre_visit_select(&mut self, select: &Select) -> Flow {
        if matches!(select.distinct, Some(Distinct::On(_))) {
            return refuse("DISTINCT ON", "use ROW_NUMBER()");
        }
        if select.qualify.is_some() {
            return unsupported("QUALIFY");
        }
        if !select.lateral_views.is_empty() {
            return refuse("LATERAL VIEW", "");
        }
        if select.named_window.iter().any(|window| matches!(window.1, NamedWindowExpr::WindowSpec(_))) {
            return refuse("WINDOW clauses", "write the window into OVER");
        }
        let shown_as_is = self.plain && self.depth == 1 && select.from.is_empty();
        if !shown_as_is && select.projection.iter().any(is_untyped) {
            return refuse("an untyped literal in a SELECT list", "CAST it");
        }
        GO
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> Flow {
        match factor {
            TableFactor::Derived { lateral: true, .. } | TableFactor::Function { lateral: true, .. } => {
                refuse("LATERAL", "")
            }
            TableFactor::Table { args: Some(_), name, .. } | TableFactor::Function { name, .. } => {
                let name = parts(name).pop().unwrap_or_default();
                refuse(format!("the table function {}", name.to_uppercase()), "")
            }
            TableFactor::Table { with_ordinality: true, .. } => refuse("WITH ORDINALITY", ""),
            TableFactor::Table { sample: Some(_), .. } | TableFactor::Derived { sample: Some(_), .. } => {
                refuse("TABLESAMPLE", "")
            }
            TableFactor::Table { .. } | TableFactor::Derived { .. } | TableFactor::NestedJoin { .. } => GO,
            TableFactor::UNNEST { .. } => refuse("UNNEST", "navigate the SUPER column"),
            TableFactor::Pivot { .. } | TableFactor::Unpivot { .. } | TableFactor::UnpivotExpr { .. } => {
                unsupported("PIVOT and UNPIVOT")
            }
            other => refuse(format!("the table expression {other}"), ""),
        }
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> Flow {
        match expr {
            Expr::IsDistinctFrom(..) | Expr::IsNotDistinctFrom(..) => {
                refuse("IS DISTINCT FROM", "write the NULL cases out")
            }
            Expr::Array(_) => refuse("arrays", "use SUPER"),
            Expr::AnyOp { right, .. } | Expr::AllOp { right, .. }
                if !matches!(**right, Expr::Subquery(_)) =>
            {
                refuse("ANY and ALL over an array", "use IN")
            }
            Expr::BinaryOp { op, .. } => check_operator(op),
            Expr::Function(function) => self.check_function(function),
            Expr::Cast { expr, data_type, .. } => check_time(expr, data_type),
            Expr::TypedString(typed) => check_time(&Expr::Value(typed.value.clone()), &typed.data_type),
            Expr::GroupingSets(_) | Expr::Cube(_) | Expr::Rollup(_) => GO,
            Expr::Collate { .. } => unsupported("COLLATE"),
            Expr::Lambda(_) | Expr::Struct { .. } | Expr::Map(_) | Expr::Dictionary(_) => {
                refuse(format!("the expression {expr}"), "")
            }
            _ => GO,
        }
    }

    fn pre_visit_value(&mut self, value: &ValueWithSpan) -> Flow {
        match &value.value {
            Value::Number(digits, _) if significant(digits) > 38 => {
                refuse(format!("the number {digits}"), "NUMERIC has at most 38 digits")
            }
            Value::DollarQuotedString(_) => refuse("$$ strings outside a procedure", "use '...'"),
            _ => GO,
        }
    }
}

impl Refusals {
    fn check_body(&self, body: &SetExpr) -> Flow {
        match body {
            SetExpr::Values(_) if self.depth == self.values_allowed => GO,
            SetExpr::Values(_) => refuse("VALUES as a table", "use SELECT ... UNION ALL"),
            SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => {
                refuse("a writing statement in WITH", "")
            }
            SetExpr::Table(_) => refuse("TABLE as a query", "use SELECT"),
            SetExpr::SetOperation { left, right, .. } => {
                self.check_side(left)?;
                self.check_side(right)
            }
            SetExpr::Select(_) | SetExpr::Query(_) => GO,
        }
    }

    fn check_side(&self, side: &SetExpr) -> Flow {
        if matches!(side, SetExpr::Values(_)) {
            return refuse("VALUES as a table", "use SELECT ... UNION ALL");
        }
        self.check_body(side)
    }

    fn check_function(&self, function: &Function) -> Flow {
        if function.filter.is_some() {
            return refuse("FILTER", "use CASE inside the aggregate");
        }
        if let Some(WindowType::WindowSpec(window)) = &function.over {
            check_window(window)?;
        }
        match functions::judge(&function.name, self.user_tables) {
            Ok(()) => GO,
            Err(error) => ControlFlow::Break(Box::new(error)),
        }
    }
}

fn check_window(window: &WindowSpec) -> Flow {
    if window.order_by.iter().any(|by| by.options.nulls_first.is_some()) {
        return refuse(
            "NULLS FIRST or LAST in a window",
            "order by CASE WHEN x IS NULL THEN 1 ELSE 0 END first",
        );
    }
    GO
}

fn check_operator(op: &BinaryOperator) -> Flow {
    use BinaryOperator as B;
    match op {
        B::Arrow | B::LongArrow | B::HashArrow | B::HashLongArrow | B::AtArrow | B::ArrowAt | B::AtAt => {
            refuse(format!("the operator {op}"), "navigate the SUPER column")
        }
        B::Question | B::QuestionAnd | B::QuestionPipe | B::HashMinus | B::AtQuestion | B::Overlaps => {
            refuse(format!("the operator {op}"), "")
        }
        _ => GO,
    }
}

fn is_untyped(item: &SelectItem) -> bool {
    let (SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) = item else { return false };
    let mut expr = expr;
    while let Expr::Nested(inner) = expr {
        expr = inner;
    }
    matches!(expr, Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(_) | Value::Null, .. }))
}

fn significant(digits: &str) -> usize {
    let mantissa = digits.split(['e', 'E']).next().unwrap_or_default();
    mantissa.trim_start_matches(['0', '.']).bytes().filter(u8::is_ascii_digit).count()
}

fn check_time(expr: &Expr, data_type: &DataType) -> Flow {
    let Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(text), .. }) = expr else { return GO };
    match check_literal(text, &data_type.to_string()) {
        Ok(()) => GO,
        Err(error) => ControlFlow::Break(Box::new(error)),
    }
}

/// Whether Redshift would take the literal for a column of that type: no infinity, at most microseconds, at most
/// 38 digits. PostgreSQL takes the first two, or rounds without a word.
pub fn check_literal(text: &str, type_name: &str) -> Result<(), SqlError> {
    let type_name = type_name.to_ascii_lowercase();
    let is_time =
        type_name.starts_with("timestamp") || type_name.starts_with("date") || type_name.starts_with("time");
    let is_number =
        ["numeric", "decimal", "real", "double", "float"].iter().any(|t| type_name.starts_with(t));
    let word = text.trim().trim_start_matches(['+', '-']).to_ascii_lowercase();
    if (is_time || is_number) && (word == "infinity" || word == "inf" || (is_number && word == "nan")) {
        return Err(SqlError::refused(format!("{text} for {type_name}"), "it stores finite values only"));
    }
    if is_time && fraction_digits(text) > 6 {
        return Err(SqlError::refused(format!("{text} for {type_name}"), "it has at most microseconds"));
    }
    if (type_name.starts_with("numeric") || type_name.starts_with("decimal")) && significant(&word) > 38 {
        return Err(SqlError::refused(format!("{text} for {type_name}"), "NUMERIC has at most 38 digits"));
    }
    Ok(())
}

fn fraction_digits(text: &str) -> usize {
    text.split_once('.').map_or(0, |(_, rest)| rest.bytes().take_while(u8::is_ascii_digit).count())
}
