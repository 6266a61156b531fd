//! Two processes share one session through a folder: whichever comes first signs in, the other one adopts.
//!
//! ```sh
//! cargo run --example shared_file_store
//! ```
//!
//! It needs no account: the vendor is a fake in the first process, which starts itself twice more.
#![allow(clippy::print_stdout, reason = "it is there to be read")]

mod tidy;

use keyway::{
    Error, FileStore,
    testing::{FakeVitaMojo, Fault},
    vitamojo,
};
use std::{
    env, fs,
    io::{self, IsTerminal},
    path::Path,
    process::{Child, Command},
    time::Duration,
};

/// Tells a process that it is one of the two: the vendor's address.
const VENDOR: &str = "KEYWAY_EXAMPLE_VENDOR";
const FOLDER: &str = "KEYWAY_EXAMPLE_FOLDER";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    match (env::var(VENDOR), env::var(FOLDER)) {
        (Ok(vendor), Ok(folder)) => Ok(worker(vendor, &folder).await?),
        _ => story().await,
    }
}

async fn story() -> Result<(), Box<dyn std::error::Error>> {
    let home = tempfile::tempdir()?;
    tidy::removed_at_ctrl_c(home.path());
    let folder = home.path().join("keyway");
    let fake = FakeVitaMojo::builder().rotating(true).start().await;
    // So that the second process comes while the first one signs in.
    fake.next("auth", Fault::Delay(Duration::from_millis(500)));

    title("Two processes, one folder, and nobody is signed in");
    let both = [spawn(&fake.uri(), &folder)?, spawn(&fake.uri(), &folder)?];
    for mut process in both {
        process.wait()?;
    }

    title("A third one, later");
    spawn(&fake.uri(), &folder)?.wait()?;

    title("What is in the folder");
    let mut names: Vec<_> = fs::read_dir(&folder)?.flatten().map(|file| file.path()).collect();
    names.sort();
    for file in names {
        let length = fs::metadata(&file)?.len();
        println!("  {} {length:>5} bytes  {}", mode(&file)?, short(&file));
    }

    title("What the vendor saw");
    println!("  {} sign-in, {} calls", fake.count("auth"), fake.count("other"));
    Ok(())
}

/// One of the processes: it makes a call, and says how it came by its session.
async fn worker(vendor: String, folder: &str) -> Result<(), Error> {
    let client = vitamojo::Client::builder(vendor)
        .tenant("c36578d8-ffa6-4a5e-a808-400ee422028a")
        .password(FakeVitaMojo::EMAIL, FakeVitaMojo::PASSWORD)
        // In a program of yours: FileStore::for_app("myapp")?
        .store(FileStore::at(folder))
        .build()?;
    let answer = client.http().get("/tenant/v1/stores").send().await?;
    let report = client.session().report().to_string();
    let how = report.lines().next().unwrap_or_default();
    println!("  process {:>7}  {how}; its call was answered {}", std::process::id(), answer.status().as_u16());
    Ok(())
}

fn spawn(vendor: &str, folder: &Path) -> io::Result<Child> {
    Command::new(env::current_exe()?).env(VENDOR, vendor).env(FOLDER, folder).spawn()
}

/// Bold on a terminal, plain elsewhere.
fn title(text: &str) {
    match io::stdout().is_terminal() {
        true => println!("\n\x1b[1m{text}\x1b[0m"),
        false => println!("\n{text}"),
    }
}

/// The name without the middle of its digest.
fn short(file: &Path) -> String {
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    match (name.get(..16), name.find('.').and_then(|dot| name.get(dot..))) {
        (Some(begin), Some(end)) => format!("{begin}…{end}"),
        _ => name,
    }
}

#[cfg(unix)]
fn mode(file: &Path) -> io::Result<String> {
    use std::os::unix::fs::PermissionsExt;
    Ok(format!("{:04o}", fs::metadata(file)?.permissions().mode() & 0o7777))
}

#[cfg(not(unix))]
fn mode(_: &Path) -> io::Result<String> {
    Ok(String::from("    "))
}
