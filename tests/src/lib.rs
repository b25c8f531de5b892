//! What the flow tests share: a local AWS, a Lambda Runtime API that runs the real function binaries, deployed stages,
//! and the event files. It knows the functions by the name of their binary only.

mod copy_route;
pub mod deployed;
mod events;
pub mod expected;
mod firehose;
mod kinesis;
mod lake_route;
mod ministack;
mod paths;
mod penstock;
mod process;
mod random;
mod results;
mod route;
mod runtime_api;
mod s3;
mod s3_gate;
pub mod samples;
mod sqlfluff;
mod sqs;
mod stream_route;
mod wait;

pub use copy_route::{COPIER, CopyRoute, batch};
pub use events::EventFile;
pub use firehose::{DELIVERY_STREAM, Firehose, TRANSFORM};
pub use kinesis::{Conduct, KinesisStub, STREAM, StreamRecord, stream_arn};
pub use lake_route::{LAKER, LakeFile, LakeRoute};
pub use ministack::{Auth, MiniStack, REGION};
pub use paths::{binary, lake_python, target_dir, tool, workspace_root};
pub use penstock::{Told, penstock};
pub use random::Random;
pub use results::Results;
pub use route::{LOADER, READER, Route, contracts_with, failures, warehouse};
pub use runtime_api::{Bootstrap, FunctionError};
pub use s3::Bucket;
pub use s3_gate::S3Gate;
pub use sqlfluff::check_redshift_sql;
pub use sqs::{Queue, SqsBatch};
pub use stream_route::{STREAMER, StreamRoute, given_back};
pub use wait::until;
