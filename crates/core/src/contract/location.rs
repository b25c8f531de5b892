//! Globs over `s3://bucket/key`: `*` and `?` stay inside a path segment, `**` crosses them.
//! Also decides whether two globs can match one key, which makes the dataset of an object unambiguous.

use std::fmt;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Char(char),
    /// `?`: one character, not `/`.
    One,
    /// `*`: any characters, no `/`.
    Segment,
    /// `**`: any characters.
    Any,
    /// `**/` after a slash: the two tokens that follow (`Any`, `/`) may be left out, so `a/**/b` takes `a/b`.
    Maybe,
}

impl Token {
    fn repeats(self) -> bool {
        matches!(self, Self::Segment | Self::Any)
    }

    fn takes(self, c: char) -> bool {
        match self {
            Self::Char(own) => own == c,
            Self::One | Self::Segment => c != '/',
            Self::Any => true,
            Self::Maybe => false,
        }
    }

    /// How many tokens may be stepped over without taking a character.
    fn free_steps(self) -> &'static [usize] {
        match self {
            Self::Char(_) | Self::One => &[],
            Self::Segment | Self::Any => &[1],
            Self::Maybe => &[1, 3],
        }
    }

    /// Whether one character exists that both tokens take.
    fn meets(self, other: Self) -> bool {
        match (self, other) {
            (Self::Maybe, _) | (_, Self::Maybe) => false,
            (Self::Char(a), b) => b.takes(a),
            (a, Self::Char(b)) => a.takes(b),
            _ => true,
        }
    }
}

/// A parsed location glob. Matching is linear in pattern times key, whatever the pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob {
    text: String,
    tokens: Vec<Token>,
}

/// Why a location is not usable.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("location {text:?}: {reason}")]
pub struct GlobError {
    text: String,
    reason: &'static str,
}

impl Glob {
    /// Parses a location such as `s3://landing/queue/transactions/*.json`.
    pub fn parse(text: &str) -> Result<Self, GlobError> {
        let fail = |reason| GlobError { text: text.to_owned(), reason };
        let rest = text.strip_prefix("s3://").ok_or_else(|| fail("must start with s3://"))?;
        let (bucket, key) = rest.split_once('/').ok_or_else(|| fail("must have a key after the bucket"))?;
        if bucket.is_empty() || key.is_empty() {
            return Err(fail("needs a bucket and a key"));
        }
        if bucket.contains(['*', '?']) {
            return Err(fail("the bucket must be named, not matched"));
        }
        if key.contains(['[', ']', '{', '}']) {
            return Err(fail("only *, ** and ? are special; [, ], { and } are not supported"));
        }
        Ok(Self { text: text.to_owned(), tokens: tokens(text) })
    }

    /// Whether the glob matches the whole of `s3://bucket/key`.
    pub fn matches(&self, bucket: &str, key: &str) -> bool {
        let path = ["s3://", bucket, "/", key].concat();
        let mut states = vec![false; self.tokens.len() + 1];
        states[0] = true;
        self.step_free(&mut states);
        for c in path.chars() {
            let mut next = vec![false; states.len()];
            for (i, token) in self.tokens.iter().enumerate() {
                if states[i] && token.takes(c) {
                    next[if token.repeats() { i } else { i + 1 }] = true;
                }
            }
            self.step_free(&mut next);
            states = next;
        }
        states[self.tokens.len()]
    }

    /// The folder that all keys it matches lie in: up to the last slash before the first special character.
    pub fn folder(&self) -> &str {
        let key =
            self.text.strip_prefix("s3://").and_then(|path| path.split_once('/')).map_or("", |own| own.1);
        let literal = key.split(['*', '?']).next().unwrap_or_default();
        literal.rfind('/').and_then(|last| literal.get(..=last)).unwrap_or_default()
    }

    fn step_free(&self, states: &mut [bool]) {
        for (i, token) in self.tokens.iter().enumerate() {
            if states[i] {
                token.free_steps().iter().for_each(|step| states[i + step] = true);
            }
        }
    }

    /// Whether some key is matched by both globs.
    pub fn overlaps(&self, other: &Self) -> bool {
        let (a, b) = (&self.tokens, &other.tokens);
        let width = b.len() + 1;
        let mut seen = vec![false; (a.len() + 1) * width];
        let mut open = vec![(0, 0)];
        while let Some((i, j)) = open.pop() {
            if std::mem::replace(&mut seen[i * width + j], true) {
                continue;
            }
            if i == a.len() && j == b.len() {
                return true;
            }
            let (x, y) = (a.get(i).copied(), b.get(j).copied());
            open.extend(x.iter().flat_map(|x| x.free_steps()).map(|step| (i + step, j)));
            open.extend(y.iter().flat_map(|y| y.free_steps()).map(|step| (i, j + step)));
            if let (Some(x), Some(y)) = (x, y)
                && x.meets(y)
            {
                open.push((if x.repeats() { i } else { i + 1 }, if y.repeats() { j } else { j + 1 }));
            }
        }
        false
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn tokens(text: &str) -> Vec<Token> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if out.last() == Some(&Token::Char('/'))
            && let Some(tail) = rest.strip_prefix("**/")
        {
            out.extend([Token::Maybe, Token::Any, Token::Char('/')]);
            rest = tail;
        } else if let Some(tail) = rest.strip_prefix("**") {
            out.push(Token::Any);
            rest = tail;
        } else {
            out.push(match c {
                '*' => Token::Segment,
                '?' => Token::One,
                c => Token::Char(c),
            });
            rest = &rest[c.len_utf8()..];
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn glob(text: &str) -> Glob {
        Glob::parse(text).unwrap()
    }

    #[test]
    fn one_star_stays_in_its_segment_and_two_cross() {
        let one = glob("s3://b/queue/*.json");
        assert!(one.matches("b", "queue/a.json"));
        assert!(!one.matches("b", "queue/a/b.json"));
        assert!(!one.matches("c", "queue/a.json"));
        let two = glob("s3://b/queue/**/*.json");
        assert!(two.matches("b", "queue/a.json"));
        assert!(two.matches("b", "queue/x/y/a.json"));
        assert!(!two.matches("b", "queue/x/y/a.csv"));
        let exact = glob("s3://b/queue/**/a.json");
        assert!(exact.matches("b", "queue/a.json") && exact.matches("b", "queue/x/a.json"));
        assert!(!exact.matches("b", "queue/xa.json"));
    }

    #[test]
    fn all_keys_of_a_glob_lie_in_its_folder() {
        for (text, folder) in [
            ("s3://b/lake/images/**", "lake/images/"),
            ("s3://b/lake/images/**/*.png", "lake/images/"),
            ("s3://b/lake/images/img-*.png", "lake/images/"),
            ("s3://b/lake/?/x", "lake/"),
            ("s3://b/lake/images/a.png", "lake/images/"),
            ("s3://b/*/x", ""),
            ("s3://b/x", ""),
        ] {
            assert_eq!(glob(text).folder(), folder, "{text}");
        }
    }

    #[test]
    fn overlap_is_found_exactly() {
        assert!(glob("s3://b/q/*.json").overlaps(&glob("s3://b/q/a*")));
        assert!(glob("s3://b/**").overlaps(&glob("s3://b/x/y/z.csv")));
        assert!(!glob("s3://b/q/*.json").overlaps(&glob("s3://b/q/*.csv")));
        assert!(!glob("s3://b/q/*").overlaps(&glob("s3://b/q/x/y")));
        assert!(!glob("s3://a/q/*").overlaps(&glob("s3://b/q/*")));
    }

    #[test]
    fn unusable_locations_say_why() {
        for text in ["http://b/k", "s3://b", "s3:///k", "s3://*/k", "s3://b/{a,b}"] {
            assert!(Glob::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_hostile_pattern_costs_no_more_than_pattern_times_key() {
        let nasty = glob(&format!("s3://b/{}z", "*a".repeat(200)));
        assert!(!nasty.matches("b", &"a".repeat(900)));
    }
}
