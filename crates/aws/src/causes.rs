//! What a service answered, as one line for logs and people. Leaves out the debug form that the SDK's own text ends with:
//! it holds whole requests and answers.

use std::error::Error;
use std::fmt::Debug;

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

/// The service's code and message; where no answer came, why.
pub fn answered<E, R>(error: &SdkError<E, R>) -> String
where
    E: Error + ProvideErrorMetadata + 'static,
    R: Debug + 'static,
{
    match (error.code(), error.message()) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        _ => with_causes(error),
    }
}

/// `error: cause: cause`.
fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let own = cause.to_string();
        // Some errors repeat their cause in their own text.
        if !text.ends_with(&own) {
            text.push_str(": ");
            text.push_str(&own);
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Fault {
        text: &'static str,
        source: Option<Box<Fault>>,
    }

    #[test]
    fn every_cause_is_told_once() {
        let cause = Fault { text: "refused", source: None };
        let middle = Fault { text: "no connection: refused", source: Some(Box::new(cause)) };
        let error = Fault { text: "dispatch failure", source: Some(Box::new(middle)) };
        assert_eq!(with_causes(&error), "dispatch failure: no connection: refused");
    }
}
