//! The dashboard, as it was built into the binary; and a page that says how to build it where it was not.

use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Response};
use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "../web-client/dist"]
#[allow_missing = true]
struct Dist;

const POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self' ws: wss:; \
                      object-src 'none'; base-uri 'none'; frame-ancestors 'none'";

/// A file of the dashboard; any other path is its first page, which routes by itself.
pub async fn page(uri: Uri) -> Response {
    let path = uri.path().trim_start_matches('/');
    let (name, file) = match Dist::get(path) {
        Some(file) => (path, file),
        None if path.contains('.') => return StatusCode::NOT_FOUND.into_response(),
        None => match Dist::get("index.html") {
            Some(file) => ("index.html", file),
            None => return Html(MISSING).into_response(),
        },
    };
    let mime = file.metadata.mimetype().to_owned();
    let mut response = file.data.into_response();
    let headers = response.headers_mut();
    if let Ok(mime) = HeaderValue::from_str(&mime) {
        headers.insert(header::CONTENT_TYPE, mime);
    }
    // Vite names what is under assets/ by content.
    let cache = if name.starts_with("assets/") {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(POLICY),
    );
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    );
    response
}

const MISSING: &str = "<!doctype html><title>Baton</title><h1>Baton is running</h1>\
<p>This binary was built without its dashboard. <code>make run</code> builds both. The API is at <a href=\"/docs\">/docs</a>.</p>";
