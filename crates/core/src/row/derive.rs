//! Derived columns, rules on rows and tombstones: CEL over the columns of a record. Exact: numeric columns are bound as
//! their canonical decimal texts, never as floats, and the functions registered here work on texts.

use std::fmt;
use std::sync::OnceLock;

use cel::objects::Value;
use cel::parser::PrattParser;
use cel::{Context, Program};

use super::cel_functions::is_known;
use super::cel_values::{Derived, bind, buffered, describe, interpreter, scalar};
use super::fields::Scalar;
use super::findings::Findings;
use super::quick::{Kind, Quick, Val};
use super::reckoning;
use super::rows::Draft;
use crate::contract::{Column, Contract, ContractError, PhysicalType, RowRule};
use crate::reject::{Rule, Violation};

/// The CEL programs of a contract, and the functions they may call.
#[derive(Default)]
pub(super) struct Derivations {
    /// The interpreter's functions, made when an expression first needs it: most never do.
    root: OnceLock<Context<'static, 'static>>,
    /// Derived columns, in contract order.
    columns: Vec<(usize, Expression)>,
    /// Rules on whole rows, by their place in the contract.
    rules: Vec<(RowRule, Expression)>,
    /// `penstock.deletedWhen`.
    deleted_when: Option<Expression>,
    /// Columns that some program uses.
    used: Vec<usize>,
}

/// One expression, and the same for the quick way where it can go that.
struct Expression {
    source: String,
    /// For the interpreter, whose parser costs a cold start a millisecond: most expressions never need it.
    program: OnceLock<Result<Program, String>>,
    quick: Option<Quick>,
    /// It reckons with decimals, which the interpreter must not do.
    is_exact: bool,
}

/// Why an exact expression has no value: what the quick way leaves alone is a NULL or a value of another kind.
const NOT_EXACT: &str = "cannot be evaluated: a value is NULL or of another kind than the expression needs";

impl Expression {
    fn program(&self) -> Result<&Program, String> {
        let compile = || Program::compile(&self.source).map_err(|error| format!("not CEL: {error}"));
        self.program.get_or_init(compile).as_ref().map_err(Clone::clone)
    }

    fn interpret(&self, scope: &Context<'_, '_>) -> Result<Value, String> {
        self.program()?.execute(scope).map_err(|error| describe(&error))
    }
}

impl fmt::Debug for Derivations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = (self.columns.len(), self.rules.len());
        f.debug_struct("Derivations").field("columns", &counts.0).field("rules", &counts.1).finish()
    }
}

impl Derivations {
    pub fn compile(contract: &Contract) -> Result<Self, ContractError> {
        let mut own = Self::default();
        for (i, column) in contract.columns.iter().enumerate() {
            let Some(logic) = &column.derived else { continue };
            let path = format!("schema[0].properties[{i}].transformLogic");
            let compiled = own.derived(contract, column, logic);
            own.columns.push((i, compiled.map_err(|reason| ContractError::at(&path, reason))?));
        }
        for rule in &contract.row_rules {
            let compiled = own.question(contract, &rule.cel);
            own.rules.push((rule.clone(), compiled.map_err(|reason| ContractError::at(&rule.path, reason))?));
        }
        if let Some(logic) = &contract.table_options.deleted_when {
            let refuse = |reason| {
                ContractError::at("schema[0].customProperties", format!("penstock.deletedWhen: {reason}"))
            };
            own.deleted_when = Some(own.question(contract, logic).map_err(refuse)?);
        }
        own.used.sort_unstable();
        own.used.dedup();
        Ok(own)
    }

    /// Holds the expressions that go the quick way to the interpreter's parser, which is asked about the others alone
    /// when they are compiled.
    pub fn check(&self, contract: &Contract) -> Result<(), ContractError> {
        let columns = self.columns.iter();
        let columns = columns.map(|(i, own)| (format!("schema[0].properties[{i}].transformLogic"), own));
        let rules = self.rules.iter().map(|(rule, own)| (rule.path.clone(), own));
        let question = self.deleted_when.iter().map(|own| ("schema[0].customProperties".to_owned(), own));
        for (path, own) in columns.chain(rules).chain(question) {
            let read = own.program().map(|program| Quick::compile(program.expression(), &contract.columns));
            let reason = match read {
                Ok(read) if read == own.quick => continue,
                Ok(_) => "can be read in two ways: write it with brackets".to_owned(),
                Err(reason) => reason,
            };
            return Err(ContractError::at(&path, reason));
        }
        Ok(())
    }

    fn derived(&mut self, contract: &Contract, column: &Column, logic: &str) -> Result<Expression, String> {
        if column.ty == PhysicalType::Super {
            return Err("a super column cannot be derived".into());
        }
        let source = |name: &String| source(contract, name, Sees::Sources);
        if let Some(name) = column.derived_from.iter().find(|name| source(name).is_none()) {
            return Err(format!("transformSourceObjects names no source column: {name:?}"));
        }
        let expression = self.expression(contract, logic, Sees::Sources)?;
        fits(column, expression.quick.as_ref())?;
        Ok(expression)
    }

    /// An expression over all columns that gives true or false.
    fn question(&mut self, contract: &Contract, cel: &str) -> Result<Expression, String> {
        let expression = self.expression(contract, cel, Sees::All)?;
        match expression.quick.as_ref().and_then(Quick::kind) {
            None | Some(Kind::Bool) => Ok(expression),
            Some(_) => Err("must give true or false".to_owned()),
        }
    }

    fn expression(&mut self, contract: &Contract, logic: &str, sees: Sees) -> Result<Expression, String> {
        let plain = PrattParser::new().parse(logic).ok();
        let plain = plain.filter(|parsed| Quick::compile(parsed, &contract.columns).is_some());
        let own =
            Expression { source: logic.to_owned(), program: OnceLock::new(), quick: None, is_exact: false };
        let parsed = match &plain {
            Some(parsed) => parsed,
            None => own.program()?.expression(),
        };
        let needs = super::cel_scope::needs(parsed);
        // Operators are calls too, under names that no function can have.
        let is_function = |name: &&&str| name.starts_with(|c: char| c.is_ascii_alphabetic());
        if let Some(name) = needs.calls.iter().filter(is_function).find(|name| !is_known(name)) {
            return Err(format!("{name} is no function that Penstock has"));
        }
        for name in needs.free {
            let found = source(contract, name, sees);
            let what = if sees == Sees::All { "column" } else { "source column" };
            self.used.push(found.ok_or_else(|| format!("{name:?} is no {what}"))?);
        }
        let quick = Quick::compile(parsed, &contract.columns);
        if let Some(name) = reckoning::orders_text(parsed, &contract.columns) {
            return Err(format!("{name} is a number: compare it with one, not with a text"));
        }
        let reckoned = reckoning::reckoned(parsed, &contract.columns);
        if let (None, Some(name)) = (&quick, reckoned) {
            return Err(format!(
                "{name} is an exact decimal, which CEL cannot reckon with here: use minor({name}, …), a whole number"
            ));
        }
        let is_exact = reckoned.is_some();
        Ok(Expression { quick, is_exact, ..own })
    }

    /// Evaluates all programs; `set` takes each result for its column, then the rules on rows are asked, and whether it
    /// is a tombstone. `text` is a buffer.
    pub fn evaluate(
        &self,
        columns: &[Column],
        draft: &mut Draft<'_>,
        text: &mut String,
        set: impl Fn(&Column, usize, Scalar<'_>, &mut Draft<'_>, &mut Findings),
        found: &mut Findings,
    ) {
        let mut scope = None;
        for (i, own) in &self.columns {
            let Some(column) = columns.get(*i) else { continue };
            if let Some(value) = own.quick.as_ref().and_then(|quick| quick.evaluate(draft)) {
                let value = buffered(value, column.ty, text);
                set(column, *i, value, draft, found);
                continue;
            }
            if own.is_exact {
                found.broken.push(Violation::column(Rule::Derivation, &column.name, NOT_EXACT));
                continue;
            }
            let scope = scope.get_or_insert_with(|| self.scope(columns, draft));
            let result = own.interpret(scope);
            match result.as_ref().map_err(Clone::clone).and_then(|value| scalar(value, column.ty)) {
                Ok(Derived::Borrowed(scalar)) => set(column, *i, scalar, draft, found),
                Ok(Derived::Number(text)) => set(column, *i, Scalar::Number(&text), draft, found),
                Err(reason) => {
                    found.broken.push(Violation::column(Rule::Derivation, &column.name, reason));
                }
            }
        }
        if found.broken.is_empty() {
            self.ask_rules(columns, draft, found);
            self.mark_deleted(columns, draft, found);
        }
    }

    fn ask_rules(&self, columns: &[Column], draft: &Draft<'_>, found: &mut Findings) {
        let mut scope = None;
        for (rule, own) in &self.rules {
            let answer = self.answer(own, columns, draft, &mut scope);
            let reason = match answer {
                Ok(true) => continue,
                Ok(false) => "does not hold".to_owned(),
                Err(reason) => reason,
            };
            found.add(rule.severity, Violation::column(Rule::Quality, &rule.name, reason));
        }
    }

    /// Whether the row is a tombstone; a question without an answer rejects it.
    fn mark_deleted(&self, columns: &[Column], draft: &mut Draft<'_>, found: &mut Findings) {
        let Some(own) = &self.deleted_when else { return };
        match self.answer(own, columns, draft, &mut None) {
            Ok(true) => draft.mark_deleted(),
            Ok(false) => {}
            Err(reason) => found.broken.push(Violation::record(Rule::DeletedWhen, reason)),
        }
    }

    /// What a row answers to a question; `scope` is made where the interpreter is asked.
    fn answer<'s>(
        &'s self,
        own: &Expression,
        columns: &[Column],
        draft: &Draft<'_>,
        scope: &mut Option<Context<'s, 'static>>,
    ) -> Result<bool, String> {
        const NEITHER: &str = "gives neither true nor false";
        match own.quick.as_ref().and_then(|quick| quick.evaluate(draft)) {
            Some(Val::Bool(holds)) => return Ok(holds),
            Some(_) => return Err(NEITHER.to_owned()),
            None if own.is_exact => return Err(NOT_EXACT.to_owned()),
            None => {}
        }
        let scope = scope.get_or_insert_with(|| self.scope(columns, draft));
        match own.interpret(scope) {
            Ok(Value::Bool(holds)) => Ok(holds),
            Ok(_) => Err(NEITHER.to_owned()),
            Err(reason) => Err(format!("cannot be evaluated: {reason}")),
        }
    }

    /// Whether an expression is the same to both parsers, if it goes the quick way at all. One that only the small parser
    /// takes is refused by `check`.
    #[cfg(test)]
    pub fn read_both_ways(contract: &Contract, expression: &str) -> Result<(), String> {
        let Ok(parsed) = PrattParser::new().parse(expression) else { return Ok(()) };
        let Some(quick) = Quick::compile(&parsed, &contract.columns) else { return Ok(()) };
        let Ok(program) = Program::compile(expression) else { return Ok(()) };
        match Quick::compile(program.expression(), &contract.columns) {
            Some(own) if own == quick => Ok(()),
            own => Err(format!("{quick:?} and {own:?}")),
        }
    }

    /// An expression's result both ways, as a text.
    #[cfg(test)]
    pub fn both_ways(
        contract: &Contract,
        expression: &str,
        draft: &Draft<'_>,
    ) -> (Option<String>, Result<String, String>) {
        let used = (0..contract.columns.len()).collect();
        let own = Self { used, ..Self::default() };
        let program = Program::compile(expression).unwrap();
        let parsed = PrattParser::new().parse(expression).unwrap();
        let quick = Quick::compile(&parsed, &contract.columns);
        assert_eq!(quick, Quick::compile(program.expression(), &contract.columns), "{expression}");
        let quick = quick.as_ref().and_then(|quick| quick.evaluate(draft));
        let interpreted = program.execute(&own.scope(&contract.columns, draft)).map_err(|e| describe(&e));
        let text = |scalar: Scalar<'_>| match scalar {
            Scalar::Null => "null".to_owned(),
            Scalar::Bool(flag) => flag.to_string(),
            Scalar::Number(text) | Scalar::Text(text) | Scalar::Nested(text) | Scalar::Canonical(text) => {
                text.to_owned()
            }
        };
        let interpreted = interpreted.and_then(|value| match scalar(&value, PhysicalType::Varchar(9))? {
            Derived::Borrowed(scalar) => Ok(text(scalar)),
            Derived::Number(number) => Ok(number),
        });
        (quick.map(|value| text(buffered(value, PhysicalType::Varchar(9), &mut String::new()))), interpreted)
    }

    fn scope(&self, columns: &[Column], draft: &Draft<'_>) -> Context<'_, 'static> {
        let mut scope = self.root.get_or_init(interpreter).new_inner_scope();
        for i in &self.used {
            if let Some(column) = columns.get(*i) {
                scope.add_variable_from_value(column.name.as_str(), bind(column.ty, draft.get(*i)));
            }
        }
        scope
    }
}

/// A result that no row can put into the column is an error now.
fn fits(column: &Column, quick: Option<&Quick>) -> Result<(), String> {
    use PhysicalType as P;
    let Some(kind) = quick.and_then(Quick::kind) else { return Ok(()) };
    let (fits, gives) = match kind {
        Kind::Bool => (column.ty == P::Boolean, "true or false"),
        Kind::Int => (column.ty.is_number(), "a whole number"),
        // Numbers, dates and booleans are read from texts, too.
        Kind::Text => (true, "a text"),
    };
    if fits { Ok(()) } else { Err(format!("gives {gives}, which is no {}", column.ty)) }
}

/// Which columns an expression may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sees {
    Sources,
    All,
}

/// The column of a name. Any other free name is an error now, not at the first row.
fn source(contract: &Contract, name: &str, sees: Sees) -> Option<usize> {
    contract.columns.iter().position(|own| own.name == name && (sees == Sees::All || own.derived.is_none()))
}
