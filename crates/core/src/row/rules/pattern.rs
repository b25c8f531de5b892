//! A pattern that texts must match. The most common ones, such as `^[A-Z]{3}$`, are a row of character classes:
//! those are walked by hand, without an engine to build at start. `regex` decides about all others.

use std::sync::OnceLock;

use regex::Regex;

/// Most characters that a walked pattern may ask for, so that `regex` surely takes it as well.
const MAX_CHARACTERS: usize = 64;

#[derive(Debug)]
pub(super) struct Pattern {
    source: String,
    walk: Option<Vec<Step>>,
    regex: OnceLock<Option<Regex>>,
}

/// So many characters of a class; `usize::MAX` for any number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Step {
    class: Class,
    min: usize,
    max: usize,
}

/// A set of ASCII characters, one bit each.
type Class = u128;

impl Pattern {
    pub fn compile(source: &str) -> Result<Self, regex::Error> {
        let walk = steps(source);
        let regex = match walk {
            Some(_) => OnceLock::new(),
            None => OnceLock::from(Some(Regex::new(source)?)),
        };
        Ok(Self { source: source.to_owned(), walk, regex })
    }

    pub fn as_str(&self) -> &str {
        &self.source
    }

    pub fn is_match(&self, text: &str) -> bool {
        match &self.walk {
            // Beyond ASCII, classes such as \d hold more.
            Some(steps) if text.is_ascii() => walk(steps, text.as_bytes()),
            _ => {
                let regex = self.regex.get_or_init(|| Regex::new(&self.source).ok());
                regex.as_ref().is_some_and(|regex| regex.is_match(text))
            }
        }
    }
}

fn walk(steps: &[Step], mut text: &[u8]) -> bool {
    for step in steps {
        let in_class = |b: &&u8| step.class >> (**b & 127) & 1 == 1;
        let len = text.iter().take(step.max).take_while(in_class).count();
        if len < step.min {
            return false;
        }
        text = text.get(len..).unwrap_or_default();
    }
    text.is_empty()
}

/// The steps of a pattern of classes between `^` and `$`; `None` where it has anything else, or where taking as many
/// characters as a class can would not be the only way to match.
fn steps(source: &str) -> Option<Vec<Step>> {
    let mut rest = source.strip_prefix('^')?.strip_suffix('$')?.as_bytes();
    let mut steps: Vec<Step> = Vec::new();
    while let [first, after @ ..] = rest {
        let (class, after) = match first {
            b'[' => class(after)?,
            b'\\' => escape(after)?,
            b'.' => (!(1 << b'\n'), after),
            b if is_literal(*b) => (1 << b, after),
            _ => return None,
        };
        let (min, max, after) = quantifier(after)?;
        steps.push(Step { class, min, max });
        rest = after;
    }
    let asked: usize =
        steps.iter().map(|step| if step.max == usize::MAX { step.min } else { step.max }).sum();
    (asked <= MAX_CHARACTERS && is_greedy(&steps)).then_some(steps)
}

/// Whether each class of open length shares no character with what may follow it.
fn is_greedy(steps: &[Step]) -> bool {
    steps.iter().enumerate().filter(|(_, step)| step.min < step.max).all(|(at, step)| {
        let mut mandatory = false;
        let mut next = steps.iter().skip(at + 1).take_while(|own| {
            let is_in_reach = !mandatory;
            mandatory |= own.min > 0;
            is_in_reach
        });
        next.all(|own| own.class & step.class == 0)
    })
}

fn is_literal(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b" _-/:,;@%='\"<>!~&#".contains(&byte)
}

/// The class of what follows a backslash.
fn escape(text: &[u8]) -> Option<(Class, &[u8])> {
    let (first, after) = text.split_first()?;
    let class = match first {
        b'd' => range(b'0', b'9'),
        b'w' => range(b'0', b'9') | range(b'A', b'Z') | range(b'a', b'z') | 1 << b'_',
        b if b".-/\\+*?()[]{}^$|".contains(b) => 1 << b,
        _ => return None,
    };
    Some((class, after))
}

fn range(first: u8, last: u8) -> Class {
    (first..=last).fold(0, |class, b| class | 1 << b)
}

/// A class after its `[`. Negated ones, those within others and set operations are left to `regex`.
fn class(mut text: &[u8]) -> Option<(Class, &[u8])> {
    let mut class = 0;
    let mut is_first = true;
    loop {
        let (own, after) = match text {
            [b']', after @ ..] if !is_first => return Some((class, after)),
            [b'\\', after @ ..] => escape(after)?,
            // A hyphen stands for itself only at an end.
            [b'-', after @ ..] if is_first || after.first() == Some(&b']') => (1 << b'-', after),
            [first, b'-', last, after @ ..] if first.is_ascii_alphanumeric() && *last != b']' => {
                let is_range = last.is_ascii_alphanumeric() && first <= last;
                (is_range.then(|| range(*first, *last))?, after)
            }
            [b, after @ ..] if b.is_ascii_alphanumeric() || b" _/:,;@%='\"<>!.+*?(){}$|".contains(b) => {
                (1 << *b, after)
            }
            _ => return None,
        };
        is_first = false;
        class |= own;
        text = after;
    }
}

fn quantifier(text: &[u8]) -> Option<(usize, usize, &[u8])> {
    Some(match text {
        [b'?', after @ ..] => (0, 1, after),
        [b'*', after @ ..] => (0, usize::MAX, after),
        [b'+', after @ ..] => (1, usize::MAX, after),
        [b'{', after @ ..] => {
            let end = after.iter().position(|b| *b == b'}')?;
            let (inner, after) = after.split_at_checked(end)?;
            let (min, max) = counts(str::from_utf8(inner).ok()?)?;
            (min, max, after.strip_prefix(b"}")?)
        }
        after => (1, 1, after),
    })
}

fn counts(inner: &str) -> Option<(usize, usize)> {
    let number = |text: &str| {
        let is_plain = (1..=3).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        is_plain.then(|| text.parse::<usize>().ok()).flatten()
    };
    let (min, max) = match inner.split_once(',') {
        None => (number(inner)?, number(inner)?),
        Some((min, "")) => (number(min)?, usize::MAX),
        Some((min, max)) => (number(min)?, number(max)?),
    };
    (min <= max).then_some((min, max))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn common_patterns_are_walked_and_others_left_to_regex() {
        for source in [
            "^[A-Z]{3}$",
            "^[0-9]+$",
            "^\\d{4}-\\d{2}$",
            "^[A-Za-z0-9_-]{1,20}$",
            "^$",
            "^DE[0-9]{20}$",
            "^x?y*z$",
            "^.{0,9}$",
            "^\\+?[1-9]\\d{1,14}$",
            "^a[b\\-.]c$",
        ] {
            assert!(steps(source).is_some(), "{source}");
        }
        for source in [
            "[A-Z]{3}",
            "^[A-Z]{3}",
            "^(a|b)$",
            "^[^a]$",
            "^a|b$",
            "^[a-z]+[a-c]$",
            "^a?a$",
            "^\\d+.$",
            "^[[:alpha:]]$",
            "^[a-z&&b]$",
            "^a+?$",
            "^a{2}{3}$",
            "^a{3,2}$",
            "^[z-a]$",
            "^é$",
            "^\\bx$",
            "^\\$",
            "^[]a]$",
            "^a{,3}$",
            "^[0-9]{65}$",
            "^\\p{L}$",
            "^(?i)a$",
            "^a**$",
        ] {
            assert_eq!(steps(source), None, "{source}");
        }
    }

    #[test]
    fn classes_hold_more_than_ascii() {
        assert!(Pattern::compile("^\\d{1}$").unwrap().is_match("٣"));
        assert!(Pattern::compile("^.$").unwrap().is_match("é"));
        assert!(!Pattern::compile("^[a-z]$").unwrap().is_match("é"));
        assert!(Pattern::compile("^[z-a]$").is_err());
    }

    proptest! {
        #[test]
        fn walking_a_pattern_is_matching_it(
            parts in prop::collection::vec(("\\[[a-cX0-2_-]{1,4}\\]|[abX0.-]|\\\\[dw.-]|\\[\\\\d[a-c]\\]|\\[[a-c]-[a-c]\\]",
                prop::sample::select(vec!["", "", "?", "*", "+", "{2}", "{1,3}", "{0,2}", "{2,}"])), 0..5),
            texts in prop::collection::vec("[abcX012_.\\-\n]{0,7}", 8),
        ) {
            let source = format!("^{}$", parts.iter().map(|(a, b)| format!("{a}{b}")).collect::<String>());
            let (own, regex) = (steps(&source), Regex::new(&source));
            if let Some(own) = own {
                let regex = regex.unwrap_or_else(|error| panic!("{source}: {error}"));
                for text in &texts {
                    prop_assert_eq!(walk(&own, text.as_bytes()), regex.is_match(text), "{} {:?}", source, text);
                }
            }
        }
    }
}
