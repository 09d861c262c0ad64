//! The fragments of `conformance/config/http_client`: those called `.bad.` are refused, the others load.

mod common;

use std::sync::Arc;

use http_client::{AnyAddress, Client, HttpConfig, Request, Resolver};
use model::config::{ConfigError, Node, NodeValue, Position, Section};

/// Not called bad, and refused by upstream: two usernames, and a secret manager that there is none of.
const REFUSED_UPSTREAM: [&str; 2] = ["http.conf.basic-auth.bad-username.yaml", "http.conf.basic-auth.ref.yaml"];

/// A fragment of `tls_config` stands for itself.
fn block(name: &str, node: Node) -> Node {
    if !name.starts_with("tls_config") {
        return node;
    }
    let at = Position::default();
    Node { position: at, path: String::new(), value: NodeValue::Mapping(vec![("tls_config".to_owned(), at, node)]) }
}

fn load(node: &Node) -> Result<HttpConfig, ConfigError> {
    let mut section = Section::new(node)?;
    let config = HttpConfig::from_section(&mut section, "/nonexistent".as_ref())?;
    section.finish().map(|()| config)
}

/// One request to nobody: what is wrong with files shows here, as upstream.
async fn used(config: &HttpConfig) -> Result<(), String> {
    let resolver = Arc::new(Resolver::with_servers::<&str>(&[]).expect("no server needed"));
    let client = Client::new(config, resolver, Arc::new(AnyAddress)).map_err(|e| e.to_string())?;
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("bound");
    match client.send(Request::get(format!("http://{free}/"))).await {
        Err(error) if error.to_string().contains("failed to read") => Err(error.to_string()),
        _ => Ok(()),
    }
}

#[tokio::test]
async fn http_client() {
    let Some(folder) = test_support::conformance("config/http_client") else { return };
    let mut names: Vec<String> = std::fs::read_dir(&folder)
        .expect("the folder is there")
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| [".yml", ".yaml", ".json"].iter().any(|end| name.ends_with(end)))
        .collect();
    names.sort();
    let (mut passed, mut failed) = (0, Vec::new());
    for name in &names {
        let text = std::fs::read_to_string(folder.join(name)).expect("it is there");
        let loaded = match yaml::parse(&text) {
            Ok(node) => load(&block(name, node)).map_err(|e| e.to_string()),
            Err(error) => Err(error.to_string()),
        };
        let bad = name.contains(".bad.") || REFUSED_UPSTREAM.contains(&name.as_str());
        let judged = match loaded {
            Ok(config) if bad => used(&config).await,
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        };
        match &judged {
            Err(error) if bad => println!("{name}: refused: {error}"),
            _ => {}
        }
        if judged.is_err() == bad { passed += 1 } else { failed.push(format!("{name}: {judged:?}")) }
    }
    println!("config/http_client: {passed} passed, {} failed, 0 skipped", failed.len());
    assert!(failed.is_empty() && passed == names.len() && passed >= 43, "{}", failed.join("\n"));
}
