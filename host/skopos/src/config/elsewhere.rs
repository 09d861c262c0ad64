//! Sections about other servers: `remote_write`, `remote_read`, `alerting`, `otlp`, `tracing`, `runtime`. All of them are read
//! and checked to the last key, so that a large file can be tried; what does not work yet is told with its place, and loudly
//! where samples or alerts do not get where the file sends them.

mod outside;
mod remote;
mod telemetry;

use std::path::Path;

use model::config::{ConfigError, Node, Section};
use model::seams::Plugins;

/// What was read of these sections.
pub(super) struct Elsewhere<'a> {
    base_dir: &'a Path,
    plugins: &'a dyn Plugins,
    allow_missing: bool,
    pub(super) warnings: Vec<ConfigError>,
    /// Plugins that are named and not there, where that is allowed.
    pub(super) missing: Vec<String>,
    /// How OTLP becomes series.
    pub(super) otlp: ::remote::OtlpOptions,
}

impl<'a> Elsewhere<'a> {
    pub(super) fn new(base_dir: &'a Path, plugins: &'a dyn Plugins, allow_missing: bool) -> Self {
        Self { base_dir, plugins, allow_missing, warnings: Vec::new(), missing: Vec::new(), otlp: ::remote::OtlpOptions::default() }
    }

    /// Takes the keys. `legacy_names`: names are limited to the classic characters. `routes_itself`: the configuration says
    /// who is told of alerts.
    pub(super) fn read(&mut self, section: &mut Section<'_>, legacy_names: bool, routes_itself: bool) -> Result<(), ConfigError> {
        self.remote_write(section.optional("remote_write"))?;
        self.remote_read(section.optional("remote_read"))?;
        self.alerting(section.optional("alerting"), routes_itself)?;
        self.otlp(section.optional("otlp"), legacy_names)?;
        self.tracing(section.optional("tracing"))?;
        self.runtime(section.optional("runtime"))
    }

    fn warn(&mut self, node: &Node, text: impl Into<String>) {
        self.warnings.push(node.error(text));
    }

    fn runtime(&mut self, node: Option<&Node>) -> Result<(), ConfigError> {
        let Some(node) = node else { return Ok(()) };
        let mut section = Section::new(node)?;
        section.optional("gogc").map(Node::as_number::<i64>).transpose()?;
        section.finish()?;
        self.warn(node, "settings of Go's runtime have no meaning here");
        Ok(())
    }
}
