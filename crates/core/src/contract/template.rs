//! `${NAME}` in a contract's texts: kept as written, filled in when the server that holds it is used.
//! Reads no environment itself: the caller passes the lookup.

use std::fmt;

/// A contract text with `${NAME}` placeholders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(String);

/// A placeholder without a value.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TemplateError {
    /// The environment has no such variable.
    #[error("{text:?} needs {name}, which is not set")]
    Missing {
        /// The variable.
        name: String,
        /// The whole text.
        text: String,
    },
    /// `${` without `}`.
    #[error("{text:?}: a ${{ without its }}")]
    Unclosed {
        /// The whole text.
        text: String,
    },
}

impl Template {
    /// Wraps a text; placeholders are looked at when it is resolved.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text as the contract has it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Replaces every placeholder; a missing variable is an error that names it.
    pub fn resolve(&self, lookup: &dyn Fn(&str) -> Option<String>) -> Result<String, TemplateError> {
        let mut out = String::with_capacity(self.0.len());
        let mut rest = self.0.as_str();
        while let Some((before, tail)) = rest.split_once("${") {
            let (name, after) =
                tail.split_once('}').ok_or_else(|| TemplateError::Unclosed { text: self.0.clone() })?;
            let value = lookup(name)
                .filter(|value| !value.is_empty())
                .ok_or_else(|| TemplateError::Missing { name: name.to_owned(), text: self.0.clone() })?;
            out.push_str(before);
            out.push_str(&value);
            rest = after;
        }
        out.push_str(rest);
        Ok(out)
    }

    /// The text with every `${NAME}` standing for one fixed word, so that it can be checked without an environment.
    pub fn placeholder_text(&self) -> Result<String, TemplateError> {
        self.resolve(&|name| Some(format!("env.{}", name.to_ascii_lowercase())))
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_variable_is_named() {
        let t = Template::new("s3://${LANDING_BUCKET}/x/${STAGE}");
        let one = |name: &str| (name == "LANDING_BUCKET").then(|| "b".to_owned());
        assert_eq!(
            t.resolve(&one),
            Err(TemplateError::Missing { name: "STAGE".into(), text: t.as_str().into() })
        );
        assert_eq!(t.resolve(&|_| Some("v".into())).as_deref(), Ok("s3://v/x/v"));
        assert!(Template::new("a${b").resolve(&|_| None).is_err());
    }
}
