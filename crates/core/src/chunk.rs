//! Lists cut into pieces by count AND bytes, in order: every AWS batch call has both limits. Knows no call.

/// Limits of one piece.
#[derive(Debug, Clone, Copy)]
pub struct ChunkLimits {
    /// Most items.
    pub max_count: usize,
    /// Most bytes over all items.
    pub max_bytes: usize,
}

/// How many of the first items fit one piece: at least one, so that a too large item comes alone and its call can
/// refuse it by name.
pub fn first_chunk<T>(items: &[T], limits: ChunkLimits, bytes_of: impl Fn(&T) -> usize) -> usize {
    let mut bytes = 0usize;
    let fitting = items
        .iter()
        .take(limits.max_count)
        .take_while(|item| {
            bytes = bytes.saturating_add(bytes_of(item));
            bytes <= limits.max_bytes
        })
        .count();
    fitting.max(1).min(items.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn pieces_lose_nothing_and_keep_both_limits(
            sizes in proptest::collection::vec(0usize..300, 0..200), max_count in 1usize..20, max_bytes in 1usize..1000,
        ) {
            let limits = ChunkLimits { max_count, max_bytes };
            let mut pieces = Vec::new();
            let mut rest = sizes.as_slice();
            while !rest.is_empty() {
                let (piece, tail) = rest.split_at(first_chunk(rest, limits, |size| *size));
                pieces.push(piece);
                rest = tail;
            }
            prop_assert_eq!(&pieces.concat(), &sizes);
            for piece in pieces {
                prop_assert!(!piece.is_empty() && piece.len() <= max_count);
                prop_assert!(piece.len() == 1 || piece.iter().sum::<usize>() <= max_bytes);
            }
        }
    }
}
