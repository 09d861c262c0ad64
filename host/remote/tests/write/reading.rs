//! Remote read, asked by hand. What it answers in one piece has series as remote write 1.0 has them, so that a second server takes them
//! for a request: then it has what the first one has.

use model::seams::{ColumnSamples, Select, SelectRequest};
use model::{LabelSet, MatchOp, Matcher, TimeRange, TimestampMs, stale};
use remote::read::{Chunk, ReadError, ReadRequest};

use crate::distributions::{custom, encode, float, integer, request};
use crate::support::{NOW, Server, bytes, number, set, v1};

const MANY: usize = 1 << 30;

/// `ReadRequest`: queries of name and range, and the kinds of answers that are taken.
fn question(queries: &[(&str, TimestampMs, TimestampMs)], accepted: &[u64]) -> Vec<u8> {
    let mut message = Vec::new();
    for (name, from, to) in queries {
        let (mut query, mut matcher) = (Vec::new(), Vec::new());
        number(&mut matcher, 1, 2);
        bytes(&mut matcher, 2, b"__name__");
        bytes(&mut matcher, 3, name.as_bytes());
        number(&mut query, 1, *from as u64);
        number(&mut query, 2, *to as u64);
        bytes(&mut query, 3, &matcher);
        bytes(&mut message, 1, &query);
    }
    accepted.iter().for_each(|kind| number(&mut message, 2, *kind));
    message
}

fn ask(message: &[u8], external: &LabelSet) -> Result<ReadRequest, ReadError> {
    ReadRequest::decode(&snap::raw::Encoder::new().compress_vec(message).expect("it is short"), external)
}

/// The first part of a message, which has to be field 1 and bytes.
fn first<'a>(message: &mut &'a [u8]) -> &'a [u8] {
    let (mut at, mut length, mut shift) = (1, 0_usize, 0);
    assert_eq!(message[0], 1 << 3 | 2);
    loop {
        let byte = message[at];
        length |= usize::from(byte & 0x7f) << shift;
        (at, shift) = (at + 1, shift + 7);
        if byte & 0x80 == 0 {
            break;
        }
    }
    let part = &message[at..at + length];
    *message = &message[at + length..];
    part
}

/// A server with floats, a series that ended, and histograms of every kind.
fn full() -> Server {
    let server = Server::new();
    let floats = [(NOW, -0.0), (NOW + 1, f64::INFINITY), (NOW + 2, 1e-300), (NOW + 3, stale())];
    assert_eq!(server.v1(&v1(&[("a{instance=i,job=x}", &floats), ("b{instance=i,job=x,site=own}", &floats[..2])])).status, 204);
    for (at, histogram) in [integer(1), integer(1000), float(), custom()].iter().enumerate() {
        let (content_type, message) = request(1, "latency{instance=i,job=x}", &[(4, 3, encode(histogram, NOW + at as i64))]);
        assert_eq!(server.send(content_type, &message).histograms, 1);
    }
    server
}

/// Everything that a server has, with the bits of floats.
fn all(server: &Server) -> Vec<String> {
    let any = Matcher::new("__name__", MatchOp::NotEqual, "").expect("a good matcher");
    let range = TimeRange { start: TimestampMs::MIN, end: TimestampMs::MAX };
    let mut lines = Vec::new();
    for group in server.db.select(&SelectRequest { matchers: &[any], range }).expect("it reads") {
        let samples = group.read().expect("it decodes");
        for (labels, column) in group.labels().iter().zip(&samples.columns) {
            for (at, time) in samples.times.iter().enumerate() {
                let histogram = match column {
                    ColumnSamples::Mixed { histograms, .. } => histograms[at].as_deref(),
                    _ => None,
                };
                if histogram.is_some() || !model::is_absent(column.floats()[at]) {
                    lines.push(format!(
                        "{labels} {time} {:x} {histogram:?}",
                        if histogram.is_some() { 0 } else { column.floats()[at].to_bits() }
                    ));
                }
            }
        }
    }
    lines.sort();
    lines
}

#[test]
fn samples_and_histograms_of_every_kind_are_read_in_one_piece() {
    let (server, none) = (full(), LabelSet::default());
    for accepted in [&[][..], &[0], &[0, 1]] {
        let asked = ask(&question(&[("a|b|latency", NOW, NOW + 10)], accepted), &none).expect("a good request");
        assert!(!asked.streamed);
        let answer = asked.samples(&server.db, &none, MANY).expect("an answer");
        let response = snap::raw::Decoder::new().decompress_vec(&answer).expect("snappy");
        let other = Server::new();
        let taken = other.v1(first(&mut response.as_slice()));
        assert_eq!((taken.status, taken.samples, taken.histograms), (204, 6, 4), "{}", taken.text);
        assert_eq!(all(&other), all(&server));
    }
    // Of two queries the answers come in their order, each within its range; the external label is added where there is none, and
    // a matcher on it finds series without it.
    let external = LabelSet::from_pairs([("site", "lab")]);
    let asked = ask(&question(&[("latency", NOW + 1, NOW + 2), ("a|b", NOW + 1, NOW + 1), ("none", NOW, NOW)], &[0]), &external);
    let answer = asked.expect("a good request").samples(&server.db, &external, MANY).expect("an answer");
    let response = snap::raw::Decoder::new().decompress_vec(&answer).expect("snappy");
    let mut rest = response.as_slice();
    let other = Server::new();
    let taken = other.v1(first(&mut rest));
    assert_eq!((taken.samples, taken.histograms), (0, 2), "{}", taken.text);
    assert_eq!((other.v1(first(&mut rest)).samples, first(&mut rest).len(), rest.len()), (2, 0, 0));
    let names: Vec<String> =
        other.db.series(&[], TimeRange { start: NOW, end: NOW + 10 }, 0).expect("it reads").iter().map(LabelSet::to_string).collect();
    assert_eq!(
        names,
        [
            set("a{instance=i,job=x,site=lab}").to_string(),
            set("b{instance=i,job=x,site=own}").to_string(),
            set("latency{instance=i,job=x,site=lab}").to_string()
        ]
    );
    // More than may be held is refused.
    let error = ask(&question(&[("a", NOW, NOW)], &[]), &none).expect("good").samples(&server.db, &none, 10).expect_err("it is too much");
    assert!(error.status == 400 && error.message.contains("ask for less, or for chunks"), "{error:?}");
}

#[test]
fn a_stream_has_a_series_a_frame_and_long_ones_in_several() {
    let (server, none) = (full(), LabelSet::default());
    let asked = ask(&question(&[("none", NOW, NOW), ("a|latency", NOW, NOW + 10)], &[1, 0]), &none).expect("a good request");
    assert!(asked.streamed);
    // Three chunks for each series, each nearly as long as a frame may be.
    let chunker = |times: &[i64], samples: &ColumnSamples| -> Vec<Chunk> {
        let encoding = if matches!(samples, ColumnSamples::Mixed { .. }) { 2 } else { 1 };
        (0..3_u8).map(|n| Chunk { from: times[0], to: times[times.len() - 1], encoding, data: vec![n; 1_000_000] }).collect()
    };
    let mut frames = Vec::new();
    let sent = asked.frames::<ReadError>(&server.db, &none, &chunker, |frame| {
        frames.push(frame);
        Ok(())
    });
    sent.expect("nothing stops it");
    assert_eq!(frames.len(), 6);
    for (at, frame) in frames.iter().enumerate() {
        // Three bytes of length, the checksum, the message.
        let message = &frame[7..];
        assert_eq!(
            (message.len(), frame[2] & 0x80),
            (usize::from(frame[0] & 0x7f) | usize::from(frame[1] & 0x7f) << 7 | usize::from(frame[2]) << 14, 0)
        );
        assert_eq!(frame[3..7], crc32c::crc32c(message).to_be_bytes());
        let (name, encoding) = if at < 3 { ("a", 1) } else { ("latency", 2) };
        // The series, and the number of its query.
        let mut rest = message;
        let mut series = first(&mut rest);
        assert_eq!(rest, [2 << 3, 1]);
        let mut wanted = Vec::new();
        crate::support::labels_v1(&mut wanted, set(&format!("{name}{{instance=i,job=x}}")).iter());
        assert!(series.starts_with(&wanted), "{at}");
        series = &series[wanted.len()..];
        let mut chunk = Vec::new();
        number(&mut chunk, 1, NOW as u64);
        number(&mut chunk, 2, NOW as u64 + 3);
        number(&mut chunk, 3, encoding);
        bytes(&mut chunk, 4, &vec![(at % 3) as u8; 1_000_000]);
        let mut one = Vec::new();
        bytes(&mut one, 2, &chunk);
        assert!(series == one, "the chunk of frame {at}");
    }
    // Whoever hears no more is sent no more.
    let mut told = 0;
    let stopped = asked.frames::<ReadError>(&server.db, &none, &chunker, |_| {
        told += 1;
        Err(ReadError { status: 499, message: String::new() })
    });
    assert_eq!((told, stopped.expect_err("it stops").status), (1, 499));
}

#[test]
fn what_is_no_question_is_refused() {
    let none = LabelSet::default();
    for (message, text) in [
        (question(&[("a", 0, 1)], &[7]), "does not support any of the requested response types"),
        (question(&[("(", 0, 1)], &[]), "unclosed group"),
        (vec![0x0A, 0x05, 1], ""),
        (question(&vec![("a", 0, 1); 6000], &[]), "too many"),
    ] {
        let error = ask(&message, &none).expect_err(text);
        assert!(error.status == 400 && error.message.contains(text), "{error:?}");
    }
}
