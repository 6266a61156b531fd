//! The way back from a sign-in page to a program on the person's own machine (RFC 8252, 7.3).

use crate::{Error, Responder, Secret, SignInPage};
use arc_swap::ArcSwapOption;
use std::{
    fmt, io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::timeout,
};

/// Where the browser comes back to.
const PATH: &str = "/callback";
/// No request for it is longer.
const LONGEST: usize = 16 * 1024;
/// So many connections are looked at side by side: browsers open some that they never use.
const CONNECTIONS: usize = 32;
/// How long one of them may take: those that say nothing must not keep the answer out.
const PATIENCE: Duration = Duration::from_secs(10);

type Show = dyn Fn(&str) -> io::Result<()> + Send + Sync;

/// Signs a person in with the browser of their own machine: for desktop programs and terminals.
///
/// It opens a free port of the loopback interface, shows the page, and takes one request: the one for the right path that
/// carries this sign-in's `state`. The person then sees a page that says they can close it, and the port is closed. Give it to
/// [`ClientBuilder::browser`](super::ClientBuilder::browser).
///
/// ```
/// use keyway::oauth2::{self, Loopback};
///
/// # fn build() -> Result<(), keyway::Error> {
/// let client = oauth2::Client::discover("https://id.acme.example")
///     .public_client("acme-cli")
///     .browser(Loopback::showing(|url| {
///         println!("Sign in at {url}");
///         Ok(())
///     }))
///     .build()?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Loopback {
    show: Arc<Show>,
    /// Open for the sign-in that is under way.
    open: Arc<ArcSwapOption<TcpListener>>,
}

impl Loopback {
    /// Opens the page with the program that the operating system has for that: `xdg-open`, `open` or Windows' own.
    #[must_use]
    pub fn new() -> Self {
        Self::showing(open_browser)
    }

    /// Shows the page's address in another way: prints it, or hands it to a window. An error declines the sign-in.
    #[must_use]
    pub fn showing(show: impl Fn(&str) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self { show: Arc::new(show), open: Arc::default() }
    }

    /// Opens a port for a sign-in that begins, and tells the address that leads back to it.
    pub(super) fn open(&self) -> Result<String, Error> {
        let any = [SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), SocketAddr::from((Ipv6Addr::LOCALHOST, 0))];
        let opened = TcpListener::bind(&any[..]).and_then(|listener| {
            listener.set_nonblocking(true)?;
            Ok((listener.local_addr()?, listener))
        });
        let (address, listener) = opened.map_err(|error| {
            Error::config(format!("no port of this machine can be opened for the sign-in ({})", error.kind()))
                .advice("see what keeps the program from it, or use .authorization_code(address)")
        })?;
        self.open.store(Some(Arc::new(listener)));
        Ok(format!("http://{address}{PATH}"))
    }

    /// The request that answers the page. Others get an answer of their own, and it goes on listening.
    async fn wait(&self, page: &SignInPage) -> io::Result<Secret> {
        let listener = self.open.swap(None).ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected))?;
        let listener = Arc::try_unwrap(listener).or_else(|shared| shared.try_clone())?;
        let host = listener.local_addr()?.to_string();
        let listener = tokio::net::TcpListener::from_std(listener)?;
        (self.show)(page.url())?;
        let mut visitors = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept(), if visitors.len() < CONNECTIONS => {
                    let (page, host) = (page.clone(), host.clone());
                    visitors.spawn(async move { timeout(PATIENCE, attend(accepted?.0, &page, &host)).await? });
                }
                Some(attended) = visitors.join_next() => {
                    // What broke was no answer.
                    if let Ok(Ok(Some(redirect))) = attended {
                        return Ok(redirect);
                    }
                }
            }
        }
    }
}

impl Default for Loopback {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Loopback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loopback").finish_non_exhaustive()
    }
}

impl Responder for Loopback {
    async fn sign_in_page(&self, page: SignInPage) -> Option<Secret> {
        match self.wait(&page).await {
            Ok(redirect) => Some(redirect),
            Err(error) => {
                tracing::warn!(kind = %error.kind(), "keyway: the sign-in page cannot be shown, or nothing can come back from it");
                None
            }
        }
    }
}

/// Reads one request, and answers it.
async fn attend(mut visitor: TcpStream, page: &SignInPage, host: &str) -> io::Result<Option<Secret>> {
    let Some(head) = head(&mut visitor).await? else { return Ok(None) };
    let redirect = redirect(&head, page, host);
    let (status, title, text) = match &redirect {
        Ok(redirect) if is_refusal(redirect) => {
            ("200 OK", "Not signed in", "The program has been told. You can close this page.")
        }
        Ok(_) => ("200 OK", "Back to the program", "It goes on signing in. You can close this page."),
        Err(status) => (*status, "Nothing here", "This is not the page that the program waits for."),
    };
    // A browser that does not wait for the page has brought its answer all the same.
    let _ = visitor.write_all(answer(status, title, text).as_bytes()).await;
    let _ = visitor.shutdown().await;
    Ok(redirect.ok())
}

/// The head of a request, if one comes that is no longer than it may be.
async fn head(visitor: &mut TcpStream) -> io::Result<Option<String>> {
    let mut head = Vec::with_capacity(2048);
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if head.len() > LONGEST || visitor.read_buf(&mut head).await? == 0 {
            return Ok(None);
        }
    }
    Ok(String::from_utf8(head).ok())
}

/// The whole address of a request that answers this page: a `GET` for the right path of the right host, with its state.
fn redirect(head: &str, page: &SignInPage, host: &str) -> Result<Secret, &'static str> {
    let mut lines = head.split("\r\n");
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    // Whose name leads here and is another one is a page that somebody else made the browser open.
    let named = lines.filter_map(|line| line.split_once(':')).find(|(name, _)| name.eq_ignore_ascii_case("host"));
    if named.is_none_or(|(_, named)| named.trim() != host) {
        return Err("421 Misdirected Request");
    }
    let path = target.split('?').next();
    match method {
        _ if path != Some(PATH) => Err("404 Not Found"),
        "GET" => {
            let redirect = Secret::from(format!("http://{host}{target}"));
            page.accepts(&redirect).map(|()| redirect).map_err(|_| "400 Bad Request")
        }
        _ => Err("405 Method Not Allowed"),
    }
}

fn is_refusal(redirect: &Secret) -> bool {
    redirect.expose().split(['?', '&']).any(|pair| pair.starts_with("error="))
}

fn answer(status: &str, title: &str, text: &str) -> String {
    let page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
         <style>body{{font:1.1rem/1.5 system-ui,sans-serif;max-width:32rem;margin:20vh auto;padding:0 1.5rem;\
         color-scheme:light dark}}h1{{font-size:1.6rem}}</style>\n</head>\n<body>\n<h1>{title}</h1>\n<p>{text}</p>\n</body>\n</html>\n"
    );
    // The address in the browser holds a code: nothing may be fetched that would tell it.
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\
         Cache-Control: no-store\r\nReferrer-Policy: no-referrer\r\nX-Content-Type-Options: nosniff\r\n\
         Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'\r\n\r\n{page}",
        page.len()
    )
}

/// The operating system's own way to show a page. No shell reads the address.
fn open_browser(url: &str) -> io::Result<()> {
    use std::process::{Command, Stdio};
    let mut command = if cfg!(windows) {
        let mut command = Command::new("rundll32");
        command.arg("url.dll,FileProtocolHandler");
        command
    } else {
        Command::new(if cfg!(target_os = "macos") { "open" } else { "xdg-open" })
    };
    let command = command.arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // Waited for, so that it does not stay behind as a process that has ended.
    command.spawn().map(|mut child| drop(std::thread::spawn(move || child.wait())))
}
