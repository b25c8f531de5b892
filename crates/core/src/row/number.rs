//! Decimal texts, exact at every length: no float is ever involved. Gives the canonical text of a
//! `numeric(p,s)` and compares decimals for bounds. Knows no columns.

use std::cmp::Ordering;

/// A decimal number's digits in place: `digits` of the input, and where its point stands.
#[derive(Debug, Clone, Copy)]
struct Parsed<'a> {
    negative: bool,
    whole: &'a [u8],
    fraction: &'a [u8],
    /// Digits before the point, counted from the first digit of `whole`; may be negative or beyond the digits.
    point: i64,
    /// Index of the first non-zero digit, and one past the last; equal when the number is zero.
    significant: (i64, i64),
}

impl<'a> Parsed<'a> {
    /// JSON's number, and what texts in files have besides: a plus, leading zeros, no digit on one side of the point.
    fn read(text: &'a str) -> Option<Self> {
        let (negative, bytes) = match text.as_bytes() {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            rest => (false, rest),
        };
        let (whole, rest) = digits(bytes);
        let (fraction, rest) = match rest.strip_prefix(b".") {
            Some(rest) => digits(rest),
            None => (&[] as &[u8], rest),
        };
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let exponent = match rest {
            [] => 0,
            [b'e' | b'E', rest @ ..] => exponent(rest)?,
            _ => return None,
        };
        let mut parsed = Self {
            negative,
            whole,
            fraction,
            point: (whole.len() as i64).saturating_add(exponent),
            significant: (0, 0),
        };
        let len = (whole.len() + fraction.len()) as i64;
        let first = (0..len).find(|i| parsed.digit(*i) != b'0');
        if let Some(first) = first {
            let last = (0..len).rev().find(|i| parsed.digit(*i) != b'0').unwrap_or(first);
            parsed.significant = (first, last + 1);
        }
        Some(parsed)
    }

    fn digit(&self, at: i64) -> u8 {
        let Ok(at) = usize::try_from(at) else { return b'0' };
        let fraction_at = at.wrapping_sub(self.whole.len());
        self.whole.get(at).or_else(|| self.fraction.get(fraction_at)).copied().unwrap_or(b'0')
    }

    fn is_zero(&self) -> bool {
        self.significant.0 == self.significant.1
    }

    /// Digits before the point that count, without leading zeros.
    fn whole_digits(&self) -> i64 {
        self.point.saturating_sub(self.significant.0).max(0)
    }

    /// Digits after the point that count, without trailing zeros.
    fn fraction_digits(&self) -> i64 {
        self.significant.1.saturating_sub(self.point).max(0)
    }
}

fn digits(bytes: &[u8]) -> (&[u8], &[u8]) {
    bytes.split_at(bytes.iter().position(|b| !b.is_ascii_digit()).unwrap_or(bytes.len()))
}

/// An exponent too long for 64 bits is as good as the largest one: the number is far out of every range.
fn exponent(bytes: &[u8]) -> Option<i64> {
    let (negative, bytes) = match bytes {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let (own, rest) = digits(bytes);
    if own.is_empty() || !rest.is_empty() {
        return None;
    }
    const LIMIT: i64 = 1 << 40;
    let value = own.iter().fold(0i64, |sum, b| (sum * 10 + i64::from(b - b'0')).min(LIMIT));
    Some(if negative { -value } else { value })
}

/// Why a text is no value of a `numeric`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NumberFault {
    /// Not a decimal number at all.
    NotANumber,
    /// More digits before the point than the type holds.
    TooLarge,
    /// More digits after the point than the type holds.
    TooManyDecimals,
}

/// Appends the canonical text of `numeric(precision, scale)`: exactly `scale` decimals, no leading zeros, no `-0`.
pub fn canonical_numeric(text: &str, precision: u8, scale: u8, out: &mut String) -> Result<(), NumberFault> {
    if plain_numeric(text, usize::from(precision), usize::from(scale), out).is_some() {
        return Ok(());
    }
    let parsed = Parsed::read(text).ok_or(NumberFault::NotANumber)?;
    let (precision, scale) = (i64::from(precision), i64::from(scale));
    if !parsed.is_zero() && parsed.whole_digits() > precision - scale {
        return Err(NumberFault::TooLarge);
    }
    if !parsed.is_zero() && parsed.fraction_digits() > scale {
        return Err(NumberFault::TooManyDecimals);
    }
    let (first, point) = match parsed.is_zero() {
        true => (0, 0),
        false => (parsed.significant.0, parsed.point),
    };
    let digit = |at: i64| char::from(if parsed.is_zero() { b'0' } else { parsed.digit(at) });
    if parsed.negative && !parsed.is_zero() {
        out.push('-');
    }
    match first < point {
        true => out.extend((first..point).map(digit)),
        false => out.push('0'),
    }
    if scale > 0 {
        out.push('.');
        out.extend((point..point + scale).map(digit));
    }
    Ok(())
}

/// The same for a number that is written as most are: digits without needless zeros in front, no exponent, no more
/// decimals than the type has. `None`, with nothing written, for every other.
fn plain_numeric(text: &str, precision: usize, scale: usize, out: &mut String) -> Option<()> {
    let bytes = text.as_bytes();
    let digits = bytes.strip_prefix(b"-").unwrap_or(bytes);
    let whole = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let fraction = match digits.get(whole) {
        None => 0,
        Some(b'.') => digits.len() - whole - 1,
        Some(_) => return None,
    };
    let decimals = digits.get(digits.len() - fraction..)?;
    let is_padded = whole > 1 && digits.first() == Some(&b'0');
    // Only where its first digit is no zero is it sure not to be -0.
    let may_be_zero = digits.len() < bytes.len() && digits.first() == Some(&b'0');
    if whole == 0 || is_padded || may_be_zero || whole > precision - scale || fraction > scale {
        return None;
    }
    if (fraction == 0 && whole < digits.len()) || !decimals.iter().all(u8::is_ascii_digit) {
        return None;
    }
    out.push_str(text);
    if fraction < scale {
        if fraction == 0 {
            out.push('.');
        }
        const ZEROS: &str = "00000000000000000000000000000000000000";
        out.push_str(ZEROS.get(..scale - fraction)?);
    }
    Some(())
}

/// A decimal for comparing: bounds of a contract against canonical texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decimal(String);

impl Decimal {
    /// Reads a decimal number; `None` if it is none.
    pub fn parse(text: &str) -> Option<Self> {
        Parsed::read(text).map(|_| Self(text.to_owned()))
    }

    /// The text it was read from.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Compares with a decimal text; `None` if that is no number.
    pub fn compare(&self, other: &str) -> Option<Ordering> {
        let (a, b) = (Parsed::read(&self.0)?, Parsed::read(other)?);
        let sign = |n: &Parsed<'_>| match (n.is_zero(), n.negative) {
            (true, _) => 0,
            (false, false) => 1,
            (false, true) => -1,
        };
        let by_sign = sign(&a).cmp(&sign(&b));
        if by_sign != Ordering::Equal || a.is_zero() {
            return Some(by_sign);
        }
        let magnitude = magnitude(&a, &b);
        Some(if a.negative { magnitude.reverse() } else { magnitude })
    }
}

/// A number that values must be whole multiples of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Multiple {
    text: String,
    /// Its digits without the point and without zeros at the ends.
    digits: u128,
    /// Digits after the point; below zero for whole tens.
    scale: i64,
}

impl Multiple {
    /// Most digits that leave room for one more in 128 bits.
    const MAX_DIGITS: i64 = 36;
    /// Most zeros between the digits and the point, on either side.
    const MAX_SCALE: i64 = 400;

    /// Reads a number above zero; `None` if it is none, or has more digits than are reckoned with.
    pub fn parse(text: &str) -> Option<Self> {
        let parsed = Parsed::read(text).filter(|parsed| !parsed.is_zero() && !parsed.negative)?;
        let (first, end) = parsed.significant;
        let scale = end - parsed.point;
        if end - first > Self::MAX_DIGITS || scale.abs() > Self::MAX_SCALE {
            return None;
        }
        let digits = (first..end).fold(0, |sum, at| sum * 10 + u128::from(parsed.digit(at) - b'0'));
        Some(Self { text: text.to_owned(), digits, scale })
    }

    /// The text it was read from.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether a canonical number is a whole multiple, exactly.
    pub fn divides(&self, value: &str) -> bool {
        let Some(value) = Parsed::read(value) else { return false };
        let (first, end) = value.significant;
        let zeros = self.scale.saturating_sub(end - value.point);
        if value.is_zero() {
            return true;
        }
        // The value's last digit is no zero, so it divides by no further ten.
        if zeros < 0 {
            return false;
        }
        let step = |rest: u128, digit: u8| (rest * 10 + u128::from(digit - b'0')) % self.digits;
        let rest = (first..end).fold(0, |rest, at| step(rest, value.digit(at)));
        (0..zeros).fold(rest, |rest, _| step(rest, b'0')) == 0
    }
}

/// Both are not zero. Digits are compared from the leading one, so exponents of any size cost nothing.
fn magnitude(a: &Parsed<'_>, b: &Parsed<'_>) -> Ordering {
    let lead = |n: &Parsed<'_>| n.point.saturating_sub(n.significant.0);
    lead(a).cmp(&lead(b)).then_with(|| {
        let longest = (a.significant.1 - a.significant.0).max(b.significant.1 - b.significant.0);
        (0..longest)
            .map(|i| a.digit(a.significant.0 + i).cmp(&b.digit(b.significant.0 + i)))
            .find(|order| *order != Ordering::Equal)
            .unwrap_or(Ordering::Equal)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(text: &str, precision: u8, scale: u8) -> Result<String, NumberFault> {
        let mut out = String::new();
        canonical_numeric(text, precision, scale, &mut out).map(|()| out)
    }

    #[test]
    fn one_value_has_one_text() {
        for text in ["12.5", "12.50", "1.25e1", "1250E-2", "0012.500", "0.125e+2"] {
            assert_eq!(canonical(text, 18, 2).as_deref(), Ok("12.50"), "{text}");
        }
        for zero in ["0", "-0", "0.000", "-0e400", "00", "0e-400"] {
            assert_eq!(canonical(zero, 18, 2).as_deref(), Ok("0.00"), "{zero}");
        }
        assert_eq!(canonical("9007199254740993", 38, 0).as_deref(), Ok("9007199254740993"));
        for (text, want) in [("-.5", "-0.50"), ("+5.", "5.00")] {
            assert_eq!(canonical(text, 18, 2).as_deref(), Ok(want), "{text}");
        }
        assert_eq!(canonical("0.01", 2, 2).as_deref(), Ok("0.01"));
        assert_eq!(canonical("5e-2", 38, 37).map(|t| t.len()), Ok(39));
    }

    proptest::proptest! {
        #[test]
        fn plain_numbers_have_the_text_that_all_have(
            text in "-?(0|[1-9][0-9]{0,6}|0[0-9]{1,3})(\\.[0-9]{0,5})?",
            precision in 1_u8..=12,
            scale in 0_u8..=6,
        ) {
            let scale = scale.min(precision);
            let mut plain = String::new();
            if plain_numeric(&text, precision.into(), scale.into(), &mut plain).is_some() {
                // An exponent of nothing keeps the number off the plain way.
                proptest::prop_assert_eq!(canonical(&format!("{text}e0"), precision, scale), Ok(plain));
            } else {
                proptest::prop_assert_eq!(plain, "");
            }
        }
    }

    #[test]
    fn digits_are_never_cut() {
        for (text, p, s) in [("1.005", 18, 2), ("1e-400", 38, 37)] {
            assert_eq!(canonical(text, p, s), Err(NumberFault::TooManyDecimals), "{text}");
        }
        for (text, p, s) in [("100", 4, 2), ("1e400", 38, 0), ("1e99999999999999999999", 38, 0)] {
            assert_eq!(canonical(text, p, s), Err(NumberFault::TooLarge), "{text}");
        }
        for text in ["", "-", ".", "1e", "0x1", "1 ", "+-1", "NaN", "1,5", "١", ".e1"] {
            assert_eq!(canonical(text, 18, 2), Err(NumberFault::NotANumber), "{text:?}");
        }
    }

    #[test]
    fn multiples_are_exact_at_every_length() {
        for (multiple, takes, refuses) in [
            (
                "0.05",
                &["0", "0.05", "-1.10", "123456789012345678901234567890.95"][..],
                &["0.01", "0.06", "0.050001"][..],
            ),
            ("5", &["10", "-5", "1e3", "5.0", "90071992547409935"], &["0.5", "7", "90071992547409932"]),
            ("2.5e1", &["25", "1.0e2", "-75.00"], &["10", "26", "2.5"]),
            ("1e300", &["1e300", "3.0e300"], &["1e299", "1"]),
            ("0.1", &["0.3", "1e21"], &["0.25"]),
        ] {
            let multiple = Multiple::parse(multiple).unwrap();
            for value in takes {
                assert!(multiple.divides(value), "{} {value}", multiple.as_str());
            }
            for value in refuses {
                assert!(!multiple.divides(value), "{} {value}", multiple.as_str());
            }
        }
        for text in ["0", "-1", "x", "1e-99999999", &"7".repeat(40)] {
            assert_eq!(Multiple::parse(text), None, "{text}");
        }
    }

    #[test]
    fn decimals_compare_by_value() {
        let ordered = ["-1e3", "-2", "-1.99", "0", "0.1", "0.11", "1", "10", "1e400"];
        for (i, a) in ordered.iter().enumerate() {
            for (j, b) in ordered.iter().enumerate() {
                assert_eq!(Decimal::parse(a).unwrap().compare(b), Some(i.cmp(&j)), "{a} {b}");
            }
        }
        assert_eq!(Decimal::parse("1.50").unwrap().compare("15e-1"), Some(Ordering::Equal));
    }
}
