//! Our reader of plain HTTP and hyper answer the same, whatever comes: random heads, framings, encodings, cuts and damage.
//! The seed is printed; `SKOPOS_SEED` repeats it, `SKOPOS_CASES` sets how many answers are compared.

mod common;

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::{client, listen, read_head};
use flate2::Compression;
use flate2::write::GzEncoder;
use http_client::{Client, HttpError, Request};
use test_support::Dice;

/// What a server does with one request.
struct Script {
    bytes: Vec<u8>,
    /// Sizes of the pieces it is sent in.
    pieces: Vec<usize>,
    /// Whether the connection stays open for more.
    keeps: bool,
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body).expect("memory takes all");
    encoder.finish().expect("memory takes all")
}

fn chunked(dice: &mut Dice, body: &[u8]) -> Vec<u8> {
    let (mut out, mut at) = (Vec::new(), 0);
    while at < body.len() {
        let most = [7, 100, 5000, 100_000][dice.below(4)];
        let length = (1 + dice.below(most)).min(body.len() - at);
        let extension = dice.pick(&["", "", "", ";a=b", " ", "; \"x\""]);
        let size = if dice.one_in(3) { format!("{length:X}") } else { format!("00{length:x}") };
        out.extend_from_slice(format!("{size}{extension}\r\n").as_bytes());
        out.extend_from_slice(&body[at..at + length]);
        out.extend_from_slice(b"\r\n");
        at += length;
    }
    out.extend_from_slice(
        dice.pick(&["0\r\n\r\n", "0\r\n\r\n", "000;x\r\n\r\n", "0\r\nA: b\r\n\r\n", "0\r\nA: b\r\nC: d\r\n\r\n"]).as_bytes(),
    );
    out
}

fn script(dice: &mut Dice) -> Script {
    let most = [0, 1, 300, 5000, 300_000][dice.below(5)];
    let mut body: Vec<u8> = (0..dice.below(most + 1)).map(|n| b'a' + (n % 23) as u8).collect();
    let mut keeps = true;
    let version = if dice.one_in(8) { "1.0" } else { "1.1" };
    let status =
        dice.pick(&["200 OK", "200 OK", "200 OK", "200", "404 Not Found", "500 x", "204 No Content", "304 y", "302 Found", "999 z"]);
    let mut head = String::new();
    for _ in 0..dice.below::<usize>(8).saturating_sub(6) {
        head.push_str(dice.pick(&["HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"]));
    }
    head.push_str(&format!("HTTP/{version} {status}\r\n"));
    for _ in 0..dice.below(4) {
        let (name, value) =
            (dice.pick(&["X-A", "x-b", "Content-Type", "Server"]), dice.pick(&["", "a", "text/plain; q=1", "  b ", "\u{e9}"]));
        head.push_str(&format!("{name}:{}{value}\r\n", dice.pick(&["", " ", "\t "])));
    }
    if dice.one_in(3) {
        let encoding = dice.pick(&["gzip", "gzip", "x-gzip", "identity", "br", " GZIP "]);
        if encoding.to_lowercase().contains("gzip") && !dice.one_in(6) {
            body = gzip(&body);
        }
        head.push_str(&format!("Content-Encoding: {encoding}\r\n"));
    }
    match dice.below(6) {
        0 | 1 => head.push_str(&format!("Content-Length: {}\r\n", body.len())),
        2 | 3 => {
            head.push_str("Transfer-Encoding: chunked\r\n");
            body = chunked(dice, &body);
            keeps &= version == "1.1";
        }
        4 => keeps = false,
        _ => {
            keeps = false;
            let n = body.len();
            head.push_str(&match dice.below(8) {
                0 => format!("Content-Length: {n}\r\nContent-Length: {n}\r\n"),
                1 => format!("Content-Length: {n}, {n}\r\n"),
                2 => format!("Content-Length: {n}\r\nContent-Length: {}\r\n", n + 1),
                3 => format!("Content-Length: +{n}\r\n"),
                4 => format!("Content-Length: {n}\r\nTransfer-Encoding: chunked\r\n"),
                5 => "Transfer-Encoding: chunked, gzip\r\n".to_owned(),
                6 => format!("Content-Length: {}\r\n", n + 5),
                _ => "Content-Length: 18446744073709551616\r\n".to_owned(),
            });
        }
    }
    match dice.below(8) {
        0 => {
            head.push_str("Connection: close\r\n");
            keeps = false;
        }
        1 => head.push_str("Connection: Keep-Alive, x\r\n"),
        _ => keeps &= version == "1.1",
    }
    head.push_str("\r\n");
    let mut bytes = head.into_bytes();
    let head_length = bytes.len();
    bytes.extend_from_slice(&body);
    match dice.below(12) {
        0 => {
            bytes.truncate(dice.below(bytes.len()));
            keeps = false;
        }
        1 => {
            let end = if dice.one_in(2) { head_length } else { bytes.len() };
            let at = dice.below(end);
            bytes[at] = (dice.next() & 0xff) as u8;
            keeps = false;
        }
        2 => {
            bytes.extend_from_slice(dice.pick(&["x", "\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad"]).as_bytes());
        }
        _ => {}
    }
    let mut pieces = Vec::new();
    let mut left = bytes.len();
    while left > 0 && pieces.len() < 12 {
        let most = [3, 50, 4096, 70_000, left][dice.below(5)];
        let piece = (1 + dice.below(most)).min(left);
        pieces.push(piece);
        left -= piece;
    }
    Script { bytes, pieces, keeps }
}

/// A server that plays the scripts.
#[derive(Clone)]
struct Player {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    /// One more than the number of the last script that was played to its end, or as far as the client wanted.
    played: Arc<AtomicUsize>,
}

impl Player {
    fn new(scripts: Arc<Vec<Script>>) -> Self {
        let (connections, played) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (seen, done) = (Arc::clone(&connections), Arc::clone(&played));
        let address = listen(move |mut stream: TcpStream| {
            seen.fetch_add(1, Ordering::Relaxed);
            let _ = stream.set_nodelay(true);
            loop {
                let head = read_head(&mut stream);
                let number = head.split(' ').nth(1).and_then(|path| path.trim_start_matches('/').parse::<usize>().ok());
                let Some((number, script)) = number.and_then(|number| Some((number, scripts.get(number)?))) else { return };
                let goes_on = play(script, &mut stream);
                done.fetch_max(number + 1, Ordering::SeqCst);
                if !goes_on {
                    return;
                }
            }
        });
        Self { address, connections, played }
    }

    /// Waits until all of a script was sent. A client may have its answer before: what comes behind the answer is then on its way,
    /// and would be taken for the answer to the next request, by either reader.
    async fn has_played(&self, number: usize) {
        let begun = std::time::Instant::now();
        while self.played.load(Ordering::SeqCst) <= number && begun.elapsed() < Duration::from_secs(2) {
            tokio::time::sleep(Duration::from_micros(100)).await;
        }
    }
}

/// Whether the connection serves more.
fn play(script: &Script, stream: &mut TcpStream) -> bool {
    let mut at = 0;
    for piece in &script.pieces {
        if stream.write_all(&script.bytes[at..at + piece]).is_err() {
            return false;
        }
        at += piece;
        if script.pieces.len() < 5 {
            std::thread::sleep(Duration::from_micros(300));
        }
    }
    let sent = stream.write_all(&script.bytes[at..]).is_ok();
    if !sent || !script.keeps {
        let _ = stream.shutdown(std::net::Shutdown::Write);
    }
    sent && script.keeps
}

type Outcome = Result<(u16, Vec<(String, String)>, Vec<u8>, bool, &'static str), String>;

async fn ask(client: &Client, address: SocketAddr, number: usize, limit: u64, truncate: bool) -> Outcome {
    let request = Request {
        timeout: Duration::from_secs(10),
        redirects_max: 0,
        body_bytes_max: limit,
        truncate,
        ..Request::get(format!("http://{address}/{number}"))
    };
    let response = if number.is_multiple_of(2) {
        let (prepared, mut body) = (client.prepare(request).expect("it can be asked for"), vec![1, 2, 3]);
        client.send_prepared(&prepared, &mut body).await.map(|mut response| {
            response.body = body;
            response
        })
    } else {
        client.send(request).await
    };
    match response {
        Ok(response) => Ok((response.status, response.headers, response.body, response.truncated, response.http_version)),
        // Texts may differ, kinds may not. Which of two things is wrong is found first may.
        Err(HttpError::Protocol(_) | HttpError::TooLarge { .. }) => Err("refused".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

#[tokio::test]
async fn a17_both_readers_answer_the_same() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let seed = test_support::seed("two readers");
    let cases = number("SKOPOS_CASES").unwrap_or(600) as usize;
    let mut dice = Dice(seed);
    let scripts: Arc<Vec<Script>> = Arc::new((0..cases).map(|_| script(&mut dice)).collect());
    let (ours_to, theirs_to) = (Player::new(Arc::clone(&scripts)), Player::new(Arc::clone(&scripts)));
    let (ours, theirs) = (client("{}"), client("{}").through_hyper());
    let mut refused = 0;
    for at in 0..cases {
        let limit = [1 << 20, 1 << 20, 1000][dice.below(3)];
        let truncate = dice.one_in(2);
        let expected = ask(&theirs, theirs_to.address, at, limit, truncate).await;
        let found = ask(&ours, ours_to.address, at, limit, truncate).await;
        theirs_to.has_played(at).await;
        ours_to.has_played(at).await;
        refused += usize::from(found.is_err());
        let text = String::from_utf8_lossy(&scripts[at].bytes[..scripts[at].bytes.len().min(600)]).into_owned();
        assert_eq!(found, expected, "SKOPOS_SEED={seed}, case {at}, limit {limit}: {text}");
    }
    let connections = ours_to.connections.load(Ordering::Relaxed);
    println!("{cases} answers, {refused} refused by both, {connections} connections");
    assert!(refused > cases / 50 && refused < cases / 2, "{refused} refused");
    assert!(connections < cases, "connections are kept");
}

#[tokio::test]
async fn connections_are_kept_and_a_closed_one_is_replaced() {
    let connections = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&connections);
    // Each connection serves three requests and is closed without a word.
    let address = listen(move |mut stream: TcpStream| {
        seen.fetch_add(1, Ordering::Relaxed);
        for _ in 0..3 {
            if read_head(&mut stream).is_empty() || stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").is_err() {
                return;
            }
        }
    });
    let client = client("{}");
    for round in 0..30 {
        let response = common::get(&client, format!("http://{address}/")).await.expect("an answer");
        assert_eq!(response.body, b"ok", "round {round}");
        assert!(client.idle_connections() <= 1);
    }
    assert_eq!(connections.load(Ordering::Relaxed), 10);
}

#[tokio::test]
async fn a_connection_that_speaks_unasked_is_not_used_again() {
    let (connections, spoken) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (seen, spoke) = (Arc::clone(&connections), Arc::clone(&spoken));
    let address = listen(move |mut stream: TcpStream| {
        seen.fetch_add(1, Ordering::Relaxed);
        let answer = |n: usize| format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{n}");
        if !read_head(&mut stream).is_empty() {
            let _ = stream.write_all(answer(1).as_bytes());
            std::thread::sleep(Duration::from_millis(20));
            // What would be taken for the answer to the next request.
            let _ = stream.write_all(answer(2).as_bytes());
            spoke.fetch_add(1, Ordering::SeqCst);
            let _ = read_head(&mut stream);
        }
    });
    let client = client("{}");
    for asked in 1..=3 {
        let response = common::get(&client, format!("http://{address}/")).await.expect("an answer");
        assert_eq!(response.body, b"1");
        let begun = std::time::Instant::now();
        while spoken.load(Ordering::SeqCst) < asked {
            assert!(begun.elapsed() < Duration::from_secs(20), "the server speaks");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(connections.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn a17_provisional_responses_without_end_are_refused() {
    let address = listen(|mut stream: TcpStream| {
        let provisional = "HTTP/1.1 100 Continue\r\n\r\n";
        let few = read_head(&mut stream).starts_with("GET /few ");
        let _ = stream.write_all(provisional.repeat(20).as_bytes());
        if few {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
            let _ = read_head(&mut stream);
        }
        let many = provisional.repeat(2000);
        while stream.write_all(many.as_bytes()).is_ok() {}
    });
    let client = client("{}");
    let response = common::get(&client, format!("http://{address}/few")).await.expect("an answer");
    assert_eq!(response.body, b"ok");
    let error = common::get(&client, format!("http://{address}/many")).await.expect_err("no answer");
    assert!(error.to_string().contains("provisional"), "{error}");
}
