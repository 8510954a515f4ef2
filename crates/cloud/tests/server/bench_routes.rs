//! The bench's own routes: on this machine, under a name of this machine, and from no other site.

use axum::Router;
use axum::routing::get;
use cloud::{Server, ServerOptions};
use hyper::StatusCode;

use crate::harness::config;
use crate::http_client::request;

#[tokio::test]
async fn bench_routes_answer_this_machine_and_no_rebound_name_or_foreign_page() {
    let folder = tempfile::tempdir().unwrap();
    let bench_router = Router::new().route("/bench/v1/places", get(async || StatusCode::NO_CONTENT));
    let options = ServerOptions { bench_router: Some(bench_router), ..ServerOptions::default() };
    let running = Server::start(config(folder.path()), options).await.unwrap();
    let address = running.plain_addr;
    let ask = async |path: &str, headers: &[(&str, &str)]| request(address, "GET", path, headers, None).await;
    let own = format!("http://{address}");
    assert_eq!(ask("/bench/v1/places", &[]).await.status, 204);
    assert_eq!(ask("/bench/v1/places", &[("origin", &own)]).await.status, 204);
    assert_eq!(ask("/bench/v1/places", &[("host", "localhost")]).await.status, 204);
    for headers in [("host", "evil.example"), ("origin", "http://evil.example")] {
        let answer = ask("/bench/v1/places", &[headers]).await;
        assert_eq!((answer.status, answer.problem_code().as_str()), (403, "forbidden"), "{headers:?}");
    }
    assert_eq!(ask("/bench/v1/nothing", &[]).await.problem_code(), "not_found");
    running.shutdown().await;
}
