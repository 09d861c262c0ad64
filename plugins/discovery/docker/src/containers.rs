//! From containers and networks to targets, with the labels that Prometheus sets: one for each network and TCP port.

use std::collections::{BTreeMap, HashMap};
use std::net::Ipv6Addr;

use serde::Deserialize;
use skopos_sdk::discovery::TargetGroup;

use crate::Section;

/// An entry of `/containers/json`, as far as it is read.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Container {
    id: String,
    names: Option<Vec<String>>,
    image: String,
    #[serde(rename = "ImageID")]
    image_id: String,
    labels: Option<BTreeMap<String, String>>,
    ports: Option<Vec<Port>>,
    host_config: HostConfig,
    network_settings: Option<NetworkSettings>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Port {
    #[serde(rename = "IP")]
    ip: String,
    private_port: u16,
    public_port: u16,
    #[serde(rename = "Type")]
    kind: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct HostConfig {
    network_mode: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct NetworkSettings {
    networks: Option<BTreeMap<String, Option<Endpoint>>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Endpoint {
    #[serde(rename = "NetworkID")]
    network_id: String,
    #[serde(rename = "IPAddress")]
    address: String,
}

/// An entry of `/networks`, as far as it is read.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Network {
    id: String,
    name: String,
    scope: String,
    internal: bool,
    ingress: bool,
    labels: Option<BTreeMap<String, String>>,
}

type Labels = Vec<(String, String)>;

/// Most containers that share the network of another, one after another.
const SHARED_MAX: usize = 16;

impl Container {
    /// By name, those that the Engine tells of.
    fn networks(&self) -> Vec<(&str, &Endpoint)> {
        let networks = self.network_settings.as_ref().and_then(|settings| settings.networks.as_ref()).into_iter().flatten();
        networks.filter_map(|(name, endpoint)| Some((name.as_str(), endpoint.as_ref()?))).collect()
    }

    fn labels(&self, name: &str) -> Labels {
        let mut labels = vec![
            label("container_id", &self.id),
            label("container_name", name),
            label("container_image", &self.image),
            label("container_image_id", &self.image_id),
            label("container_network_mode", &self.host_config.network_mode),
        ];
        labels.extend(prefixed("container_label_", self.labels.as_ref()));
        labels
    }
}

/// The groups of all containers, in the order of the Engine; one for each target, since no two have the same labels.
#[must_use]
pub fn groups(section: &Section, containers: Vec<Container>, networks: Vec<Network>) -> Vec<TargetGroup> {
    let networks: HashMap<String, Labels> = networks.into_iter().map(|network| (network.id.clone(), network_labels(&network))).collect();
    let by_id: HashMap<&str, &Container> = containers.iter().map(|container| (container.id.as_str(), container)).collect();
    let mut groups = Vec::new();
    for container in &containers {
        let Some(name) = container.names.as_ref().and_then(|names| names.first()) else { continue };
        let common = container.labels(name);
        let mut endpoints = shared(container, &by_id).networks();
        if section.match_first_network {
            endpoints.truncate(1);
        }
        for (_, endpoint) in endpoints {
            let of_network = networks.get(&endpoint.network_id).map_or(&[][..], Vec::as_slice);
            for (address, own) in addresses(section, container, endpoint) {
                let mut labels = common.clone();
                labels.extend(own);
                labels.extend_from_slice(of_network);
                let source = format!("{}/{}/{}", container.id, endpoint.network_id, groups.len());
                groups.push(TargetGroup { source, targets: vec![address], labels });
            }
        }
    }
    groups
}

/// The container whose network this one uses: itself, but for the network mode `container:<id>`.
fn shared<'c>(container: &'c Container, by_id: &HashMap<&str, &'c Container>) -> &'c Container {
    let mut owner = container;
    for _ in 0..SHARED_MAX {
        if !owner.networks().is_empty() {
            break;
        }
        let other = owner.host_config.network_mode.strip_prefix("container:").and_then(|id| by_id.get(id));
        match other {
            Some(other) => owner = other,
            None => break,
        }
    }
    owner
}

/// One for each TCP port, and one for a container without.
fn addresses(section: &Section, container: &Container, endpoint: &Endpoint) -> Vec<(String, Labels)> {
    let of_port = |port: &Port| {
        let mut labels = vec![label("network_ip", &endpoint.address), label("port_private", &port.private_port.to_string())];
        if port.public_port > 0 {
            labels.push(label("port_public", &port.public_port.to_string()));
            labels.push(label("port_public_ip", &port.ip));
        }
        (join(&endpoint.address, port.private_port), labels)
    };
    let ports: Vec<_> = container.ports.iter().flatten().filter(|port| port.kind == "tcp").map(of_port).collect();
    if !ports.is_empty() {
        return ports;
    }
    let address = match container.host_config.network_mode.as_str() {
        "host" => section.host_networking_host.clone(),
        _ => join(&endpoint.address, section.port),
    };
    vec![(address, vec![label("network_ip", &endpoint.address)])]
}

fn network_labels(network: &Network) -> Labels {
    let mut labels = vec![
        label("network_id", &network.id),
        label("network_name", &network.name),
        label("network_ingress", &network.ingress.to_string()),
        label("network_internal", &network.internal.to_string()),
        label("network_scope", &network.scope),
    ];
    labels.extend(prefixed("network_label_", network.labels.as_ref()));
    labels
}

fn label(name: &str, value: &str) -> (String, String) {
    (format!("__meta_docker_{name}"), value.to_owned())
}

/// Characters that classic names cannot have become `_`. Two names may become one: the later one counts.
fn prefixed(prefix: &str, labels: Option<&BTreeMap<String, String>>) -> BTreeMap<String, String> {
    let plain = |name: &str| name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect::<String>();
    labels.into_iter().flatten().map(|(name, value)| label(&format!("{prefix}{}", plain(name)), value)).collect()
}

fn join(host: &str, port: u16) -> String {
    if host.parse::<Ipv6Addr>().is_ok() { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}
