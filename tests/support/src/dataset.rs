use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Series that a test makes up and gives to more than one server.
#[derive(Clone, Debug, Default)]
pub struct Dataset {
    /// In no particular order.
    pub series: Vec<(Labels, Vec<(i64, f64)>)>,
}

/// Labels sorted by name, the metric's name among them. Samples are by time, in Unix milliseconds.
pub type Labels = Vec<(String, String)>;

/// How much time one request of remote write holds: servers take no sample that is much older than their newest.
const BATCH_MS: i64 = 300_000;

impl Dataset {
    /// Adds a series; `labels` as `name=value` pairs, the name of the metric apart.
    pub fn add(&mut self, name: &str, labels: &[(&str, &str)], samples: impl IntoIterator<Item = (i64, f64)>) {
        let all = labels.iter().copied().chain([("__name__", name)]);
        let mut labels: Vec<(String, String)> = all.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        labels.sort();
        self.series.push((labels, samples.into_iter().collect()));
    }

    /// Writes all of it to a server's receiver of remote write (1.0), the oldest first. Panics if the server refuses any.
    pub fn write_to(&self, address: &str) {
        let times = || self.series.iter().flat_map(|(_, samples)| samples.iter().map(|(time, _)| *time));
        let (Some(first), Some(last)) = (times().min(), times().max()) else { return };
        let mut connection = KeepAlive::connect(address);
        let mut from = first;
        while from <= last {
            let message = self.message(from, from + BATCH_MS);
            let headers =
                "Content-Type: application/x-protobuf\r\nContent-Encoding: snappy\r\nX-Prometheus-Remote-Write-Version: 0.1.0\r\n";
            let (status, body) = connection.post("/api/v1/write", headers, &snappy(&message));
            assert!((200..300).contains(&status), "{address} refuses samples: {status} {body}");
            from += BATCH_MS;
        }
    }

    /// `prometheus.WriteRequest` with the samples from one time until before another.
    fn message(&self, from: i64, until: i64) -> Vec<u8> {
        let mut message = Vec::new();
        for (labels, samples) in &self.series {
            let mut one = Vec::new();
            for (name, value) in labels {
                let mut label = Vec::new();
                bytes(&mut label, 1, name.as_bytes());
                bytes(&mut label, 2, value.as_bytes());
                bytes(&mut one, 1, &label);
            }
            let head = one.len();
            for (time, value) in samples.iter().filter(|(time, _)| (from..until).contains(time)) {
                let mut sample = vec![1 << 3 | 1];
                sample.extend(value.to_bits().to_le_bytes());
                sample.push(2 << 3);
                varint(&mut sample, time.cast_unsigned());
                bytes(&mut one, 2, &sample);
            }
            if one.len() > head {
                bytes(&mut message, 1, &one);
            }
        }
        message
    }
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

fn bytes(out: &mut Vec<u8>, field: u64, value: &[u8]) {
    varint(out, field << 3 | 2);
    varint(out, value.len() as u64);
    out.extend_from_slice(value);
}

/// Snappy's block format, of one literal.
fn snappy(message: &[u8]) -> Vec<u8> {
    let mut body = Vec::with_capacity(message.len() + 10);
    varint(&mut body, message.len() as u64);
    if let Some(last) = message.len().checked_sub(1) {
        body.push(63 << 2);
        body.extend(u32::try_from(last).expect("a request is below 4 GiB").to_le_bytes());
        body.extend_from_slice(message);
    }
    body
}

/// A connection over which many requests go, one after the other.
pub struct KeepAlive {
    address: String,
    stream: BufReader<TcpStream>,
}

impl KeepAlive {
    /// Connects to `host:port`.
    #[must_use]
    pub fn connect(address: &str) -> Self {
        let stream = TcpStream::connect(address).expect("the server takes connections");
        stream.set_nodelay(true).expect("a socket can be set up");
        // A guard against hanging.
        stream.set_read_timeout(Some(Duration::from_secs(120))).expect("a socket can be set up");
        Self { address: address.to_owned(), stream: BufReader::with_capacity(1 << 16, stream) }
    }

    /// POST of a form; the status and the body.
    pub fn form(&mut self, path: &str, fields: &[(&str, &str)]) -> (u16, String) {
        let pairs: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
        self.post(path, "Content-Type: application/x-www-form-urlencoded\r\n", pairs.join("&").as_bytes())
    }

    /// POST of any body; `headers` each end in CRLF.
    pub fn post(&mut self, path: &str, headers: &str, body: &[u8]) -> (u16, String) {
        let mut request =
            format!("POST {path} HTTP/1.1\r\nHost: {}\r\n{headers}Content-Length: {}\r\n\r\n", self.address, body.len()).into_bytes();
        request.extend_from_slice(body);
        self.stream.get_mut().write_all(&request).expect("the server reads");
        self.answer().unwrap_or_else(|error| panic!("{}{path}: {error}: {}", self.address, String::from_utf8_lossy(body)))
    }

    fn line(&mut self) -> std::io::Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end().to_owned())
    }

    fn answer(&mut self) -> std::io::Result<(u16, String)> {
        let status = self.line()?.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
        let (mut length, mut chunked) = (0, false);
        loop {
            let line = self.line()?.to_ascii_lowercase();
            match line.split_once(':') {
                Some(("content-length", value)) => length = value.trim().parse().unwrap_or(0),
                Some(("transfer-encoding", value)) => chunked = value.contains("chunked"),
                Some(_) => {}
                None => break,
            }
        }
        let mut body = Vec::new();
        if chunked {
            loop {
                let size = usize::from_str_radix(&self.line()?, 16).map_err(std::io::Error::other)?;
                let at = body.len();
                body.resize(at + size, 0);
                self.stream.read_exact(&mut body[at..])?;
                self.line()?;
                if size == 0 {
                    break;
                }
            }
        } else {
            body.resize(length, 0);
            self.stream.read_exact(&mut body)?;
        }
        String::from_utf8(body).map(|body| (status, body)).map_err(std::io::Error::other)
    }
}

/// A value of a form.
fn encode(text: &str) -> String {
    text.bytes().map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}
