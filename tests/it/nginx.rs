//! Paths against a real nginx, which decodes and normalises them: what a client lets through stays below where it seems to go.
//! Needs an nginx (`KEYWAY_NGINX`, or one in the path); without one it says so and does nothing. `.ci/long.d/paths` brings one.

use keyway::{ErrorKind, vms};
use std::{
    env, fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

/// An nginx in front of itself: once it serves what it has decoded, and below `/twice` it passes that on as it is, so that it is
/// decoded again.
struct Nginx {
    process: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn program() -> Option<PathBuf> {
    if let Some(given) = env::var_os("KEYWAY_NGINX") {
        return Some(given.into());
    }
    let folders = env::var_os("PATH")?;
    let folders = env::split_paths(&folders).chain([PathBuf::from("/usr/sbin")]);
    folders.map(|folder| folder.join("nginx")).find(|program| program.is_file())
}

impl Nginx {
    fn start() -> Option<Self> {
        let program = program()?;
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let (at, file) = (folder.path().display(), folder.path().join("nginx.conf"));
        let settings = format!(
            r#"
            daemon off; master_process off; pid {at}/pid; error_log {at}/errors;
            events {{ worker_connections 64; }}
            http {{
                access_log off; keepalive_requests 1000000; merge_slashes on;
                client_body_temp_path {at}/b; proxy_temp_path {at}/p; fastcgi_temp_path {at}/f;
                uwsgi_temp_path {at}/u; scgi_temp_path {at}/s;
                server {{
                    listen 127.0.0.1:{port};
                    location = /api/v1/token {{ return 200 '{{"access_token":"the-token"}}'; }}
                    location = /api/v1/static/basic {{ return 404 '{{}}'; }}
                    location /api/v1/files/ {{ return 200 '{{"status":"files"}}'; }}
                    location /api/v1/sessions/ {{ return 200 '{{"status":"files"}}'; }}
                    location /twice/ {{ rewrite ^/twice(/.*)$ $1 break; proxy_pass http://127.0.0.1:{port}$uri; }}
                    location / {{ return 200 '{{"status":"elsewhere"}}'; }}
                }}
            }}"#
        );
        fs::write(&file, settings).unwrap();
        let mut command = Command::new(program);
        let process = command.arg("-c").arg(&file).arg("-p").arg(folder.path()).stdout(Stdio::null()).spawn().unwrap();
        let nginx = Self { process, port, _folder: folder };
        for _ in 0..1000 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Some(nginx);
            }
            std::thread::park_timeout(Duration::from_millis(10));
        }
        panic!("nginx does not listen");
    }

    /// Where a path leads that no client of ours has looked at.
    fn leads(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

const PIECES: [&str; 14] =
    ["..", ".", "%2e", "%2E%2e", "%252e%252e", "/", "%2f", "%252F", "\\", "%5c", ";", "%3b", "a", "%25"];

/// All that can be put together of up to so many pieces.
fn paths(most: usize) -> Vec<String> {
    let mut all = vec![String::new()];
    let mut last = all.clone();
    for _ in 0..most {
        last = last.iter().flat_map(|path| PIECES.iter().map(move |piece| format!("{path}{piece}"))).collect();
        all.extend(last.iter().cloned());
    }
    all
}

#[apply(leak_checked!)]
async fn what_is_let_through_stays_where_it_seems_to_go() {
    let Some(nginx) = Nginx::start() else {
        println!("left out: here is no nginx; .ci/long.d/paths brings one");
        return;
    };
    let root = format!("http://127.0.0.1:{}", nginx.port);
    let client = vms::Client::builder(&root).password("operator", "the-password").build().unwrap();
    let depth = env::var("KEYWAY_PATHS").ok().and_then(|depth| depth.parse().ok()).unwrap_or(3);
    let (mut sent, mut refused, mut elsewhere) = (0, 0, 0);
    for path in paths(depth) {
        for below in ["/api/v1/files/", "/twice/api/v1/files/"] {
            let whole = format!("{below}{path}");
            match client.http().get(&whole).send().await {
                Ok(answer) => {
                    sent += 1;
                    let (status, said) = (answer.status(), answer.text().await.unwrap());
                    assert!(!said.contains("elsewhere"), "{whole} led elsewhere");
                    assert!(said.contains("files") || status.is_client_error(), "{whole}: {status} {said}");
                }
                Err(error) => {
                    assert_eq!((error.kind(), error.is_local()), (ErrorKind::Config, true), "{whole}: {error}");
                    refused += 1;
                    if depth <= 3 {
                        elsewhere += usize::from(nginx.leads(&whole).contains("elsewhere"));
                    }
                }
            }
        }
        // As the value of a typed call.
        match client.api().delete_session().session_id(&*path).send().await {
            Ok(answer) => {
                assert_eq!(serde_json::to_value(&*answer).unwrap()["status"], "files", "{path} led elsewhere")
            }
            Err(error) => assert!(error.is_local() || error.status() != Some(200), "{path}: {error}"),
        }
    }
    println!("{sent} paths stayed, {refused} were refused, of which {elsewhere} would have led elsewhere");
    assert!(depth > 3 || elsewhere > 100, "what is refused is worth refusing: {elsewhere} of {refused}");
}
