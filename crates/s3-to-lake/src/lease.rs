//! The lease of one source: its note in the work bucket, changed by compare and swap. Knows no files' contents.

use penstock_aws::Invocation;
use penstock_aws::store::{Condition, Store, Written};
use penstock_core::ident::HexId;
use penstock_core::lake_note::{Content, Holder, Note, State, note_key};

use crate::error::Error;

/// Races for the lease in one go; each is lost to somebody who won it.
const MAX_RACES: u32 = 3;

/// The source that a lease is of.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// `s3://bucket/key`.
    pub uri: &'a str,
    pub dataset: &'a str,
    pub id: HexId,
}

/// A lease that is held.
#[derive(Debug)]
pub struct Lease<'a> {
    store: &'a Store,
    key: String,
    etag: String,
    pub note: Note,
    /// Whether this very content was handed over before: it was too much then, too.
    pub was_handed_over: bool,
}

/// The name of an invocation, and until when it may do anything.
fn holder(invocation: &Invocation) -> Holder {
    let lease_ms = u64::try_from(invocation.lease().as_millis()).unwrap_or(0);
    Holder { name: invocation.holder(), until_ms: invocation.now_ms() + lease_ms }
}

impl<'a> Lease<'a> {
    /// Takes the lease for a content. `lake` is asked what is there of the source where its note cannot be read.
    pub async fn take(
        store: &'a Store,
        lake: &Store,
        source: Source<'_>,
        content: &Content,
        invocation: &Invocation,
    ) -> Result<Self, Error> {
        let key = note_key(source.dataset, &source.id);
        let (holder, now_ms) = (holder(invocation), invocation.now_ms());
        for _ in 0..MAX_RACES {
            let (before, etag) = match store.get_with_etag(&key).await? {
                None => (None, None),
                Some((text, etag)) => (Some(read(&text, lake, source, content).await?), Some(etag)),
            };
            let is_handed_over = |own: &Note| own.state == State::HandedOver && own.content == *content;
            let was_handed_over = before.as_ref().is_some_and(is_handed_over);
            let taken = Note::take(before, source.uri, content.clone(), holder.clone(), now_ms);
            let note = taken.map_err(|until_ms| Error::Held {
                uri: source.uri.to_owned(),
                seconds: until_ms.saturating_sub(now_ms).div_ceil(1_000),
            })?;
            let condition = etag.as_deref().map_or(Condition::Absent, Condition::Unchanged);
            match store.put_if(&key, text(&note), condition).await? {
                Written::Done(etag) => return Ok(Self { store, key, etag, note, was_handed_over }),
                // Somebody else's writing, or our own whose answer was lost: the next look tells.
                Written::Lost => {}
            }
        }
        Err(Error::LeaseLost { uri: source.uri.to_owned() })
    }

    /// Writes down what is true from now on; an error where the lease is another's now.
    pub async fn write(&mut self, note: Note) -> Result<(), Error> {
        let text = text(&note);
        match self.store.put_if(&self.key, text.clone(), Condition::Unchanged(&self.etag)).await? {
            Written::Done(etag) => self.etag = etag,
            Written::Lost => match self.store.get_with_etag(&self.key).await? {
                Some((there, etag)) if there == text => self.etag = etag,
                _ => return Err(Error::LeaseLost { uri: self.note.source.clone() }),
            },
        }
        self.note = note;
        Ok(())
    }

    /// Lets others begin at once after a fault that may pass. Where that fails they begin when the lease ends.
    pub async fn give_back(mut self) {
        let note = self.note.given_back();
        if let Err(error) = self.write(note).await {
            tracing::warn!(source = self.note.source, error = %error, "lease was not given back");
        }
    }
}

/// A note as it was written; what is there of the source where it is none.
async fn read(text: &[u8], lake: &Store, source: Source<'_>, content: &Content) -> Result<Note, Error> {
    let error = match serde_json::from_slice(text) {
        Ok(note) => return Ok(note),
        Err(error) => error,
    };
    let files = there(lake, source).await?;
    let (files_found, uri) = (files.len(), source.uri);
    tracing::error!(source = uri, error = %error, files_found, "note cannot be read, the lake was listed instead");
    Ok(Note {
        source: uri.to_owned(),
        holder: String::new(),
        until_ms: 0,
        attempts: 0,
        content: content.clone(),
        state: State::Open,
        files,
        committing: false,
    })
}

/// The files of a source that are in the lake, whoever made them: all of them have its id in their names.
async fn there(lake: &Store, source: Source<'_>) -> Result<Vec<String>, Error> {
    let name = format!("/part-{}-", source.id);
    let mut keys = lake.list(&format!("{}/", source.dataset)).await?;
    keys.retain(|key| key.contains(&name));
    Ok(keys)
}

fn text(note: &Note) -> Vec<u8> {
    // Its parts are texts and numbers.
    serde_json::to_vec(note).unwrap_or_default()
}
