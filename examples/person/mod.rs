//! A person at a terminal, as a `Responder`: shows pictures and codes, asks questions, and keeps a spinner turning while
//! something waits. Where the output is no terminal it prints plain lines.

use indicatif::{ProgressBar, ProgressStyle};
use keyway::{AccessKey, Captcha, Responder, Secret, SessionId, SessionLimit};
use std::{
    io::{self, IsTerminal, Write},
    path::PathBuf,
    time::Duration,
};

/// Asks whoever sits at the terminal.
#[derive(Debug, Default)]
pub(crate) struct Person;

impl Responder for Person {
    async fn captcha(&self, captcha: Captcha) -> Option<Secret> {
        println!("\nA captcha, good for {} s (number {}):", captcha.expires_in().as_secs(), captcha.attempt());
        if show(captcha.image()).is_none() {
            println!("  it is in {}", saved(captcha.image())?.display());
        }
        ask("What does it say? (nothing: give up) ").await.map(Secret::from)
    }

    async fn choose_session(&self, limit: SessionLimit) -> Option<SessionId> {
        println!("\nThe account has as many sessions as it may have. Which one shall end?");
        table(&limit);
        let number: usize = ask("Number (nothing: none) ").await?.parse().ok()?;
        limit.sessions.get(number.checked_sub(1)?).map(|session| session.id.clone())
    }

    async fn access_key(&self, key: AccessKey) -> Option<Secret> {
        println!("\nA key was sent to {}.", key.sent_to());
        ask("The key (nothing: give up) ").await.map(Secret::from)
    }
}

/// The sessions, numbered from 1.
fn table(limit: &SessionLimit) {
    println!("  {:>3}  {:<8}  {:<12}  {:<16}  user agent", "", "", "client", "address");
    for (number, session) in (1..).zip(&limit.sessions) {
        let state = match session {
            session if session.is_current => "this one",
            session if session.online => "online",
            _ => "offline",
        };
        let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "–".to_owned());
        let (client, ip, agent) = (text(&session.client), text(&session.ip), text(&session.user_agent));
        println!("  {number:>3}  {state:<8}  {client:<12}  {ip:<16}  {agent}");
    }
}

/// Draws a picture in the terminal; `None` where it cannot.
fn show(image: &[u8]) -> Option<()> {
    let image = io::stdout().is_terminal().then(|| image::load_from_memory(image))?.ok()?;
    // Wide enough to read five letters as half blocks.
    let size = viuer::Config { absolute_offset: false, width: Some(68), ..viuer::Config::default() };
    viuer::print(&image, &size).ok().map(|_| ())
}

/// Puts a picture where only its owner can look at it.
fn saved(image: &[u8]) -> Option<PathBuf> {
    let file = tempfile::Builder::new().prefix("captcha-").suffix(".png").tempfile().ok()?;
    file.as_file().write_all(image).ok()?;
    file.into_temp_path().keep().ok()
}

/// One line from the terminal; `None` if it is empty. Reading blocks, so it happens off Tokio's workers.
pub(crate) async fn ask(question: &'static str) -> Option<String> {
    let line = tokio::task::spawn_blocking(move || {
        print!("{question}");
        io::stdout().flush().ok()?;
        io::stdin().lines().next()?.ok()
    });
    let line = line.await.ok()??;
    let line = line.trim();
    (!line.is_empty()).then(|| line.to_owned())
}

/// Turns for as long as `work` takes; a plain line where nobody watches.
#[allow(dead_code, reason = "not every example waits")]
pub(crate) async fn while_turning<T>(what: &'static str, work: impl Future<Output = T>) -> T {
    if !io::stdout().is_terminal() {
        println!("{what} …");
        return work.await;
    }
    let style =
        ProgressStyle::with_template("{spinner} {msg} {elapsed}").unwrap_or_else(|_| ProgressStyle::default_spinner());
    let spinner = ProgressBar::new_spinner().with_style(style).with_message(what);
    spinner.enable_steady_tick(Duration::from_millis(100));
    let done = work.await;
    spinner.finish_and_clear();
    done
}
