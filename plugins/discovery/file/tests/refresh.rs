//! Whole calls against the SDK's fake of the host, with the corpus.

use plugin_file::{File, SCHEMA, list};
use skopos_sdk::discovery::{Guest, TargetGroup};
use skopos_sdk::fake;
use skopos_sdk::types::Error;

fn refresh(files: &[&str]) -> Result<Vec<TargetGroup>, Error> {
    File::refresh(serde_json::json!({"files": files, "refresh_interval": "5m"}).to_string())
}

fn targets(found: Result<Vec<TargetGroup>, Error>) -> Vec<String> {
    found.expect("a good list").into_iter().flat_map(|group| group.targets).collect()
}

#[test]
fn files_and_patterns() {
    let host = fake::Host::default();
    let _entered = host.enter();
    host.write_file("/etc/sd/web-a.yml", "- targets: [a:1]\n  labels: {zone: x}\n");
    host.write_file("/etc/sd/web-b.yml", "- targets: [b:1]\n");
    host.write_file("/etc/sd/web.json", r#"[{"targets":["c:1","d:1"]}]"#);
    host.write_file("/etc/sd/other.yml", "- targets: [no]\n");
    host.write_file("/etc/sd/web-deep/x.yml", "- targets: [no]\n");
    host.link_file("/etc/sd/web-link.yml", "web-b.yml");
    let groups = refresh(&["/etc/sd/web*.yml", "/etc/sd/web.json", "/etc/sd/gone.yml", "/gone/*.yml", "/etc/sd/web-a.yml"]).unwrap();
    let sources: Vec<&str> = groups.iter().map(|group| group.source.as_str()).collect();
    assert_eq!(sources, ["/etc/sd/web-a.yml:0", "/etc/sd/web-b.yml:0", "/etc/sd/web-link.yml:0", "/etc/sd/web.json:0"]);
    let label = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(groups[0].labels, [label("zone", "x"), label("__meta_filepath", "/etc/sd/web-a.yml")]);
    assert_eq!(targets(Ok(groups)), ["a:1", "b:1", "b:1", "c:1", "d:1"]);
    // Patterns as Prometheus reads them, not only one star.
    for (pattern, expected) in [
        ("/etc/sd/web-?.yml", &["a:1", "b:1"][..]),
        ("/etc/sd/web-[b-z].yml", &["b:1"]),
        ("/etc/sd/*eb*a.yml", &["a:1"]),
        ("/etc/sd/web-[.yml", &[]),
    ] {
        assert_eq!(targets(refresh(&[pattern])), expected, "{pattern}");
    }
}

#[test]
fn d10_only_complete_files_count() {
    let host = fake::Host::default();
    let _entered = host.enter();
    let text = r#"[{"targets":["a:1","b:1"],"labels":{"zone":"x"}},{"targets":["c:1"]}]"#;
    for length in 0..text.len() {
        host.write_file("/sd/a.json", &text[..length]);
        let Err(Error::Unavailable(error)) = refresh(&["/sd/a.json"]) else { panic!("{length} bytes are not the whole") };
        assert!(error.starts_with("/sd/a.json: ") && error.contains("line 1 column"), "{error}");
    }
    host.write_file("/sd/a.json", text);
    assert_eq!(targets(refresh(&["/sd/*.json"])), ["a:1", "b:1", "c:1"]);
    // Renamed over, deleted, refused.
    host.write_file("/sd/new.tmp", r#"[{"targets":["d:1"]}]"#);
    host.rename_file("/sd/new.tmp", "/sd/a.json");
    assert_eq!(targets(refresh(&["/sd/*.json"])), ["d:1"]);
    host.remove_file("/sd/a.json");
    assert_eq!(targets(refresh(&["/sd/*.json", "/sd/a.json"])), Vec::<String>::new());
    host.write_file("/sd/a.json", "[]");
    host.deny_files(&["/sd/"]);
    let Err(Error::Unavailable(error)) = refresh(&["/sd/a.json"]) else { panic!("denied") };
    assert!(error.contains("grant read: /sd/a.json"), "{error}");
}

#[test]
fn service_discovery_file() {
    let Some(folder) = test_support::conformance("service_discovery/file") else { return };
    let (mut passed, mut failed) = (0, Vec::new());
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let parsed = list::parse(&name, &std::fs::read(entry.path()).unwrap());
        let good = match &parsed {
            Ok(entries) => !name.starts_with("invalid") && entries.iter().map(|entry| entry.targets.len()).sum::<usize>() >= 3,
            Err(error) => {
                println!("{name}: refused: {error}");
                name.starts_with("invalid")
            }
        };
        if good { passed += 1 } else { failed.push(format!("{name}: {parsed:?}")) }
    }
    println!("service_discovery/file: {passed} passed, {} failed, 0 skipped", failed.len());
    assert!(failed.is_empty() && passed >= 6, "{failed:?}");
}

#[test]
fn the_schema_takes_the_patterns_that_prometheus_takes() {
    let schema: serde_json::Value = serde_json::from_str(SCHEMA).unwrap();
    assert_eq!(schema.pointer("/properties/files/items/x-skopos").and_then(|mark| mark.as_str()), Some("grant-read"));
    assert!(matches!(File::refresh("{}".to_owned()), Err(Error::Config(_))));
    assert!(matches!(File::refresh(r#"{"files":["/a.yml"],"refresh_interval":"x"}"#.to_owned()), Err(Error::Config(_))));
}
