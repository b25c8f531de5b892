//! Objects that go into the lake as they are: what S3 is asked for, and that the last copy is of the content that stays.

use aws_sdk_s3::config::http::HttpResponse;
use penstock_aws::trigger::GivenBack as _;

use crate::common::{answer, function, refusal, take, there};

const KEY: &str = "lake/images/day=1/a b+ä.png";
/// As the header of a copy has it.
const SOURCE: &str = "landing/lake/images/day%3D1/a%20b%2B%C3%A4.png";
const GIB: u64 = 1 << 30;

/// Everything goes well with an object of that size.
fn well(line: &str, bytes: u64) -> HttpResponse {
    let xml = |root: &str, inner: &str| answer(200, &[], &format!("<{root}>{inner}</{root}>"));
    match line.split(' ').next().unwrap() {
        "HEAD" => there(bytes, "e1", &[]),
        "COPY" => xml("CopyObjectResult", "<ETag>\"e1\"</ETag>"),
        "BEGIN" => xml("InitiateMultipartUploadResult", "<UploadId>u1</UploadId>"),
        "PART" => xml("CopyPartResult", &format!("<ETag>p{}</ETag>", line.split(' ').nth(1).unwrap())),
        "COMPLETE" => xml("CompleteMultipartUploadResult", ""),
        "ABORT" => answer(204, &[], ""),
        _ => answer(200, &[], ""),
    }
}

#[tokio::test]
async fn an_object_is_copied_by_s3_with_its_content_pinned_and_its_folders_kept() {
    let (app, seen) = function(|line, _| well(line, 5 * GIB));
    take(&app, "landing", KEY, "e1").await.unwrap();
    assert_eq!(seen.of("COPY"), [format!("{SOURCE} lake/images/day=1/a b+ä.png \"e1\"")]);
    assert_eq!(seen.of("GET"), [] as [&str; 0], "its bytes never come here");
    assert!(seen.of("PUT")[0].starts_with("work/receipts/images/"), "{:?}", seen.of("PUT"));
}

#[tokio::test]
async fn a_staged_object_is_copied_behind_the_folder_of_its_dataset() {
    let (app, seen) = function(|line, _| well(line, 0));
    take(&app, "stage", "papers/2026/01/x.gz", "e1").await.unwrap();
    assert_eq!(seen.of("COPY"), ["stage/papers/2026/01/x.gz lake/papers/2026/01/x.gz \"e1\""]);
}

#[tokio::test]
async fn an_object_over_five_gib_is_copied_in_ranges_that_cover_it() {
    let bytes = 5 * GIB + 1;
    let (app, seen) = function(move |line, _| match line.split(' ').next() {
        Some("HEAD") => there(
            bytes,
            "e1",
            &[
                ("content-type", "image/png"),
                ("content-encoding", "br"),
                ("content-disposition", "inline"),
                ("content-language", "de"),
                ("cache-control", "no-store"),
                ("x-amz-meta-owner", "o"),
                ("x-amz-tagging-count", "2"),
            ],
        ),
        Some("TAGS") => answer(
            200,
            &[],
            "<Tagging><TagSet><Tag><Key>a b</Key><Value>1=2</Value></Tag><Tag><Key>c</Key><Value></Value></Tag></TagSet></Tagging>",
        ),
        _ => well(line, bytes),
    });
    take(&app, "landing", KEY, "e1").await.unwrap();
    assert_eq!(
        seen.of("BEGIN"),
        ["lake/images/day=1/a b+ä.png image/png|br|inline|de|no-store|a%20b=1%3D2&c= [\"owner=o\"]"]
    );
    let part: u64 = 512 << 20;
    let mut expected: Vec<String> = (0..10)
        .map(|n| format!("{} bytes={}-{} {SOURCE} \"e1\"", n + 1, n * part, (n + 1) * part - 1))
        .collect();
    expected.push(format!("11 bytes={0}-{0} {SOURCE} \"e1\"", 5 * GIB));
    let mut parts = seen.of("PART");
    parts.sort_by_key(|line| line.split(' ').next().unwrap().parse::<u32>().unwrap());
    assert_eq!(parts, expected);
    let all: Vec<String> = (1..=11).map(|n| format!("{n}:p{n}")).collect();
    assert_eq!(seen.of("COMPLETE"), [format!("u1 {}", all.join(","))]);
    assert_eq!((seen.of("COPY").len(), seen.of("ABORT").len()), (0, 0));
}

#[tokio::test]
async fn a_copy_in_ranges_that_fails_is_given_up_and_comes_again() {
    let (app, seen) = function(|line, _| match line {
        line if line.starts_with("PART 7 ") => refusal(503, "SlowDown"),
        line => well(line, 6 * GIB),
    });
    let error = take(&app, "landing", KEY, "e1").await.unwrap_err();
    assert!(error.is_retryable() && error.to_string().contains("SlowDown"), "{error}");
    assert_eq!((seen.of("ABORT"), seen.of("COMPLETE").len()), (vec!["u1".to_owned()], 0));
    assert_eq!(seen.of("PUT").len(), 0, "nothing is said of it");
}

#[tokio::test]
async fn an_object_that_is_replaced_under_its_copy_is_copied_again_as_it_is_then() {
    // The first look, the look after the copy, and all later ones.
    let (app, seen) = function(|line, n| match line.split(' ').next() {
        Some("HEAD") => there(3, if n == 0 { "e1" } else { "e2" }, &[]),
        _ => well(line, 3),
    });
    take(&app, "landing", KEY, "e1").await.unwrap();
    let conditions: Vec<String> =
        seen.of("COPY").iter().map(|line| line.split(' ').next_back().unwrap().to_owned()).collect();
    assert_eq!(conditions, ["\"e1\"", "\"e2\""]);
}

#[tokio::test]
async fn a_content_that_is_gone_before_its_copy_is_not_taken_as_copied() {
    let (app, seen) = function(|line, n| match line.split(' ').next() {
        Some("HEAD") => there(3, "e2", &[]),
        Some("COPY") if n == 0 => refusal(412, "PreconditionFailed"),
        _ => well(line, 3),
    });
    let answer = take(&app, "landing", KEY, "e1").await.unwrap();
    assert_eq!(answer.batch_item_failures.len(), 0);
    assert_eq!(seen.of("COPY").len(), 2, "though the look after it tells the same as the one before");
}

#[tokio::test]
async fn an_object_that_never_stays_the_same_comes_again() {
    let (app, seen) = function(|line, n| match line.split(' ').next() {
        Some("HEAD") => there(3, &format!("e{n}"), &[]),
        _ => well(line, 3),
    });
    let error = take(&app, "landing", KEY, "e1").await.unwrap_err();
    assert_eq!((error.kind(), seen.of("COPY").len()), ("ObjectRestless", 5));
}

#[tokio::test]
async fn an_object_that_vanished_is_done_with() {
    let (app, seen) = function(|line, _| match line.split(' ').next() {
        Some("HEAD") => answer(404, &[], ""),
        _ => well(line, 3),
    });
    take(&app, "landing", KEY, "e1").await.unwrap();
    assert_eq!((seen.of("COPY").len(), seen.of("PUT").len()), (0, 0));
}

#[tokio::test]
async fn an_archived_object_is_quarantined_and_a_key_that_is_too_long_too() {
    let (app, seen) = function(|line, _| match line.split(' ').next() {
        Some("COPY") => refusal(403, "ObjectNotInActiveTierError"),
        _ => well(line, 3),
    });
    take(&app, "landing", KEY, "e1").await.unwrap();
    assert!(seen.of("PUT")[0].starts_with("quarantine/images/"), "{:?}", seen.of("PUT"));
    let (app, seen) = function(|line, _| well(line, 3));
    // The folder in the lake may be longer than the one of the location.
    let key = format!("papers/{}", "k".repeat(1_020));
    take(&app, "stage", &key, "e1").await.unwrap();
    assert!(seen.of("PUT")[0].starts_with("quarantine/papers/"), "{:?}", seen.of("PUT"));
    assert_eq!(seen.of("COPY").len(), 0);
}
