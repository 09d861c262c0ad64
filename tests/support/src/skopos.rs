use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::{HttpAnswer, TempFolder, free_port, get, wait_for};

/// How to start a Skopos. The folder outlives the process, so that a second one finds its data.
pub struct Setup {
    binary: PathBuf,
    folder: TempFolder,
    config: Option<PathBuf>,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    listen: String,
}

impl Setup {
    /// `binary` is `env!("CARGO_BIN_EXE_skopos")`.
    #[must_use]
    pub fn new(binary: &str, name: &str) -> Self {
        Self {
            binary: binary.into(),
            folder: TempFolder::new(name),
            config: None,
            arguments: Vec::new(),
            environment: Vec::new(),
            listen: format!("127.0.0.1:{}", free_port()),
        }
    }

    /// The configuration's text. Without it the embedded one counts.
    #[must_use]
    pub fn config(mut self, text: &str) -> Self {
        self.config = Some(self.folder.write("skopos.yml", text));
        self
    }

    /// One more argument.
    #[must_use]
    pub fn argument(mut self, text: impl Into<String>) -> Self {
        self.arguments.push(text.into());
        self
    }

    /// One more environment variable.
    #[must_use]
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// An address in place of a free port of 127.0.0.1.
    #[must_use]
    pub fn listen(mut self, address: &str) -> Self {
        address.clone_into(&mut self.listen);
        self
    }

    /// The folder with the configuration, `data/` and `plugins/`.
    #[must_use]
    pub fn folder(&self) -> &TempFolder {
        &self.folder
    }

    /// Where it will listen.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.listen
    }

    /// Starts the process without waiting.
    #[must_use]
    pub fn spawn(&self) -> Child {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.log_path()).expect("the log can be written");
        let mut command = Command::new(&self.binary);
        command
            .current_dir(self.folder.path())
            .arg(format!("--web.listen-address={}", self.listen))
            .arg(format!("--storage.tsdb.path={}", self.folder.path().join("data").display()))
            .args(self.config.iter().map(|path| format!("--config.file={}", path.display())))
            .args(&self.arguments)
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file can be shared"))
            .stderr(log);
        command.spawn().expect("the binary starts")
    }

    /// Starts the process and waits until it is ready.
    #[must_use]
    pub fn start(self) -> Skopos {
        let child = self.spawn();
        let mut skopos = Skopos { setup: self, child };
        skopos.wait_ready();
        skopos
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("skopos.log")
    }
}

/// A running Skopos. Killed with its value.
pub struct Skopos {
    setup: Setup,
    child: Child,
}

impl Skopos {
    /// Starts it on a free port with this configuration.
    #[must_use]
    pub fn start(binary: &str, name: &str, config: &str) -> Self {
        Setup::new(binary, name).config(config).start()
    }

    /// Waits until `/-/ready` answers 200.
    pub fn wait_ready(&mut self) {
        let url = self.url("/-/ready");
        for _ in 0..1200 {
            if get(&url).status == 200 {
                return;
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                panic!("Skopos ended with {status} before it was ready:\n{}", self.log());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("Skopos was not ready after a minute:\n{}", self.log());
    }

    /// `http://address` and the path.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.setup.listen)
    }

    /// `host:port`.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.setup.listen
    }

    /// The folder with the configuration and the data.
    #[must_use]
    pub fn folder(&self) -> &TempFolder {
        &self.setup.folder
    }

    /// The data directory.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.folder().path().join("data")
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// GET of a path.
    #[must_use]
    pub fn get(&self, path: &str) -> HttpAnswer {
        get(&self.url(path))
    }

    /// The `result` of an instant query, an empty list if it fails.
    #[must_use]
    pub fn query(&self, expr: &str) -> Vec<Value> {
        let answer = self.get(&format!("/api/v1/query?query={}", encode(expr)));
        answer.json()["data"]["result"].as_array().cloned().unwrap_or_default()
    }

    /// The value of an instant query with one result.
    #[must_use]
    pub fn query_value(&self, expr: &str) -> Option<f64> {
        match self.query(expr).as_slice() {
            [one] => one["value"][1].as_str()?.parse().ok(),
            _ => None,
        }
    }

    /// Waits until an instant query's results satisfy a condition, and returns them.
    #[track_caller]
    pub fn wait_query(&self, expr: &str, limit: Duration, mut good: impl FnMut(&[Value]) -> bool) -> Vec<Value> {
        let mut last = Vec::new();
        let begun = std::time::Instant::now();
        while begun.elapsed() < limit {
            last = self.query(expr);
            if good(&last) {
                return last;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("waited {limit:?} for {expr}; last result {}\n{}", Value::from(last), self.log_tail());
    }

    /// Everything it has printed.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.setup.log_path()).unwrap_or_default()
    }

    /// The end of what it has printed.
    #[must_use]
    pub fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }

    /// SIGKILL, then a new process on the same folder; waits until it is ready.
    pub fn kill_and_restart(&mut self) {
        self.kill();
        self.child = self.setup.spawn();
        self.wait_ready();
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Sends a signal by name (`HUP`, `TERM`) to this process.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").arg(format!("-{name}")).arg(self.pid().to_string()).status();
        assert!(status.is_ok_and(|s| s.success()), "the signal {name} could not be sent");
    }

    /// Waits for the process to end by itself and returns its exit code.
    pub fn wait_exit(&mut self, limit: Duration) -> Option<i32> {
        let child = &mut self.child;
        wait_for("Skopos to end", limit, || child.try_wait().ok().flatten()).code()
    }

    /// Whether the process has not ended.
    #[must_use]
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Starts a new process on the same folder, which is expected to end by itself; its exit code once it did.
    pub fn start_again_expecting_end(&mut self) -> Option<Option<i32>> {
        self.kill();
        self.child = self.setup.spawn();
        Some(self.wait_exit(Duration::from_secs(60)))
    }

    /// A file of the process in `/proc`.
    #[must_use]
    pub fn proc_file(&self, name: &str) -> String {
        fs::read_to_string(Path::new("/proc").join(self.pid().to_string()).join(name)).unwrap_or_default()
    }

    /// Resident memory in bytes.
    #[must_use]
    pub fn resident_bytes(&self) -> u64 {
        self.status_number("VmRSS:") << 10
    }

    /// The most resident memory in bytes since the start or the last [`Skopos::reset_peak`].
    #[must_use]
    pub fn peak_bytes(&self) -> u64 {
        self.status_number("VmHWM:") << 10
    }

    /// From now on the peak counts anew.
    pub fn reset_peak(&self) {
        // What proc(5) says of clear_refs.
        let path = Path::new("/proc").join(self.pid().to_string()).join("clear_refs");
        fs::write(path, "5").expect("a process of our own");
    }

    /// A number of `/proc/<pid>/status`, 0 if it is not there.
    #[must_use]
    pub fn status_number(&self, name: &str) -> u64 {
        let status = self.proc_file("status");
        let number = status.lines().find_map(|l| l.strip_prefix(name)).and_then(|l| l.split_whitespace().next()?.parse::<u64>().ok());
        number.unwrap_or(0)
    }

    /// How many files and sockets it has open.
    #[must_use]
    pub fn open_files(&self) -> usize {
        fs::read_dir(Path::new("/proc").join(self.pid().to_string()).join("fd")).map_or(0, Iterator::count)
    }
}

impl Drop for Skopos {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("--- the end of Skopos' log\n{}", self.log_tail());
        }
    }
}

/// Percent-encodes what is not plain.
fn encode(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
        out
    })
}
