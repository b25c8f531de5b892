//! Files on their way into the lake: nothing of them is visible before they are committed, and nothing is left of them
//! where they are given up.

use aws_sdk_s3::config::http::HttpResponse;
use penstock_core::lake::Piece;
use s3_to_lake::sink::Uploads;

use crate::common::{Seen, answer, refusal, s3};

fn piece(file: &str, number: u32, is_last: bool) -> Piece {
    Piece { file: file.to_owned(), number, bytes: vec![b'x'; 10], is_last }
}

fn well(line: &str) -> HttpResponse {
    let id = line.split(' ').nth(1).unwrap_or_default().replace('/', "-");
    match line.split(' ').next() {
        Some("BEGIN") => answer(
            200,
            &[],
            &format!(
                "<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>"
            ),
        ),
        Some("UPLOAD") => answer(200, &[("etag", format!("\"{id}\""))], ""),
        Some("COMPLETE") => answer(200, &[], "<CompleteMultipartUploadResult/>"),
        _ => answer(200, &[], ""),
    }
}

/// Two files in pieces, one of them sent before the end, and one that is whole at the end.
async fn sent(answers: impl Fn(&str, usize) -> HttpResponse + Send + Sync + 'static) -> (Uploads, Seen) {
    let (client, seen) = s3(answers);
    let mut uploads = Uploads::new(client, "lake".into());
    uploads.send(vec![piece("t/a", 0, false), piece("t/small", 0, true)]).await.unwrap();
    uploads.send(vec![piece("t/a", 1, false)]).await.unwrap();
    uploads.finish(vec![piece("t/a", 2, true), piece("t/whole", 0, true)]).await.unwrap();
    (uploads, seen)
}

#[tokio::test]
async fn nothing_is_visible_before_the_commit_and_all_of_it_after() {
    let (mut uploads, seen) = sent(|line, _| well(line)).await;
    assert_eq!(uploads.keys().collect::<Vec<_>>(), ["t/a", "t/small", "t/whole"]);
    assert_eq!((seen.of("COMPLETE").len(), seen.of("PUT").len()), (0, 0));
    let mut parts = seen.of("UPLOAD");
    parts.sort();
    assert_eq!(parts, ["1 lake-t-a", "1 lake-t-small", "2 lake-t-a", "3 lake-t-a"]);
    uploads.commit().await.unwrap();
    let mut completed = seen.of("COMPLETE");
    completed.sort();
    assert_eq!(completed, ["lake-t-a 1:\"1\",2:\"2\",3:\"3\"", "lake-t-small 1:\"1\""]);
    assert_eq!(seen.of("PUT"), ["lake/t/whole"]);
}

#[tokio::test]
async fn what_is_given_up_leaves_no_upload_behind() {
    let (uploads, seen) = sent(|line, _| well(line)).await;
    uploads.abort().await;
    let mut aborted = seen.of("ABORT");
    aborted.sort();
    assert_eq!(aborted, ["lake-t-a", "lake-t-small"]);
    assert_eq!((seen.of("COMPLETE").len(), seen.of("PUT").len()), (0, 0));
}

#[tokio::test]
async fn a_file_that_cannot_be_completed_is_told_and_costs_no_other_one() {
    let (mut uploads, seen) = sent(|line, _| match line {
        line if line.starts_with("COMPLETE lake-t-a ") => refusal(503, "SlowDown"),
        line => well(line),
    })
    .await;
    let error = uploads.commit().await.unwrap_err().to_string();
    assert!(error.starts_with("completing an upload of s3://lake/t/a: SlowDown"), "{error}");
    assert_eq!((seen.of("COMPLETE").len(), seen.of("PUT").len()), (2, 1));
    assert_eq!(seen.of("ABORT"), ["lake-t-a"]);
}

#[tokio::test]
async fn a_part_that_is_refused_fails_the_object_at_once() {
    let (client, _) = s3(|line, _| match line {
        line if line.starts_with("UPLOAD ") => refusal(403, "AccessDenied"),
        line => well(line),
    });
    let mut uploads = Uploads::new(client, "lake".into());
    uploads.send(vec![piece("t/a", 0, false)]).await.unwrap();
    let error = uploads.finish(vec![piece("t/a", 1, true)]).await.unwrap_err().to_string();
    assert!(error.starts_with("writing a part of s3://lake/t/a: AccessDenied"), "{error}");
}
