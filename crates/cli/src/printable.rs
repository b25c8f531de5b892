//! Texts of others made safe for a terminal: control and invisible characters are written as escapes, so that no
//! record can move the cursor, change colours or reverse what is read. Knows no command.

use std::borrow::Cow;

use unicode_width::UnicodeWidthChar;

/// The text with each such character as in JSON (`\n`, `\u001b`); JSON stays the same JSON.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        push(c, &mut out);
    }
    Cow::Owned(out)
}

/// The beginning of the printable text, at most `max_width` columns of a terminal wide; `…` tells that more follows.
pub fn shortened(text: &str, max_width: usize) -> String {
    // Marks without a width could be put on one character without end.
    let max_characters = 4 * max_width;
    let (mut out, mut width, mut fitting) = (String::new(), 0, 0);
    for (at, c) in text.chars().enumerate() {
        let before = out.len();
        push(c, &mut out);
        width += out[before..].chars().filter_map(UnicodeWidthChar::width).sum::<usize>();
        if width > max_width || at >= max_characters {
            out.truncate(fitting);
            out.push('…');
            return out;
        }
        // Room for the ellipsis itself.
        if width < max_width {
            fitting = out.len();
        }
    }
    out
}

fn push(c: char, out: &mut String) {
    match c {
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        c if is_unsafe(c) => {
            for unit in c.encode_utf16(&mut [0; 2]) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        }
        c => out.push(c),
    }
}

/// Control characters, line separators, and characters without a width that direct or hide others.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_moves_a_cursor_gets_through() {
        assert_eq!(
            printable("\u{1b}[2J\r\n\u{9b}1m\u{7f}\u{202e}x"),
            "\\u001b[2J\\r\\n\\u009b1m\\u007f\\u202ex"
        );
        assert_eq!(printable("\u{e0041}"), "\\udb40\\udc41");
        assert_eq!(printable("müsli 猫 {}"), "müsli 猫 {}");
    }

    #[test]
    fn json_stays_the_same_json() {
        let value = serde_json::json!({"a": "\u{9b}\u{e0041}\u{7f}\u{2028}\n\u{1b}"});
        let json = value.to_string();
        assert_eq!(serde_json::from_str::<serde_json::Value>(&printable(&json)).unwrap(), value);
        assert!(!printable(&json).contains(is_unsafe));
    }

    #[test]
    fn a_text_is_cut_by_its_width_and_says_so() {
        assert_eq!(shortened("abcdef", 6), "abcdef");
        assert_eq!(shortened("abcdefg", 6), "abcde…");
        assert_eq!(shortened("猫猫猫猫", 6), "猫猫…");
        assert_eq!(shortened("abcd\u{1b}", 6), "abcd…");
        assert_eq!(shortened("", 6), "");
        assert!(shortened(&"\u{301}".repeat(1 << 20), 6).len() < 100);
    }
}
