//! `alerting`: Alertmanagers outside, which upstream sends to.

use http_client::HttpConfig;
use model::config::{ConfigError, Node, Section};
use scrape::{DiscoveryReader, static_groups};

use super::Elsewhere;
use super::remote::cloud_auth;

const RULE: &str = "alert relabeling rule";

impl Elsewhere<'_> {
    pub(super) fn alerting(&mut self, node: Option<&Node>, routes_itself: bool) -> Result<(), ConfigError> {
        let Some(node) = node else { return Ok(()) };
        let mut section = Section::new(node)?;
        if let Some(rules) = section.optional("alert_relabel_configs")
            && !scrape::relabel::rules_from_node(Some(rules), RULE, false)?.is_empty()
        {
            self.warn(rules, "alerts keep their labels as they are: alert_relabel_configs is not supported yet");
        }
        for manager in section.optional("alertmanagers").map_or(Ok(&[][..]), Node::as_sequence)? {
            self.alertmanager(manager, routes_itself)?;
        }
        section.finish()
    }

    fn alertmanager(&mut self, node: &Node, routes_itself: bool) -> Result<(), ConfigError> {
        if node.is_null() {
            return Err(node.error("empty or null alertmanager config section"));
        }
        let mut section = Section::new(node)?;
        section.optional("timeout").map(Node::as_duration_ms).transpose()?;
        section.optional("path_prefix").map(Node::as_str).transpose()?;
        if let Some(version) = section.optional("api_version").filter(|v| v.as_str() != Ok("v2")) {
            let text = version.as_str()?;
            return Err(version.error(format!("expected Alertmanager api version to be one of [v2] but got {text}")));
        }
        if let Some(scheme) = section.optional("scheme").filter(|s| !matches!(s.as_str(), Ok("http" | "https"))) {
            return Err(scheme.error(format!("unknown scheme {:?}: expected http or https", scheme.as_str()?)));
        }
        let (groups, mut found) =
            (static_groups(section.optional("static_configs"))?, DiscoveryReader::new(self.plugins, self.allow_missing));
        let discoveries = found.discoveries(&mut section)?.len() + found.missing.len();
        self.warnings.append(&mut found.warnings);
        self.missing.append(&mut found.missing);
        scrape::relabel::rules_from_node(section.optional("relabel_configs"), "Alertmanager target relabeling rule", false)?;
        scrape::relabel::rules_from_node(section.optional("alert_relabel_configs"), "Alertmanager alert relabeling rule", false)?;
        cloud_auth(&mut section)?;
        HttpConfig::from_section(&mut section, self.base_dir)?;
        section.finish()?;
        // Upstream's example has one whose targets are commented out.
        if discoveries == 0 && groups.iter().all(|group| group.targets.is_empty()) {
            return Ok(());
        }
        let told = "NO ALERT IS SENT there: Skopos routes by itself and does not send to an Alertmanager outside yet";
        let advice = if routes_itself {
            "; whom it tells is in its own section alertmanager or --alertmanager.config.file"
        } else {
            "; until you give it that Alertmanager's file with --alertmanager.config.file, NOBODY is told of any alert"
        };
        self.warn(node, format!("{told}{advice}"));
        Ok(())
    }
}
