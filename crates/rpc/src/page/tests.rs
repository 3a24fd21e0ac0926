use std::{collections::BTreeSet, fs, path::Path};

use axum::{
    body::{Body, to_bytes},
    http::Request,
};
use tower::ServiceExt;

use super::*;

/// All files of the page together, as plain files.
const MOST_BYTES: usize = 100_000;

fn directory() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("assets")
}

fn site() -> Router {
    page_site(vec![PageNode {
        name: "quartet_0".into(),
        url: "http://127.0.0.1:5101/".into(),
    }])
}

async fn get_with(path: &str, header: Option<(HeaderName, &str)>) -> Response {
    let mut request = Request::get(path);
    if let Some((name, value)) = header {
        request = request.header(name, value);
    }
    let request = request.body(Body::empty()).unwrap();
    site().oneshot(request).await.unwrap()
}

#[test]
fn every_file_of_the_directory_is_served_and_all_are_small() {
    let served: BTreeSet<_> = ASSETS.iter().chain([&INDEX]).map(|a| a.name).collect();
    let there = fs::read_dir(directory()).unwrap();
    let there: BTreeSet<_> = there
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(served, there.iter().map(String::as_str).collect());
    let all = ASSETS.iter().chain([&INDEX]);
    let bytes: usize = all.map(|asset| asset.body.len()).sum();
    assert!(bytes < MOST_BYTES, "{bytes}");
}

#[test]
fn the_page_fetches_nothing_from_elsewhere_and_inserts_no_markup() {
    for asset in ASSETS.iter().chain([&INDEX]) {
        let text = std::str::from_utf8(asset.body).unwrap();
        let text = text.replace("http://www.w3.org/2000/svg", "");
        let unwanted = [
            "http://",
            "https://",
            "//cdn",
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "new Function",
            "style=\"",
            "@import",
        ];
        for word in unwanted {
            assert!(!text.contains(word), "{}: {word}", asset.name);
        }
    }
}

#[tokio::test]
async fn files_have_their_type_the_policy_and_a_tag_that_saves_the_second_answer() {
    for (path, expected) in [
        ("/", "text/html; charset=utf-8"),
        ("/assets/style.css", "text/css; charset=utf-8"),
        ("/assets/app.js", "text/javascript; charset=utf-8"),
        ("/assets/icon.svg", "image/svg+xml"),
    ] {
        let answer = get_with(path, None).await;
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        assert_eq!(answer.headers()[CONTENT_TYPE], expected);
        assert_eq!(answer.headers()[CONTENT_SECURITY_POLICY], POLICY);
        assert_eq!(answer.headers()[X_CONTENT_TYPE_OPTIONS], "nosniff");
        let tag = answer.headers()[ETAG].to_str().unwrap().to_owned();
        let again = get_with(path, Some((IF_NONE_MATCH, &tag))).await;
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED, "{path}");
        let body = to_bytes(again.into_body(), 1).await.unwrap();
        assert!(body.is_empty());
    }
}

#[tokio::test]
async fn files_are_compressed_for_clients_that_take_gzip() {
    let header = Some((ACCEPT_ENCODING, "br;q=1.0, gzip"));
    let packed = get_with("/assets/style.css", header).await;
    assert_eq!(packed.headers()[CONTENT_ENCODING], "gzip");
    assert_eq!(packed.headers()[CONTENT_TYPE], "text/css; charset=utf-8");
    let packed = to_bytes(packed.into_body(), 100_000).await.unwrap();
    let mut text = Vec::new();
    std::io::copy(&mut flate2::read::GzDecoder::new(&packed[..]), &mut text).unwrap();
    let plain = get_with("/assets/style.css", Some((ACCEPT_ENCODING, "gzip;q=0"))).await;
    assert!(plain.headers().get(CONTENT_ENCODING).is_none());
    assert_eq!(to_bytes(plain.into_body(), 100_000).await.unwrap(), text);
}

#[tokio::test]
async fn unknown_files_are_not_found() {
    for path in [
        "/assets/",
        "/assets/nope.js",
        "/assets/..%2fCargo.toml",
        "/assets/index.html",
    ] {
        assert_eq!(
            get_with(path, None).await.status(),
            StatusCode::NOT_FOUND,
            "{path}"
        );
    }
}

#[tokio::test]
async fn the_index_names_the_nodes() {
    let answer = get_with("/nodes.json", None).await;
    assert_eq!(answer.headers()[CACHE_CONTROL], "no-store");
    let body = to_bytes(answer.into_body(), 1_000).await.unwrap();
    let expected = r#"[{"name":"quartet_0","url":"http://127.0.0.1:5101/"}]"#;
    assert_eq!(body, expected);
}

#[test]
fn a_browser_wants_the_page_and_others_do_not() {
    let accept = |value: &'static str| {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static(value));
        headers
    };
    let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    assert!(wants_page(&accept(browser)));
    assert!(wants_page(&accept("TEXT/HTML;q=0.5")));
    assert!(!wants_page(&accept("*/*")));
    assert!(!wants_page(&accept("application/json")));
    assert!(!wants_page(&HeaderMap::new()));
}

#[test]
fn the_fake_network_of_the_pages_tests_has_the_same_policy() {
    let fake = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testing/page/fake/server.js");
    let text = fs::read_to_string(fake).unwrap();
    let start = text.find("POLICY =").unwrap();
    let end = start + text[start..].find(';').unwrap();
    assert!(end > start);
    for part in POLICY.to_str().unwrap().split("; ") {
        assert!(text[start..].contains(part), "{part}");
    }
}
