//! `/docs`: the reference for users of the API, as it lies in `docs/`, made readable for a browser.
//!
//! The pages are in the binary, so that what a server says of itself is what it does. What they link to and is not served leads nowhere
//! here, and is shown as plain text.

use std::collections::HashMap;
use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd, html};

/// A page: its last part of the path, its file below `docs/`, its name in the bar, and its text.
struct Page(&'static str, &'static str, &'static str, &'static str);

static PAGES: &[Page] = &[
    Page("", "API.md", "API", include_str!("../../docs/API.md")),
    Page(
        "rest",
        "api/rest.md",
        "REST by example",
        include_str!("../../docs/api/rest.md"),
    ),
    Page(
        "socket",
        "api/socket.md",
        "Socket.IO by example",
        include_str!("../../docs/api/socket.md"),
    ),
    Page(
        "problems",
        "api/problems.md",
        "Problems",
        include_str!("../../docs/api/problems.md"),
    ),
    Page(
        "agents",
        "agents.md",
        "Writing an agent",
        include_str!("../../docs/agents.md"),
    ),
];

static RENDERED: LazyLock<HashMap<&'static str, String>> =
    LazyLock::new(|| PAGES.iter().map(|page| (page.0, rendered(page))).collect());

const STYLE: &str = "body{font:16px/1.55 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1c1e21;background:#fff}\
nav{display:flex;flex-wrap:wrap;gap:.25rem 1.25rem;padding-bottom:.75rem;border-bottom:1px solid #ccc}a{color:#0b57d0}\
pre{overflow-x:auto;padding:.75rem 1rem;background:#f4f5f7;border-radius:6px;font-size:13px;line-height:1.45}code{font-size:.9em}\
table{border-collapse:collapse;display:block;overflow-x:auto}td,th{border:1px solid #ccc;padding:.3rem .6rem;text-align:left;vertical-align:top}\
@media(prefers-color-scheme:dark){body{color:#e4e6ea;background:#17191c}pre{background:#22252a}a{color:#8ab4f8}nav,td,th{border-color:#444}}";

/// The first page.
pub async fn first() -> Response {
    page(Path(String::new())).await
}

/// A page by its name.
pub async fn page(Path(name): Path<String>) -> Response {
    match RENDERED.get(name.as_str()) {
        Some(page) => Html(page.as_str()).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn path_of(page: &Page) -> String {
    format!("/docs/{}", page.0).trim_end_matches('/').to_owned()
}

fn rendered(page: &Page) -> String {
    let mut body = String::new();
    let options = Options::ENABLE_TABLES;
    let mut events: Vec<Event<'_>> = Parser::new_ext(page.3, options).collect();
    name_headings(&mut events);
    lead_links(&mut events, page.1);
    html::push_html(&mut body, events.into_iter());
    let links: String = PAGES
        .iter()
        .map(|p| format!("<a href=\"{}\">{}</a>", path_of(p), p.2))
        .collect();
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{} · Baton</title>\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><style>{STYLE}</style>\
         <nav aria-label=\"Pages\">{links}<a href=\"/api/openapi.json\">OpenAPI</a><a href=\"/api/asyncapi.json\">AsyncAPI</a></nav>\
         <main>{body}</main></html>",
        page.2
    )
}

/// Gives each heading the anchor that its words have everywhere: small, without signs, with hyphens for spaces.
fn name_headings(events: &mut [Event<'_>]) {
    let mut open = None;
    let mut words = String::new();
    for at in 0..events.len() {
        match &events[at] {
            Event::Start(Tag::Heading { .. }) => {
                open = Some(at);
                words.clear();
            }
            Event::Text(text) | Event::Code(text) if open.is_some() => words.push_str(text),
            Event::End(TagEnd::Heading(_)) => {
                if let Some(Event::Start(Tag::Heading { id, .. })) =
                    open.take().and_then(|at| events.get_mut(at))
                {
                    *id = Some(anchor(&words).into());
                }
            }
            _ => {}
        }
    }
}

fn anchor(words: &str) -> String {
    let kept = words.chars().filter_map(|c| match c {
        ' ' => Some('-'),
        '-' | '_' => Some(c),
        _ => c.is_alphanumeric().then(|| c.to_ascii_lowercase()),
    });
    kept.collect()
}

/// Links between the files become links between the pages; a link to a file that is not served loses its link.
fn lead_links(events: &mut Vec<Event<'_>>, file: &str) {
    let mut dropped = false;
    events.retain_mut(|event| match event {
        Event::Start(Tag::Link { dest_url, .. }) => match target(file, dest_url) {
            Some(to) => {
                *dest_url = to.into();
                true
            }
            None => {
                dropped = true;
                false
            }
        },
        Event::End(TagEnd::Link) if dropped => {
            dropped = false;
            false
        }
        _ => true,
    });
}

fn target(file: &str, link: &str) -> Option<String> {
    if link.starts_with('#') || link.contains("://") {
        return Some(link.to_owned());
    }
    let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
    let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
    let below = match path.strip_prefix("../") {
        Some(above) => above.to_owned(),
        None if folder.is_empty() => path.to_owned(),
        None => format!("{folder}/{path}"),
    };
    let to = match below.as_str() {
        "contract/openapi.json" => "/api/openapi.json".to_owned(),
        "contract/asyncapi.json" => "/api/asyncapi.json".to_owned(),
        _ => path_of(PAGES.iter().find(|page| page.1 == below)?),
    };
    Some(if anchor.is_empty() {
        to
    } else {
        format!("{to}#{anchor}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_between_the_pages_lead_to_what_is_served() {
        let to = |file, link| target(file, link);
        assert_eq!(
            to("api/rest.md", "socket.md#work").unwrap(),
            "/docs/socket#work"
        );
        assert_eq!(to("api/rest.md", "../API.md").unwrap(), "/docs");
        assert_eq!(to("API.md", "api/rest.md").unwrap(), "/docs/rest");
        assert_eq!(
            to("api/rest.md", "../contract/openapi.json").unwrap(),
            "/api/openapi.json"
        );
        assert_eq!(to("API.md", "#webhooks").unwrap(), "#webhooks");
        assert_eq!(to("API.md", "OPERATIONS.md"), None);
        let page = Page(
            "x",
            "API.md",
            "X",
            "## How it *is*\n\nSee [that](OPERATIONS.md) and [this](agents.md).",
        );
        let html = rendered(&page);
        assert!(html.contains("<h2 id=\"how-it-is\">"), "{html}");
        assert!(
            html.contains("See that and <a href=\"/docs/agents\">this</a>."),
            "{html}"
        );
    }

    #[test]
    fn every_code_has_its_paragraph() {
        let document = crate::contract::openapi::document();
        let codes = document["components"]["schemas"]["Code"]["enum"]
            .as_array()
            .unwrap();
        assert!(codes.len() > 10);
        for code in codes.iter().filter_map(|code| code.as_str()) {
            let heading = format!("id=\"{code}\"");
            assert!(RENDERED["problems"].contains(&heading), "{code}");
        }
    }
}
