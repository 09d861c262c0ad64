//! Who may come in and change something, over the whole binary: users, TLS and headers of `--web.config.file`, and the faults H4
//! (traversal), H5 (other sites), H6 (guessed passwords), H12 (the first run).

#![expect(clippy::print_stdout, reason = "what a test counts and measures belongs into its output")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use test_support::{Setup, find_program, get, request, wait_for};

const BINARY: &str = env!("CARGO_BIN_EXE_skopos");
/// A guard against hanging. The default configuration compiles all plugins at its first start, a second or two of one processor, which
/// takes a minute where twenty others want it too.
const LIMIT: Duration = Duration::from_secs(180);

/// Of `secret` and `other`, by htpasswd.
const SECRET: &str = "$2y$10$iJJR/2t7lV1qYYOh0IwhCO4xuQhp1t0UMuLzCslbrhc7k8HcCgcE.";
const OTHER: &str = "$2y$10$sU.S3Hbl6jzCgO5dNF66auPkwWCwntoJq8X6NWofidoMqtb/wReaC";
/// `ann:secret`
const ANN: (&str, &str) = ("authorization", "Basic YW5uOnNlY3JldA==");
const QUIET: &str = "scrape_configs: []\n";

/// A server whose readiness may need a password, so that [`Setup::start`] could not tell.
struct Running {
    setup: Setup,
    child: Child,
}

impl Running {
    fn start(setup: Setup) -> Self {
        let child = setup.spawn();
        let mut running = Self { setup, child };
        wait_for("the block at start", LIMIT, || {
            let said = running.log().contains("  address ");
            let ended = running.child.try_wait().ok().flatten();
            assert!(said || ended.is_none(), "Skopos ended with {ended:?} before it was up");
            said.then_some(())
        });
        running
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.setup.folder().path().join("skopos.log")).unwrap_or_default()
    }

    fn address(&self) -> &str {
        self.setup.address()
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address())
    }

    /// Seconds of processor time so far (proc(5): ticks of a hundredth).
    fn cpu_seconds(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
        let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
        (ticks(11) + ticks(12)) / 100.0
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            println!("--- Skopos' log\n{}", self.log());
        }
    }
}

fn with_web_config(name: &str, text: &str) -> Setup {
    let setup = Setup::new(BINARY, name).config(QUIET);
    let file = setup.folder().write("web.yml", text);
    setup.argument(format!("--web.config.file={}", file.display()))
}

fn users(pairs: &[(&str, &str)]) -> String {
    let lines: Vec<String> = pairs.iter().map(|(name, hash)| format!("  {name}: \"{hash}\"\n")).collect();
    format!("basic_auth_users:\n{}", lines.concat())
}

fn run(program: &Path, folder: &Path, arguments: &[&str]) -> Output {
    Command::new(program).args(arguments).current_dir(folder).stdin(Stdio::null()).output().expect("the program starts")
}

/// A CA, a server's certificate for localhost and clients' with names, made by openssl.
fn certificates(openssl: &Path, folder: &Path) {
    let make = |arguments: &[&str]| {
        let output = run(openssl, folder, arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    let new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    for ca in ["ca", "stranger"] {
        let subject = format!("/CN={ca}");
        let (key, cert) = (format!("{ca}.key"), format!("{ca}.crt"));
        make(&[&["req", "-x509", "-days", "2", "-subj", &subject, "-keyout", &key, "-out", &cert][..], &new[..]].concat());
    }
    for (name, ca, names) in [
        ("server", "ca", "DNS:localhost,IP:127.0.0.1"),
        ("newer", "ca", "DNS:localhost,IP:127.0.0.1"),
        ("known", "ca", "DNS:client.example,email:ops@a.example"),
        ("unnamed", "ca", "DNS:other.example"),
        ("foreign", "stranger", "DNS:client.example"),
    ] {
        let file = |ending: &str| format!("{name}.{ending}");
        std::fs::write(folder.join(file("ext")), format!("subjectAltName={names}\n")).expect("written");
        let subject = format!("/CN={name}");
        make(&[&["req", "-subj", &subject, "-keyout", &file("key"), "-out", &file("csr")][..], &new[..]].concat());
        let (ca_cert, ca_key) = (format!("{ca}.crt"), format!("{ca}.key"));
        let (csr, ext, crt) = (file("csr"), file("ext"), file("crt"));
        make(&[
            "x509",
            "-req",
            "-in",
            &csr,
            "-CA",
            &ca_cert,
            "-CAkey",
            &ca_key,
            "-CAcreateserial",
            "-days",
            "2",
            "-extfile",
            &ext,
            "-out",
            &crt,
        ]);
    }
}

/// What curl says of an answer: status and version of HTTP, or 000.
fn curl(folder: &Path, address: &str, arguments: &[&str]) -> String {
    let curl = find_program("curl").expect("looked for before");
    let port = address.rsplit(':').next().unwrap_or_default();
    let url = format!("https://localhost:{port}/-/healthy");
    let fixed = ["-s", "-m", "20", "-o", "/dev/null", "-w", "%{http_code} %{http_version}", "--cacert", "ca.crt", &url];
    String::from_utf8_lossy(&run(&curl, folder, &[&fixed[..], arguments].concat()).stdout).into_owned()
}

#[test]
fn passwords_cover_everything_as_upstream() {
    let headers = "http_server_config: {headers: {X-Frame-Options: sameorigin, Strict-Transport-Security: max-age=9}}\n";
    let running = Running::start(with_web_config("users", &format!("{}{headers}", users(&[("ann", SECRET), ("bob", OTHER)]))));
    for path in [
        "/",
        "/-/healthy",
        "/-/ready",
        "/metrics",
        "/api/v1/query?query=1",
        "/api/v1/session",
        "/assets/x",
        "/none",
        "/plugins/x/",
        "/..%2f",
    ] {
        let answer = get(&running.url(path));
        assert_eq!(
            (answer.status, answer.body.as_str(), answer.header("www-authenticate")),
            (401, "Unauthorized\n", Some("Basic")),
            "{path}"
        );
    }
    assert_eq!(request("POST", &running.url("/-/reload"), &[], "").status, 401);
    // bob:secret, ann:secret2, carl:secret
    for wrong in ["Basic Ym9iOnNlY3JldA==", "Basic YW5uOnNlY3JldDI=", "Basic Y2FybDpzZWNyZXQ=", "Bearer x", "Basic"] {
        let answer = request("GET", &running.url("/-/healthy"), &[("authorization", wrong)], "");
        assert_eq!((answer.status, answer.body.as_str()), (401, "Unauthorized\n"), "{wrong}");
    }
    let answer = request("GET", &running.url("/-/healthy"), &[ANN], "");
    assert_eq!((answer.status, answer.body.as_str()), (200, "Prometheus Server is Healthy.\n"));
    assert_eq!((answer.header("x-frame-options"), answer.header("strict-transport-security")), (Some("sameorigin"), Some("max-age=9")));
    let session = request("GET", &running.url("/api/v1/session"), &[ANN], "").json();
    assert_eq!(
        (&session["data"]["user"], &session["data"]["users"], &session["data"]["read_only"]),
        (&"ann".into(), &true.into(), &false.into())
    );

    // A changed file counts at once; a wrong one does not, and is named.
    let file = running.setup.folder();
    file.write("web.yml", "basic_auth_users:\n  ann: plain\n");
    wait_for("the refusal", LIMIT, || running.log().contains("web.yml:2:8: ").then_some(()));
    assert!(!running.log().contains("plain"), "{}", running.log());
    assert_eq!(request("GET", &running.url("/-/healthy"), &[ANN], "").status, 200);
    file.write("web.yml", users(&[("ann", OTHER)]));
    wait_for("the new password", LIMIT, || (request("GET", &running.url("/-/healthy"), &[ANN], "").status == 401).then_some(()));
    file.write("web.yml", "");
    wait_for("no users", LIMIT, || (get(&running.url("/-/healthy")).status == 200).then_some(()));

    // The same asked of upstream, where it is installed.
    let upstream = Path::new("/usr/bin/prometheus");
    if !upstream.is_file() {
        println!("skipped: the comparison, for there is no prometheus");
        return;
    }
    let folder = running.setup.folder();
    folder.write("web.yml", users(&[("ann", SECRET)]));
    let address = format!("127.0.0.1:{}", test_support::free_port());
    let child = Command::new(upstream)
        .args(["--config.file=skopos.yml", "--web.config.file=web.yml", "--storage.tsdb.path=upstream"])
        .arg(format!("--web.listen-address={address}"))
        .current_dir(folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let theirs = Stopped(child);
    wait_for("our users", LIMIT, || (get(&running.url("/-/healthy")).status == 401).then_some(()));
    wait_for("upstream", LIMIT, || (get(&format!("http://{address}/-/healthy")).status == 401).then_some(()));
    let mut compared = 0;
    for (path, headers) in
        [("/-/healthy", vec![]), ("/none", vec![]), ("/-/healthy", vec![ANN]), ("/metrics", vec![("authorization", "Basic Ym9iOng=")])]
    {
        let [ours, upstreams] = [running.address(), &address].map(|at| request("GET", &format!("http://{at}{path}"), &headers, ""));
        let told = |a: &test_support::HttpAnswer| {
            let header = |name: &str| a.header(name).map(str::to_owned);
            (a.status, a.body.clone(), header("www-authenticate"), header("content-type"))
        };
        assert_eq!(told(&ours), told(&upstreams), "{path} {headers:?}");
        compared += 1;
    }
    println!("access upstream: {compared} passed, 0 failed, 0 skipped");
    drop(theirs);
}

/// A process that ends with its value.
struct Stopped(Child);

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn tls_with_all_kinds_of_clients() {
    let (Some(openssl), Some(_)) = (find_program("openssl"), find_program("curl")) else { return };
    let text = |client: &str| {
        format!("tls_server_config: {{cert_file: server.crt, key_file: server.key, {client}}}\n{}", users(&[("ann", SECRET)]))
    };
    let setup = with_web_config("tls", &text(""));
    let folder = setup.folder().path().to_owned();
    certificates(&openssl, &folder);
    let running = Running::start(setup);
    assert!(running.log().contains(&format!("https://{}", running.address())), "{}", running.log());
    let ask = |arguments: &[&str]| curl(&folder, running.address(), arguments);
    let with =
        |name: &str| ["-u".to_owned(), "ann:secret".into(), "--cert".into(), format!("{name}.crt"), "--key".into(), format!("{name}.key")];
    assert_eq!(ask(&["-u", "ann:secret"]), "200 2");
    assert_eq!(ask(&["-u", "ann:secret", "--http1.1"]), "200 1.1");
    assert_eq!(ask(&["-u", "ann:secret", "--tls-max", "1.2"]), "200 2");
    assert_eq!(ask(&["-u", "ann:wrong"]), "401 2");
    assert_eq!(ask(&["--tls-max", "1.1"]), "000 0");
    // Whoever forgets the s is told so.
    let mut plain = TcpStream::connect(running.address()).expect("it listens");
    plain.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("sent");
    let mut answer = String::new();
    let _ = plain.read_to_string(&mut answer);
    assert!(answer.starts_with("HTTP/1.0 400") && answer.contains("Client sent an HTTP request to an HTTPS server."), "{answer}");

    let mut checked = 0;
    let ca = "client_ca_file: ca.crt";
    let sans = "client_allowed_sans: [client.example]";
    let mail = "client_allowed_sans: [ops@a.example]";
    // Statuses with: no certificate, a known one, one with another name, a stranger's.
    for (client, expected) in [
        ("client_auth_type: NoClientCert".to_owned(), [200, 200, 200, 200]),
        ("client_auth_type: RequestClientCert".to_owned(), [200, 200, 200, 200]),
        ("client_auth_type: RequireAnyClientCert".to_owned(), [0, 200, 200, 200]),
        (format!("client_auth_type: RequireAnyClientCert, {sans}"), [0, 200, 0, 200]),
        // Names are asked of everyone: who shows no certificate has none.
        (format!("client_auth_type: RequestClientCert, {sans}"), [0, 200, 0, 200]),
        (format!("client_auth_type: VerifyClientCertIfGiven, {ca}, {sans}"), [0, 200, 0, 0]),
        (format!("client_auth_type: VerifyClientCertIfGiven, {ca}"), [200, 200, 200, 0]),
        (format!("client_auth_type: RequireAndVerifyClientCert, {ca}"), [0, 200, 200, 0]),
        (format!("client_auth_type: RequireAndVerifyClientCert, {ca}, {sans}"), [0, 200, 0, 0]),
        (format!("client_auth_type: RequireAndVerifyClientCert, {ca}, {mail}, min_version: TLS13"), [0, 200, 0, 0]),
    ] {
        let before = running.log().matches("the web configuration is taken up").count();
        running.setup.folder().write("web.yml", text(&client));
        wait_for("the change", LIMIT, || (running.log().matches("the web configuration is taken up").count() > before).then_some(()));
        for (name, expected) in ["", "known", "unnamed", "foreign"].into_iter().zip(expected) {
            let arguments = if name.is_empty() { vec!["-u".to_owned(), "ann:secret".into()] } else { with(name).to_vec() };
            let told = ask(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
            assert_eq!(told.split(' ').next(), Some(format!("{expected:03}").as_str()), "{client} {name:?}: {told}");
            checked += 1;
        }
    }
    println!("access clients: {checked} passed, 0 failed, 0 skipped");
    running.setup.folder().write("web.yml", text("min_version: TLS13").replacen("basic", "http_server_config: {http2: false}\nbasic", 1));
    wait_for("HTTP/1.1", LIMIT, || (ask(&["-u", "ann:secret"]) == "200 1.1").then_some(()));
    assert_eq!(ask(&["-u", "ann:secret", "--tls-max", "1.2"]), "000 0");

    // A renewed certificate counts without a restart, and half of one changes nothing.
    let serial = || {
        let script = format!(
            "echo | {} s_client -connect {} 2>/dev/null | {} x509 -noout -serial",
            openssl.display(),
            running.address(),
            openssl.display()
        );
        String::from_utf8_lossy(&run(Path::new("/bin/sh"), &folder, &["-c", &script]).stdout).into_owned()
    };
    let before = serial();
    assert!(before.starts_with("serial="), "{before}");
    std::fs::copy(folder.join("newer.crt"), folder.join("server.crt")).expect("copied");
    wait_for("the refusal", LIMIT, || running.log().contains("the web configuration is not taken up").then_some(()));
    assert_eq!(serial(), before, "{}", running.log());
    std::fs::copy(folder.join("newer.key"), folder.join("server.key")).expect("copied");
    wait_for("the new certificate", LIMIT, || (serial() != before && serial().starts_with("serial=")).then_some(()));
}

#[test]
fn a_wrong_web_configuration_is_refused_with_its_place() {
    let folder = Setup::new(BINARY, "web-config");
    let folder = folder.folder();
    let mut checked = 0;
    for (text, expected) in [
        ("basic_auth_user: {}\n", "web.yml:1:1: basic_auth_user: unknown key \"basic_auth_user\"; did you mean \"basic_auth_users\"?"),
        ("basic_auth_users:\n  ann: secret\n", "web.yml:2:8: basic_auth_users.ann: this is not a bcrypt hash"),
        ("basic_auth_users:\n  ann: \"$2y$20$iJJR/2t7lV1qYYOh0IwhCO4xuQhp1t0UMuLzCslbrhc7k8HcCgcE.\"\n", "cost 20"),
        ("basic_auth_users:\n  \"a:b\": x\n", "web.yml:2:3: "),
        ("tls_server_config: {cert_file: none.crt, key_file: none.key}\n", "none.crt: No such file"),
        ("tls_server_config: {cert_file: web.yml}\n", "key_file is missing"),
        ("tls_server_config: {cert_file: web.yml, key_file: web.yml}\n", "there is no certificate in PEM"),
        ("tls_server_config:\n  cert_file: a\n  cert: b\n", "web.yml:2:14: "),
        (
            "tls_server_config: {client_auth_type: RequireAndVerifyClientCerts, cert: x, key: y}\n",
            "did you mean \"RequireAndVerifyClientCert\"",
        ),
        ("tls_server_config: {client_auth_type: RequireAndVerifyClientCert, cert: x, key: y}\n", "needs client_ca_file"),
        ("tls_server_config: {client_allowed_sans: [a], cert: x, key: y}\n", "are not asked for"),
        ("tls_server_config: {cipher_suites: [TLS_RSA_WITH_RC4_128_SHA]}\n", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"),
        ("tls_server_config: {curve_preferences: [CurveP521]}\n", "X25519"),
        ("tls_server_config: {max_version: TLS11}\n", "TLS12"),
        ("tls_server_config: {min_version: TLS13, max_version: TLS12}\n", "below min_version"),
        ("http_server_config: {headers: {X-Frame-Options: allow}}\n", "deny or sameorigin"),
        ("http_server_config: {headers: {Server: x}}\n", "cannot be set"),
        ("http_server_config: {http2: maybe}\n", "true or false"),
        ("a: [\n", "web.yml:"),
    ] {
        folder.write("web.yml", text);
        let output = run(Path::new(BINARY), folder.path(), &["check", "web-config", "web.yml"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(1) && said.contains(expected) && said.contains("web.yml:"), "{text}: {said}");
        checked += 1;
    }
    println!("access web-config: {checked} passed, 0 failed, 0 skipped");
    folder.write("web.yml", users(&[("ann", SECRET)]));
    let output = run(Path::new(BINARY), folder.path(), &["check", "web-config", "web.yml"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // The server says the same and does not start.
    folder.write("web.yml", "basic_auth_users: {ann: secret}\n");
    let output = run(Path::new(BINARY), folder.path(), &["--web.config.file=web.yml", "--web.listen-address=127.0.0.1:0"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("--web.config.file: web.yml:1:25: basic_auth_users.ann"), "{said}");
    let output = run(Path::new(BINARY), folder.path(), &["--web.cors.origin=("]);
    assert!(!output.status.success() && String::from_utf8_lossy(&output.stderr).contains("--web.cors.origin"));
}

#[test]
fn h4_no_path_leads_out() {
    let setup = Setup::new(BINARY, "h4").config(QUIET);
    setup.folder().write("canary.txt", "CANARY-OF-H4");
    let running = Running::start(setup);
    let trace = running.setup.folder().path().join("trace");
    let watch = find_program("strace").and_then(|strace| {
        let (pid, out) = (running.child.id().to_string(), trace.display().to_string());
        let child =
            Command::new(strace).args(["-f", "-qq", "-e", "trace=%file", "-o", &out, "-p", &pid]).stderr(Stdio::null()).spawn().ok()?;
        std::thread::sleep(Duration::from_secs(1));
        Some(Stopped(child))
    });
    let bases = [
        "",
        "/d/",
        "/assets/",
        "/plugins/",
        "/plugins/slack/",
        "/public/plugins/alertlist/",
        "/render/public/",
        "/api/v1/dashboards/",
        "/api/v1/label/",
    ];
    let targets = ["etc/passwd", "proc/self/environ", "canary.txt", "data/lock"];
    let steps =
        ["../", "..%2f", "%2e%2e/", "%2e%2e%2f", "..%252f", "%252e%252e%252f", "..%5c", "..\\", "..%c0%af", "..;/", "....//", "%00../"];
    // As CVE-2021-43798 and CVE-2025-4123 were written.
    let mut paths: Vec<String> = [
        "/public/plugins/alertlist/../../../../../../../../../../../etc/passwd",
        "/public/plugins/text/#/../../../../../../../../../../etc/passwd",
        "/public/..%2F%5cevil.example%2F%3f%2F..%2F..",
        "/render/public/..%252f%255Cevil.example%252f%253F%252f..%252f..",
        "/\\evil.example",
        "//evil.example/%2f..",
        "/assets//etc/passwd",
        "/assets/%00",
        "/d//etc/passwd",
        "/d/home%00.yml",
        "/api/v1/dashboards/%2fetc%2fpasswd",
        "/plugins/%2fetc%2fpasswd/metrics",
    ]
    .map(str::to_owned)
    .to_vec();
    for base in bases {
        for step in steps {
            for target in targets {
                paths.extend([1, 4, 12].map(|times| format!("{base}{}{target}", step.repeat(times))));
            }
        }
    }
    let mut statuses = std::collections::BTreeMap::<u16, usize>::new();
    let mut connection = Wire::new(running.address());
    for path in &paths {
        let (status, head, body) = connection.ask(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        *statuses.entry(status).or_default() += 1;
        assert!(!body.contains("root:") && !body.contains("CANARY") && !body.contains("PATH="), "{path}: {body}");
        assert!(!head.contains("evil.example"), "{path}: {head}");
        assert!(matches!(status, 400 | 404), "{path}: {status} {body}");
    }
    println!("access traversal: {} passed, 0 failed, 0 skipped: {statuses:?}", paths.len());
    drop(watch);
    let Ok(calls) = std::fs::read_to_string(&trace) else {
        println!("skipped: what was opened, for strace could not watch");
        return;
    };
    let outside: Vec<&str> =
        calls.lines().filter(|l| l.contains("canary") || l.contains("passwd") || l.contains("environ") || l.contains("../")).collect();
    assert!(outside.is_empty(), "{outside:#?}");
    println!("access traversal: strace saw {} calls about files, none of them outside", calls.lines().count());
}

/// Requests as written, on one connection while it lasts.
struct Wire {
    address: String,
    stream: Option<TcpStream>,
}

impl Wire {
    fn new(address: &str) -> Self {
        Self { address: address.to_owned(), stream: None }
    }

    /// Status, head and body of the answer.
    fn ask(&mut self, request: &str) -> (u16, String, String) {
        for _ in 0..3 {
            let mut stream = self.stream.take().unwrap_or_else(|| TcpStream::connect(&self.address).expect("it listens"));
            stream.set_read_timeout(Some(LIMIT)).expect("a socket");
            if stream.write_all(request.as_bytes()).is_ok()
                && let Some(answer) = Self::read(&mut stream)
            {
                if answer.0 != 400 && !answer.1.contains("connection: close") {
                    self.stream = Some(stream);
                }
                return answer;
            }
        }
        panic!("no answer to {request}");
    }

    fn read(stream: &mut TcpStream) -> Option<(u16, String, String)> {
        let (mut bytes, mut part) = (Vec::new(), [0; 8192]);
        loop {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let head = head.to_ascii_lowercase();
                let length = head.lines().find_map(|l| l.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0_usize);
                if body.len() >= length {
                    return Some((head.get(9..12)?.parse().ok()?, head, body.to_owned()));
                }
            }
            match stream.read(&mut part) {
                Ok(count) if count > 0 => bytes.extend_from_slice(&part[..count]),
                _ => return None,
            }
        }
    }
}

#[test]
fn h5_other_sites_neither_change_nor_read_nor_frame() {
    let setup = with_web_config("h5", &users(&[("ann", SECRET)])).argument("--web.enable-lifecycle");
    let running = Running::start(setup);
    let own = format!("http://{}", running.address());
    let token = request("GET", &running.url("/api/v1/session"), &[ANN], "").json()["data"]["token"].as_str().expect("a token").to_owned();
    let evil = "http://evil.example";
    // The browser adds the password it knows; that is what makes these attacks.
    let refused: Vec<Vec<(&str, &str)>> = vec![
        vec![("origin", evil)],
        vec![("origin", "null")],
        vec![("origin", evil), ("sec-fetch-site", "cross-site"), ("content-type", "text/plain")],
        vec![("sec-fetch-site", "same-site")],
        vec![("cookie", "a=b")],
        vec![("origin", &own)],
        vec![("origin", &own), ("x-skopos-token", "0")],
        vec![("origin", evil), ("x-skopos-token", &token)],
        vec![("origin", "http://localhost.evil.example"), ("x-skopos-token", &token)],
        vec![("host", "evil.example"), ("origin", evil), ("x-skopos-token", &token)],
    ];
    let mut count = 0;
    for headers in &refused {
        for path in ["/-/reload", "/api/v1/receivers/x/test", "/api/v1/admin/tsdb/snapshot", "/plugins/access-log/access-log"] {
            let headers = [&[ANN][..], headers].concat();
            assert_eq!(request("POST", &running.url(path), &headers, "").status, 403, "{path} {headers:?}");
            count += 1;
        }
    }
    assert_eq!(request("POST", &running.url("/-/reload"), &[ANN, ("origin", &own), ("x-skopos-token", &token)], "").status, 200);
    assert_eq!(request("POST", &running.url("/-/reload"), &[ANN], "").status, 200, "a script");
    for path in ["/", "/targets", "/d/home", "/api/v1/session", "/api/v1/query?query=1", "/metrics", "/none", "/plugins/access-log/"] {
        for method in ["GET", "OPTIONS"] {
            let asked = [ANN, ("origin", evil), ("access-control-request-method", "POST")];
            let answer = request(method, &running.url(path), &asked, "");
            assert_eq!(answer.header("access-control-allow-origin"), None, "{method} {path}");
            assert_eq!(answer.header("access-control-allow-headers"), None, "{method} {path}");
            assert_eq!(answer.header("x-frame-options").map(str::to_ascii_lowercase).as_deref(), Some("deny"), "{method} {path}");
            assert_eq!(answer.header("cross-origin-resource-policy"), Some("same-origin"), "{method} {path}");
            let policy = answer.header("content-security-policy").unwrap_or_default();
            assert!(policy.contains("frame-ancestors 'none'") || policy.starts_with("sandbox"), "{method} {path}: {policy}");
            count += 1;
        }
    }
    assert_eq!(
        request("GET", &running.url("/api/v1/session"), &[ANN, ("host", "evil.example")], "").status,
        403,
        "a name that was pointed here"
    );
    println!("access other sites: {count} passed, 0 failed, 0 skipped");
}

/// As RFC 4648 has it.
fn base64(text: &str) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let letters = text.as_bytes().chunks(3).flat_map(|chunk| {
        let bits = (0..3).fold(0_usize, |bits, at| bits << 8 | usize::from(chunk.get(at).copied().unwrap_or(0)));
        (0..4).map(move |at| if at <= chunk.len() { char::from(LETTERS[bits >> (18 - 6 * at) & 63]) } else { '=' })
    });
    letters.collect()
}

#[test]
fn h6_guessing_is_slow_cheap_and_no_harm_to_others() {
    let running = Running::start(with_web_config("h6", &users(&[("ann", SECRET), ("bob", OTHER)])));
    // The hundred thousand take as long as the server lets them; this is what it lets through in a while.
    let (workers, time) = (100, Duration::from_secs(15));
    let (begun, before) = (Instant::now(), running.cpu_seconds());
    // Nobody stops guessing before those below had their answers: an address that paused for six seconds may try again.
    let answered = Arc::new(AtomicBool::new(false));
    let guesses: Vec<_> = (0..workers)
        .map(|worker| {
            let (address, answered) = (running.address().to_owned(), Arc::clone(&answered));
            std::thread::spawn(move || {
                let (mut wire, mut counts) = (Wire::new(&address), [0_u64; 3]);
                let mut guess = 0;
                while begun.elapsed() < time || !answered.load(Ordering::Relaxed) {
                    let name = if worker % 2 == 0 { "ann" } else { "bob" };
                    let pair = base64(&format!("{name}:{worker} {guess}"));
                    guess += 1;
                    match wire
                        .ask(&format!("GET /api/v1/query?query=1 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {pair}\r\n\r\n"))
                        .0
                    {
                        401 => counts[0] += 1,
                        429 | 503 => counts[1] += 1,
                        _ => counts[2] += 1,
                    }
                }
                counts
            })
        })
        .collect();
    std::thread::sleep(time / 2);
    // Meanwhile somebody who knows the password comes from elsewhere.
    let Some(curl) = find_program("curl") else { return };
    let url = running.url("/-/healthy");
    let come = |pair: &str, from: &str| {
        let output =
            run(&curl, Path::new("/"), &["-s", "-m", "50", "-o", "/dev/null", "-w", "%{http_code}", "-u", pair, "--interface", from, &url]);
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let right = come("ann:secret", "127.0.0.2");
    let right_again = come("bob:other", "127.0.0.3");
    let same_address = come("ann:secret", "127.0.0.1");
    answered.store(true, Ordering::Relaxed);
    let counts = guesses.into_iter().map(|g| g.join().expect("it ends")).fold([0; 3], |a, b| [a[0] + b[0], a[1] + b[1], a[2] + b[2]]);
    let (took, cpu) = (begun.elapsed().as_secs_f64(), running.cpu_seconds() - before);
    let sent = counts[0] + counts[1] + counts[2];
    println!(
        "access guessing: {sent} wrong passwords in {took:.1} s over {workers} connections: {} compared and wrong, {} turned away, {} let in; \
         {:.1} % of one processor, {:.3} ms each; 100 000 of them would take {:.0} s",
        counts[0],
        counts[1],
        counts[2],
        cpu / took * 100.0,
        cpu / sent as f64 * 1000.0,
        100_000.0 / (sent as f64 / took),
    );
    assert_eq!(counts[2], 0);
    // Ten at once, one more in six seconds, two that run at the same time.
    assert!(counts[0] <= 10 + took as u64 / 6 + 4, "{counts:?}");
    assert_eq!((right.as_str(), right_again.as_str(), same_address.as_str()), ("200", "200", "429"));
}

#[test]
fn h12_the_first_run_lets_nobody_else_in() {
    // Loopback unless told otherwise.
    let default = Setup::new(BINARY, "h12").config(QUIET);
    let output = run(Path::new(BINARY), default.folder().path(), &["--help"]);
    assert!(String::from_utf8_lossy(&output.stdout).contains("[default: 127.0.0.1:9090]"));
    let running = Running::start(default);
    assert!(!running.log().contains("read-only"), "{}", running.log());
    let session = get(&running.url("/api/v1/session")).json();
    assert_eq!((&session["data"]["loopback"], &session["data"]["read_only"]), (&true.into(), &false.into()));

    // Elsewhere: read-only, says so everywhere, and no password that somebody could know helps.
    let port = test_support::free_port();
    let open = Setup::new(BINARY, "h12-open").config(QUIET).listen(&format!("0.0.0.0:{port}")).argument("--web.enable-lifecycle");
    let file = open.folder().path().join("web.yml");
    let running = Running::start(open);
    let url = |path: &str| format!("http://127.0.0.1:{port}{path}");
    let log = running.log();
    assert!(log.matches("read-only").count() >= 2 && log.contains("--web.config.file"), "{log}");
    let session = get(&url("/api/v1/session")).json();
    assert_eq!((&session["data"]["read_only"], &session["data"]["reason"]), (&true.into(), &"no_users".into()));
    // admin:admin, admin:password, admin:, root:root, prometheus:prometheus
    for pair in ["YWRtaW46YWRtaW4=", "YWRtaW46cGFzc3dvcmQ=", "YWRtaW46", "cm9vdDpyb290", "cHJvbWV0aGV1czpwcm9tZXRoZXVz"] {
        let answer = request("POST", &url("/-/reload"), &[("authorization", &format!("Basic {pair}"))], "");
        assert!(answer.status == 403 && answer.body.contains("--web.config.file"), "{answer:?}");
    }
    assert_eq!(get(&url("/api/v1/query?query=1")).status, 200, "reading goes on");
    drop(running);

    // With users it can be changed, by users.
    let open = Setup::new(BINARY, "h12-users").config(QUIET).listen(&format!("0.0.0.0:{port}")).argument("--web.enable-lifecycle");
    let web = open.folder().write("web.yml", users(&[("ann", SECRET)]));
    let running = Running::start(open.argument(format!("--web.config.file={}", web.display())));
    assert!(!running.log().contains("read-only"), "{}", running.log());
    assert!(running.log().contains("passwords cross the network readable"), "{}", running.log());
    assert_eq!(request("POST", &url("/-/reload"), &[], "").status, 401);
    assert_eq!(request("POST", &url("/-/reload"), &[ANN], "").status, 200);
    assert!(!file.exists(), "nothing was made by itself");
}

/// The first page says how users are added. Who does that on the default configuration still sees all of it.
#[test]
fn the_default_configuration_still_watches_itself_with_users_and_below_a_path() {
    let setup = Setup::new(BINARY, "own-pass").argument("--web.route-prefix=/mon");
    let web = setup.folder().write("web.yml", users(&[("ann", SECRET)]));
    let running = Running::start(setup.argument(format!("--web.config.file={}", web.display())));
    let query = running.url("/mon/api/v1/query?query=count(up%20==%201)%20==%20count(up)%20==%204");
    let good = || request("GET", &query, &[ANN], "").json()["data"]["result"].as_array().is_some_and(|found| !found.is_empty());
    wait_for("all targets to answer", LIMIT, || good().then_some(()));
    // Its pass is for metrics alone, shown nowhere, and nobody else has one.
    assert_eq!(get(&running.url("/mon/metrics")).status, 401);
    let wrong = ("authorization", "Bearer 0000000000000000000000000000000000000000000000000000000000000000");
    assert_eq!(request("GET", &running.url("/mon/metrics"), &[wrong], "").status, 401);
    let shown = request("GET", &running.url("/mon/api/v1/status/config"), &[ANN], "");
    assert!(shown.body.matches("credentials: <secret>").count() == 3, "{}", shown.body);
}
