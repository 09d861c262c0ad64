//! The log: to standard error, as text with fields or as JSON.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::time::SystemTime;

use crate::cli::{LogFormat, LogLevel};

/// Sets the process' log up. Libraries below are heard from `warn` on, so that `debug` is about Skopos.
pub(crate) fn init(level: LogLevel, format: LogFormat) {
    let level = match level {
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Error => LevelFilter::ERROR,
    };
    let mut filter = EnvFilter::default().add_directive(level.into());
    for quiet in [
        "hyper",
        "hyper_util",
        "h2",
        "tokio_rustls",
        "rustls",
        "hickory_net",
        "hickory_proto",
        "hickory_resolver",
        "cranelift_codegen",
        "wasmtime",
        "tower",
    ] {
        let directive = format!("{quiet}={}", LevelFilter::WARN.min(level));
        filter = filter.add_directive(directive.parse().expect("a name and a level make a directive"));
    }
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_timer(SystemTime).with_ansi(false);
    // A second call happens in tests alone and changes nothing.
    let _ = match format {
        LogFormat::Logfmt => builder.try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
}
