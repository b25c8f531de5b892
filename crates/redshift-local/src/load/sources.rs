//! Which objects a COPY reads: those under a prefix, or those of a manifest. Reads no rows.

use serde::Deserialize;

use crate::s3::{S3, Url};
use crate::sql::{Copy, Format, SqlError};

/// The most that a manifest may have; Redshift takes more than anyone writes.
const MAX_MANIFEST_BYTES: u64 = 64 * 1024 * 1024;

/// An object to load.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// Where it is.
    pub url: Url,
    /// Its absence fails the load.
    pub is_mandatory: bool,
    /// The size that it must have.
    pub bytes: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct Manifest {
    entries: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
struct Entry {
    url: String,
    #[serde(default)]
    mandatory: bool,
    #[serde(default)]
    meta: Meta,
}

#[derive(Debug, Default, Deserialize)]
struct Meta {
    content_length: Option<u64>,
}

/// The objects, in the order in which they are loaded; one that a manifest lists twice is there twice.
pub async fn find(s3: &S3, copy: &Copy) -> Result<Vec<Source>, SqlError> {
    let url = Url::parse(&copy.source).ok_or_else(|| SqlError::syntax("the S3 URL has no bucket"))?;
    if copy.is_manifest {
        return manifest(s3, &url, copy).await;
    }
    let found = s3.list(&url).await?;
    // What consoles make to show a folder.
    let is_folder = |(url, bytes): &(Url, u64)| *bytes == 0 && url.key.ends_with('/');
    let sources: Vec<_> = found
        .into_iter()
        .filter(|object| !is_folder(object))
        .map(|(url, _)| Source { url, is_mandatory: true, bytes: None })
        .collect();
    if sources.is_empty() {
        return Err(SqlError::new("XX000", format!("The specified S3 prefix '{}' does not exist", url.key)));
    }
    Ok(sources)
}

async fn manifest(s3: &S3, url: &Url, copy: &Copy) -> Result<Vec<Source>, SqlError> {
    let missing = || {
        let text = "Problem reading manifest file - S3ServiceException:The specified key does not exist.";
        SqlError {
            detail: Some(format!("object: {url}")),
            ..SqlError::new("XX000", format!("{text},Status 404,Error NoSuchKey"))
        }
    };
    let wrong = |reason: String| SqlError {
        detail: Some(format!("object: {url}")),
        ..SqlError::new("XX000", format!("Manifest file is not in correct json format: {reason}"))
    };
    let object = s3.get(url).await?.ok_or_else(missing)?;
    if object.bytes > MAX_MANIFEST_BYTES {
        return Err(wrong(format!("it has more than {MAX_MANIFEST_BYTES} bytes")));
    }
    let bytes = object.body.collect().await.map_err(|error| wrong(error.to_string()))?.into_bytes();
    let manifest: Manifest = serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
    if manifest.entries.is_empty() {
        return Err(wrong("it has no entries".into()));
    }
    let source = |entry: Entry| {
        let url = Url::parse(&entry.url).filter(|url| !url.key.is_empty());
        let url = url.ok_or_else(|| wrong(format!("the url {} is no object's", entry.url)))?;
        let bytes = entry.meta.content_length;
        if bytes.is_none() && copy.format == Format::Parquet {
            return Err(wrong(format!("{url} has no meta.content_length, which PARQUET needs")));
        }
        Ok(Source { url, is_mandatory: entry.mandatory, bytes })
    };
    manifest.entries.into_iter().map(source).collect()
}
