//! A server that says what no framework would: whole answers, byte by byte.

use std::sync::{Arc, Mutex};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// Answers every request with what a function makes of it, and closes the connection.
pub(crate) struct Raw {
    port: u16,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Raw {
    /// `answer` gets the request's head and body as one text.
    pub(crate) async fn start(answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let (seen, answer) = (Arc::<Mutex<Vec<String>>>::default(), Arc::new(answer));
        let noted = seen.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (noted, answer) = (noted.clone(), answer.clone());
                tokio::spawn(async move {
                    let request = read(&mut stream).await;
                    let said = answer(&request);
                    noted.lock().expect("not poisoned").push(request);
                    let _ = stream.write_all(&said).await;
                    let _ = stream.shutdown().await;
                });
            }
        });
        Self { port, seen }
    }

    pub(crate) fn uri(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// All requests so far.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.seen.lock().expect("not poisoned").clone()
    }

    /// How many requests had this in their first line.
    pub(crate) fn count(&self, path: &str) -> usize {
        self.seen().iter().filter(|request| request.lines().next().is_some_and(|line| line.contains(path))).count()
    }
}

async fn read(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
            if bytes.len() >= end + 4 + length.unwrap_or(0_usize) {
                break;
            }
        }
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(read) => bytes.extend_from_slice(&buffer[..read]),
        }
        // A handshake of TLS, to which servers of plain http answer at once.
        if bytes[0] == 0x16 {
            break;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A whole answer: status line, these header lines, this body.
pub(crate) fn answer(status: u16, headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let headers: String = headers.lines().map(|line| format!("{}\r\n", line.trim())).collect();
    let head =
        format!("HTTP/1.1 {status} Some\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

pub(crate) fn json(status: u16, body: &str) -> Vec<u8> {
    answer(status, "content-type: application/json", body)
}
