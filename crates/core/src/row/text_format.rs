//! Formats that a contract may ask of a text, by the standard's names, and what each takes. Strict: a text in a form
//! that only some readers understand is refused. Knows no columns.

use core::net::{Ipv4Addr, Ipv6Addr};

/// Longest address of a mailbox and longest part before the `@`, RFC 5321 4.5.3.1.
const MAX_EMAIL_BYTES: usize = 254;
const MAX_LOCAL_BYTES: usize = 64;
/// Longest host name and label, RFC 1035 2.3.4.
const MAX_HOST_BYTES: usize = 253;
const MAX_LABEL_BYTES: usize = 63;

/// `logicalTypeOptions.format` of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextFormat {
    /// RFC 4122: 32 hex digits in five groups, in either case.
    Uuid,
    /// RFC 5321 without quoted local parts and address literals.
    Email,
    /// RFC 3986 with a scheme, in ASCII.
    Uri,
    /// RFC 1123 2.1: labels of letters, digits and hyphens.
    Hostname,
    /// Four decimal numbers, without leading zeros.
    Ipv4,
    /// RFC 4291, without a zone.
    Ipv6,
}

impl TextFormat {
    /// The format of a name in the standard; `None` for names that say nothing that could be checked.
    pub fn of(name: &str) -> Option<Self> {
        Some(match name {
            "uuid" => Self::Uuid,
            "email" => Self::Email,
            "uri" => Self::Uri,
            "hostname" => Self::Hostname,
            "ipv4" => Self::Ipv4,
            "ipv6" => Self::Ipv6,
            _ => return None,
        })
    }

    /// Its name in the standard.
    pub fn name(self) -> &'static str {
        match self {
            Self::Uuid => "uuid",
            Self::Email => "email",
            Self::Uri => "uri",
            Self::Hostname => "hostname",
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
        }
    }

    /// Whether a text has the format.
    pub fn takes(self, text: &str) -> bool {
        match self {
            Self::Uuid => is_uuid(text.as_bytes()),
            Self::Email => is_email(text),
            Self::Uri => is_uri(text),
            Self::Hostname => is_host(text),
            Self::Ipv4 => text.parse::<Ipv4Addr>().is_ok(),
            Self::Ipv6 => text.parse::<Ipv6Addr>().is_ok(),
        }
    }
}

fn is_uuid(text: &[u8]) -> bool {
    let is_dash = |at: usize| matches!(at, 8 | 13 | 18 | 23);
    text.len() == 36
        && text.iter().enumerate().all(|(at, b)| if is_dash(at) { *b == b'-' } else { b.is_ascii_hexdigit() })
}

fn is_email(text: &str) -> bool {
    let Some((local, host)) = text.rsplit_once('@') else { return false };
    let is_atom = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b))
    };
    text.len() <= MAX_EMAIL_BYTES
        && local.len() <= MAX_LOCAL_BYTES
        && local.split('.').all(is_atom)
        && is_host(host)
}

fn is_host(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=MAX_LABEL_BYTES).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= MAX_HOST_BYTES && text.split('.').all(is_label)
}

fn is_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    // Two '#' would be two fragments; brackets stand around an IPv6 host alone.
    is_scheme && rest.matches('#').count() <= 1 && uri_characters(rest.as_bytes())
}

fn uri_characters(mut rest: &[u8]) -> bool {
    while let Some((first, after)) = rest.split_first() {
        rest = match (first, after) {
            (b'%', [a, b, after @ ..]) if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => after,
            (b, after) if b.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=".contains(b) => after,
            _ => return false,
        };
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(format: TextFormat, takes: &[&str], refuses: &[&str]) {
        for text in takes {
            assert!(format.takes(text), "{} should take {text:?}", format.name());
        }
        for text in refuses.iter().chain(&["", " ", "é", "\n"]) {
            assert!(!format.takes(text), "{} should refuse {text:?}", format.name());
        }
        assert_eq!(TextFormat::of(format.name()), Some(format));
    }

    #[test]
    fn each_format_takes_its_own_and_refuses_what_is_near() {
        holds(
            TextFormat::Uuid,
            &["123e4567-e89b-12d3-a456-426614174000", "00000000-0000-0000-0000-000000000000"],
            &[
                "123e4567e89b12d3a456426614174000",
                "{123e4567-e89b-12d3-a456-426614174000}",
                "g23e4567-e89b-12d3-a456-426614174000",
            ],
        );
        holds(
            TextFormat::Email,
            &["a@b", "first.last+tag@mail.example.com", "o'neil@example.com"],
            &[
                "@b",
                "a@",
                "a b@c.de",
                "a..b@c.de",
                ".a@c.de",
                "a@b..de",
                "a@-b.de",
                "a@b_c.de",
                "a@b@c",
                "ä@b.de",
                "a@[127.0.0.1]",
            ],
        );
        assert!(!TextFormat::Email.takes(&format!("{}@example.com", "x".repeat(65))));
        assert!(!TextFormat::Email.takes(&format!("a@{}.de", "x".repeat(64))));
        holds(
            TextFormat::Uri,
            &[
                "https://example.com/a?b=c%20d#e",
                "urn:isbn:0451450523",
                "mailto:a@b.de",
                "http://[::1]:80/",
                "x:",
            ],
            &[
                "example.com",
                "/a/b",
                "1http://a",
                "http://a b",
                "http://a/%zz",
                "http://a/%2",
                "http://a/#b#c",
                "http://ä.de",
                "http://a\\b",
            ],
        );
        holds(
            TextFormat::Ipv4,
            &["0.0.0.0", "255.255.255.255"],
            &["256.0.0.1", "1.2.3", "1.2.3.4.5", "01.2.3.4", "1.2.3.4 ", "0x1.2.3.4"],
        );
        holds(
            TextFormat::Ipv6,
            &["::", "2001:db8::1", "::ffff:1.2.3.4", "1:2:3:4:5:6:7:8"],
            &["1.2.3.4", "1:2:3:4:5:6:7", "fe80::1%eth0", "[::1]", ":::1", "12345::"],
        );
        holds(
            TextFormat::Hostname,
            &["localhost", "a.b-c.example", "3com.com"],
            &["a..b", "-a.b", "a_b", "a.b."],
        );
        assert_eq!(TextFormat::of("password"), None);
    }
}
