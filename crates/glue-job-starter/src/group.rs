//! The work of an invocation by dataset and kind of start: what comes twice is one piece. Makes no call.

use std::collections::{BTreeMap, HashMap};

use penstock_core::claim::{Kind, Piece};

/// The work of one log.
#[derive(Debug)]
pub struct Group {
    /// Each piece once.
    pub pieces: Vec<Piece>,
    /// The messages of each piece, by number.
    pub messages: Vec<Vec<usize>>,
    /// When the oldest was told, in ms since 1970.
    pub oldest_ms: u64,
    places: HashMap<[String; 3], usize>,
}

/// All groups.
#[derive(Debug, Default)]
pub struct Groups(BTreeMap<(String, Kind), Group>);

impl Groups {
    /// Adds a piece that a message tells of, as of that time in ms since 1970.
    pub fn add(&mut self, (dataset, kind): (&str, Kind), piece: Piece, at_ms: u64, message: usize) {
        let empty = || Group {
            pieces: Vec::new(),
            messages: Vec::new(),
            oldest_ms: u64::MAX,
            places: HashMap::new(),
        };
        let group = self.0.entry((dataset.to_owned(), kind)).or_insert_with(empty);
        let name = match &piece {
            Piece::Object(entry) => [&entry.url, &entry.etag, &entry.put].map(String::clone),
            // No object has such an etag.
            Piece::Tick(tick) => [tick.id.clone(), "tick".to_owned(), String::new()],
        };
        let place = *group.places.entry(name).or_insert(group.pieces.len());
        group.oldest_ms = group.oldest_ms.min(at_ms);
        match group.messages.get_mut(place) {
            Some(messages) => messages.push(message),
            None => {
                group.pieces.push(piece);
                group.messages.push(vec![message]);
            }
        }
    }

    /// Dataset by dataset.
    pub fn by_log(self) -> impl Iterator<Item = ((String, Kind), Group)> {
        self.0.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use penstock_core::claim::Entry;

    use super::*;

    #[test]
    fn the_same_put_of_an_object_is_one_piece_of_several_messages() {
        let object = |etag: &str, put: &str| {
            Piece::Object(Entry { url: "s3://b/k".into(), etag: etag.into(), bytes: 1, put: put.into() })
        };
        let mut groups = Groups::default();
        groups.add(("t", Kind::Job), object("e", "1"), 5, 0);
        groups.add(("t", Kind::Job), object("e", "1"), 3, 1);
        groups.add(("t", Kind::Job), object("f", "2"), 4, 1);
        groups.add(("t", Kind::Job), object("e", "3"), 6, 2);
        groups.add(("t", Kind::Crawler), object("e", "1"), 7, 2);
        let all: Vec<_> = groups.by_log().collect();
        let (of, job) = &all[0];
        assert_eq!((of.1, job.pieces.len(), job.oldest_ms), (Kind::Job, 3, 3));
        assert_eq!(job.messages, [vec![0, 1], vec![1], vec![2]]);
        assert_eq!((all[1].1.pieces.len(), all[1].1.oldest_ms), (1, 7));
    }
}
