//! What an example keeps for a while (a picture, a folder, a server) is gone when it ends, also where Ctrl-C or a closed
//! terminal ends it: no destructor runs then.

use std::{
    fs,
    path::{Path, PathBuf},
    process,
    sync::{Mutex, MutexGuard, Once, PoisonError},
};

type Last = Box<dyn FnOnce() + Send>;

/// Does this if the program is ended from outside, last come first.
pub(crate) fn at_ctrl_c(last: impl FnOnce() + Send + 'static) {
    static LISTENS: Once = Once::new();
    lasts().push(Box::new(last));
    LISTENS.call_once(|| {
        // Where no handler can be set, Ctrl-C does what it always does.
        let _ = ctrlc::set_handler(|| {
            lasts().drain(..).rev().for_each(|last| last());
            process::exit(130);
        });
    });
}

/// Removes this file or folder if the program is ended from outside.
pub(crate) fn removed_at_ctrl_c(path: &Path) {
    let path = PathBuf::from(path);
    at_ctrl_c(move || {
        let _ = fs::remove_dir_all(&path).or_else(|_| fs::remove_file(&path)); // gone already: as good
    });
}

fn lasts() -> MutexGuard<'static, Vec<Last>> {
    static LASTS: Mutex<Vec<Last>> = Mutex::new(Vec::new());
    LASTS.lock().unwrap_or_else(PoisonError::into_inner)
}
