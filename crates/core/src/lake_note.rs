//! What is written down of one source of the lake: who converts it now, how often that began and did not end, and which
//! files of the lake may be there of it. It is changed by compare and swap alone, so whoever holds its lease is the only
//! one that touches the source's files. The Glue job of a dataset keeps the same notes. Reads and writes nothing, and
//! knows no clock.

use serde::{Deserialize, Serialize};

use crate::ident::HexId;

/// How often the conversion of one content may begin and not end before it counts as too much for a function.
pub const MAX_DEATHS: u32 = 3;
/// What the name of a run of the Glue job begins with. A run takes a lease only when it makes files visible.
const RUN: &str = "glue:";
/// Most bytes of an S3 key.
pub const MAX_KEY_BYTES: usize = 1024;

/// Key of a source's note in the work bucket.
pub fn note_key(dataset: &str, source_id: &HexId) -> String {
    format!("lake/{dataset}/{source_id}.json")
}

/// Key in the lake of an object that is copied as it is: folders behind the dataset's own one stay. `None` where S3
/// takes no key of that length.
pub fn copy_key(dataset: &str, folder: &str, key: &str) -> Option<String> {
    let rest = key.strip_prefix(folder).unwrap_or(key);
    let own = format!("{dataset}/{rest}");
    (own.len() <= MAX_KEY_BYTES).then_some(own)
}

/// How the conversion of a source stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Somebody converts it, or did and did not end.
    Open,
    /// The files are those of the content.
    Done,
    /// The content cannot be converted: the files are those of an earlier one.
    Failed,
    /// The dataset's Glue job has it.
    HandedOver,
}

/// One content of a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// Identity of the object.
    pub object_id: HexId,
    /// ETag without its quotes, where S3 tells one.
    pub etag: Option<String>,
    /// LastModified in ms since 1970.
    pub modified_ms: u64,
}

/// Who takes the lease, and until when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Name of one invocation.
    pub name: String,
    /// Its end in ms since 1970, with all that may still arrive from it then.
    pub until_ms: u64,
}

/// The note of one source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// `s3://bucket/key`.
    #[serde(default)]
    pub source: String,
    /// Who holds the lease, or held it last.
    pub holder: String,
    /// When the lease ends, in ms since 1970; 0 where it was given back.
    pub until_ms: u64,
    /// How often the conversion of this content began and did not end.
    #[serde(default)]
    pub attempts: u32,
    /// The content that was taken last.
    #[serde(flatten)]
    pub content: Content,
    /// How it stands.
    pub state: State,
    /// Keys of all files in the lake's bucket that may be there of the source.
    pub files: Vec<String>,
    /// Whether files were about to be made visible and it is not known that all were: what is there may be parts of
    /// several contents then. The Glue job does not change it, so it says nothing once the state is [`State::Done`].
    #[serde(default)]
    pub committing: bool,
}

impl Note {
    /// The note with the lease taken for a content; an error tells until when another holds it.
    pub fn take(
        before: Option<Self>,
        source: &str,
        content: Content,
        holder: Holder,
        now_ms: u64,
    ) -> Result<Self, u64> {
        if let Some(held) = before.as_ref().filter(|own| own.holder != holder.name && own.until_ms > now_ms) {
            return Err(held.until_ms);
        }
        let begun = before.as_ref().filter(|own| own.state == State::Open && own.content == content);
        let attempts = begun.map_or(0, |own| own.attempts).saturating_add(1);
        let committing = before.as_ref().is_some_and(Self::is_torn);
        let files = before.map(|own| own.files).unwrap_or_default();
        let Holder { name, until_ms } = holder;
        Ok(Self {
            source: source.to_owned(),
            holder: name,
            until_ms,
            attempts,
            content,
            state: State::Open,
            files,
            committing,
        })
    }

    /// Whether so many conversions of the content died that another one would die, too.
    pub fn is_deadly(&self) -> bool {
        self.attempts > MAX_DEATHS
    }

    /// Whether the files may be parts of several contents: making them visible began and did not end.
    pub fn is_torn(&self) -> bool {
        match self.state {
            State::Done => false,
            State::Open if self.holder.starts_with(RUN) => true,
            State::Open | State::Failed | State::HandedOver => self.committing,
        }
    }

    /// Before any of these files is visible: all that may be there from now on.
    pub fn with_files<'f>(&self, new: impl IntoIterator<Item = &'f str>) -> Self {
        let mut own = Self { committing: true, ..self.clone() };
        own.files.extend(new.into_iter().map(str::to_owned));
        own.files.sort_unstable();
        own.files.dedup();
        own
    }

    /// The files that are not among the new ones: nothing of the content is in them.
    pub fn stale(&self, new: &[String]) -> Vec<String> {
        self.files.iter().filter(|own| !new.contains(own)).cloned().collect()
    }

    /// The lease given back after a fault that may pass: that was no death.
    pub fn given_back(&self) -> Self {
        Self { until_ms: 0, attempts: self.attempts.saturating_sub(1), ..self.clone() }
    }

    /// The lease given back for good, with the files that are there: those of one content.
    pub fn ended(&self, state: State, files: Vec<String>) -> Self {
        Self { until_ms: 0, attempts: 0, state, files, committing: false, ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ident::stable_id;

    fn content(text: &str) -> Content {
        Content { object_id: stable_id([text]), etag: Some(text.into()), modified_ms: 7 }
    }

    fn holder(name: &str, until_ms: u64) -> Holder {
        Holder { name: name.into(), until_ms }
    }

    fn taken(before: Option<Note>, text: &str, name: &str, now_ms: u64) -> Result<Note, u64> {
        Note::take(before, "s3://b/k", content(text), holder(name, now_ms + 100), now_ms)
    }

    #[test]
    fn a_lease_is_held_until_it_ends_or_is_given_back() {
        let own = taken(None, "v1", "a", 1_000).unwrap();
        assert_eq!(taken(Some(own.clone()), "v1", "b", 1_099), Err(1_100));
        assert!(taken(Some(own.clone()), "v1", "b", 1_100).is_ok());
        // Its own writing, whose answer was lost.
        assert!(taken(Some(own.clone()), "v1", "a", 1_001).is_ok());
        assert!(taken(Some(own.given_back()), "v1", "b", 1_001).is_ok());
        assert!(taken(Some(own.ended(State::Done, Vec::new())), "v2", "b", 1_001).is_ok());
    }

    #[test]
    fn only_a_conversion_that_did_not_end_counts_as_a_death() {
        let mut own = taken(None, "v1", "a", 0).unwrap();
        for deaths in 1..=MAX_DEATHS {
            assert!(!own.is_deadly(), "after {deaths}");
            own = taken(Some(own), "v1", "b", u64::from(deaths) * 1_000).unwrap();
        }
        assert!(own.is_deadly());
        assert_eq!(taken(Some(own.clone()), "v2", "c", 9_000).unwrap().attempts, 1);
        assert_eq!(taken(Some(own.ended(State::Failed, vec![])), "v1", "c", 9_000).unwrap().attempts, 1);
        let passing = taken(None, "v1", "a", 0).unwrap().given_back();
        assert_eq!(taken(Some(passing), "v1", "b", 1).unwrap().attempts, 1);
    }

    #[test]
    fn what_may_be_there_is_the_old_files_and_the_new_ones_and_only_the_old_ones_go() {
        let own = taken(None, "v1", "a", 0).unwrap().with_files(["t/x=1/p", "t/x=2/p"]);
        let done = own.ended(State::Done, own.files.clone());
        let next = taken(Some(done), "v2", "b", 1).unwrap().with_files(["t/x=3/p", "t/x=2/p"]);
        assert_eq!(next.files, ["t/x=1/p", "t/x=2/p", "t/x=3/p"]);
        assert_eq!(next.stale(&["t/x=2/p".into(), "t/x=3/p".into()]), ["t/x=1/p"]);
    }

    #[test]
    fn files_are_torn_from_the_moment_that_some_may_be_visible_until_all_are() {
        let before = taken(None, "v0", "a", 0).unwrap();
        assert!(!before.is_torn());
        let begun = before.with_files(["t/p"]);
        assert!(begun.is_torn() && begun.given_back().is_torn());
        let next = taken(Some(begun.clone()), "v1", "b", 1_000).unwrap();
        assert!(next.is_torn(), "whoever takes it after a death");
        for state in [State::Done, State::Failed, State::HandedOver] {
            let ended = begun.ended(state, vec!["t/p".into()]);
            assert!(
                !ended.is_torn() && !taken(Some(ended), "v1", "b", 1_000).unwrap().is_torn(),
                "{state:?}"
            );
        }
    }

    #[test]
    fn a_glue_job_that_began_to_make_files_visible_leaves_them_torn_until_it_ends() {
        let handed_over = taken(None, "v0", "a", 0).unwrap().ended(State::HandedOver, vec!["t/p".into()]);
        // As the job writes notes: what it does not know stays.
        let begun = Note { state: State::Open, holder: "glue:r1".into(), ..handed_over };
        let next = taken(Some(begun.clone()), "v1", "b", 1_000).unwrap();
        assert!(begun.is_torn() && next.is_torn());
        assert!(!Note { state: State::Done, holder: "glue:r2".into(), ..next }.is_torn());
    }

    #[test]
    fn a_note_reads_back() {
        let own = taken(None, "v1", "a", 5).unwrap().with_files(["t/p"]);
        let text = serde_json::to_string(&own).unwrap();
        assert_eq!(serde_json::from_str::<Note>(&text).unwrap(), own);
        assert!(text.contains("\"state\":\"open\"") && text.contains("\"etag\":\"v1\""), "{text}");
    }

    #[test]
    fn the_note_of_a_glue_job_is_read() {
        let id = stable_id(["v1"]);
        let text = format!(
            "{{\"source\":\"s3://b/k\",\"object_id\":\"{id}\",\"etag\":null,\"modified_ms\":7,\"state\":\"done\",\
             \"holder\":\"glue:r1\",\"until_ms\":0,\"attempts\":0,\"files\":[\"t/p\"],\"more\":1}}"
        );
        let own: Note = serde_json::from_str(&text).unwrap();
        assert_eq!((own.state, own.files.as_slice()), (State::Done, &["t/p".to_owned()][..]));
    }

    #[test]
    fn a_copy_keeps_the_folders_behind_the_location_and_takes_no_key_that_s3_refuses() {
        let key = copy_key("images", "lake/images/", "lake/images/year=2026/a b+ä.png");
        assert_eq!(key.as_deref(), Some("images/year=2026/a b+ä.png"));
        assert_eq!(copy_key("images", "images/", "images/x/y").as_deref(), Some("images/x/y"));
        assert_eq!(copy_key("images", "", &"k".repeat(1024)), None);
    }
}
