//! Which path leads where.

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request},
    http::{Method, Uri},
    middleware::from_fn,
    response::Response,
    routing::{get, post},
};

use crate::{
    error::ApiError,
    gzip::compress,
    http_api,
    json_rpc::{self, JsonRpc},
    node::NodeView,
    page::{PageNode, index, page_files, wants_page},
    scrape::scrape,
};

/// All routes: JSON-RPC at `/`, the HTTP API under `/lean/v0`, and `/metrics`.
pub fn router(node: NodeView) -> Router {
    let json_rpc = JsonRpc::new(node.clone());
    let at_root = json_rpc.clone();
    let calls = post(move |request: Request| json_rpc.clone().answer(request))
        .layer(DefaultBodyLimit::max(json_rpc::MAX_BODY))
        .get(move |request: Request| look(at_root.clone(), request));
    let page = page_files(vec![PageNode {
        name: node.info().name.clone(),
        url: "/".to_owned(),
    }]);
    let routes = Router::new()
        .route("/", calls.clone())
        .route("/rpc", calls)
        .merge(http_api::routes())
        .merge(metrics_routes());
    finish(routes.merge(page), node)
}

/// `GET` at the path of calls: a WebSocket, or the page for a browser.
async fn look(json_rpc: JsonRpc, request: Request) -> Result<Response, ApiError> {
    if wants_page(request.headers()) {
        Ok(index(request.headers()))
    } else {
        json_rpc.upgrade(request).await
    }
}

/// `/metrics` and the health alone, for an address of their own.
pub fn metrics_router(node: NodeView) -> Router {
    finish(metrics_routes(), node)
}

fn metrics_routes() -> Router<NodeView> {
    Router::new()
        .route("/lean/v0/health", get(http_api::health))
        .route("/health", get(http_api::health))
        .route("/metrics", get(scrape))
}

fn finish(routes: Router<NodeView>, node: NodeView) -> Router {
    routes
        .fallback(unknown_path)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn(compress))
        .with_state(node)
}

async fn unknown_path(uri: Uri) -> ApiError {
    ApiError::not_found(format!("there is nothing at {}", uri.path()))
}

async fn wrong_method(method: Method, uri: Uri) -> ApiError {
    ApiError::method_not_allowed(format!("{} does not take {method}", uri.path()))
}
