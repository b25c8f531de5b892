//! The schema of an Avro file as a tree that data is read by. Written here, not taken from a crate, because the data
//! of a hostile file must not decide how much memory its reading takes. Reads no data.

use std::collections::HashMap;

use serde_json::Value;

use super::json_text::{self, Unit};

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    Text,
    Fixed(usize),
    /// Of a fixed size, or (none) of its own.
    Decimal(Option<usize>, u32),
    /// A UUID in 16 bytes.
    Uuid,
    Date,
    Time(Unit),
    /// With its zone: Z or none.
    Timestamp(Unit, &'static str),
    Enum(Vec<String>),
    Array(Box<Node>),
    Map(Box<Node>),
    Union(Vec<Node>),
    /// Names as JSON texts.
    Record(Vec<(String, Node)>),
    /// Index of a named type.
    Named(usize),
}

/// A file's schema.
#[derive(Debug)]
pub(super) struct Schema {
    pub root: Node,
    pub named: Vec<Node>,
}

type Parsed<T> = Result<T, &'static str>;

impl Schema {
    pub fn parse(text: &[u8]) -> Parsed<Self> {
        let value: Value = serde_json::from_slice(text).map_err(|_| "the schema is not JSON")?;
        let mut parser = Parser { names: HashMap::new(), named: Vec::new() };
        let root = parser.node(&value, "")?;
        Ok(Self { root, named: parser.named })
    }
}

struct Parser {
    names: HashMap<String, usize>,
    named: Vec<Node>,
}

impl Parser {
    fn node(&mut self, value: &Value, space: &str) -> Parsed<Node> {
        match value {
            Value::String(name) => match primitive(name) {
                Some(node) => Ok(node),
                None => {
                    let known = self.names.get(&full_name(name, space)).or_else(|| self.names.get(name));
                    known.map(|i| Node::Named(*i)).ok_or("the schema names a type that it does not have")
                }
            },
            Value::Array(types) => {
                types.iter().map(|own| self.node(own, space)).collect::<Parsed<Vec<_>>>().map(Node::Union)
            }
            Value::Object(_) => self.complex(value, space),
            _ => Err("the schema has a type that is none"),
        }
    }

    fn complex(&mut self, value: &Value, space: &str) -> Parsed<Node> {
        let kind = value.get("type").ok_or("the schema has a type that is none")?;
        let part = |name| value.get(name).ok_or("the schema has a type that is not complete");
        match kind.as_str() {
            Some("array") => Ok(Node::Array(Box::new(self.node(part("items")?, space)?))),
            Some("map") => Ok(Node::Map(Box::new(self.node(part("values")?, space)?))),
            Some("record" | "error" | "enum" | "fixed") => self.named(value, kind, space),
            _ => Ok(logical(self.node(kind, space)?, value)),
        }
    }

    fn named(&mut self, value: &Value, kind: &Value, space: &str) -> Parsed<Node> {
        let name =
            value.get("name").and_then(Value::as_str).ok_or("the schema has a type without its name")?;
        let space = value.get("namespace").and_then(Value::as_str).unwrap_or(space);
        let name = full_name(name, space);
        let space = name.rsplit_once('.').map_or("", |(space, _)| space);
        let index = self.named.len();
        self.named.push(Node::Null);
        self.names.insert(name.clone(), index);
        let node = match kind.as_str() {
            Some("enum") => Node::Enum(symbols(value)?),
            Some("fixed") => {
                let size =
                    value.get("size").and_then(Value::as_u64).and_then(|size| usize::try_from(size).ok());
                logical(Node::Fixed(size.ok_or("the schema has a fixed type without its size")?), value)
            }
            _ => Node::Record(self.fields(value, space)?),
        };
        match self.named.get_mut(index) {
            Some(own) => *own = node,
            None => return Err("the schema has a type that is none"),
        }
        Ok(Node::Named(index))
    }

    fn fields(&mut self, value: &Value, space: &str) -> Parsed<Vec<(String, Node)>> {
        let fields =
            value.get("fields").and_then(Value::as_array).ok_or("the schema has a record without fields")?;
        let mut nodes = Vec::with_capacity(fields.len());
        for field in fields {
            let name =
                field.get("name").and_then(Value::as_str).ok_or("the schema has a field without its name")?;
            let kind = field.get("type").ok_or("the schema has a field without its type")?;
            let mut key = String::new();
            json_text::text(&mut key, name);
            nodes.push((key, self.node(kind, space)?));
        }
        Ok(nodes)
    }
}

fn full_name(name: &str, space: &str) -> String {
    if name.contains('.') || space.is_empty() { name.to_owned() } else { format!("{space}.{name}") }
}

fn symbols(value: &Value) -> Parsed<Vec<String>> {
    let symbols = value.get("symbols").and_then(Value::as_array);
    let symbols: Option<Vec<String>> =
        symbols.and_then(|all| all.iter().map(|own| own.as_str().map(str::to_owned)).collect());
    symbols.ok_or("the schema has an enum without symbols")
}

fn primitive(name: &str) -> Option<Node> {
    Some(match name {
        "null" => Node::Null,
        "boolean" => Node::Boolean,
        "int" => Node::Int,
        "long" => Node::Long,
        "float" => Node::Float,
        "double" => Node::Double,
        "bytes" => Node::Bytes,
        "string" => Node::Text,
        _ => return None,
    })
}

/// The type that a logical one makes of another; one that is unknown, or does not fit, changes nothing.
fn logical(node: Node, value: &Value) -> Node {
    let scale = || {
        value.get("scale").and_then(Value::as_u64).and_then(|scale| u32::try_from(scale).ok()).unwrap_or(0)
    };
    let name = value.get("logicalType").and_then(Value::as_str).unwrap_or_default();
    match (name, node) {
        ("decimal", Node::Bytes) => Node::Decimal(None, scale()),
        ("decimal", Node::Fixed(size)) => Node::Decimal(Some(size), scale()),
        ("uuid", Node::Fixed(16)) => Node::Uuid,
        ("date", Node::Int) => Node::Date,
        ("time-millis", Node::Int) => Node::Time(Unit::Millis),
        ("time-micros", Node::Long) => Node::Time(Unit::Micros),
        ("timestamp-millis", Node::Long) => Node::Timestamp(Unit::Millis, "Z"),
        ("timestamp-micros", Node::Long) => Node::Timestamp(Unit::Micros, "Z"),
        ("timestamp-nanos", Node::Long) => Node::Timestamp(Unit::Nanos, "Z"),
        ("local-timestamp-millis", Node::Long) => Node::Timestamp(Unit::Millis, ""),
        ("local-timestamp-micros", Node::Long) => Node::Timestamp(Unit::Micros, ""),
        ("local-timestamp-nanos", Node::Long) => Node::Timestamp(Unit::Nanos, ""),
        (_, node) => node,
    }
}
