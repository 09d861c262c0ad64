use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::{TempFolder, free_port, get, wait_for};

/// The path of a program, looked for in `PATH` and where Debian puts daemons. None, with a message; in CI it must be there.
#[must_use]
pub fn find_program(name: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin", "/sbin", "/usr/bin"].map(Into::into));
    let found = folders.map(|folder| folder.join(name)).find(|path| path.is_file());
    if found.is_none() {
        assert!(std::env::var_os("SKOPOS_CI").is_none(), "{name} is missing, and .ci/run installs it");
        eprintln!("skipped: {name} is not installed");
    }
    found
}

/// A real name server on a port of 127.0.0.1, whose names a test changes. Answers NXDOMAIN to others.
pub struct Dnsmasq {
    child: Child,
    folder: TempFolder,
    port: u16,
}

impl Dnsmasq {
    /// None where dnsmasq is not installed.
    #[must_use]
    pub fn start(names: &[(&str, &[&str])]) -> Option<Self> {
        let program = find_program("dnsmasq")?;
        let folder = TempFolder::new("dns");
        let port = free_port();
        folder.write("hosts", hosts(names));
        let child = Command::new(program)
            .args(["--keep-in-foreground", "--no-resolv", "--no-hosts", "--bind-interfaces", "--listen-address=127.0.0.1", "--user=root"])
            .args(["--conf-file=/dev/null", "--pid-file=", "--local-ttl=0", "--local=/#/"])
            .arg(format!("--port={port}"))
            .arg(format!("--addn-hosts={}", folder.path().join("hosts").display()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("dnsmasq starts");
        let server = Self { child, folder, port };
        wait_for("dnsmasq", Duration::from_secs(10), || std::net::TcpStream::connect(server.address()).ok());
        Some(server)
    }

    /// `127.0.0.1:port`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Other names and addresses from now on.
    pub fn set(&self, names: &[(&str, &[&str])]) {
        self.folder.write("hosts", hosts(names));
        let status = Command::new("kill").arg("-HUP").arg(self.child.id().to_string()).status();
        assert!(status.is_ok_and(|s| s.success()), "dnsmasq takes a signal");
    }

    /// Stops it, so that nobody answers.
    pub fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Dnsmasq {
    fn drop(&mut self) {
        self.stop();
    }
}

fn hosts(names: &[(&str, &[&str])]) -> String {
    names.iter().flat_map(|(name, addresses)| addresses.iter().map(move |address| format!("{address} {name}\n"))).collect()
}

/// Debian's node exporter on a free port.
pub struct NodeExporter {
    child: Child,
    port: u16,
}

impl NodeExporter {
    /// None where it is not installed.
    #[must_use]
    pub fn start() -> Option<Self> {
        let program = find_program("prometheus-node-exporter")?;
        let port = free_port();
        let child = Command::new(program)
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the node exporter starts");
        let exporter = Self { child, port };
        wait_for("the node exporter", Duration::from_secs(20), || {
            (get(&format!("http://{}/metrics", exporter.address())).status == 200).then_some(())
        });
        Some(exporter)
    }

    /// `127.0.0.1:port`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

impl Drop for NodeExporter {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Debian's Prometheus on a free port, with a configuration of the test's own.
pub struct Prometheus {
    child: Child,
    port: u16,
    _folder: TempFolder,
}

impl Prometheus {
    /// None where it is not installed. Waits until it is ready.
    #[must_use]
    pub fn start(config: &str) -> Option<Self> {
        Self::start_with(config, &["--enable-feature=exemplar-storage"])
    }

    /// Likewise, with arguments of the test's own.
    #[must_use]
    pub fn start_with(config: &str, arguments: &[&str]) -> Option<Self> {
        let program = find_program("prometheus")?;
        let (folder, port) = (TempFolder::new("prometheus"), free_port());
        let file = folder.write("prometheus.yml", config);
        let child = Command::new(program)
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .args(arguments)
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("Prometheus starts");
        let prometheus = Self { child, port, _folder: folder };
        wait_for("Prometheus", Duration::from_secs(60), || (get(&prometheus.url("/-/ready")).status == 200).then_some(()));
        Some(prometheus)
    }

    /// The address of a path.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
