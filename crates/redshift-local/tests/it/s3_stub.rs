//! An S3 in memory, on loopback: GET, PUT, DELETE and ListObjectsV2 with path-style addresses.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use percent_encoding::percent_decode_str;

static STUB: OnceLock<Stub> = OnceLock::new();
/// Small, so that listings have pages.
const PAGE: usize = 3;

type Objects = Arc<Mutex<BTreeMap<String, Bytes>>>;

/// The stub of this test binary.
pub struct Stub {
    pub endpoint: String,
    objects: Objects,
}

/// Starts it on first use, on a thread of its own: it outlives the runtimes of the tests.
pub fn stub() -> &'static Stub {
    STUB.get_or_init(|| {
        let objects = Objects::default();
        let served = objects.clone();
        let (ready, is_ready) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                ready.send(listener.local_addr().unwrap()).unwrap();
                let router = Router::new().fallback(answer).layer(DefaultBodyLimit::disable());
                axum::serve(listener, router.with_state(served)).await.unwrap();
            });
        });
        Stub { endpoint: format!("http://{}", is_ready.recv().unwrap()), objects }
    })
}

impl Stub {
    pub fn put(&self, bucket: &str, key: &str, body: impl Into<Vec<u8>>) {
        self.objects.lock().unwrap().insert(format!("{bucket}/{key}"), Bytes::from(body.into()));
    }

    pub fn get(&self, bucket: &str, key: &str) -> Option<Bytes> {
        self.objects.lock().unwrap().get(&format!("{bucket}/{key}")).cloned()
    }

    pub fn keys(&self, bucket: &str) -> Vec<String> {
        let start = format!("{bucket}/");
        let objects = self.objects.lock().unwrap();
        objects.keys().filter_map(|key| key.strip_prefix(&start)).map(str::to_owned).collect()
    }
}

async fn answer(State(objects): State<Objects>, method: Method, uri: Uri, body: Bytes) -> Response {
    let path = percent_decode_str(uri.path().trim_start_matches('/')).decode_utf8().unwrap().into_owned();
    let mut objects = objects.lock().unwrap();
    let is_bucket = path.split_once('/').is_none_or(|(_, key)| key.is_empty());
    match method {
        Method::GET if is_bucket => {
            list(&objects, path.trim_end_matches('/'), uri.query().unwrap_or_default())
        }
        Method::GET => match objects.get(&path) {
            Some(body) => body.clone().into_response(),
            None => {
                let text = "<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message></Error>";
                (StatusCode::NOT_FOUND, text).into_response()
            }
        },
        Method::PUT => {
            objects.insert(path, body);
            StatusCode::OK.into_response()
        }
        Method::DELETE => {
            objects.remove(&path);
            StatusCode::NO_CONTENT.into_response()
        }
        _ => StatusCode::METHOD_NOT_ALLOWED.into_response(),
    }
}

fn list(objects: &BTreeMap<String, Bytes>, bucket: &str, query: &str) -> Response {
    let value = |name: &str| {
        let pair = query.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name);
        pair.map(|(_, value)| percent_decode_str(value).decode_utf8().unwrap().into_owned())
    };
    let prefix = format!("{bucket}/{}", value("prefix").unwrap_or_default());
    let after = value("continuation-token").unwrap_or_default();
    let mut found = objects.iter().filter(|(key, _)| key.starts_with(&prefix) && **key > after);
    let page: Vec<_> = found.by_ref().take(PAGE).collect();
    let mut text = String::from("<ListBucketResult>");
    if let (Some((last, _)), true) = (page.last(), found.next().is_some()) {
        text +=
            &format!("<IsTruncated>true</IsTruncated><NextContinuationToken>{last}</NextContinuationToken>");
    }
    for (key, body) in page {
        let key = &key[bucket.len() + 1..];
        text += &format!("<Contents><Key>{key}</Key><Size>{}</Size></Contents>", body.len());
    }
    (StatusCode::OK, text + "</ListBucketResult>").into_response()
}
