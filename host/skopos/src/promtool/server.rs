//! `promtool query …`, `promtool check healthy|ready`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::cli::{Output, Query, ServerArgs};
use crate::commands::client::Server;
use crate::out;

/// The options that promtool takes before the kind of query.
pub(super) fn with_options(mut what: Query, format: Option<Output>, http_config_file: Option<&PathBuf>) -> Query {
    let (Query::Instant { server, .. } | Query::Range { server, .. } | Query::Series { server, .. } | Query::Labels { server, .. }) =
        &mut what;
    let server: &mut ServerArgs = server;
    server.output = format.unwrap_or(server.output);
    if let Some(file) = http_config_file {
        server.http_config_file = Some(file.clone());
    }
    what
}

/// Whether a server answers 200 there.
pub(super) fn status(url: &str, http_config: Option<&Path>, path: &str) -> ExitCode {
    match Server::new(url, http_config).and_then(|server| server.status(path)) {
        Ok((200, text)) => {
            out::error(format_args!("  SUCCESS:  {}", text.trim_end()));
            ExitCode::SUCCESS
        }
        Ok((status, _)) => {
            out::error(format_args!("  FAILED:\ncheck failed: URL={url}{path}, status={status}"));
            ExitCode::FAILURE
        }
        Err(error) => {
            out::error(format_args!("  FAILED:\n{error}"));
            ExitCode::FAILURE
        }
    }
}
