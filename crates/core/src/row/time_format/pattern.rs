//! Patterns of the JDK's DateTimeFormatter into steps, and whether a pattern gives what a type needs.

use std::iter::Peekable;
use std::str::Chars;

use super::read::Field;
use crate::contract::PhysicalType;

/// Sections within sections: more are no pattern that a person writes.
const MAX_DEPTH: usize = 8;

pub(super) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
pub(super) const WEEKDAYS: [&str; 7] =
    ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// One part of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Literal(String),
    /// A number of `min` to `max` digits; `after` digits belong to the numbers that follow without a mark.
    Number {
        field: Field,
        min: usize,
        max: usize,
        after: usize,
    },
    /// `yy`: of the years 2000 to 2099.
    TwoDigitYear,
    /// So many digits after the second.
    Fraction(usize),
    Month {
        full: bool,
    },
    Weekday {
        full: bool,
    },
    Half,
    Offset {
        zulu: bool,
        colon: bool,
        minutes: bool,
        seconds: bool,
    },
    Optional(Vec<Self>),
}

/// Compiles a pattern and holds it to the type.
pub(super) fn compile(pattern: &str, ty: PhysicalType) -> Result<Vec<Step>, String> {
    let mut letters = pattern.chars().peekable();
    let mut steps = sequence(&mut letters, 0)?;
    share_digits(&mut steps)?;
    let mut fields = Vec::new();
    collect(&steps, &mut fields);
    gives(&fields, ty)?;
    Ok(steps)
}

fn sequence(letters: &mut Peekable<Chars<'_>>, depth: usize) -> Result<Vec<Step>, String> {
    let mut steps = Vec::new();
    while let Some(letter) = letters.next() {
        match letter {
            '[' if depth == MAX_DEPTH => return Err("has too many sections within sections".into()),
            '[' => steps.push(Step::Optional(sequence(letters, depth + 1)?)),
            ']' if depth > 0 => return Ok(steps),
            ']' => return Err("has a ']' without its '['".into()),
            '\'' => literal(&mut steps, &quoted(letters)?),
            '{' | '}' | '#' => return Err(format!("has a {letter:?}, which the JDK keeps for later use")),
            letter if letter.is_ascii_alphabetic() => {
                let mut count = 1;
                while letters.next_if_eq(&letter).is_some() {
                    count += 1;
                }
                steps.push(step(letter, count)?);
            }
            other => literal(&mut steps, other.encode_utf8(&mut [0; 4])),
        }
    }
    if depth > 0 { Err("has a '[' without its ']'".into()) } else { Ok(steps) }
}

fn literal(steps: &mut Vec<Step>, text: &str) {
    match steps.last_mut() {
        Some(Step::Literal(before)) => before.push_str(text),
        _ => steps.push(Step::Literal(text.to_owned())),
    }
}

/// The text up to the closing quote; two quotes are one, within a text and alone.
fn quoted(letters: &mut Peekable<Chars<'_>>) -> Result<String, String> {
    let mut text = String::new();
    while let Some(letter) = letters.next() {
        match letter {
            '\'' if letters.next_if_eq(&'\'').is_some() => text.push('\''),
            '\'' if text.is_empty() => return Ok("'".into()),
            '\'' => return Ok(text),
            other => text.push(other),
        }
    }
    Err("has a quote that is not closed".into())
}

fn step(letter: char, count: usize) -> Result<Step, String> {
    let number = |field, min, max| Ok(Step::Number { field, min, max, after: 0 });
    let one_or_two = |field| match count {
        1 => number(field, 1, 2),
        2 => number(field, 2, 2),
        _ => Err(unknown(letter, count)),
    };
    match (letter, count) {
        ('y' | 'u', 2) => Ok(Step::TwoDigitYear),
        ('y' | 'u', 1 | 3 | 4) => number(Field::Year, count, 4),
        ('M' | 'L', 3 | 4) => Ok(Step::Month { full: count == 4 }),
        ('M' | 'L', _) => one_or_two(Field::Month),
        ('d', _) => one_or_two(Field::Day),
        ('D', 1..=3) => number(Field::YearDay, count, 3),
        ('E', 1..=4) => Ok(Step::Weekday { full: count == 4 }),
        ('a', 1) => Ok(Step::Half),
        ('H', _) => one_or_two(Field::Hour),
        ('k', _) => one_or_two(Field::ClockHour),
        ('K', _) => one_or_two(Field::HalfHour),
        ('h', _) => one_or_two(Field::HalfClockHour),
        ('m', _) => one_or_two(Field::Minute),
        ('s', _) => one_or_two(Field::Second),
        ('S', 1..=9) => Ok(Step::Fraction(count)),
        ('n', 9) => number(Field::Nanos, 9, 9),
        ('X' | 'x', 1..=5) => Ok(Step::Offset {
            zulu: letter == 'X',
            colon: matches!(count, 3 | 5),
            minutes: count > 1,
            seconds: count > 3,
        }),
        ('Z', 1..=3) => Ok(Step::Offset { zulu: false, colon: false, minutes: true, seconds: false }),
        ('Z', 5) => Ok(Step::Offset { zulu: true, colon: true, minutes: true, seconds: true }),
        _ => Err(unknown(letter, count)),
    }
}

/// Why a part of a pattern is not taken.
fn unknown(letter: char, count: usize) -> String {
    let part = String::from(letter).repeat(count.min(9));
    let why = match letter {
        'Y' | 'w' | 'W' | 'e' | 'c' | 'F' => "counts weeks: for the year write yyyy, for the day dd",
        'V' | 'v' | 'z' | 'O' => "is a time zone's name: only offsets are known here, such as XXX",
        'Z' => "is an offset with a name: only XXX and the like are known here",
        'G' | 'q' | 'Q' | 'g' => "does not make a day",
        'n' | 'N' | 'A' => "counts parts of a second or day: write SSS for a fraction",
        'B' | 'p' => "is not read by Penstock",
        letter if "yuMLdDEaHkKhmsSXx".contains(letter) => "has more letters than Penstock reads",
        _ => "is no letter of the JDK's patterns: quote what stands for itself, such as 'T'",
    };
    format!("{part} {why}")
}

/// Numbers that follow each other without a mark have fixed widths, but for the first of them.
fn share_digits(steps: &mut [Step]) -> Result<(), String> {
    let mut fixed_after = 0;
    let mut has_open = false;
    for step in steps.iter_mut().rev() {
        match step {
            Step::Number { min, max, after, .. } if *min < *max => {
                if has_open {
                    return Err("has two numbers of open width without a mark between them".into());
                }
                *after = fixed_after;
                (fixed_after, has_open) = (0, true);
            }
            Step::Number { max: width, .. } | Step::Fraction(width) => fixed_after += *width,
            Step::TwoDigitYear => fixed_after += 2,
            other => {
                if let Step::Optional(inner) = other {
                    share_digits(inner)?;
                }
                (fixed_after, has_open) = (0, false);
            }
        }
    }
    Ok(())
}

fn collect(steps: &[Step], fields: &mut Vec<Field>) {
    for step in steps {
        match step {
            Step::Literal(_) => {}
            Step::Number { field, .. } => fields.push(*field),
            Step::TwoDigitYear => fields.push(Field::Year),
            Step::Fraction(_) => fields.push(Field::Nanos),
            Step::Month { .. } => fields.push(Field::Month),
            Step::Weekday { .. } => fields.push(Field::Weekday),
            Step::Half => fields.push(Field::Half),
            Step::Offset { .. } => fields.push(Field::Offset),
            Step::Optional(inner) => collect(inner, fields),
        }
    }
}

/// Whether the fields of a pattern make a value of the type, and say nothing that it cannot keep.
fn gives(fields: &[Field], ty: PhysicalType) -> Result<(), String> {
    use Field as F;
    let has = |field| fields.contains(&field);
    let day_fields = [F::Year, F::Month, F::Day, F::YearDay, F::Weekday];
    let has_day = has(F::Year) && ((has(F::Month) && has(F::Day)) || has(F::YearDay));
    let half = has(F::Half) && (has(F::HalfHour) || has(F::HalfClockHour));
    let has_hour = has(F::Hour) || has(F::ClockHour) || half;
    let clock_fields = [F::HalfHour, F::HalfClockHour, F::Half, F::Minute, F::Second, F::Nanos];
    let is_time = ty == PhysicalType::Time;
    if is_time && day_fields.iter().any(|field| has(*field)) {
        return Err(format!("has a day, which {ty} does not keep"));
    }
    if has(F::YearDay) && has(F::Month) && !has(F::Day) {
        return Err("has D, the day of the year, beside a month: for the day of the month write dd".into());
    }
    if !is_time && !has_day {
        return Err("names no day: it needs the year, the month and the day of the month".into());
    }
    if (is_time || clock_fields.iter().any(|field| has(*field))) && !has_hour {
        return Err("names no hour: it needs H, or h with a".into());
    }
    if (has(F::Second) && !has(F::Minute)) || (has(F::Nanos) && !has(F::Second)) {
        return Err("leaves out the minute or second before a finer part".into());
    }
    match has(F::Offset) && ty != PhysicalType::TimestampTz {
        true => Err(format!("has an offset, which {ty} does not keep: use timestamptz")),
        false => Ok(()),
    }
}
