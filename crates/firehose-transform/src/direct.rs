//! The function's place in the runtime: below the layer that turns bodies into values and back. Events and answers are
//! megabytes of text that is read and written here in one pass each; the runtime's own way would be one more of both.
//! Whatever fails goes the runtime's own way, which reports it. Knows nothing of records.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use lambda_runtime::tower::{Layer, Service};
use lambda_runtime::{Diagnostic, Error as BoxError, LambdaEvent, LambdaInvocation, Runtime, service_fn};
use lambda_runtime_api_client::body::Body;
use lambda_runtime_api_client::{Client, build_request};
use penstock_aws::Invocation;
use serde::{Deserialize, Serialize};

use crate::App;

/// Runs the function until the service ends it.
pub async fn run(app: App) -> Result<(), BoxError> {
    // Only failures come to the runtime's own handler.
    let failed = service_fn(|event: LambdaEvent<Failure>| async move {
        Err::<(), Diagnostic>(Diagnostic {
            error_type: event.payload.error_type,
            error_message: event.payload.error_message,
        })
    });
    let client = Arc::new(Client::builder().build()?);
    Runtime::new(failed).layer(DirectLayer { app: Arc::new(app), client }).run().await
}

/// An invocation that failed, as the runtime's own handler is given it.
#[derive(Debug, Serialize, Deserialize)]
struct Failure {
    error_type: String,
    error_message: String,
}

struct DirectLayer {
    app: Arc<App>,
    client: Arc<Client>,
}

impl<S> Layer<S> for DirectLayer {
    type Service = Direct<S>;

    fn layer(&self, inner: S) -> Direct<S> {
        Direct { inner, app: Arc::clone(&self.app), client: Arc::clone(&self.client) }
    }
}

struct Direct<S> {
    inner: S,
    app: Arc<App>,
    client: Arc<Client>,
}

impl<S> Service<LambdaInvocation> for Direct<S>
where
    S: Service<LambdaInvocation, Response = (), Error = BoxError>,
    S::Future: Send + 'static,
{
    type Response = ();
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, invocation: LambdaInvocation) -> Self::Future {
        let LambdaInvocation { parts, body, context } = invocation;
        match self.answer(&body, &context) {
            Ok(answer) => {
                // Before the answer is sent, so that the two are not held together.
                drop(body);
                Box::pin(respond(Arc::clone(&self.client), context.request_id, answer))
            }
            Err(failure) => {
                let body = serde_json::to_vec(&failure).unwrap_or_default().into();
                Box::pin(self.inner.call(LambdaInvocation { parts, body, context }))
            }
        }
    }
}

impl<S> Direct<S> {
    fn answer(&self, event: &[u8], context: &lambda_runtime::Context) -> Result<Bytes, Failure> {
        let handle = || self.app.handle(event, &Invocation::begin(context));
        match catch_unwind(AssertUnwindSafe(handle)) {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                let Diagnostic { error_type, error_message } = error.into();
                Err(Failure { error_type, error_message })
            }
            Err(_) => Err(Failure {
                error_type: "Panic".to_owned(),
                error_message: "the function panicked; its log says where".to_owned(),
            }),
        }
    }
}

async fn respond(client: Arc<Client>, request_id: String, answer: Bytes) -> Result<(), BoxError> {
    let request = build_request()
        .method("POST")
        .uri(format!("/2018-06-01/runtime/invocation/{request_id}/response"))
        .body(Body::from(answer))?;
    let response = client.call(request).await?;
    let status = response.status();
    if status.is_server_error() {
        return Err(format!("the runtime API answers {status}").into());
    }
    if !status.is_success() {
        // Too late or too large: the service has told of it already, and the next invocation must not be lost.
        tracing::error!(status = status.as_u16(), "the answer was not taken");
    }
    Ok(())
}
