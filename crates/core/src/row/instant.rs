//! The usual spellings of an instant, `2026-03-05T10:11:12.123456+01:00` and what is shorter than that, read eight bytes
//! at a time into the canonical text. Whatever it is not sure of it leaves to `time`; a property holds the two to the
//! same texts. No clock.

/// Days that every such month has, by its number.
const DAYS: [u8; 13] = [0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
/// A blank and every hour.
const HOURS: &str = " 00 01 02 03 04 05 06 07 08 09 10 11 12 13 14 15 16 17 18 19 20 21 22 23";
const NO_FRACTION: &str = ".000000+00";
const MICRO_DIGITS: usize = 6;
/// `2026-03-05T10:11:12`
const SECOND_LEN: usize = 19;

/// Appends `YYYY-MM-DD HH:MM:SS.ffffff+00` of a text that names its offset; false, with nothing written, where it is
/// left to `time`.
#[inline]
pub(super) fn push(text: &str, out: &mut String) -> bool {
    pieces(text).map(|pieces| pieces.into_iter().for_each(|piece| out.push_str(piece))).is_some()
}

/// The canonical text in its pieces. Most lengths are known, so that copying takes no call.
#[inline(always)]
fn pieces(text: &str) -> Option<[&str; 4]> {
    let (hour, digits) = read(text.as_bytes())?;
    let hour = usize::from(hour) * 3;
    let (day, hour) = (text.get(..10)?, HOURS.get(hour..hour + 3)?);
    Some(match digits {
        0 => [day, hour, text.get(13..SECOND_LEN)?, NO_FRACTION],
        MICRO_DIGITS => [day, hour, text.get(13..=SECOND_LEN + MICRO_DIGITS)?, "+00"],
        fewer => [day, hour, text.get(13..=SECOND_LEN + fewer)?, NO_FRACTION.get(1 + fewer..)?],
    })
}

/// The hour in UTC, and how many digits follow the point.
#[inline]
fn read(text: &[u8]) -> Option<(u8, usize)> {
    let (second, rest) = text.split_first_chunk::<SECOND_LEN>()?;
    let [y1, y2, y3, y4, s1, m1, m2, s2, d1, d2, t, h1, h2, c1, n1, n2, c2, x1, x2] = *second;
    let [_, _, _, _, _, m1, m2, _] = digits([y1, y2, y3, y4, s1, m1, m2, s2], *b"0000-00-")?;
    // Either mark may stand between day and hour.
    let t = if t == b' ' { b'T' } else { t };
    let [d1, d2, _, h1, h2, _, n1, _] = digits([d1, d2, t, h1, h2, c1, n1, n2], *b"00T00:00")?;
    let [c2, x1, x2] = [c2 ^ b':', x1 ^ b'0', x2 ^ b'0'];
    let (month, day, hour) = (m1 * 10 + m2, d1 * 10 + d2, h1 * 10 + h2);
    let is_day = day != 0 && day <= *DAYS.get(usize::from(month))? && (y1 | y2 | y3 | y4) != b'0';
    let is_time = hour < 24 && n1 < 6 && c2 == 0 && x1 < 6 && x2 < 10;
    let (digits, offset) = fraction(rest)?;
    let hour = (hour as i8).checked_sub(hours(offset, text)?)?;
    (is_day && is_time && (0..24).contains(&hour)).then_some((hour as u8, digits))
}

/// The digits' values where the bytes are digits and marks as the pattern has them.
#[inline(always)]
fn digits(bytes: [u8; 8], pattern: [u8; 8]) -> Option<[u8; 8]> {
    const HIGH: u64 = 0x8080_8080_8080_8080;
    // Over 127 where a digit is over 9, or a mark is another one.
    let over = pattern.map(|own| if own == b'0' { 0x76 } else { 0x7f });
    let values = u64::from_le_bytes(bytes) ^ u64::from_le_bytes(pattern);
    let wrong = (values | ((values & !HIGH) + u64::from_le_bytes(over))) & HIGH;
    (wrong == 0).then_some(values.to_le_bytes())
}

/// How many digits follow a point, at most six, and what follows them.
#[inline(always)]
fn fraction(rest: &[u8]) -> Option<(usize, &[u8])> {
    let [b'.', digits @ ..] = rest else { return Some((0, rest)) };
    let len = match digits.split_first_chunk::<7>() {
        Some(([a @ .., _], _)) if a.iter().all(u8::is_ascii_digit) => MICRO_DIGITS,
        _ => digits.iter().position(|byte| !byte.is_ascii_digit())?,
    };
    (1..=MICRO_DIGITS).contains(&len).then_some((len, digits.get(len..)?))
}

/// Whole hours east of UTC, of an offset that ends the text.
#[inline(always)]
fn hours(offset: &[u8], text: &[u8]) -> Option<i8> {
    let (len, last) = match *offset {
        [sign, h1, h2] | [sign, h1, h2, b'0', b'0'] => (6, [sign, h1, h2, b':', b'0', b'0']),
        _ => (offset.len(), *text.last_chunk()?),
    };
    // No branches between the usual ones: where they differ from row to row nobody could foretell them. Of `Z` only the
    // last byte says something.
    let [sign, h1, h2, colon, m1, m2] = last;
    let (h1, h2) = (h1.wrapping_sub(b'0'), h2.wrapping_sub(b'0'));
    let hours = h1.wrapping_mul(10).wrapping_add(h2);
    let (is_west, is_z) = (sign == b'-', (len == 1) & (m2 == b'Z'));
    let is_offset = (len == 6)
        & (is_west | (sign == b'+'))
        & ((h1 <= 2) & (h2 <= 9) & (hours <= 23))
        & ((colon == b':') & (m1 == b'0') & (m2 == b'0'));
    let sign = -i8::from(is_west);
    // What is refused may be any number here.
    (is_z | is_offset).then_some((hours as i8 ^ sign).wrapping_sub(sign) & -i8::from(is_offset))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::time::spelled_timestamptz;
    use proptest::prelude::*;

    fn quick(text: &str) -> Option<String> {
        let mut out = String::new();
        push(text, &mut out).then_some(out)
    }

    fn slow(text: &str) -> Option<String> {
        let mut out = String::new();
        spelled_timestamptz(text, 0, &mut out).ok().map(|()| out)
    }

    #[test]
    fn usual_spellings_are_read_here() {
        for text in [
            "2026-03-05T10:11:12.123456+01:00",
            "2026-03-05T10:11:12.123456Z",
            "2026-03-31 23:59:59.123Z",
            "2026-03-05T10:11:12.5-0500",
            "2026-03-05T00:00:00Z",
            "0001-01-01T00:00:00+00",
        ] {
            assert_eq!(quick(text), slow(text), "{text}");
            assert!(quick(text).is_some(), "{text}");
        }
    }

    #[test]
    fn what_is_no_offset_is_left_to_time() {
        for offset in
            ["-<8", "-<800", "-<8:00", "-5~", "-V4:00", "+24:00", "+01:30", "z", "+1", "01:00", "-00:0Z"]
        {
            for text in
                [format!("2026-03-05T10:11:12{offset}"), format!("2026-03-05T10:11:12.123456{offset}")]
            {
                assert_eq!(quick(&text), None, "{text}");
            }
        }
        assert_eq!(quick("2026-03-05T10:11-<8.1Z"), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_096))]
        #[test]
        fn what_is_read_here_is_what_time_reads(
            text in "[0-2]0[0-9]{2}-[01][0-9]-[0-3][0-9][T ][0-2][0-9]:[0-6][0-9]:[0-6][0-9](\\.[0-9]{0,8})?(Z|[+-][0-2][0-9](:?(00|30))?)?",
            at in 0_usize..64,
            byte in prop::option::of(any::<u8>()),
        ) {
            let mut bytes = text.into_bytes();
            if let (Some(byte), Some(own)) = (byte, bytes.get_mut(at)) {
                *own = byte;
            }
            let text = String::from_utf8_lossy(&bytes);
            if let Some(quick) = quick(&text) {
                prop_assert_eq!(Some(quick), slow(&text));
            }
        }
    }
}
