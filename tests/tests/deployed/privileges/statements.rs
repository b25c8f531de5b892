//! Every statement of every function's role: what is refused without it, or why the local cloud cannot show that. Knows
//! functions by name alone.

use penstock_tests::deployed::{LAKER, STARTER, STREAMER, TRANSFORM};
use penstock_tests::{COPIER, LOADER, READER};

/// Statements without which a function is refused something: the step that fails, and the action.
pub const ENFORCED: [(&str, &str, &str); 48] = [
    (READER, "ReadLanding", "FetchError: s3:GetObject"),
    (READER, "SendRows", "SendError: sqs:SendMessageBatch"),
    (READER, "WriteReceipts", "ReceiptError: s3:PutObject"),
    (READER, "WriteQuarantine", "QuarantineError: s3:PutObject"),
    (LOADER, "HandOver", "visibility of messages was not shortened: sqs:ChangeMessageVisibilityBatch"),
    (LOADER, "WriteQuarantine", "QuarantineError: s3:PutObject"),
    (COPIER, "ReadLanding", "FetchError: HEAD"),
    (COPIER, "LookAtStage", "FetchError: HEAD"),
    // What an object was refused is told once more for the load that waited for it.
    (COPIER, "KeepWork", "LoadNotDone: s3:GetObject"),
    (COPIER, "KeepWork", "LoadNotDone: s3:PutObject"),
    (COPIER, "KeepWork", "WorkError: s3:GetObject"),
    (COPIER, "KeepWork", "WorkError: s3:PutObject"),
    (COPIER, "FindWork", "LoadNotDone: s3:ListBucket"),
    (COPIER, "FindWork", "WorkError: s3:ListBucket"),
    (COPIER, "KeepReceipts", "LoadNotDone: s3:GetObject"),
    (COPIER, "KeepReceipts", "LoadNotDone: s3:PutObject"),
    (COPIER, "KeepReceipts", "WorkError: s3:GetObject"),
    (COPIER, "KeepReceipts", "WorkError: s3:PutObject"),
    (COPIER, "SendTasks", "LoadNotDone: sqs:SendMessageBatch"),
    (COPIER, "SendTasks", "TasksError: sqs:SendMessageBatch"),
    (COPIER, "WriteQuarantine", "LoadNotDone: s3:PutObject"),
    (COPIER, "WriteQuarantine", "QuarantineError: s3:PutObject"),
    (COPIER, "HandOver", "visibility of messages was not shortened: sqs:ChangeMessageVisibilityBatch"),
    (STREAMER, "ReadLanding", "FetchError: HEAD"),
    (STREAMER, "SendRows", "SendError: kinesis:PutRecords"),
    // It looks for what is kept before it keeps anything.
    (STREAMER, "KeepWork", "WorkError: s3:GetObject"),
    (STREAMER, "FindWork", "WorkError: s3:ListBucket"),
    (STREAMER, "KeepReceipts", "WorkError: s3:GetObject"),
    (STREAMER, "KeepReceipts", "WorkError: s3:PutObject"),
    (STREAMER, "SendTasks", "TasksError: sqs:SendMessageBatch"),
    (STREAMER, "WriteQuarantine", "QuarantineError: s3:PutObject"),
    (STREAMER, "HandOver", "visibility of messages was not shortened: sqs:ChangeMessageVisibilityBatch"),
    (LAKER, "ReadLanding", "FetchError: HEAD"),
    (LAKER, "ReadStage", "FetchError: HEAD"),
    (LAKER, "WriteLake", "LakeError: s3:PutObject"),
    (LAKER, "FindOwnFiles", "WorkError: s3:ListBucket"),
    (LAKER, "KeepNotes", "WorkError: s3:GetObject"),
    (LAKER, "WriteReceipts", "WorkError: s3:PutObject"),
    (LAKER, "HandToGlue", "HandOverError: sqs:SendMessageBatch"),
    (LAKER, "WriteQuarantine", "QuarantineError: s3:PutObject"),
    (LAKER, "HandOver", "visibility of messages was not shortened: sqs:ChangeMessageVisibilityBatch"),
    // It looks for what is kept before it keeps anything.
    (STARTER, "KeepClaims", "StoreError: s3:GetObject"),
    (STARTER, "FindClaims", "StoreError: s3:ListBucket"),
    (STARTER, "LookAtObjects", "HeadError: HEAD"),
    (STARTER, "StartRuns", "Refused: glue:StartJobRun"),
    (STARTER, "StartCrawls", "Refused: glue:StartCrawler"),
    (STARTER, "WriteQuarantine", "QuarantineError: s3:PutObject"),
    (STARTER, "HandOver", "visibility of messages was not shortened: sqs:ChangeMessageVisibilityBatch"),
];

const NO_KMS: &str = "MiniStack's S3 encrypts nothing, so it asks no key";
const NO_403: &str = "MiniStack answers 404 for an object that is not there, also to who may not list";
const POLLER: &str = "MiniStack's poller takes messages itself and not under the function's role";
const NO_IAM: &str = "redshift-local knows database users and no IAM";
const ASKED_ONCE: &str =
    "a process asks once for the stream's limits, and takes the usual ones where it may not";
const LOGS: &str = "MiniStack writes a function's log itself and not under its role";

/// Statements that the local cloud does not enforce, so that only AWS can prove them, and why.
pub const NOT_ENFORCED: [(&str, &str, &str); 37] = [
    (READER, "ReceiveEvents", POLLER),
    (READER, "SeeWhatVanished", NO_403),
    (READER, "DecryptLanding", NO_KMS),
    (READER, "EncryptQuarantine", NO_KMS),
    (READER, "WriteLogs", LOGS),
    (LOADER, "ReceiveRows", POLLER),
    (LOADER, "EncryptQuarantine", NO_KMS),
    (LOADER, "Load", NO_IAM),
    (LOADER, "FollowOwnLoads", NO_IAM),
    (LOADER, "LogIn", NO_IAM),
    (LOADER, "WriteLogs", LOGS),
    (COPIER, "ReceiveEvents", POLLER),
    (COPIER, "SeeWhatVanished", NO_403),
    (COPIER, "DecryptLanding", NO_KMS),
    (COPIER, "EncryptQuarantine", NO_KMS),
    (COPIER, "Load", NO_IAM),
    (COPIER, "FollowOwnLoads", NO_IAM),
    (COPIER, "LogIn", NO_IAM),
    (COPIER, "WriteLogs", LOGS),
    (STREAMER, "ReceiveEvents", POLLER),
    (STREAMER, "SeeWhatVanished", NO_403),
    (STREAMER, "DecryptLanding", NO_KMS),
    (STREAMER, "LookAtStream", ASKED_ONCE),
    (STREAMER, "EncryptQuarantine", NO_KMS),
    (STREAMER, "WriteLogs", LOGS),
    (TRANSFORM, "WriteLogs", LOGS),
    (LAKER, "ReceiveEvents", POLLER),
    (LAKER, "SeeWhatVanished", NO_403),
    (LAKER, "DecryptLanding", NO_KMS),
    (LAKER, "FindNotes", NO_403),
    (LAKER, "EncryptQuarantine", NO_KMS),
    (LAKER, "WriteLogs", LOGS),
    (STARTER, "ReceiveEvents", POLLER),
    (STARTER, "SeeWhatVanished", NO_403),
    (STARTER, "DecryptLanding", NO_KMS),
    (STARTER, "EncryptQuarantine", NO_KMS),
    (STARTER, "WriteLogs", LOGS),
];
