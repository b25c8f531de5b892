//! Numbers as COPY reads them: digits one by one, decimals cut at their scale, JSON's numbers as doubles.
//! Knows no columns.

use super::rows::Flaw;

/// A whole number between the limits of its type.
pub fn integer(text: &str, bits: u32) -> Result<i64, Flaw> {
    let trimmed = text.trim_matches(' ');
    let digits = trimmed.strip_prefix(['-', '+']).unwrap_or(trimmed);
    let name = match bits {
        16 => "Short",
        32 => "Integer",
        _ => "Long",
    };
    if let Some((at, wrong)) = digits.char_indices().find(|(_, c)| !c.is_ascii_digit()) {
        return Err(invalid_digit(wrong, at + trimmed.len() - digits.len(), name));
    }
    if digits.is_empty() {
        return Err(invalid_digit(trimmed.chars().next().unwrap_or(' '), 0, name));
    }
    let (min, max) = (i64::MIN >> (64 - bits), i64::MAX >> (64 - bits));
    match trimmed.parse::<i64>() {
        Ok(number) if (min..=max).contains(&number) => Ok(number),
        _ => Err(Flaw::new(1222, format!("Overflow ({name} valid range {min} to {max})"))),
    }
}

fn invalid_digit(c: char, at: usize, name: &str) -> Flaw {
    Flaw { position: at, ..Flaw::new(1207, format!("Invalid digit, Value '{c}', Pos {at}, Type: {name}")) }
}

/// A decimal with at most `scale` digits behind the point: the rest is cut, never rounded.
pub fn decimal(text: &str, precision: u32, scale: u32) -> Result<String, Flaw> {
    let trimmed = text.trim_matches(' ');
    let (is_negative, unsigned) = match trimmed.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, trimmed.strip_prefix('+').unwrap_or(trimmed)),
    };
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok().filter(|e| e.abs() < 400)),
        None => (unsigned, Some(0)),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    if let Some((at, wrong)) = digits.char_indices().find(|(_, c)| !c.is_ascii_digit()) {
        return Err(invalid_digit(wrong, at, "Decimal"));
    }
    let (Some(exponent), false) = (exponent, digits.is_empty()) else {
        return Err(Flaw::new(1209, "Invalid decimal format".to_owned()));
    };
    let point = whole.len() as i32 + exponent;
    let whole: String = shifted(&digits, 0, point.max(0) as usize).trim_start_matches('0').to_owned();
    let fraction = match usize::try_from(point) {
        Ok(point) => shifted(&digits, point, scale as usize),
        Err(_) => format!("{}{digits}", "0".repeat(point.unsigned_abs() as usize)),
    };
    let fraction: String = fraction.chars().take(scale as usize).collect();
    if whole.len() > (precision - scale) as usize {
        return Err(Flaw::new(1204, "Numeric data overflow (result precision)".to_owned()));
    }
    let sign = if is_negative { "-" } else { "" };
    Ok(format!("{sign}{}.{fraction}0", if whole.is_empty() { "0" } else { &whole }))
}

/// `count` digits from `from` on; zeros stand where there is none.
fn shifted(digits: &str, from: usize, count: usize) -> String {
    digits.chars().skip(from).chain(std::iter::repeat('0')).take(count).collect()
}

/// A floating-point number that its type can hold.
pub fn float(text: &str, is_single: bool) -> Result<f64, Flaw> {
    let trimmed = text.trim_matches(' ');
    let is_number = trimmed.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
    let number: Option<f64> = if is_number { trimmed.parse().ok() } else { None };
    let number = number.ok_or_else(|| Flaw::new(1208, "Invalid floating point format".to_owned()))?;
    let fits = if is_single { (number as f32).is_finite() } else { number.is_finite() };
    if fits { Ok(number) } else { Err(Flaw::new(1204, "Overflow of a floating point number".to_owned())) }
}

/// The digits of a JSON number as Redshift has them: those of the nearest double, all of them.
pub fn through_double(text: &str) -> String {
    match text.parse::<f64>() {
        // Longer than any double: nothing is rounded here, and the cut at the scale finds the double's own digits.
        Ok(number) if number.fract() != 0.0 => format!("{number:.400}"),
        Ok(number) if number.is_finite() => format!("{number:.0}"),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_cut_and_not_rounded() {
        assert_eq!(decimal("1.999", 10, 2).unwrap(), "1.990");
        assert_eq!(decimal("-0.009", 10, 2).unwrap(), "-0.000");
        assert_eq!(decimal("123456e-3", 10, 2).unwrap(), "123.450");
        assert_eq!(decimal("1.5e3", 10, 0).unwrap(), "1500.0");
        assert_eq!(decimal("5e-5", 10, 3).unwrap(), "0.0000");
        assert_eq!(decimal("12345", 6, 2).unwrap_err().code, 1204);
        for text in ["", "-", "1,5", "1.2.3", "1e", "0x1", "Infinity"] {
            assert!([1207, 1209].contains(&decimal(text, 10, 2).unwrap_err().code), "{text}");
        }
    }

    #[test]
    fn json_numbers_lose_what_a_double_cannot_hold() {
        assert_eq!(decimal(&through_double("123456.78"), 10, 2).unwrap(), "123456.770");
        assert_eq!(through_double("9007199254740993"), "9007199254740992");
        assert_eq!(through_double("1e3"), "1000");
    }

    #[test]
    fn whole_numbers_stay_in_their_range() {
        assert_eq!(integer(" -32768 ", 16).unwrap(), -32768);
        assert_eq!(integer("32768", 16).unwrap_err().code, 1222);
        let flaw = integer("-12x", 32).unwrap_err();
        assert_eq!((flaw.code, flaw.position), (1207, 3));
        assert_eq!(flaw.message, "Invalid digit, Value 'x', Pos 3, Type: Integer");
        assert_eq!(integer("1.0", 64).unwrap_err().code, 1207);
    }
}
