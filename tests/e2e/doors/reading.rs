//! Remote read by hand, asked of both servers: samples in one answer, and a stream of chunks.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;

use super::write_sender::{bytes, snappy, varint};

/// A field of a message: a number, the bits of a float, or bytes.
#[derive(Clone, Debug)]
enum Field {
    Number(u64),
    Float(f64),
    Bytes(Vec<u8>),
}

impl Field {
    fn number(&self) -> u64 {
        if let Self::Number(number) = self { *number } else { panic!("a number instead of {self:?}") }
    }

    fn signed(&self) -> i64 {
        let number = self.number();
        (number >> 1) as i64 ^ -((number & 1) as i64)
    }

    fn float(&self) -> f64 {
        if let Self::Float(float) = self { *float } else { panic!("a float instead of {self:?}") }
    }

    fn bytes(&self) -> &[u8] {
        if let Self::Bytes(bytes) = self { bytes } else { panic!("bytes instead of {self:?}") }
    }
}

fn take_varint(message: &mut &[u8]) -> u64 {
    let (mut value, mut shift) = (0, 0);
    loop {
        let (first, rest) = message.split_first().expect("a message goes on");
        *message = rest;
        value |= u64::from(first & 0x7f) << shift;
        shift += 7;
        if first & 0x80 == 0 {
            return value;
        }
    }
}

fn take<'a>(message: &mut &'a [u8], length: usize) -> &'a [u8] {
    let (taken, rest) = message.split_at(length);
    *message = rest;
    taken
}

/// The fields of a message, by number.
fn fields(mut message: &[u8]) -> BTreeMap<u64, Vec<Field>> {
    let mut all: BTreeMap<u64, Vec<Field>> = BTreeMap::new();
    while !message.is_empty() {
        let key = take_varint(&mut message);
        let field = match key & 7 {
            0 => Field::Number(take_varint(&mut message)),
            1 => Field::Float(f64::from_le_bytes(take(&mut message, 8).try_into().expect("eight bytes"))),
            2 => {
                let length = take_varint(&mut message) as usize;
                Field::Bytes(take(&mut message, length).to_vec())
            }
            kind => panic!("wire type {kind}"),
        };
        all.entry(key >> 3).or_default().push(field);
    }
    all
}

fn of(fields: &BTreeMap<u64, Vec<Field>>, number: u64) -> &[Field] {
    fields.get(&number).map_or(&[], Vec::as_slice)
}

/// Of a number that is left out where it is 0.
fn number(fields: &BTreeMap<u64, Vec<Field>>, number: u64) -> u64 {
    of(fields, number).first().map_or(0, Field::number)
}

fn labels(series: &BTreeMap<u64, Vec<Field>>) -> String {
    let text = |label: &Field| {
        let label = fields(label.bytes());
        let part = |number| of(&label, number).first().map_or(String::new(), |part| String::from_utf8_lossy(part.bytes()).into_owned());
        format!("{}={:?}", part(1), part(2))
    };
    of(series, 1).iter().map(text).collect::<Vec<_>>().join(",")
}

/// `ReadRequest` with a query for a name that matches, and the kinds of answers that are taken.
fn request(pattern: &str, (from, to): (i64, i64), accepted: &[u8]) -> Vec<u8> {
    let mut matcher = vec![1 << 3, 2];
    bytes(&mut matcher, 2, b"__name__");
    bytes(&mut matcher, 3, pattern.as_bytes());
    let mut query = Vec::new();
    for (field, time) in [(1, from), (2, to)] {
        query.push(field << 3);
        varint(&mut query, time as u64);
    }
    bytes(&mut query, 3, &matcher);
    let mut message = Vec::new();
    bytes(&mut message, 1, &query);
    if !accepted.is_empty() {
        bytes(&mut message, 2, accepted);
    }
    message
}

/// Header and body. HTTP/1.0, so that the body is as it is.
fn post(server: &str, message: &[u8]) -> (String, Vec<u8>) {
    let address = server.trim_start_matches("http://");
    let body = snappy(message);
    let mut connection = TcpStream::connect(address).expect("it listens");
    let head = format!(
        "POST /api/v1/read HTTP/1.0\r\nHost: {address}\r\nContent-Type: application/x-protobuf\r\nContent-Encoding: snappy\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    connection.write_all(head.as_bytes()).expect("it reads");
    connection.write_all(&body).expect("it reads");
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).expect("it answers");
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a head") + 4;
    let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
    assert!(head.starts_with("http/1.0 200") || head.starts_with("http/1.1 200"), "{head}{}", String::from_utf8_lossy(&answer[end..]));
    (head, answer.split_off(end))
}

/// A histogram as the protocol has it, by its fields.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Native {
    pub(crate) time: i64,
    pub(crate) count: u64,
    pub(crate) zero: u64,
    pub(crate) sum: f64,
    pub(crate) schema: i64,
    pub(crate) zero_threshold: f64,
    /// Offset and length of each span of positive buckets.
    pub(crate) spans: Vec<(i64, u64)>,
    /// Counts of them, each as the difference to the one before.
    pub(crate) deltas: Vec<i64>,
}

fn native(message: &[u8]) -> Native {
    let fields = fields(message);
    let float = |number| of(&fields, number).first().map_or(0.0, Field::float);
    let signed = |field: Option<&Field>| field.map_or(0, Field::signed);
    let span = |span: &Field| {
        let span = self::fields(span.bytes());
        (signed(of(&span, 1).first()), number(&span, 2))
    };
    let mut deltas = Vec::new();
    for packed in of(&fields, 12) {
        let mut packed = packed.bytes();
        while !packed.is_empty() {
            deltas.push(Field::Number(take_varint(&mut packed)).signed());
        }
    }
    Native {
        time: number(&fields, 15) as i64,
        count: number(&fields, 1),
        zero: number(&fields, 6),
        sum: float(3),
        schema: signed(of(&fields, 4).first()),
        zero_threshold: float(5),
        spans: of(&fields, 11).iter().map(span).collect(),
        deltas,
    }
}

/// Of each series times and bits of its floats, and its histograms.
pub(crate) type Samples = BTreeMap<String, (Vec<(i64, u64)>, Vec<Native>)>;

/// The answer in one piece.
pub(crate) fn samples(server: &str, pattern: &str, range: (i64, i64)) -> Samples {
    let (head, body) = post(server, &request(pattern, range, &[]));
    assert!(head.contains("content-type: application/x-protobuf") && head.contains("content-encoding: snappy"), "{head}");
    let message = snap::raw::Decoder::new().decompress_vec(&body).expect("snappy");
    let response = fields(&message);
    assert_eq!(of(&response, 1).len(), 1, "one query");
    let result = fields(of(&response, 1)[0].bytes());
    let series = of(&result, 1).iter().map(|series| {
        let series = fields(series.bytes());
        let float = |sample: &Field| {
            let sample = fields(sample.bytes());
            (number(&sample, 2) as i64, of(&sample, 1).first().map_or(0.0, Field::float).to_bits())
        };
        let histograms = of(&series, 4).iter().map(|histogram| native(histogram.bytes())).collect();
        (labels(&series), (of(&series, 2).iter().map(float).collect(), histograms))
    });
    series.collect()
}

/// A chunk: its times, the number of its encoding, its bytes.
pub(crate) type Chunk = (i64, i64, u64, Vec<u8>);

/// The stream, whose frames are a length, a checksum and a message each: chunks by series.
pub(crate) fn chunks(server: &str, pattern: &str, range: (i64, i64)) -> BTreeMap<String, Vec<Chunk>> {
    // Both kinds are taken, the stream rather.
    let (head, body) = post(server, &request(pattern, range, &[1, 0]));
    assert!(head.contains("content-type: application/x-streamed-protobuf; proto=prometheus.chunkedreadresponse"), "{head}");
    let (mut rest, mut all) = (body.as_slice(), BTreeMap::new());
    while !rest.is_empty() {
        let length = take_varint(&mut rest) as usize;
        let sum = u32::from_be_bytes(take(&mut rest, 4).try_into().expect("four bytes"));
        let message = take(&mut rest, length);
        assert_eq!(castagnoli(message), sum, "the checksum of a frame");
        let frame = fields(message);
        assert_eq!(number(&frame, 2), 0, "the first query");
        for series in of(&frame, 1) {
            let series = fields(series.bytes());
            let chunks: &mut Vec<Chunk> = all.entry(labels(&series)).or_default();
            for chunk in of(&series, 2) {
                let chunk = fields(chunk.bytes());
                let data = of(&chunk, 4).first().map_or(Vec::new(), |data| data.bytes().to_vec());
                chunks.push((number(&chunk, 1) as i64, number(&chunk, 2) as i64, number(&chunk, 3), data));
            }
        }
    }
    all
}

/// CRC-32C, bit by bit.
fn castagnoli(message: &[u8]) -> u32 {
    let mut sum = !0_u32;
    for byte in message {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            sum = if sum & 1 == 1 { sum >> 1 ^ 0x82F6_3B78 } else { sum >> 1 };
        }
    }
    !sum
}
