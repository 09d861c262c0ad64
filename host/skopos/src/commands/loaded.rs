//! A configuration with its plugins, for commands that use it without serving.

use std::path::Path;
use std::sync::Arc;

use model::Clock;
use plugin_host::PluginHost;
use promql::Features;

use crate::cli::ConfigFiles;
use crate::clock::SystemClock;
use crate::config::{Config, ConfigSource, MainFile};
use crate::files::{Files, Own};
use crate::start::{plugin_options, resolver};
use crate::watch::WatchedFiles;

/// A configuration as the server would take it up, with the plugins that serve it.
pub(crate) struct Loaded {
    pub(crate) config: Config,
    pub(crate) host: PluginHost,
    pub(crate) clock: Arc<dyn Clock>,
}

/// The embedded configuration names the address that the server listens on; no command needs another one.
const ADDRESS: &str = "127.0.0.1:9090";

impl Loaded {
    /// Reads everything that the server would read with these features of the language. The error is for people and names file and
    /// line.
    pub(crate) fn read(files: &ConfigFiles, features: Features) -> Result<Self, String> {
        let disk =
            if files.config_file.is_some() { Files::Disk } else { Files::Embedded(Own { address: ADDRESS.to_owned(), ..Own::default() }) };
        let source = ConfigSource {
            file: files.config_file.clone(),
            alertmanager_file: files.alertmanager_config_file.clone(),
            dashboard_folders: Vec::new(),
            files: disk,
            allow_missing_plugins: files.allow_missing_plugins,
            features,
        };
        let mut watched = WatchedFiles::default();
        let main = source.read_main(&mut watched).map_err(|e| e.to_string())?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let host = host(&main, files.plugins_dir.as_deref(), &clock)?;
        let config = source.read(main, &host, &mut watched).map_err(|e| e.to_string())?;
        Ok(Self { config, host, clock })
    }
}

/// The plugins that a configuration has, which is read no further than to its sections `plugins` and `resolver`.
pub(crate) fn hosted(files: &ConfigFiles) -> Result<PluginHost, String> {
    let disk =
        if files.config_file.is_some() { Files::Disk } else { Files::Embedded(Own { address: ADDRESS.to_owned(), ..Own::default() }) };
    let source = ConfigSource {
        file: files.config_file.clone(),
        alertmanager_file: None,
        dashboard_folders: Vec::new(),
        files: disk,
        allow_missing_plugins: true,
        features: Features::ALL,
    };
    let main = source.read_main(&mut WatchedFiles::default()).map_err(|e| e.to_string())?;
    host(&main, files.plugins_dir.as_deref(), &(Arc::new(SystemClock) as _))
}

/// The plugins that a configuration beside `file` would have.
pub(crate) fn plugins_of(file: &Path, plugins_dir: Option<&Path>) -> Result<PluginHost, String> {
    let main = MainFile::nothing(file.parent().unwrap_or(Path::new("")));
    host(&main, plugins_dir, &(Arc::new(SystemClock) as _))
}

fn host(main: &MainFile, plugins_dir: Option<&Path>, clock: &Arc<dyn Clock>) -> Result<PluginHost, String> {
    let resolver = resolver(&main.resolver)?;
    // Compiled components are not kept: a command leaves nothing behind.
    let options = plugin_options(main, plugins_dir, None, &std::env::temp_dir(), &resolver, clock);
    PluginHost::new(options).map_err(|e| e.to_string())
}
