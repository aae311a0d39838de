//! Nothing has become much slower: small loads beside the bare library, compared by processor time.

use std::process::Command;

use serde_json::Value;
use tests::server::binary;

#[test]
fn a_post_and_a_delivery_cost_less_than_twice_what_they_did() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let status = Command::new(env!("CARGO_BIN_EXE_bench"))
        .args(["guard", "--baton"])
        .arg(binary())
        .arg("--out")
        .arg(folder.path())
        .status()
        .expect("the benchmarks can be run");
    assert!(status.success(), "the benchmarks failed");
    let results = std::fs::read(folder.path().join("results.json")).expect("results are written");
    let results: Value = serde_json::from_slice(&results).expect("results are JSON");
    let measures = tests::array(&results, "/rows/0/measures");
    assert!(!measures.is_empty(), "nothing was measured");
    for measure in measures {
        assert_eq!(measure["met"], true, "{measure:#}");
    }
}
