//! What the protocol of claims asks for, and what it is answered. Makes no call.

/// Who claims, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// A name that nobody else has or had: of process, invocation and its begin.
    pub holder: String,
    /// From a claim on, in ms: beyond the moment at which the holder is surely dead.
    pub ms: u64,
}

/// A claim as a listing shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listed {
    /// Its number.
    pub number: u64,
    /// When it was changed last, in ms since 1970.
    pub modified_ms: u64,
}

/// A claim as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its number.
    pub number: u64,
    /// What it is changed by.
    pub etag: String,
    /// The text.
    pub body: Vec<u8>,
}

/// What is to be done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// The log's claims, newest first; those that were changed last before that time may be left out, the newest not.
    List {
        /// In ms since 1970.
        since_ms: u64,
    },
    /// These claims.
    Read(Vec<u64>),
    /// Write a claim: over the one with this etag, or where none is.
    Write {
        /// Its number.
        number: u64,
        /// What must be there; nothing may be there where it is `None`.
        over: Option<String>,
        /// The text.
        body: Vec<u8>,
    },
    /// Wait so long, in ms: another one is starting its run.
    Wait(u64),
    /// Look for the run of a claim.
    Find {
        /// Its number.
        number: u64,
        /// When it was claimed, in ms since 1970.
        since_ms: u64,
    },
    /// Start the run of a claim. Once: no retry.
    Start {
        /// Its number.
        number: u64,
        /// The answer is not waited for longer than that, in ms.
        within_ms: u64,
    },
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// To `List`.
    Listed(Vec<Listed>),
    /// To `Read`: those that are still there.
    Read(Vec<Stored>),
    /// To `Write`: the new etag, or `None` where something else was there (or our own writing, whose answer was lost).
    Written(Option<String>),
    /// To `Wait`.
    Waited,
    /// To `Find`: the run, if there is one. A crawler's has no id.
    Found(Option<Option<String>>),
    /// To `Start`: it was. A crawler's run has no id.
    Started(Option<String>),
    /// To `Start`: surely not.
    Refused,
    /// To `Start`: nobody knows.
    Unknown,
}

/// The next step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// To be done and answered.
    Ask(Ask),
    /// Nothing more can be done now.
    Done(Why),
}

/// Why it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// All work is in started claims.
    Started,
    /// The newest claim is another's until then, in ms since 1970.
    Held(u64),
    /// The start was refused, and the claim is free.
    Refused,
    /// The start may have been made: it is looked for after that time, in ms since 1970.
    Unknown(u64),
    /// Others were quicker again and again, or the lease was over before the start.
    Raced,
}
