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
        crate::tls::install();
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

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use axum::http::HeaderMap;
    use axum::routing::{get, post};
    use axum::{Json, Router};
    use serde_json::json;
    use tokio::net::TcpListener;

    use super::*;

    async fn serve(app: Router) -> Rest {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let address = listener.local_addr().expect("address");
        tokio::spawn(async move {
            axum::serve(listener, Router::new().nest("/api/orchestration", app)).await
        });
        Rest::new(&format!("http://{address}/"), "bk_1_s").expect("client")
    }

    #[tokio::test]
    async fn a_busy_hub_is_asked_again_with_the_same_key() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let calls = seen.clone();
        let start = move |headers: HeaderMap, Json(body): Json<Value>| async move {
            let text = |name: &str| headers[name].to_str().expect("text").to_owned();
            let mut calls = calls.lock().expect("calls");
            calls.push((text("idempotency-key"), text("authorization"), body));
            if calls.len() < 3 {
                return (
                    StatusCode::SERVICE_UNAVAILABLE,
                    Json(json!({"code": "unavailable"})),
                );
            }
            (StatusCode::CREATED, Json(json!({"id": "p"})))
        };
        let rest = serve(Router::new().route("/processes", post(start))).await;
        let process = rest
            .post("/processes", &json!({"name": "n"}))
            .await
            .expect("started");
        assert_eq!(process, json!({"id": "p"}));
        let calls = seen.lock().expect("calls");
        assert_eq!((calls.len(), &calls[0].1), (3, &"Bearer bk_1_s".to_owned()));
        assert!(calls.iter().all(|call| call == &calls[0]));
    }

    #[tokio::test]
    async fn a_refusal_is_told_with_its_code_and_is_not_asked_again() {
        let problem = Json(json!({"code": "not_found", "detail": "no such team"}));
        let rest =
            serve(Router::new().route("/teams/t", get(async || (StatusCode::NOT_FOUND, problem))))
                .await;
        let error = rest.get("/teams/t").await.expect_err("refused");
        assert_eq!(error.code(), Some("not_found"));
        assert_eq!(
            error.to_string(),
            "GET /teams/t was refused: 404 Not Found not_found: no such team"
        );
    }

    #[tokio::test]
    async fn an_answer_without_a_body_is_null() {
        let rest = serve(
            Router::new().route("/a", axum::routing::delete(async || StatusCode::NO_CONTENT)),
        )
        .await;
        assert_eq!(rest.delete("/a").await.expect("deleted"), Value::Null);
    }
}
