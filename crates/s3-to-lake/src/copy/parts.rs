//! The copy of an object that is too large for one request: ranges of it, some at once, as parts of an upload that takes
//! over what the source says of itself.

use std::collections::BTreeMap;

use aws_sdk_s3::config::StalledStreamProtectionConfig;
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::types::{CompletedPart, CopyPartResult};
use tokio::task::JoinSet;

use super::{Copy, End};
use crate::budget::Budget;
use crate::hand_over::encoded;
use crate::sink::{Target, WriteError};

/// Bytes of a part, where that makes no more than so many of them.
const PART_BYTES: u64 = 512 << 20;
/// Most parts of an upload.
const MAX_PARTS: u64 = 10_000;
/// Ranges that are copied at once.
const AT_ONCE: usize = 8;

/// The ranges of an object, first and last byte of each.
pub fn ranges(bytes: u64) -> impl Iterator<Item = (u64, u64)> {
    let part = PART_BYTES.max(bytes.div_ceil(MAX_PARTS));
    (0..bytes.div_ceil(part)).map(move |n| (n * part, ((n + 1) * part).min(bytes) - 1))
}

/// One range on its way.
struct Part {
    target: Target,
    source: String,
    etag: String,
    upload_id: String,
    number: i32,
    range: (u64, u64),
}

/// What came of a range.
type Copied = Result<Result<CompletedPart, End>, WriteError>;

impl Part {
    async fn copy(self) -> Copied {
        let Target { s3, bucket, key } = &self.target;
        let (first, last) = self.range;
        let request = s3.upload_part_copy().bucket(bucket).key(key).upload_id(&self.upload_id);
        let request = request.part_number(self.number).copy_source(&self.source);
        let request =
            request.copy_source_if_match(&self.etag).copy_source_range(format!("bytes={first}-{last}"));
        // S3 answers when all is copied; the SDK takes that long silence for a dead connection.
        let patient = aws_sdk_s3::config::Builder::new()
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        let answer = match request.customize().config_override(patient).send().await {
            Ok(answer) => answer,
            Err(error) => {
                let status = error.raw_response().map(|response| response.status().as_u16());
                return super::refused(&self.target, status, &error).map(Err);
            }
        };
        let Some(part) = answer.copy_part_result else {
            return Err(self.target.fault("copying a part", "the answer tells no part".into()));
        };
        Ok(Ok(completed(self.number, part)))
    }
}

fn completed(number: i32, part: CopyPartResult) -> CompletedPart {
    CompletedPart::builder()
        .part_number(number)
        .set_e_tag(part.e_tag)
        .set_checksum_crc32(part.checksum_crc32)
        .set_checksum_crc32_c(part.checksum_crc32_c)
        .set_checksum_crc64_nvme(part.checksum_crc64_nvme)
        .set_checksum_sha1(part.checksum_sha1)
        .set_checksum_sha256(part.checksum_sha256)
        .build()
}

impl Copy {
    /// All ranges, or nothing: an upload that does not get to its end is given up.
    pub async fn in_parts(&self, budget: &Budget<'_>) -> Result<End, WriteError> {
        let upload_id = match self.begin().await? {
            Ok(id) => id,
            Err(end) => return Ok(end),
        };
        let ended = match self.ranges(&upload_id, budget).await {
            Ok(Ok(parts)) => {
                let completed = self.target.complete(&upload_id, parts).await;
                completed.map(|()| End::Copied)
            }
            Ok(Err(end)) => Ok(end),
            Err(error) => Err(error),
        };
        if !matches!(ended, Ok(End::Copied)) {
            self.target.abort(&upload_id).await;
        }
        ended
    }

    /// Begins an upload with what the source says of itself.
    async fn begin(&self) -> Result<Result<String, End>, WriteError> {
        let Target { s3, bucket, key } = &self.target;
        let head = s3.head_object().bucket(&self.object.bucket).key(&self.object.key);
        let head = match head.if_match(&self.etag).send().await {
            Ok(head) => head,
            Err(error) => {
                let status = error.raw_response().map(|response| response.status().as_u16());
                return super::refused(&self.target, status, &error).map(Err);
            }
        };
        let tags = self.tags(&head).await?;
        let request = s3
            .create_multipart_upload()
            .bucket(bucket)
            .key(key)
            .set_content_type(head.content_type)
            .set_content_encoding(head.content_encoding)
            .set_content_disposition(head.content_disposition)
            .set_content_language(head.content_language)
            .set_cache_control(head.cache_control)
            .set_metadata(head.metadata)
            .set_tagging(tags);
        let begun = request.send().await.map_err(|error| self.target.error("beginning a copy", &error))?;
        let id = begun.upload_id;
        id.map(Ok).ok_or_else(|| self.target.fault("beginning a copy", "has no id".into()))
    }

    /// Tags as a header has them.
    async fn tags(&self, head: &HeadObjectOutput) -> Result<Option<String>, WriteError> {
        if head.tag_count().is_none_or(|count| count == 0) {
            return Ok(None);
        }
        let request = self.target.s3.get_object_tagging();
        let answer = request.bucket(&self.object.bucket).key(&self.object.key).send().await;
        let answer = answer.map_err(|error| self.target.error("reading the tags for a copy", &error))?;
        let tags =
            answer.tag_set().iter().map(|tag| format!("{}={}", encoded(tag.key()), encoded(tag.value())));
        Ok(Some(tags.collect::<Vec<_>>().join("&")))
    }

    /// Copies the ranges, some at once.
    async fn ranges(
        &self,
        upload_id: &str,
        budget: &Budget<'_>,
    ) -> Result<Result<Vec<CompletedPart>, End>, WriteError> {
        let mut waiting = ranges(self.bytes).zip(1..);
        let mut copying: JoinSet<Copied> = JoinSet::new();
        let mut parts = BTreeMap::new();
        loop {
            while copying.len() < AT_ONCE
                && let Some((range, number)) = waiting.next()
            {
                copying.spawn(self.part(upload_id, number, range).copy());
            }
            let Ok(copied) = tokio::time::timeout(budget.left(), copying.join_next()).await else {
                copying.shutdown().await;
                return Ok(Err(End::OutOfTime));
            };
            match copied {
                None => return Ok(Ok(parts.into_values().collect())),
                Some(Ok(Ok(Ok(part)))) => drop(parts.insert(part.part_number().unwrap_or_default(), part)),
                Some(Ok(Ok(Err(end)))) => {
                    copying.shutdown().await;
                    return Ok(Err(end));
                }
                Some(Ok(Err(error))) => {
                    copying.shutdown().await;
                    return Err(error);
                }
                Some(Err(error)) => return Err(self.target.fault("copying a part", error.to_string())),
            }
        }
    }

    fn part(&self, upload_id: &str, number: i32, range: (u64, u64)) -> Part {
        let (target, source, etag) = (self.target.clone(), self.source.clone(), self.etag.clone());
        Part { target, source, etag, upload_id: upload_id.to_owned(), number, range }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_cover_every_byte_once_and_are_never_more_than_an_upload_takes() {
        const TIB: u64 = 1 << 40;
        for bytes in [(5 << 30) + 1, 6 << 30, 10_000 * PART_BYTES, 10_000 * PART_BYTES + 1, 5 * TIB] {
            let all: Vec<(u64, u64)> = ranges(bytes).collect();
            assert!(all.len() as u64 <= MAX_PARTS, "{bytes}: {}", all.len());
            assert_eq!((all[0].0, all[all.len() - 1].1), (0, bytes - 1));
            assert!(all.windows(2).all(|pair| pair[1].0 == pair[0].1 + 1), "{bytes}");
            // S3 takes parts of 5 MiB to 5 GiB.
            assert!(
                all.iter()
                    .rev()
                    .skip(1)
                    .all(|(first, last)| (5 << 20..=5 << 30).contains(&(last - first + 1)))
            );
        }
    }
}
