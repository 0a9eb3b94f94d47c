//! The committed reference pages are the generated ones.

use super::*;

fn check(file: &str, generated: &str) {
    let path = format!("{}/../../{file}", env!("CARGO_MANIFEST_DIR"));
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(committed == generated, "{file} is out of date: write it anew by `cargo xtask codegen`");
}

#[test]
fn the_committed_openapi_documents_are_the_generated_ones() {
    check("openapi/rating.json", &openapi(Listener::Rating).unwrap());
    check("openapi/edge.json", &openapi(Listener::Edge).unwrap());
    check("openapi/admin.json", &openapi(Listener::Admin).unwrap());
}

#[test]
fn the_committed_metrics_reference_is_the_generated_one() {
    check("docs/reference/metrics.md", &metrics_markdown());
}
