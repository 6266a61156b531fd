//! The vendor, in a process of its own: what it does is not counted.

use std::{
    env,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

pub(crate) const TOKEN: &str = "2f6e0c1a9b8d47e5a3c1f0e2d4b6a897";

/// How long a Vita Mojo sign-in takes here.
pub(crate) const SIGN_IN: Duration = Duration::from_millis(50);

/// It ends with its standard input.
pub(crate) struct Vendor {
    pub(crate) address: String,
    process: Child,
}

impl Vendor {
    pub(crate) fn start() -> Self {
        let program = env::current_exe().unwrap();
        let mut process =
            Command::new(program).arg("serve").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut address = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut address).unwrap();
        Self { address: address.trim().to_owned(), process }
    }

    /// How many sign-ins it has seen.
    pub(crate) fn sign_ins(&self) -> usize {
        let mut caller = TcpStream::connect(self.address.trim_start_matches("http://")).unwrap();
        caller.write_all(b"GET /sign-ins HTTP/1.1\r\n\r\n").unwrap();
        let mut answer = [0; 1024];
        let read = caller.read(&mut answer).unwrap();
        let answer = String::from_utf8_lossy(&answer[..read]);
        answer.rsplit("\r\n").next().and_then(|body| body.parse().ok()).expect("a number")
    }
}

impl Drop for Vendor {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// Answers every request in as few bytes as it can, on connections that stay open.
pub(crate) fn serve() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    println!("http://{}", listener.local_addr().unwrap());
    let sign_ins = Arc::new(AtomicUsize::new(0));
    thread::spawn(move || {
        for caller in listener.incoming().flatten() {
            let sign_ins = sign_ins.clone();
            thread::spawn(move || attend(caller, &sign_ins));
        }
    });
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}

fn attend(mut caller: TcpStream, sign_ins: &AtomicUsize) {
    let mut buffer = [0; 4096];
    let mut read = 0;
    loop {
        match caller.read(&mut buffer[read..]) {
            Ok(more) if more > 0 => read += more,
            _ => return,
        }
        let Some(path) = whole(&buffer[..read]) else { continue };
        read = 0;
        let body = answer(&path, sign_ins);
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length";
        if caller.write_all(format!("{head}: {}\r\n\r\n{body}", body.len()).as_bytes()).is_err() {
            return;
        }
    }
}

/// The path of a request that is there as a whole.
fn whole(request: &[u8]) -> Option<String> {
    let head = request.windows(4).position(|end| end == b"\r\n\r\n")?;
    let text = String::from_utf8_lossy(&request[..head]).to_ascii_lowercase();
    let length: usize = text.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
    (request.len() >= head + 4 + length).then(|| text.split(' ').nth(1).unwrap_or_default().to_owned())
}

/// One row of the list.
pub(crate) const ROW: &str =
    r#"{"id":"1","is_current":true,"online":true,"client":"web","user_agent":null,"ip":"10.0.0.1"}"#;

/// Below `/rows/7` lists have seven rows, elsewhere one.
fn answer(path: &str, sign_ins: &AtomicUsize) -> String {
    let below = path.strip_prefix("/rows/").and_then(|rest| rest.find('/').map(|at| rest.split_at(at)));
    let (rows, path) = below.and_then(|(rows, path)| Some((rows.parse().ok()?, path))).unwrap_or((1, path));
    match path {
        "/api/v1/token" => format!(r#"{{"access_token":"{TOKEN}"}}"#),
        "/api/v1/sessions" => format!("[{}]", vec![ROW; rows].join(",")),
        // A success that says so in its body.
        "/v3/auth/api_key" => r#"{"success":true,"data":[]}"#.to_owned(),
        "/app/installations/1/access_tokens" => format!(r#"{{"token":"{TOKEN}","permissions":{{}}}}"#),
        "/user/v1/auth" => {
            sign_ins.fetch_add(1, Ordering::SeqCst);
            thread::sleep(SIGN_IN);
            format!(r#"{{"payload":{{"token":{{"value":"{TOKEN}","refresh":"{TOKEN}"}},"user":{{}}}}}}"#)
        }
        "/sign-ins" => sign_ins.load(Ordering::SeqCst).to_string(),
        _ => "{}".to_owned(),
    }
}
