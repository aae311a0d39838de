//! Imports run one way: `rooms` ← `simulation` ← `storage` ← `baton` ← `tests`, and each outside library has one home.

use std::collections::BTreeSet;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

fn workspace() -> Metadata {
    MetadataCommand::new()
        .no_deps()
        .other_options(["--locked".to_owned()])
        .exec()
        .expect("cargo describes the workspace")
}

/// What a package's own code may name: its direct dependencies, those of its tests too if wanted.
fn dependencies(metadata: &Metadata, package: &str, with_tests: bool) -> BTreeSet<String> {
    let package = metadata
        .packages
        .iter()
        .find(|p| p.name.as_str() == package);
    let package = package.unwrap_or_else(|| panic!("the workspace has lost a package"));
    let of_interest = package
        .dependencies
        .iter()
        .filter(|d| with_tests || d.kind != DependencyKind::Development);
    of_interest
        .map(|dependency| dependency.name.clone())
        .collect()
}

#[test]
fn the_workspace_has_these_packages_and_no_others() {
    let names: BTreeSet<String> = workspace()
        .packages
        .iter()
        .map(|p| p.name.to_string())
        .collect();
    assert_eq!(
        names,
        ["baton", "rooms", "simulation", "storage", "tests"]
            .map(str::to_owned)
            .into()
    );
}

#[test]
fn each_package_imports_only_those_below_it() {
    let metadata = workspace();
    let order = ["rooms", "simulation", "storage", "baton", "tests"];
    for (height, package) in order.iter().enumerate() {
        let found = dependencies(&metadata, package, true);
        for above in &order[height..] {
            assert!(!found.contains(*above), "{package} imports {above}");
        }
    }
}

#[test]
fn each_outside_library_has_one_home() {
    let metadata = workspace();
    let homes: [(&[&str], &[&str]); 4] = [
        (&["sqlx"], &["storage"]),
        (&["redis", "tower-http", "utoipa-axum"], &["baton"]),
        // The benchmarks' peer is the bare library.
        (&["axum", "socketioxide"], &["baton", "tests"]),
        // The load generator and the tests run on tokio as well; the domain is pure.
        (&["tokio"], &["storage", "baton", "tests"]),
    ];
    for (libraries, allowed) in homes {
        for package in ["rooms", "simulation", "storage", "baton", "tests"] {
            let found = dependencies(&metadata, package, true);
            for library in libraries {
                assert!(
                    allowed.contains(&package) || !found.contains(*library),
                    "{package} imports {library}"
                );
            }
        }
    }
}

#[test]
fn the_domain_does_no_input_or_output() {
    let found = dependencies(&workspace(), "rooms", false);
    for library in [
        "tokio",
        "sqlx",
        "axum",
        "reqwest",
        "redis",
        "socketioxide",
        "figment",
        "clap",
    ] {
        assert!(!found.contains(library), "rooms imports {library}");
    }
}
