use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// What one connection of a [`RawServer`] may write and how long it may last: a test that goes wrong ends all the same.
const BYTES_MAX: u64 = 512 << 20;
const TIME_MAX: Duration = Duration::from_secs(60);

/// A server that sends bytes as a test says, whatever HTTP thinks of them. One request per connection. Ends with its value.
pub struct RawServer {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
}

impl RawServer {
    /// `conversation` gets the path of each request and where to write to, and ends by returning or by the first error.
    pub fn start(conversation: impl Fn(&str, &mut Wire) -> io::Result<()> + Send + Sync + 'static) -> Self {
        let conversation = Arc::new(conversation);
        Self::accepting(move |stream, stopped| {
            let (conversation, stopped) = (Arc::clone(&conversation), Arc::clone(stopped));
            thread::spawn(move || {
                let _ = stream.set_write_timeout(Some(TIME_MAX));
                let path = request_path(&stream)?;
                let mut wire = Wire { stream, left: BYTES_MAX, until: Instant::now() + TIME_MAX, stopped };
                conversation(&path, &mut wire)
            });
        })
    }

    /// Answers with `head`, then `rest` without end, a byte each `pause`, from one thread for all connections. `most` keeps
    /// how many there were at one time.
    pub fn dripping(head: &'static [u8], rest: &'static [u8], pause: Duration, most: Arc<AtomicUsize>) -> Self {
        let (sender, arrived) = std::sync::mpsc::channel::<TcpStream>();
        let server = Self::accepting(move |stream, _| {
            // The receiver ends with the server.
            let _ = stream.set_nonblocking(true).map(|()| sender.send(stream));
        });
        let stopped = Arc::clone(&server.stop);
        thread::spawn(move || {
            let begun = Instant::now();
            let mut drips: Vec<Drip> = Vec::new();
            while !stopped.load(Ordering::Relaxed) && begun.elapsed() < 2 * TIME_MAX {
                drips.extend(arrived.try_iter().map(|stream| Drip { stream, sent: 0, next: None }));
                drips.retain_mut(|drip| drip.go_on(head, rest, pause).is_ok());
                most.fetch_max(drips.len(), Ordering::Relaxed);
                thread::sleep(Duration::from_millis(20));
            }
        });
        server
    }

    fn accepting(mut serve: impl FnMut(TcpStream, &Arc<AtomicBool>) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
        let address = listener.local_addr().expect("it is bound");
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                serve(stream, &stopped);
            }
        });
        Self { address, stop }
    }

    /// `127.0.0.1:port`.
    #[must_use]
    pub fn address(&self) -> String {
        self.address.to_string()
    }
}

impl Drop for RawServer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Wakes the accepting thread.
        let _ = TcpStream::connect_timeout(&self.address, Duration::from_millis(200));
    }
}

/// Where a conversation writes to. Fails past the limits on bytes and time.
pub struct Wire {
    stream: TcpStream,
    left: u64,
    until: Instant,
    stopped: Arc<AtomicBool>,
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.stopped.load(Ordering::Relaxed) || Instant::now() > self.until || self.left < bytes.len() as u64 {
            return Err(io::Error::other("the limit of the test's server"));
        }
        let written = self.stream.write(bytes)?;
        self.left -= written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

fn request_path(stream: &TcpStream) -> io::Result<String> {
    let mut lines = BufReader::new(stream.take(64 << 10)).lines();
    let first = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    Ok(first.split(' ').nth(1).unwrap_or_default().to_owned())
}

/// One connection of a dripping server.
struct Drip {
    stream: TcpStream,
    sent: usize,
    /// When the next byte is due; none before the request has come.
    next: Option<Instant>,
}

impl Drip {
    /// Without waiting. Fails when the client is gone.
    fn go_on(&mut self, head: &[u8], rest: &[u8], pause: Duration) -> io::Result<()> {
        let mut request = [0; 4096];
        match self.stream.read(&mut request) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) if self.next.is_none() => {
                self.stream.write_all(head)?;
                self.next = Some(Instant::now() + pause);
            }
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
            _ => {}
        }
        if self.next.is_some_and(|next| next <= Instant::now()) {
            self.stream.write_all(&[rest[self.sent % rest.len()]])?;
            self.sent += 1;
            self.next = Some(Instant::now() + pause);
        }
        Ok(())
    }
}
