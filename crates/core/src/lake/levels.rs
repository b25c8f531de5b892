//! Parquet's hybrid of runs and packed bits: how definition levels and indices into a dictionary are written.

/// Values that are packed together.
const GROUP: usize = 8;

/// Bits that hold every index of a dictionary with so many entries; at least one, which every reader takes.
pub(super) fn width_of(entries: usize) -> u32 {
    (usize::BITS - entries.saturating_sub(1).leading_zeros()).max(1)
}

/// Appends values of so many bits, at most 32: as runs where eight or more are equal, packed elsewhere.
pub(super) fn encode<T: Copy + PartialEq + Into<u64>>(values: &[T], width: u32, out: &mut Vec<u8>) {
    let (mut packed, mut at) = (0, 0);
    while let Some(rest) = values.get(at..).filter(|rest| !rest.is_empty()) {
        match run(rest) {
            Some((value, len)) => {
                pack(values.get(packed..at).unwrap_or_default(), width, out);
                varint(len << 1, out);
                out.extend(value.to_le_bytes().into_iter().take(width.div_ceil(8) as usize));
                at += len;
                packed = at;
            }
            None => at += GROUP,
        }
    }
    pack(values.get(packed..).unwrap_or_default(), width, out);
}

/// The value that the texts begin with and how often it comes, if that is worth a run.
fn run<T: Copy + PartialEq + Into<u64>>(values: &[T]) -> Option<(u64, usize)> {
    let first = *values.first()?;
    let is_long = values.get(..GROUP).is_some_and(|group| group.iter().all(|value| *value == first));
    let len = || values.iter().position(|value| *value != first).unwrap_or(values.len());
    is_long.then(|| (first.into(), len()))
}

/// Only the last group of all may be short: what it lacks is filled up.
fn pack<T: Copy + Into<u64>>(values: &[T], width: u32, out: &mut Vec<u8>) {
    if values.is_empty() {
        return;
    }
    varint(values.len().div_ceil(GROUP) << 1 | 1, out);
    for group in values.chunks(GROUP) {
        pack_group(group, width, out);
    }
}

fn pack_group<T: Copy + Into<u64>>(group: &[T], width: u32, out: &mut Vec<u8>) {
    // Four values of 32 bits at most.
    for half in 0..2 {
        let values = group.iter().skip(half * GROUP / 2).take(GROUP / 2).enumerate();
        let bits =
            values.fold(0u128, |bits, (i, value)| bits | u128::from((*value).into()) << (width * i as u32));
        match half {
            0 => out.extend_from_slice(&bits.to_le_bytes()),
            _ => add_half(bits, width, out),
        }
    }
}

/// The second four values behind the first, whose last byte may be half full.
fn add_half(bits: u128, width: u32, out: &mut Vec<u8>) {
    let start = out.len() - size_of::<u128>();
    let first_bits = width * GROUP as u32 / 2;
    let (first_bytes, shift) = ((first_bits / 8) as usize, first_bits % 8);
    let shared = out.get(start + first_bytes).copied().unwrap_or(0);
    out.truncate(start + first_bytes);
    let (low, high) =
        (bits << shift | u128::from(shared), if shift == 0 { 0 } else { bits >> (128 - shift) });
    out.extend_from_slice(&low.to_le_bytes());
    out.push(high as u8);
    out.truncate(start + width as usize);
}

/// An unsigned LEB128 number.
fn varint(mut value: usize, out: &mut Vec<u8>) {
    while value > 0x7f {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The format's own words, bit by bit.
    fn decode(mut bytes: &[u8], width: u32, len: usize) -> Vec<u64> {
        let mut values = Vec::new();
        let number = |bytes: &mut &[u8]| {
            let (mut value, mut shift) = (0usize, 0);
            loop {
                let byte = bytes[0];
                *bytes = &bytes[1..];
                value |= usize::from(byte & 0x7f) << shift;
                shift += 7;
                if byte < 0x80 {
                    return value;
                }
            }
        };
        while values.len() < len {
            let header = number(&mut bytes);
            let bits = match header & 1 {
                0 => width.div_ceil(8) * 8,
                _ => width * 8 * (header >> 1) as u32,
            } as usize;
            let bit = |at: usize| u64::from(bytes[at / 8] >> (at % 8) & 1);
            let read = |from: usize| (0..width as usize).fold(0, |sum, i| sum | bit(from + i) << i);
            match header & 1 {
                0 => values.extend(std::iter::repeat_n(read(0), header >> 1)),
                _ => values.extend((0..8 * (header >> 1)).map(|i| read(i * width as usize))),
            }
            bytes = &bytes[bits / 8..];
        }
        assert!(bytes.is_empty() && values[len..].iter().all(|value| *value == 0));
        values.truncate(len);
        values
    }

    proptest! {
        #[test]
        fn values_of_every_width_come_back(
            width in 1u32..=32,
            runs in prop::collection::vec((any::<u32>(), 1usize..40), 0..60),
        ) {
            let mask = u32::MAX >> (32 - width);
            let values: Vec<u32> =
                runs.iter().flat_map(|(value, len)| std::iter::repeat_n(value & mask, len % 17 + 1)).collect();
            let mut out = vec![7];
            encode(&values, width, &mut out);
            let back = decode(&out[1..], width, values.len());
            prop_assert_eq!(back, values.iter().map(|value| u64::from(*value)).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_run_takes_a_few_bytes() {
        let mut out = Vec::new();
        encode(&[1u8; 100_000], 1, &mut out);
        assert_eq!(out.len(), 4);
        assert_eq!([0, 1, 2, 3, 256, 257].map(width_of), [1, 1, 1, 2, 8, 9]);
    }
}
