//! The REST API from outside.

use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{Method, RequestBuilder};
use serde_json::Value;

use crate::{contract, text};

/// The API as one principal sees it.
#[derive(Debug, Clone)]
pub struct Rest {
    base: String,
    key: String,
    http: reqwest::Client,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// What was asked, for the message of a failed expectation.
    pub request: String,
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body; null when it is empty.
    pub body: Value,
}

impl Rest {
    /// The API at `url`, with `key` as the credential.
    #[must_use]
    pub fn new(url: &str, key: &str) -> Self {
        baton::tls::install();
        Self {
            base: url.to_owned(),
            key: key.to_owned(),
            http: reqwest::Client::new(),
        }
    }

    /// A request to a path under `/api/orchestration`; after a `!`, to a path of the service's own (`!/readyz`).
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = match path.strip_prefix('!') {
            Some(own) => format!("{}{own}", self.base),
            None => format!("{}/api/orchestration{path}", self.base),
        };
        self.http.request(method, url).bearer_auth(&self.key)
    }

    /// Sends a request as it is.
    ///
    /// # Panics
    /// When no answer comes, or its body is neither empty nor JSON.
    pub async fn send(&self, request: RequestBuilder) -> Answer {
        let request = request.build().expect("the request is well-formed");
        let (method, path) = (
            request.method().to_string(),
            request.url().path().to_owned(),
        );
        let sent = format!(
            "{} {} {}",
            request.method(),
            request.url().path(),
            request
                .body()
                .and_then(|body| body.as_bytes())
                .map(String::from_utf8_lossy)
                .unwrap_or_default()
        );
        let response = match self.http.execute(request).await {
            Ok(response) => response,
            Err(error) => panic!("{sent}: {error}"),
        };
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = response.bytes().await.expect("the body arrives");
        let body = match serde_json::from_slice(&bytes) {
            Ok(body) => body,
            Err(_) if bytes.is_empty() => Value::Null,
            Err(error) => panic!(
                "{sent}: {status} with no JSON ({error}): {}",
                String::from_utf8_lossy(&bytes)
            ),
        };
        match status {
            200..300 => contract::check_answer(&method, &path, status, &body),
            400.. if body.get("code").is_some() => contract::check_problem(&body),
            _ => {}
        }
        Answer {
            request: sent,
            status,
            headers,
            body,
        }
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    /// DELETE.
    pub async fn delete(&self, path: &str) -> Answer {
        self.send(self.request(Method::DELETE, path)).await
    }

    /// POST with a JSON body.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::POST, path).json(body)).await
    }

    /// PUT with a JSON body.
    pub async fn put(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::PUT, path).json(body)).await
    }
}

impl Answer {
    /// The body of an answer with this status.
    ///
    /// # Panics
    /// When the status is another.
    #[track_caller]
    #[must_use]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}: {:#}", self.request, self.body);
        self.body
    }

    /// The problem of a refusal, after checking its form: type, title, status, code, detail and retryable.
    ///
    /// # Panics
    /// When it is no refusal of this kind.
    #[track_caller]
    #[must_use]
    pub fn refused(self, status: u16, code: &str) -> Value {
        assert_eq!(self.status, status, "{}: {:#}", self.request, self.body);
        let kind = self
            .headers
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        assert!(
            kind.starts_with("application/problem+json"),
            "{}: content type {kind:?}",
            self.request
        );
        check_problem(&self.body, code);
        assert_eq!(
            self.body["status"], status,
            "{}: {:#}",
            self.request, self.body
        );
        self.body
    }
}

/// Checks the form of a problem, whether it came as an HTTP body or in an ack.
///
/// # Panics
/// When a field is missing, or the code is another.
#[track_caller]
pub fn check_problem(problem: &Value, code: &str) {
    for field in ["/type", "/title", "/code", "/detail"] {
        assert!(
            !text(problem, field).is_empty(),
            "{field} is empty in {problem:#}"
        );
    }
    assert_eq!(text(problem, "/code"), code, "{problem:#}");
    assert!(problem["status"].is_u64(), "no status in {problem:#}");
    assert!(
        problem["retryable"].is_boolean(),
        "no retryable in {problem:#}"
    );
}
