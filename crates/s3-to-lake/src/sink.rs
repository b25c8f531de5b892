//! Files of the lake, as they are written: in pieces while rows still come, and visible only when all of them are
//! complete. Knows no rows and no Parquet.

use std::collections::BTreeMap;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use penstock_aws::answered;
use penstock_core::lake::Piece;
use tokio::task::JoinSet;

/// Bytes of pieces on their way at once; more wait, and with them the reading.
const MAX_SENDING_BYTES: usize = 32 << 20;
/// Requests at once when files are made visible, or given up.
const MAX_REQUESTS: usize = 8;
/// Media type of the files.
const PARQUET: &str = "application/vnd.apache.parquet";

/// The lake did not take a file.
#[derive(Debug, thiserror::Error)]
#[error("{operation} of s3://{place}: {message}")]
pub struct WriteError {
    operation: &'static str,
    place: String,
    message: String,
}

/// A bucket and a key of it, and what speaks with it.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub s3: Client,
    pub bucket: String,
    pub key: String,
}

impl Target {
    pub fn error<E, R>(&self, operation: &'static str, error: &SdkError<E, R>) -> WriteError
    where
        E: std::error::Error + ProvideErrorMetadata + 'static,
        R: std::fmt::Debug + 'static,
    {
        self.fault(operation, answered(error))
    }

    pub fn fault(&self, operation: &'static str, message: String) -> WriteError {
        WriteError { operation, place: format!("{}/{}", self.bucket, self.key), message }
    }

    async fn put(self, bytes: Vec<u8>) -> Result<(), WriteError> {
        let request = self.s3.put_object().bucket(&self.bucket).key(&self.key).content_type(PARQUET);
        let put = request.body(ByteStream::from(bytes)).send().await;
        put.map(|_| ()).map_err(|error| self.error("writing", &error))
    }

    async fn begin(&self) -> Result<String, WriteError> {
        let request = self.s3.create_multipart_upload().bucket(&self.bucket).key(&self.key);
        let answer = request.content_type(PARQUET).send().await;
        let answer = answer.map_err(|error| self.error("beginning an upload", &error))?;
        answer.upload_id.ok_or_else(|| self.fault("beginning an upload", "has no id".into()))
    }

    async fn send(
        self,
        upload_id: String,
        number: i32,
        bytes: Vec<u8>,
    ) -> Result<(String, CompletedPart), WriteError> {
        let request = self.s3.upload_part().bucket(&self.bucket).key(&self.key).upload_id(upload_id);
        let answer = request.part_number(number).body(ByteStream::from(bytes)).send().await;
        let answer = answer.map_err(|error| self.error("writing a part", &error))?;
        // Who says what a part's checksum is at its upload has to say it again at the end.
        let part = CompletedPart::builder()
            .part_number(number)
            .set_e_tag(answer.e_tag)
            .set_checksum_crc32(answer.checksum_crc32)
            .set_checksum_crc32_c(answer.checksum_crc32_c)
            .set_checksum_crc64_nvme(answer.checksum_crc64_nvme)
            .set_checksum_sha1(answer.checksum_sha1)
            .set_checksum_sha256(answer.checksum_sha256)
            .build();
        Ok((self.key, part))
    }

    /// Makes an upload an object.
    pub async fn complete(&self, upload_id: &str, parts: Vec<CompletedPart>) -> Result<(), WriteError> {
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let request = self.s3.complete_multipart_upload().bucket(&self.bucket).key(&self.key);
        let completed = request.upload_id(upload_id).multipart_upload(parts).send().await;
        completed.map(|_| ()).map_err(|error| self.error("completing an upload", &error))
    }

    /// Gives an upload up. What is left of it where that fails the bucket's lifecycle takes.
    pub async fn abort(&self, upload_id: &str) {
        let request = self.s3.abort_multipart_upload().bucket(&self.bucket).key(&self.key);
        if let Err(error) = request.upload_id(upload_id).send().await {
            tracing::warn!(key = self.key, error = answered(&error), "upload was not aborted");
        }
    }
}

/// One file on its way.
#[derive(Debug)]
enum File {
    /// In pieces.
    Upload { id: String, parts: BTreeMap<i32, CompletedPart> },
    /// All of it, and nothing of it sent.
    Whole(Vec<u8>),
}

/// What was sent of a file.
type Sent = (usize, Result<(String, CompletedPart), WriteError>);

/// The files of one source on their way.
#[derive(Debug)]
pub struct Uploads {
    s3: Client,
    bucket: String,
    files: BTreeMap<String, File>,
    sending: JoinSet<Sent>,
    sending_bytes: usize,
}

impl Uploads {
    /// No file yet.
    pub fn new(s3: Client, bucket: String) -> Self {
        Self { s3, bucket, files: BTreeMap::new(), sending: JoinSet::new(), sending_bytes: 0 }
    }

    /// Keys of the files so far.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    fn target(&self, key: &str) -> Target {
        Target { s3: self.s3.clone(), bucket: self.bucket.clone(), key: key.to_owned() }
    }

    /// Sends pieces, also such as are a whole file: more may come, and memory is for that.
    pub async fn send(&mut self, pieces: Vec<Piece>) -> Result<(), WriteError> {
        for Piece { file, number, bytes, .. } in pieces {
            let target = self.target(&file);
            if !self.files.contains_key(&file) {
                let id = target.begin().await?;
                self.files.insert(file.clone(), File::Upload { id, parts: BTreeMap::new() });
            }
            let Some(File::Upload { id, .. }) = self.files.get(&file) else {
                return Err(target.fault("writing a part", "the file was complete".into()));
            };
            let (id, size) = (id.clone(), bytes.len());
            let part = i32::try_from(number).unwrap_or(i32::MAX).saturating_add(1);
            while self.sending_bytes > 0 && self.sending_bytes + size > MAX_SENDING_BYTES {
                self.arrive().await?;
            }
            self.sending_bytes += size;
            self.sending.spawn(async move { (size, target.send(id, part, bytes).await) });
        }
        Ok(())
    }

    /// The last pieces: a file that is all here needs no upload.
    pub async fn finish(&mut self, pieces: Vec<Piece>) -> Result<(), WriteError> {
        let is_whole = |piece: &Piece| piece.is_last && piece.number == 0;
        let (whole, rest): (Vec<Piece>, Vec<Piece>) = pieces.into_iter().partition(is_whole);
        self.files.extend(whole.into_iter().map(|piece| (piece.file, File::Whole(piece.bytes))));
        self.send(rest).await?;
        while !self.sending.is_empty() {
            self.arrive().await?;
        }
        Ok(())
    }

    async fn arrive(&mut self) -> Result<(), WriteError> {
        let Some(sent) = self.sending.join_next().await else { return Ok(()) };
        let lost = |error: tokio::task::JoinError| self.target("").fault("writing a part", error.to_string());
        let (size, sent) = sent.map_err(lost)?;
        self.sending_bytes = self.sending_bytes.saturating_sub(size);
        let (key, part) = sent?;
        if let Some(File::Upload { parts, .. }) = self.files.get_mut(&key) {
            parts.insert(part.part_number().unwrap_or_default(), part);
        }
        Ok(())
    }

    /// Makes the files visible, one after another or some at once.
    pub async fn commit(&mut self) -> Result<(), WriteError> {
        let mut making: JoinSet<Result<(), WriteError>> = JoinSet::new();
        let mut first = Ok(());
        while let Some((key, file)) = self.files.pop_first() {
            let target = self.target(&key);
            making.spawn(async move {
                match file {
                    File::Whole(bytes) => target.put(bytes).await,
                    File::Upload { id, parts } => {
                        let completed = target.complete(&id, parts.into_values().collect()).await;
                        if completed.is_err() {
                            target.abort(&id).await;
                        }
                        completed
                    }
                }
            });
            if making.len() >= MAX_REQUESTS {
                first = first.and(joined(&mut making, &self.target("")).await);
            }
        }
        while !making.is_empty() {
            first = first.and(joined(&mut making, &self.target("")).await);
        }
        first
    }

    /// Gives all of it up: nothing of it was ever visible.
    pub async fn abort(mut self) {
        self.sending.shutdown().await;
        let mut aborting: JoinSet<()> = JoinSet::new();
        for (key, file) in std::mem::take(&mut self.files) {
            let File::Upload { id, .. } = file else { continue };
            let target = self.target(&key);
            aborting.spawn(async move { target.abort(&id).await });
            if aborting.len() >= MAX_REQUESTS {
                aborting.join_next().await;
            }
        }
        aborting.join_all().await;
    }
}

async fn joined(making: &mut JoinSet<Result<(), WriteError>>, target: &Target) -> Result<(), WriteError> {
    match making.join_next().await {
        None => Ok(()),
        Some(Ok(made)) => made,
        Some(Err(error)) => Err(target.fault("writing", error.to_string())),
    }
}
