//! What a folder of sessions must not be: prepared by others. Elsewhere than on Unix the folder's own rights decide.

use std::{
    fs::{self, File, OpenOptions},
    io,
    path::Path,
};

/// Why a folder or a file is not used, and what to do. It is no failure that passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[cfg_attr(not(unix), allow(dead_code, reason = "nothing is refused there"))]
#[error("{what}")]
pub(super) struct Unsafe {
    pub(super) what: &'static str,
    pub(super) advice: &'static str,
}

impl Unsafe {
    #[cfg(unix)]
    fn folder(what: &'static str) -> io::Error {
        let advice = "give FileStore::at(..) a folder of this user's own";
        io::Error::new(io::ErrorKind::PermissionDenied, Self { what, advice })
    }

    #[cfg(unix)]
    fn file(what: &'static str) -> io::Error {
        let advice = "see who put it there, and remove it";
        io::Error::new(io::ErrorKind::PermissionDenied, Self { what, advice })
    }

    /// The one inside an error, if it is one.
    pub(super) fn of(error: &io::Error) -> Option<Self> {
        error.get_ref()?.downcast_ref().copied()
    }
}

/// What is opened with these is the file of this name itself, and opening it never waits.
pub(super) trait Guarded {
    fn itself(&mut self) -> &mut Self;
}

impl Guarded for OpenOptions {
    fn itself(&mut self) -> &mut Self {
        #[cfg(unix)]
        {
            std::os::unix::fs::OpenOptionsExt::custom_flags(self, libc::O_NOFOLLOW | libc::O_NONBLOCK);
        }
        self
    }
}

/// Refuses an open file that is not this user's alone. One that others could only read is closed to them.
#[cfg(unix)]
pub(super) fn check_file(file: &File) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let is = file.metadata()?;
    is_own(&is)?;
    // Through the open file: a name could lead elsewhere by now.
    if is.mode() & 0o777 == 0o600 { Ok(()) } else { file.set_permissions(fs::Permissions::from_mode(0o600)) }
}

/// Refuses what others put there, or can change.
#[cfg(unix)]
fn is_own(is: &fs::Metadata) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt;
    if !is.is_file() {
        return Err(Unsafe::file("a file there is no regular file"));
    }
    if is.uid() != user() {
        return Err(Unsafe::file("a file there belongs to another user"));
    }
    if is.nlink() > 1 {
        return Err(Unsafe::file("a file there has a second name elsewhere"));
    }
    if is.mode() & 0o022 != 0 {
        return Err(Unsafe::file("others can write to a file there"));
    }
    Ok(())
}

/// The whole of a file that this user alone can read, at most `most` bytes of it. Others' rights are not taken away: they
/// may have read it before.
#[cfg(feature = "sealed")]
pub(super) fn read_private(path: &Path, most: usize) -> io::Result<secrecy::zeroize::Zeroizing<Vec<u8>>> {
    let mut file = OpenOptions::new().read(true).itself().open(path).map_err(|error| explain(path, error))?;
    is_private(&file)?;
    // With room for all, so that it does not grow and leave copies behind.
    let mut content = secrecy::zeroize::Zeroizing::new(Vec::with_capacity(most + 1));
    let read = io::Read::read_to_end(&mut io::Read::take(&mut file, most as u64 + 1), &mut content)?;
    if read > most { Err(io::Error::other("it is too long")) } else { Ok(content) }
}

/// Changes nothing: what was put there to be read only, such as on a mount of secrets, stays so.
#[cfg(all(unix, feature = "sealed"))]
fn is_private(file: &File) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt;
    let is = file.metadata()?;
    if is.is_file() && is.mode() & 0o077 != 0 {
        return Err(Unsafe::file("others can read it"));
    }
    is_own(&is)
}

#[cfg(all(not(unix), feature = "sealed"))]
fn is_private(_: &File) -> io::Result<()> {
    Ok(())
}

/// Says why a file could not be opened, where that is because of what it is.
#[cfg(unix)]
pub(super) fn explain(path: &Path, error: io::Error) -> io::Error {
    match fs::symlink_metadata(path) {
        Ok(is) if is.is_symlink() => Unsafe::file("a file there is a symbolic link"),
        Ok(is) if !is.is_file() => Unsafe::file("a file there is no regular file"),
        _ => error,
    }
}

/// Refuses a folder that others can put files into, or replace by another one.
#[cfg(unix)]
pub(super) fn check_folder(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt;
    let mine = |owner: u32| owner == user();
    let is = fs::metadata(path)?;
    if !is.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    if !mine(is.uid()) {
        return Err(Unsafe::folder("the folder belongs to another user"));
    }
    if is.mode() & 0o022 != 0 {
        return Err(Unsafe::folder("others can write into the folder (chmod go-w closes it)"));
    }
    let led = |link: fs::Metadata| link.is_symlink() && !mine(link.uid()) && link.uid() != 0;
    if path.ancestors().any(|part| fs::symlink_metadata(part).is_ok_and(led)) {
        return Err(Unsafe::folder("a symbolic link of another user leads to the folder"));
    }
    // Everybody may write into a folder such as /tmp, but rename nothing of others there.
    let open = |above: fs::Metadata| above.mode() & 0o002 != 0 && above.mode() & 0o1000 == 0;
    let real = fs::canonicalize(path)?;
    if real.ancestors().skip(1).any(|above| fs::metadata(above).is_ok_and(open)) {
        return Err(Unsafe::folder("everybody can replace a folder above it"));
    }
    Ok(())
}

#[cfg(unix)]
fn user() -> u32 {
    rustix::process::geteuid().as_raw()
}

#[cfg(not(unix))]
pub(super) fn check_file(_: &File) -> io::Result<()> {
    Ok(())
}

#[cfg(not(unix))]
pub(super) fn explain(_: &Path, error: io::Error) -> io::Error {
    error
}

#[cfg(not(unix))]
pub(super) fn check_folder(path: &Path) -> io::Result<()> {
    if fs::metadata(path)?.is_dir() { Ok(()) } else { Err(io::ErrorKind::NotADirectory.into()) }
}
