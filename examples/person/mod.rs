//! A person at a terminal, as a `Responder`: shows pictures and codes, asks questions, and keeps a spinner turning while
//! something waits. Where the output is no terminal it prints plain lines.
#![allow(dead_code, reason = "not every example needs all of it")]

use indicatif::{ProgressBar, ProgressStyle};
use keyway::{AccessKey, Captcha, DeviceCode, Responder, Secret, SessionId, SessionLimit};
use qrcode::{EcLevel, QrCode, render::unicode::Dense1x2};
use std::{
    fmt,
    io::{self, IsTerminal, Write},
    path::PathBuf,
    time::Duration,
};

/// Asks whoever sits at the terminal.
#[derive(Default)]
pub(crate) struct Person {
    stand_in: Option<Box<dyn Fn() -> String + Send + Sync>>,
}

impl Person {
    /// Where nobody is there because the input has ended, `stand_in` reads the captcha, and the first session ends.
    pub(crate) fn or(stand_in: impl Fn() -> String + Send + Sync + 'static) -> Self {
        Self { stand_in: Some(Box::new(stand_in)) }
    }

    async fn ask(
        &self,
        question: &'static str,
        stand_in: impl FnOnce(&dyn Fn() -> String) -> String,
    ) -> Option<String> {
        match (ask(question).await, &self.stand_in) {
            (Asked::Nobody, Some(known)) => {
                let answer = stand_in(known);
                println!("{answer} (nobody is there, so the fake answers)");
                Some(answer)
            }
            (Asked::Answered(answer), _) => Some(answer),
            (Asked::Declined | Asked::Nobody, _) => None,
        }
    }
}

impl Responder for Person {
    async fn captcha(&self, captcha: Captcha) -> Option<Secret> {
        println!("\nA captcha, good for {} s (number {}):", captcha.expires_in().as_secs(), captcha.attempt());
        if show(captcha.image()).is_none() {
            println!("  it is in {}", saved(captcha.image())?.display());
        }
        self.ask("What does it say? (nothing: give up) ", |known| known()).await.map(Secret::from)
    }

    async fn choose_session(&self, limit: SessionLimit) -> Option<SessionId> {
        println!("\nThe account has as many sessions as it may have. Which one shall end?");
        table(&limit);
        let number: usize = self.ask("Number (nothing: none) ", |_| "1".to_owned()).await?.parse().ok()?;
        limit.sessions.get(number.checked_sub(1)?).map(|session| session.id.clone())
    }

    /// Shows the code for as long as the vendor waits: this is dropped when the person has decided.
    async fn device_code(&self, device: DeviceCode) -> Option<()> {
        println!("\nOpen {} and enter {}", device.verification_uri(), device.user_code());
        if !io::stdout().is_terminal() {
            println!("  within {} s …", device.expires_in().as_secs());
            return Some(());
        }
        if let Some(code) = device.verification_uri_complete().and_then(qr) {
            println!("or scan this:\n\n{code}");
        }
        count_down(device.expires_in()).await;
        Some(())
    }

    async fn access_key(&self, key: AccessKey) -> Option<Secret> {
        println!("\n{}A key was sent to {}.", if key.attempt() > 1 { "That was not it. " } else { "" }, key.sent_to());
        self.ask("The key (nothing: give up) ", |known| known()).await.map(Secret::from)
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

/// An address to scan: black on white, whatever the terminal's colours are.
pub(crate) fn qr(address: &str) -> Option<String> {
    let code = QrCode::with_error_correction_level(address, EcLevel::L).ok()?;
    let code = code.render::<Dense1x2>().dark_color(Dense1x2::Dark).light_color(Dense1x2::Light).build();
    let lines = code.lines().map(|line| format!("  \x1b[30;107m{line}\x1b[0m\n"));
    Some(lines.collect())
}

/// Says how much time is left, until there is none or this is dropped.
async fn count_down(time: Duration) {
    let spinner = Spinner::new("{spinner} {msg}", "");
    for left in (0..=time.as_secs()).rev() {
        spinner.0.set_message(format!("waiting for you; the code is good for {}:{:02}", left / 60, left % 60));
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// What became of a question.
enum Asked {
    Answered(String),
    Declined,
    /// The input has ended.
    Nobody,
}

/// One line from the terminal. Reading blocks, so it happens off Tokio's workers.
async fn ask(question: &'static str) -> Asked {
    let line = tokio::task::spawn_blocking(move || {
        print!("{question}");
        io::stdout().flush().ok()?;
        io::stdin().lines().next()?.ok()
    });
    match line.await.ok().flatten() {
        None => Asked::Nobody,
        Some(line) if line.trim().is_empty() => Asked::Declined,
        Some(line) => Asked::Answered(line.trim().to_owned()),
    }
}

/// Turns for as long as `work` takes; a plain line where nobody watches.
pub(crate) async fn while_turning<T>(what: &'static str, work: impl Future<Output = T>) -> T {
    if !io::stdout().is_terminal() {
        println!("{what} …");
        return work.await;
    }
    let _spinner = Spinner::new("{spinner} {msg} {elapsed}", what);
    work.await
}

/// Turns until it is dropped.
struct Spinner(ProgressBar);

impl Spinner {
    fn new(template: &str, what: &'static str) -> Self {
        let style = ProgressStyle::with_template(template);
        let spinner = ProgressBar::new_spinner().with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        spinner.set_message(what);
        spinner.enable_steady_tick(Duration::from_millis(100));
        Self(spinner)
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

impl fmt::Debug for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Person")
    }
}
