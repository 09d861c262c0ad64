use crate::state::CallState;
use crate::text::{one_line, shortened};
use crate::v0_1::imports::log::{Host, Level};

/// Bytes of a line, with its fields.
const LINE_BYTES_MAX: usize = 8 << 10;

impl Host for CallState {
    async fn write(&mut self, level: Level, message: String, fields: Vec<(String, String)>) -> wasmtime::Result<()> {
        if self.log_lines >= self.limits.log_lines {
            self.log_lines_dropped = self.log_lines_dropped.saturating_add(1);
            return Ok(());
        }
        self.log_lines += 1;
        let mut line = shortened(&message, LINE_BYTES_MAX);
        for (name, value) in fields.iter().take(50) {
            if line.len() > LINE_BYTES_MAX {
                break;
            }
            line.push_str(&format!(" {}={:?}", shortened(name, 100), shortened(value, 1000)));
        }
        let line = one_line(&self.access.secrets.redact(line));
        let plugin = self.plugin.standing.name.as_str();
        match level {
            Level::Debug => tracing::debug!(plugin, "{line}"),
            Level::Info => tracing::info!(plugin, "{line}"),
            Level::Warn => tracing::warn!(plugin, "{line}"),
            Level::Error => tracing::error!(plugin, "{line}"),
        }
        Ok(())
    }
}
