//! Whole calls against the SDK's fake of the host, with recorded answers of a Docker Engine.

use plugin_docker::{Docker, SCHEMA};
use skopos_sdk::discovery::{Guest, TargetGroup};
use skopos_sdk::http::Error as HttpError;
use skopos_sdk::types::Error;
use skopos_sdk::{about, fake};

fn refresh(section: &str, containers: &str, networks: &str) -> (Result<Vec<TargetGroup>, Error>, Vec<skopos_sdk::http::Request>) {
    let host = fake::Host::default();
    let _entered = host.enter();
    let (containers, networks) = (containers.to_owned(), networks.to_owned());
    host.on_http(move |request| {
        let body = if request.url.contains("/containers/json") { &containers } else { &networks };
        Ok(fake::response(200, &[("content-type", "application/json")], body.clone()))
    });
    (Docker::refresh(section.to_owned()), host.http_requests())
}

fn get<'g>(group: &'g TargetGroup, name: &str) -> Option<&'g str> {
    group.labels.iter().find(|(n, _)| n == &format!("__meta_docker_{name}")).map(|(_, value)| value.as_str())
}

#[test]
fn service_discovery_docker() {
    let Some(folder) = test_support::conformance("service_discovery/docker/dockerprom") else { return };
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let (containers, networks) = (read("containers/json.json"), read("networks.json"));
    let section = r#"{"host":"unix:///var/run/docker.sock","filters":[{"name":"label","values":["a b","c"]}]}"#;
    let (found, requests) = refresh(section, &containers, &networks);
    let found = found.unwrap();
    let all = refresh(
        r#"{"host":"tcp://docker:2375/","match_first_network":false,"port":81,"host_networking_host":"here"}"#,
        &containers,
        &networks,
    );
    assert_eq!(requests[0].unix_socket.as_deref(), Some("/var/run/docker.sock"));
    assert_eq!(requests[0].url, "http://docker/containers/json?filters=%7B%22label%22%3A%5B%22a%20b%22%2C%22c%22%5D%7D");
    assert_eq!((all.1[1].url.as_str(), all.1[1].unix_socket.as_deref()), ("http://docker:2375/networks", None));
    // Each container of the recording, counted anew.
    let recorded: serde_json::Value = serde_json::from_str(&containers).unwrap();
    let mut passed = 0;
    for container in recorded.as_array().unwrap() {
        // By name: two of the recording have one id.
        let name = container["Names"][0].as_str();
        let mine: Vec<&TargetGroup> = found.iter().filter(|group| get(group, "container_name") == name).collect();
        let tcp = container["Ports"].as_array().unwrap().iter().filter(|port| port["Type"] == "tcp").count();
        assert_eq!(mine.len(), tcp.max(1), "{}", container["Names"]);
        // The recording leaves out the network of the host.
        let known = container["HostConfig"]["NetworkMode"] != "host";
        assert!(mine.iter().all(|group| get(group, "network_name").is_some() == known && get(group, "network_ip").is_some()));
        assert!(mine.iter().all(|group| get(group, "container_id") == container["Id"].as_str()));
        passed += 1;
    }
    let named = |groups: &[TargetGroup], name: &str| -> Vec<String> {
        let mine = groups.iter().filter(|group| get(group, "container_name") == Some(name));
        mine.flat_map(|group| group.targets.clone()).collect()
    };
    assert_eq!(named(&found, "/dockersd_node_1"), ["172.19.0.2:9100"]);
    assert_eq!(named(&found, "/dockersd_host_networking_1"), ["localhost"]);
    let all = all.0.unwrap();
    assert_eq!(named(&all, "/dockersd_host_networking_1"), ["here"]);
    assert!(named(&all, "/dockersd_noport_1")[0].ends_with(":81"));
    // It has no network of its own but that of the container it names.
    let of_mysql = named(&all, "/dockersd_mysql").len();
    assert_eq!((of_mysql, named(&all, "/dockersd_mysql_exporter").len()), (4, 2), "two networks");
    let labelled = found.iter().find(|group| get(group, "container_name") == Some("/dockersd_node_1")).unwrap();
    assert_eq!(get(labelled, "container_label_com_docker_compose_service"), Some("node"));
    println!("service_discovery/docker: {passed} passed, 0 failed, 0 skipped; {} targets, {} in all networks", found.len(), all.len());
}

#[test]
fn d9_what_the_engine_does_wrong_is_a_failure() {
    let section = r#"{"host":"unix:///x.sock"}"#;
    for (containers, part) in [("<html>", "not what a Docker Engine answers"), ("[{\"Id\": \"a\"", "EOF"), ("{}", "expected a sequence")] {
        let Err(Error::Unavailable(text)) = refresh(section, containers, "[]").0 else { panic!("{containers} must fail") };
        assert!(text.contains(part) && text.contains("unix:///x.sock, /containers/json"), "{text}");
    }
    // Without names, without ports, without networks, sharing in a circle.
    let odd = r#"[{"Id":"a"},{"Id":"b","Names":["/b"],"Ports":null,"NetworkSettings":null},
        {"Id":"c","Names":["/c"],"HostConfig":{"NetworkMode":"container:d"}},{"Id":"d","Names":["/d"],"HostConfig":{"NetworkMode":"container:c"}}]"#;
    assert_eq!(refresh(section, odd, "[]").0, Ok(Vec::new()));
    let host = fake::Host::default();
    let _entered = host.enter();
    host.on_http(|_| Err(HttpError::Timeout));
    let Err(Error::Unavailable(text)) = Docker::refresh(section.to_owned()) else { panic!("it must fail") };
    assert!(text.contains("no full answer in time"), "{text}");
}

#[test]
fn the_schema_is_json_and_marks_what_is_granted() {
    let schema: serde_json::Value = serde_json::from_str(SCHEMA).unwrap();
    assert_eq!(schema.pointer("/properties/host/x-skopos").and_then(|mark| mark.as_str()), Some("grant-http"));
    assert_eq!(<Docker as about::Guest>::describe().config_schema, SCHEMA);
}
