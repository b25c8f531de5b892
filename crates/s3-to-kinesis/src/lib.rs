//! s3-to-kinesis: takes S3 events of the stream route, checks and stamps each record of the object, and puts its rows on
//! the dataset's Kinesis data stream.

mod aggregate;
pub mod sink;
