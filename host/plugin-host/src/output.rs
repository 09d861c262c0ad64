//! What a component writes to standard output and standard error: the last bytes of it.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use crate::limits::OUTPUT_BYTES_MAX;
use crate::text::{last_lines, one_line, shortened};

/// How much one write may bring.
const WRITE_BYTES_MAX: usize = 64 << 10;

/// Takes everything and keeps the end: a component that writes much is not stopped by it.
#[derive(Clone, Default)]
pub(crate) struct Tail(Arc<Mutex<VecDeque<u8>>>);

impl Tail {
    fn lock(&self) -> MutexGuard<'_, VecDeque<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, bytes: &[u8]) {
        let mut kept = self.lock();
        let new = &bytes[bytes.len().saturating_sub(OUTPUT_BYTES_MAX)..];
        let over = (kept.len() + new.len()).saturating_sub(OUTPUT_BYTES_MAX);
        kept.drain(..over);
        kept.extend(new);
    }

    pub(crate) fn contents(&self) -> Vec<u8> {
        self.lock().iter().copied().collect()
    }
}

impl IsTerminal for Tail {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Tail {
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }

    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }
}

impl OutputStream for Tail {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.push(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_BYTES_MAX)
    }
}

#[async_trait]
impl Pollable for Tail {
    async fn ready(&mut self) {}
}

impl AsyncWrite for Tail {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.push(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Both of one call, readable after its store is gone.
#[derive(Clone, Default)]
pub(crate) struct Output {
    pub(crate) stdout: Tail,
    pub(crate) stderr: Tail,
}

impl Output {
    /// Standard error counts more: panics, tracebacks and exceptions go there and nowhere else.
    pub(crate) fn last_lines(&self) -> String {
        let stderr = last_lines(&self.stderr.contents(), 8, 400);
        if stderr.is_empty() { last_lines(&self.stdout.contents(), 3, 400) } else { stderr }
    }

    /// The last lines of either, for the log.
    pub(crate) fn lines(&self, lines_max: usize) -> Vec<String> {
        let mut lines = Vec::new();
        for tail in [&self.stdout, &self.stderr] {
            let bytes = tail.contents();
            if bytes.is_empty() {
                continue;
            }
            let text = String::from_utf8_lossy(&bytes);
            let mut last: Vec<String> = text
                .lines()
                .rev()
                .filter(|line| !line.trim().is_empty())
                .take(lines_max)
                .map(|line| one_line(&shortened(line, 1000)))
                .collect();
            last.reverse();
            lines.append(&mut last);
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_kept() {
        let mut output = Output::default();
        for n in 0..20_000 {
            OutputStream::write(&mut output.stderr, Bytes::from(format!("line {n}\n"))).expect("it takes everything");
        }
        assert_eq!(output.stderr.contents().len(), OUTPUT_BYTES_MAX);
        assert!(output.last_lines().ends_with("line 19998 | line 19999"));
        output.stdout.push(&vec![b'x'; OUTPUT_BYTES_MAX * 2]);
        assert_eq!(output.stdout.contents().len(), OUTPUT_BYTES_MAX);
    }
}
