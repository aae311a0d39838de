//! The hub's REST API, as far as the demo needs it.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::Value;
use tokio::time::Instant;

/// One request, from the connection to the last byte.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a hub that restarts is waited for.
const PATIENCE: Duration = Duration::from_secs(60);
const RETRY_AFTER: Duration = Duration::from_millis(300);

/// Why there is no answer, or not the one that was hoped for.
#[derive(Debug, thiserror::Error)]
pub(super) enum RestError {
    #[error("{method} {path} was refused: {status} {code}: {detail}")]
    Refused {
        method: Method,
        path: String,
        status: StatusCode,
        code: String,
        detail: String,
    },
    #[error("{method} {path} got no answer: {reason}")]
    Unreachable {
        method: Method,
        path: String,
        reason: String,
    },
}

impl RestError {
    pub(super) fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { code, .. } => Some(code),
            Self::Unreachable { .. } => None,
        }
    }
}

/// A caller with a key.
#[derive(Debug, Clone)]
pub(super) struct Rest {
    http: reqwest::Client,
    base: String,
    key: String,
}

impl Rest {
    pub(super) fn new(base_url: &str, key: &str) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder()
            .timeout(REQUEST_TIMEOUT)
            .build()?;
        let base = format!("{}/api/orchestration", base_url.trim_end_matches('/'));
        Ok(Self {
            http,
            base,
            key: key.to_owned(),
        })
    }

    pub(super) async fn get(&self, path: &str) -> Result<Value, RestError> {
        self.call(Method::GET, path, None).await
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> Result<Value, RestError> {
        self.call(Method::POST, path, Some(body)).await
    }

    pub(super) async fn put(&self, path: &str, body: &Value) -> Result<Value, RestError> {
        self.call(Method::PUT, path, Some(body)).await
    }

    pub(super) async fn delete(&self, path: &str) -> Result<Value, RestError> {
        self.call(Method::DELETE, path, None).await
    }

    /// Tries again while the hub is away or busy. Every change carries an `Idempotency-Key`, so that it happens once.
    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, RestError> {
        let idempotency_key = uuid::Uuid::now_v7().to_string();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut request = self
                .http
                .request(method.clone(), format!("{}{path}", self.base))
                .bearer_auth(&self.key);
            if method != Method::GET {
                request = request.header("Idempotency-Key", &idempotency_key);
            }
            if let Some(body) = body {
                request = request.json(body);
            }
            let (error, retryable) = match answer(request).await {
                Ok((status, value)) if status.is_success() => return Ok(value),
                Ok((status, problem)) => {
                    let text = |name: &str| {
                        problem
                            .get(name)
                            .and_then(Value::as_str)
                            .unwrap_or_default()
                            .to_owned()
                    };
                    let retryable = matches!(
                        status,
                        StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS
                    );
                    let (code, detail) = (text("code"), text("detail"));
                    let (method, path) = (method.clone(), path.to_owned());
                    (
                        RestError::Refused {
                            method,
                            path,
                            status,
                            code,
                            detail,
                        },
                        retryable,
                    )
                }
                Err(error) => {
                    // reqwest's own text leaves out the cause.
                    let reason = format!("{:#}", anyhow::Error::from(error));
                    (
                        RestError::Unreachable {
                            method: method.clone(),
                            path: path.to_owned(),
                            reason,
                        },
                        true,
                    )
                }
            };
            if !retryable || Instant::now() + RETRY_AFTER > deadline {
                return Err(error);
            }
            tokio::time::sleep(RETRY_AFTER).await;
        }
    }
}

async fn answer(request: reqwest::RequestBuilder) -> reqwest::Result<(StatusCode, Value)> {
    let response = request.send().await?;
    let status = response.status();
    let bytes = response.bytes().await?;
    // An answer without a body, or a proxy's page, has no fields to read.
    Ok((status, serde_json::from_slice(&bytes).unwrap_or_default()))
}
