//! Rules on the items of arrays and the members of objects: how many there are and which must be. Works on the
//! compact JSON text of a value; what is no array or object is the type's business.

use crate::contract::ValueRules;
use crate::reject::Rule;

pub(super) fn check(rules: &ValueRules, json: &str, tell: &mut dyn FnMut(Rule, String)) {
    if rules.min_items.is_some() || rules.max_items.is_some() {
        let count = pieces(json, '[', ']').map(|own| own.count() as u64);
        within(count, (rules.min_items, rules.max_items), "items", tell);
    }
    if rules.min_properties.is_some() || rules.max_properties.is_some() {
        let count = pieces(json, '{', '}').map(|own| own.count() as u64);
        within(count, (rules.min_properties, rules.max_properties), "members", tell);
    }
    for name in &rules.required_properties {
        if pieces(json, '{', '}').is_some_and(|mut own| !own.any(|member| is_named(member, name))) {
            tell(Rule::Required, format!("has no member {name:?}"));
        }
    }
}

fn within(
    count: Option<u64>,
    (min, max): (Option<u64>, Option<u64>),
    what: &str,
    tell: &mut dyn FnMut(Rule, String),
) {
    let Some(count) = count else { return };
    if let Some(min) = min.filter(|min| count < *min) {
        tell(Rule::TooFewItems, format!("has {count} {what}, at least {min} are asked"));
    }
    if let Some(max) = max.filter(|max| count > *max) {
        tell(Rule::TooManyItems, format!("has {count} {what}, at most {max} are allowed"));
    }
}

/// Items or members at a value's own level; `None` if it is another kind of value.
fn pieces(json: &str, open: char, close: char) -> Option<impl Iterator<Item = &str>> {
    let mut rest = json.strip_prefix(open)?.strip_suffix(close)?;
    Some(std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (piece, after) = rest.split_at(end_of_piece(rest));
        rest = after.strip_prefix(',').unwrap_or(after);
        Some(piece)
    }))
}

fn end_of_piece(json: &str) -> usize {
    let (mut depth, mut in_text, mut escaped) = (0_u64, false, false);
    let ends = |byte: u8| {
        match (in_text, byte) {
            _ if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => in_text = !in_text,
            (true, _) => {}
            (false, b'[' | b'{') => depth += 1,
            (false, b']' | b'}') => depth = depth.saturating_sub(1),
            (false, b',') => return depth == 0,
            (false, _) => {}
        }
        false
    };
    json.bytes().position(ends).unwrap_or(json.len())
}

fn is_named(member: &str, name: &str) -> bool {
    let Some(quoted) = member.strip_prefix('"') else { return false };
    match quoted.strip_prefix(name).is_some_and(|rest| rest.starts_with("\":")) {
        true => true,
        // Only a name with escapes can be the same and look different.
        false => key(member).is_some_and(|key| key.contains('\\') && decoded(key).as_deref() == Some(name)),
    }
}

/// A member's name with its quotes.
fn key(member: &str) -> Option<&str> {
    let mut escaped = false;
    let end = member.bytes().skip(1).position(|byte| match (escaped, byte) {
        (false, b'"') => true,
        (false, b'\\') => {
            escaped = true;
            false
        }
        _ => {
            escaped = false;
            false
        }
    })?;
    member.get(..end + 2)
}

fn decoded(key: &str) -> Option<String> {
    serde_json::from_str(key).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(json: &str, open: char, close: char) -> Option<usize> {
        pieces(json, open, close).map(Iterator::count)
    }

    #[test]
    fn items_and_members_are_counted_at_their_own_level() {
        for (json, items, members) in [
            ("[]", Some(0), None),
            ("[1]", Some(1), None),
            (r#"["a,b","\",",{"x":[1,2]},[3,4],null]"#, Some(5), None),
            (r#"["\\","]"]"#, Some(2), None),
            (r#"{"a":[1,2]}"#, None, Some(1)),
            (r#"{"a":{"b":1,"c":2},"}":",","d":[1,{}]}"#, None, Some(3)),
            ("{}", None, Some(0)),
            ("7", None, None),
        ] {
            assert_eq!((count(json, '[', ']'), count(json, '{', '}')), (items, members), "{json}");
        }
    }

    #[test]
    fn members_are_known_by_their_decoded_names() {
        for (member, name, same) in [
            (r#""a":1"#, "a", true),
            (r#""ab":1"#, "a", false),
            (r#""\u0061":1"#, "a", true),
            (r#""a\"":1"#, "a\"", true),
            (r#""a\"":1"#, "a", false),
            (r#""a":"b""#, "b", false),
        ] {
            assert_eq!(is_named(member, name), same, "{member} {name}");
        }
    }
}
