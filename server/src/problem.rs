//! The one mapping of errors: a [`Refusal`] or a storage error becomes a Problem (RFC 9457), over HTTP and in acks.

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use rooms::{Code, Refusal};
use serde_json::{Value, json};

/// The HTTP status of a code.
pub fn status(code: Code) -> StatusCode {
    match code {
        Code::InvalidRequest => StatusCode::BAD_REQUEST,
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::Forbidden => StatusCode::FORBIDDEN,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::Conflict
        | Code::AlreadyResolved
        | Code::Superseded
        | Code::StaleLease
        | Code::IllegalTransition
        | Code::IdempotencyConflict => StatusCode::CONFLICT,
        Code::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Code::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn title(code: Code) -> &'static str {
    match code {
        Code::InvalidRequest => "The request is not valid",
        Code::Unauthenticated => "No valid credential",
        Code::Forbidden => "Not allowed",
        Code::NotFound => "Not found",
        Code::Conflict => "Conflict",
        Code::AlreadyResolved => "Already decided",
        Code::Superseded => "The question has changed",
        Code::StaleLease => "The lease is no longer yours",
        Code::IllegalTransition => "Not possible in this state",
        Code::IdempotencyConflict => "The idempotency key was used for something else",
        Code::PayloadTooLarge => "Too large",
        Code::RateLimited => "Too many requests",
        Code::Unavailable => "Not available at the moment",
        Code::Internal => "Internal error",
    }
}

/// The Problem of a refusal, as it stands in an HTTP body and in an ack.
pub fn problem(refusal: &Refusal) -> Value {
    // A field error that needs the whole body to be read is 422 by habit elsewhere; here one status serves every malformed request.
    let mut out = json!({
        "type": format!("/docs/problems#{}", refusal.code.as_str()),
        "title": title(refusal.code),
        "status": status(refusal.code).as_u16(),
        "code": refusal.code,
        "detail": refusal.detail,
        "retryable": matches!(refusal.code, Code::RateLimited | Code::Unavailable),
    });
    if !refusal.errors.is_empty() {
        out["errors"] = json!(refusal.errors);
    }
    if let Some(context) = &refusal.context {
        out["context"] = (**context).clone();
    }
    out
}

/// A refusal as an HTTP answer.
#[derive(Debug)]
pub struct Refused(pub Refusal);

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self(refusal)
    }
}

impl From<storage::Error> for Refused {
    fn from(e: storage::Error) -> Self {
        Self(storage_refusal(&e))
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let mut response = (status(self.0.code), Json(problem(&self.0))).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            header::HeaderValue::from_static("application/problem+json"),
        );
        if matches!(self.0.code, Code::RateLimited | Code::Unavailable) {
            headers.insert(header::RETRY_AFTER, retry_after(&self.0).into());
        }
        response
    }
}

/// Seconds until the same request may succeed, where that is known; else one.
fn retry_after(refusal: &Refusal) -> u64 {
    let context = refusal.context.as_deref();
    let wait = context.and_then(|c| c["retryAfterMs"].as_u64());
    wait.map_or(1, |ms| ms.div_ceil(1_000).max(1))
}

/// A storage error as callers see it; its cause is logged here, once.
pub fn storage_refusal(e: &storage::Error) -> Refusal {
    if e.is_transient() {
        tracing::warn!(error = %e, "the database did not answer");
        return Refusal::new(
            Code::Unavailable,
            "the database is not available at the moment; try again",
        );
    }
    let trace = uuid::Uuid::new_v4();
    tracing::error!(error = %e, %trace, "a storage operation failed");
    Refusal::new(
        Code::Internal,
        format!("an internal error; the log has more under {trace}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_the_status_of_the_contract() {
        for (code, wanted) in [
            (Code::InvalidRequest, 400),
            (Code::Unauthenticated, 401),
            (Code::Forbidden, 403),
            (Code::NotFound, 404),
            (Code::Conflict, 409),
            (Code::AlreadyResolved, 409),
            (Code::Superseded, 409),
            (Code::StaleLease, 409),
            (Code::IllegalTransition, 409),
            (Code::IdempotencyConflict, 409),
            (Code::PayloadTooLarge, 413),
            (Code::RateLimited, 429),
            (Code::Unavailable, 503),
            (Code::Internal, 500),
        ] {
            let problem = problem(&Refusal::new(code, "why"));
            assert_eq!(problem["status"], wanted);
            assert_eq!(problem["code"], code.as_str());
        }
    }
}
