//! A person at a terminal, as a `Responder`: shows pictures and codes, asks questions, and keeps a spinner turning while
//! something waits. Where the output is no terminal it prints plain lines, and where it shall have no colours (`NO_COLOR`) no
//! pictures, which are made of them.
#![allow(dead_code, reason = "not every example needs all of it")]

#[path = "../tidy/mod.rs"]
mod tidy;

use indicatif::{ProgressBar, ProgressStyle};
use keyway::{
    AccessKey, ActiveSession, Captcha, Clock, DeviceCode, Responder, SecondFactor, Secret, SessionId, SessionLimit,
    SignInPage, SystemClock,
};
use qrcode::{EcLevel, QrCode, render::unicode::Dense1x2};
use std::{
    env, fmt,
    io::{self, IsTerminal, Write},
    time::{Duration, UNIX_EPOCH},
};
use tempfile::TempPath;

/// Asks the person at the terminal.
#[derive(Default)]
pub(crate) struct Person {
    stand_in: Option<Box<dyn Fn() -> String + Send + Sync>>,
}

impl Person {
    /// Where no person is there because the input has ended, `stand_in` reads the captcha, and the first session ends.
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
        if captcha.attempt() > 1 {
            println!("\nThat was wrong, or it came too late.");
        }
        println!("\nA captcha, good for {} s (number {}):", captcha.expires_in().as_secs(), captcha.attempt());
        // The file is gone as soon as this is over.
        let _picture = match show(captcha.image()) {
            Some(()) => None,
            None => {
                let file = saved(captcha.image())?;
                tidy::removed_at_ctrl_c(&file);
                println!("  it is in {} until you have answered", file.display());
                Some(file)
            }
        };
        self.ask("What does it say? (nothing: give up) ", |known| known()).await.map(Secret::from)
    }

    async fn choose_session(&self, limit: SessionLimit) -> Option<SessionId> {
        println!("\nThe account has as many sessions as it may have. Which one shall end?");
        table(&limit);
        // Giving up would throw away the captcha that was just answered, and an attempt: only an empty line does.
        loop {
            let answer = self.ask("Number (nothing: none) ", |_| "1".to_owned()).await?;
            match numbered(&limit, &answer) {
                Some(session) if session.is_current => println!("  Number {answer} is the one that asks."),
                Some(session) => return Some(session.id.clone()),
                None => println!("  There is no number {answer}; it goes from 1 to {}.", limit.sessions.len()),
            }
        }
    }

    /// Shows the code for as long as the vendor waits: this is dropped when the person has decided.
    async fn device_code(&self, device: DeviceCode) -> Option<()> {
        // The address has a line of its own: one that is broken cannot be clicked on.
        let by_hand = format!("open\n{}\nand enter {}", device.verification_uri(), device.user_code());
        if !io::stdout().is_terminal() {
            println!("\nTo let this device in, {by_hand}, within {} s …", device.expires_in().as_secs());
            return Some(());
        }
        let picture = device.verification_uri_complete().and_then(qr);
        // The picture fills a small screen, so the address stands below it.
        match picture {
            Some(picture) => println!("\n{picture}\nTo let this device in, scan this, or {by_hand}"),
            None => println!("\nTo let this device in, {by_hand}"),
        }
        count_down(device.expires_in()).await;
        Some(())
    }

    async fn access_key(&self, key: AccessKey) -> Option<Secret> {
        println!("\n{}A key was sent to {}.", if key.attempt() > 1 { "That was not it. " } else { "" }, key.sent_to());
        self.ask("The key (nothing: give up) ", |known| known()).await.map(Secret::from)
    }

    async fn second_factor(&self, factor: SecondFactor) -> Option<Secret> {
        println!("\n{}The vendor wants a second factor.", if factor.attempt() > 1 { "That was not it. " } else { "" });
        self.ask("The code (nothing: give up) ", |known| known()).await.map(Secret::from)
    }

    /// For a browser that is not on this machine: the person copies the address it comes back to.
    async fn sign_in_page(&self, page: SignInPage) -> Option<Secret> {
        println!("\nSign in at {}", page.url());
        self.ask("The whole address that the browser was sent to (nothing: give up) ", |known| known())
            .await
            .map(Secret::from)
    }
}

/// The sessions, numbered from 1.
fn table(limit: &SessionLimit) {
    println!(" {:>3} {:<8} {:<11} {:<8} {:<15} user agent", "", "", "last seen", "client", "address");
    for (number, session) in (1..).zip(&limit.sessions) {
        let state = match session {
            session if session.is_current => "this one",
            session if session.online => "online",
            _ => "offline",
        };
        let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "–".to_owned());
        let (client, ip, agent) = (text(&session.client), text(&session.ip), text(&session.user_agent));
        let seen = text(&session.last.map(last_seen));
        // Eighty columns are what a terminal has at least.
        let agent: String = agent.chars().take(30).collect();
        println!(" {number:>3} {state:<8} {seen:<11} {client:<8} {ip:<15} {agent}");
    }
}

/// The session that has this number in the table.
fn numbered<'a>(limit: &'a SessionLimit, number: &str) -> Option<&'a ActiveSession> {
    limit.sessions.get(number.parse::<usize>().ok()?.checked_sub(1)?)
}

/// The vendor does not say in which unit it tells this: what can be an epoch, in seconds or milliseconds, is read as one.
fn last_seen(last: i64) -> String {
    let now = SystemClock.wall().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let seconds = u64::try_from(if last > 100_000_000_000 { last / 1000 } else { last }).unwrap_or_default();
    match now.saturating_sub(seconds) {
        _ if seconds < 1_000_000_000 => last.to_string(),
        0..60 => "just now".to_owned(),
        ago @ 60..3600 => format!("{} min ago", ago / 60),
        ago @ 3600..172_800 => format!("{} h ago", ago / 3600),
        ago => format!("{} days ago", ago / 86_400),
    }
}
/// Draws a picture in the terminal; `None` where it cannot.
fn show(image: &[u8]) -> Option<()> {
    let image = draws().then(|| image::load_from_memory(image))?.ok()?;
    // Wide enough to read five letters as half blocks.
    let size = viuer::Config { absolute_offset: false, width: Some(68), ..viuer::Config::default() };
    viuer::print(&image, &size).ok().map(|_| ())
}

/// Puts a picture where only its owner can look at it, for as long as what is returned lives.
fn saved(image: &[u8]) -> Option<TempPath> {
    let file = tempfile::Builder::new().prefix("captcha-").suffix(".png").tempfile().ok()?;
    file.as_file().write_all(image).ok()?;
    Some(file.into_temp_path())
}

/// Whether pictures can be drawn here, and are wanted (<https://no-color.org>).
fn draws() -> bool {
    io::stdout().is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// An address to scan, with its margin: black on white, whatever colours the terminal gives to these names, because readers
/// want a dark code on a light ground. `None` where it cannot be drawn.
pub(crate) fn qr(address: &str) -> Option<String> {
    let code = draws().then(|| QrCode::with_error_correction_level(address, EcLevel::L))?.ok()?;
    let code = code.render::<Dense1x2>().dark_color(Dense1x2::Dark).light_color(Dense1x2::Light).build();
    // Of the 256 colours the last 240 are no theme's: 16 is black, 231 is white.
    let lines = code.lines().map(|line| format!("  \x1b[38;5;16;48;5;231m{line}\x1b[0m\n"));
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

/// Turns for as long as `work` takes; a plain line where the output is no terminal.
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
