//! C10: everything there is, listed and queried over HTTP. It goes out while it is found, in bounded memory, packed too, and a limit
//! cuts it.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use test_support::Measured;
use tokio::io::AsyncReadExt;

use crate::stored::{NOW, Server, over, stored, wanted};

const LONG: Duration = Duration::from_secs(600);
/// What a list may hold of each series: less than its label set, which takes some 300 bytes here.
const OF_SERIES: usize = 120;
/// Likewise of each value: numbers, and not its text, which takes 24 bytes and its own.
const OF_VALUE: usize = 20;
/// What any answer may hold besides: pieces under way, buffers of connections and of packing.
const BESIDE: usize = 16 << 20;

/// What became of a request.
struct Answered {
    head: String,
    text: Text,
    /// Bytes that came over the connection.
    sent: usize,
    first: Duration,
    whole: Duration,
    /// Bytes that were held at most beside what was held before.
    memory: usize,
}

/// A text that is not kept: only how long it is, how many braces open and how many quotes there are, and how it ends.
#[derive(Default)]
struct Text {
    bytes: usize,
    braces: usize,
    quotes: usize,
    end: Vec<u8>,
}

impl Write for Text {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        self.bytes += piece.len();
        self.braces += piece.iter().filter(|byte| **byte == b'{').count();
        self.quotes += piece.iter().filter(|byte| **byte == b'"').count();
        self.end.extend_from_slice(&piece[piece.len().saturating_sub(100)..]);
        self.end.drain(..self.end.len().saturating_sub(100));
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

async fn ask(server: &Server, path: &str, wants_packed: bool) -> Answered {
    let (memory, begun) = (Measured::begin(), Instant::now());
    let mut stream = server.open(path, if wants_packed { "Accept-Encoding: gzip\r\n" } else { "" }).await;
    let mut unpacked = flate2::write::GzDecoder::new(Text::default());
    let (mut text, mut head, mut piece) = (Text::default(), Vec::new(), vec![0; 64 << 10]);
    let (mut sent, mut first, mut in_head, mut packed) = (0, None, true, false);
    loop {
        let read = tokio::time::timeout(LONG, stream.read(&mut piece)).await.expect("in time").expect("bytes");
        if read == 0 {
            break;
        }
        sent += read;
        first.get_or_insert_with(|| begun.elapsed());
        let mut body = &piece[..read];
        let rest;
        if in_head {
            head.extend_from_slice(body);
            let Some(end) = head.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
            rest = head.split_off(end + 4);
            packed = String::from_utf8_lossy(&head).contains("content-encoding: gzip");
            (body, in_head) = (&rest, false);
        }
        if packed { unpacked.write_all(body) } else { text.write_all(body) }.expect("it is packed well");
    }
    let whole = begun.elapsed();
    if packed {
        text = unpacked.finish().expect("it is whole");
    }
    let head = String::from_utf8(head).expect("text");
    Answered { head, text, sent, first: first.unwrap_or_default(), whole, memory: memory.most() }
}

/// `SKOPOS_C10_SERIES=1000000` sets how many series there are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c10_everything_is_listed_and_queried_in_bounded_memory_and_cut_by_a_limit() {
    let _alone = crate::ALONE.lock().await;
    let series = wanted("SKOPOS_C10_SERIES", 20_000);
    let db = Arc::new(tokio::task::spawn_blocking(move || stored(series)).await.expect("no panic"));
    let mut state = over(&db);
    let defaults = web::Limits::default();
    (state.limits.query_bytes, state.limits.samples_max) = (defaults.query_bytes, defaults.samples_max);
    // More than the label sets of a million series.
    state.limits.answer_bytes = 1 << 30;
    let server = Server::of(state).await;
    let all = "%7B__name__%3D~%22.%2B%22%7D";
    let query = format!("query?query={all}&time={}", NOW / 1000);
    // Of a list of texts the quotes are counted, of one of objects the braces: how many there are besides, and of each entry.
    for (path, entries, texts, besides, each, memory) in [
        (format!("series?match[]={all}"), series, false, 1, 1, series * OF_SERIES),
        ("label/id/values?".to_owned(), series, true, 6, 2, series * OF_VALUE),
        (format!("label/id/values?match[]={all}"), series, true, 6, 2, series * OF_VALUE),
        ("label/instance/values?".to_owned(), series / 1000, true, 6, 2, series),
        (format!("labels?match[]={all}"), 6, true, 6, 2, series * OF_SERIES),
        (query, series, false, 2, 2, series * 1000),
    ] {
        let count = |text: &Text| if texts { text.quotes } else { text.braces };
        for (limit, packed) in [(0, false), (0, true), (10, false)] {
            let cut = limit > 0 && limit < entries;
            let path = format!("/api/v1/{path}{}", if limit > 0 { format!("&limit={limit}") } else { String::new() });
            let answered = ask(&server, &path, packed).await;
            let Answered { head, text, sent, first, whole, memory: held } = answered;
            let end = String::from_utf8_lossy(&text.end).into_owned();
            println!(
                "{:>9} entries, {:>10} bytes of text, {sent:>10} sent, first after {first:>8.1?}, whole {whole:>8.1?}, {held:>10} bytes held: {path}",
                (count(&text) - besides) / each,
                text.bytes
            );
            assert!(head.starts_with("HTTP/1.0 200"), "{path}: {head} {end}");
            // What is short is not packed.
            assert_eq!(head.contains("content-encoding: gzip"), packed && text.bytes > 4096, "{path}: {head}");
            assert!(end.ends_with('}'), "{path}: {end}");
            assert_eq!(end.contains("results truncated due to limit"), cut, "{path}: {end}");
            if cut {
                // Its warning has a name and a text.
                let warning = if texts { 4 } else { 0 };
                assert_eq!(count(&text), besides + warning + each * limit, "{path}: {end}");
            } else {
                assert_eq!(count(&text), besides + each * entries, "{path}: {end}");
            }
            assert!(held < memory + BESIDE, "{path}: {held} bytes held");
            assert!(!packed || sent * 3 < text.bytes || text.bytes < 4096, "{path}: {sent} bytes sent of {}", text.bytes);
        }
    }
}
