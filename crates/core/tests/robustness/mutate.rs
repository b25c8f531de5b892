//! Changes to bytes that files suffer or attackers make: flipped bits, lost and doubled stretches, words that mean
//! something put where they do not belong.

/// Words of every format.
const WORDS: [&[u8]; 44] = [
    b"\"",
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"\n",
    b"\r\n",
    b"\r",
    b";",
    b"\t",
    b" ",
    b"\0",
    b"\"\"",
    b"null",
    b"true",
    b"-0",
    b"1e400",
    b"9007199254740993",
    b"\\ud800",
    b"\\u0000",
    b"\xed\xa0\x80",
    b"\xff",
    b"\xef\xbb\xbf",
    b"\xef\xbf\xbe",
    b"\x1f\x8b",
    b"\x28\xb5\x2f\xfd",
    b"Obj\x01",
    b"PAR1",
    b"{\"id\":8}",
    b"\n{\"id\":8}\n",
    b"\"id\":8,",
    b"2024-02-30",
    b"0000-01-01T00:00:00Z",
    b"24:00:00",
    b"+23:59",
    b"NaN",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
    b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01",
    b"\"\n\"",
    b"\x0c\x0b",
    b"\xc2\xa0",
];

/// One change; the numbers are taken modulo what there is.
#[derive(Debug, Clone, Copy)]
pub struct Change {
    pub kind: u8,
    pub at: u32,
    pub with: u32,
}

pub fn apply(bytes: &mut Vec<u8>, change: Change) {
    const MOST_BYTES: usize = 64 << 10;
    let Change { kind, at, with } = change;
    let at = at as usize % (bytes.len() + 1);
    let len = 1 + with as usize % 24;
    let end = (at + len).min(bytes.len());
    let word = WORDS[with as usize % WORDS.len()];
    match kind % 8 {
        0 if at < bytes.len() => bytes[at] ^= 1 << (with % 8),
        1 if at < bytes.len() => bytes[at] = (with >> 3) as u8,
        2 => drop(bytes.drain(at..end)),
        3 if bytes.len() < MOST_BYTES => drop(bytes.splice(at..at, bytes[at..end].to_vec())),
        4 => bytes.truncate(at),
        5 => drop(bytes.splice(at..end, word.iter().copied())),
        6 if bytes.len() < MOST_BYTES => drop(bytes.splice(at..at, word.repeat(with as usize % 40))),
        _ => drop(bytes.splice(at..at, word.iter().copied())),
    }
}
