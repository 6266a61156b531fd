//! The way back from a sign-in page to a program on the person's own machine (RFC 8252, 7.3).

use crate::{Error, Responder, Secret, SignInPage};
use arc_swap::{ArcSwap, ArcSwapOption};
use secrecy::zeroize::Zeroizing;
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
const VISIT: Duration = Duration::from_secs(10);
/// How long the machine is left alone that has nothing to take a connection with, such as a free file descriptor.
const PAUSE: Duration = Duration::from_millis(200);
/// So many sign-ins of clients that share a loopback may be under way. The oldest gives way to another.
const SIGN_INS: usize = 64;

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
    /// The ports that are open. Clients made of one builder share a loopback, and each page is answered at its own.
    open: Arc<ArcSwap<Vec<Open>>>,
    /// The port of this client's last sign-in, which ends when the next one begins.
    last: Arc<ArcSwapOption<SocketAddr>>,
}

/// A port that a page leads back to.
#[derive(Clone)]
struct Open {
    address: SocketAddr,
    listener: Arc<TcpListener>,
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
        Self { show: Arc::new(show), open: Arc::default(), last: Arc::default() }
    }

    /// The same for one client: sign-ins of another one go on when this one begins its next.
    pub(super) fn of_one_client(&self) -> Self {
        Self { last: Arc::default(), ..self.clone() }
    }

    /// Whether this is an address that a loopback opens.
    pub(super) fn is_one(address: &str) -> bool {
        let address = address.strip_prefix("http://").and_then(|rest| rest.strip_suffix(PATH));
        address.and_then(|address| address.parse::<SocketAddr>().ok()).is_some_and(|address| address.ip().is_loopback())
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
        let before = self.last.swap(Some(Arc::new(address)));
        let opened = Open { address, listener: Arc::new(listener) };
        self.open.rcu(|open| {
            let others = open.iter().filter(|other| before.as_deref() != Some(&other.address));
            let mut all: Vec<Open> = others.cloned().chain([opened.clone()]).collect();
            all.drain(..all.len().saturating_sub(SIGN_INS));
            all
        });
        Ok(format!("http://{address}{PATH}"))
    }

    /// The port that this page leads back to. No other program can have it from now on.
    fn take(&self, page: &SignInPage) -> Option<Open> {
        let is_of = |open: &Open| page.redirect_uri() == format!("http://{}{PATH}", open.address);
        let before = self.open.rcu(|open| open.iter().filter(|open| !is_of(open)).cloned().collect::<Vec<_>>());
        before.iter().find(|open| is_of(open)).cloned()
    }

    /// The request that answers the page. Others get an answer of their own, and it goes on listening.
    async fn wait(&self, page: &SignInPage) -> io::Result<Secret> {
        let Open { address, listener } = self.take(page).ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected))?;
        let listener = Arc::try_unwrap(listener).or_else(|shared| shared.try_clone())?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        (self.show)(page.url())?;
        Ok(answered(&listener, page, &address.to_string()).await)
    }
}

/// What visitors come in by.
trait Door: Sync {
    fn accept(&self) -> impl Future<Output = io::Result<TcpStream>> + Send;
}

impl Door for tokio::net::TcpListener {
    async fn accept(&self) -> io::Result<TcpStream> {
        Ok(Self::accept(self).await?.0)
    }
}

/// The redirect that one of the visitors brings.
async fn answered(door: &impl Door, page: &SignInPage, host: &str) -> Secret {
    let mut visitors = JoinSet::new();
    loop {
        tokio::select! {
            accepted = door.accept(), if visitors.len() < CONNECTIONS => {
                let Ok(visitor) = accepted else {
                    // It would fail again at once, and a core would be busy with that.
                    let _ = timeout(PAUSE, std::future::pending::<()>()).await;
                    continue;
                };
                let (page, host) = (page.clone(), host.to_owned());
                visitors.spawn(async move { timeout(VISIT, attend(visitor, &page, &host)).await? });
            }
            Some(attended) = visitors.join_next() => {
                // What broke was no answer.
                if let Ok(Ok(Some(redirect))) = attended {
                    return redirect;
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
    let redirect =
        std::str::from_utf8(&head).map_err(|_| "400 Bad Request").and_then(|head| redirect(head, page, host));
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

/// The head of a request, if one comes that is no longer than it may be. A code and a state are in it: it is wiped, and as
/// it has room for all from the beginning, no part of it is left behind elsewhere.
async fn head(visitor: &mut TcpStream) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    let mut head = Zeroizing::new(Vec::with_capacity(LONGEST));
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let room = LONGEST - head.len();
        if room == 0 || (&mut *visitor).take(room as u64).read_buf(&mut *head).await? == 0 {
            return Ok(None);
        }
    }
    Ok(Some(head))
}

/// The whole address of a request that answers this page: a `GET` for the right path of the right host, with its state.
fn redirect(head: &str, page: &SignInPage, host: &str) -> Result<Secret, &'static str> {
    let mut lines = head.split("\r\n");
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    // Whose name leads here and is another one is a page that another site made the browser open.
    let named = lines.filter_map(|line| line.split_once(':')).find(|(name, _)| name.eq_ignore_ascii_case("host"));
    if named.is_none_or(|(_, named)| named.trim() != host) {
        return Err("421 Misdirected Request");
    }
    let path = target.split('?').next();
    match method {
        _ if path != Some(PATH) => Err("404 Not Found"),
        "GET" => {
            let whole = Zeroizing::new(["http://", host, target].concat());
            let redirect = Secret::from(whole.as_str());
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// A process with no file descriptor left.
    struct Full(AtomicUsize);

    impl Door for Full {
        async fn accept(&self) -> io::Result<TcpStream> {
            // Without a pause no time would pass, and the test would never end.
            assert!(self.0.fetch_add(1, Ordering::Relaxed) < 1000);
            Err(io::Error::other("too many open files"))
        }
    }

    #[apply(leak_checked!)]
    async fn a_listener_that_takes_no_connection_is_asked_again_in_a_while() {
        tokio::time::pause();
        let page = SignInPage::new("https://id.example/", "http://127.0.0.1:1/callback", "s", "v");
        let full = Full(AtomicUsize::new(0));
        timeout(Duration::from_secs(60), answered(&full, &page, "127.0.0.1:1")).await.map(drop).expect_err("no answer");
        assert!(full.0.load(Ordering::Relaxed) >= 60);
    }
}
