//! What went wrong in SQLite, told by what the caller does next.

use std::path::Path;

use rusqlite::ErrorCode;
use rusqlite::ffi::{SQLITE_IOERR_SHMSIZE, SQLITE_IOERR_WRITE};

use crate::{Error, reserve};

/// What was done about it, and what a person can do.
pub(crate) const LEFT: &str =
    "; it was left as it is: bring a copy of it back, or move it away to begin without a memory";

/// A failure on the way out of this crate: it does not know yet in which file it happened.
#[derive(Debug)]
pub(crate) enum Fault {
    Sql(rusqlite::Error),
    Told(Error),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Fault {
        Fault::Sql(error)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Fault {
        Fault::Told(error)
    }
}

impl Fault {
    /// What happened to this journal.
    pub(crate) fn told(self, journal: &Path) -> Error {
        match self {
            Fault::Told(Error::Damaged(what)) => Error::Damaged(format!("{}: {what}{LEFT}", journal.display())),
            Fault::Told(error) => error,
            Fault::Sql(rusqlite::Error::SqliteFailure(failure, text)) => {
                let text = text.unwrap_or_else(|| failure.to_string());
                told(journal, failure, &text)
            }
            // A column that is not there, or holds another kind of value than was ever written to it.
            Fault::Sql(error) => Error::Damaged(format!("{}: {error}{LEFT}", journal.display())),
        }
    }
}

fn told(journal: &Path, failure: rusqlite::ffi::Error, text: &str) -> Error {
    let at = journal.display();
    let code = failure.code;
    let writing = [SQLITE_IOERR_WRITE, SQLITE_IOERR_SHMSIZE].contains(&failure.extended_code);
    // SQLite tells a full disk only where the journal's own file met it: not for a quota, and not for the shared index.
    let out_of_room =
        (writing || code == ErrorCode::CannotOpen) && journal.parent().is_some_and(|dir| !reserve::takes_a_write(dir));

    if code == ErrorCode::DiskFull || out_of_room {
        Error::Full(format!("{at}: {text}"))
    } else if code == ErrorCode::NotADatabase {
        Error::Damaged(format!("{at} is not a SQLite database{LEFT}"))
    } else if matches!(code, ErrorCode::DatabaseCorrupt | ErrorCode::ConstraintViolation | ErrorCode::Unknown) {
        // Unknown is SQLite's "SQL error": a table or column of ours is not there.
        Error::Damaged(format!("{at}: {text}{LEFT}"))
    } else if matches!(code, ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) {
        Error::Unusable(format!(
            "cannot use {at} ({text}): it must be there, on a disk that can be written, and belong to {}",
            crate::lock::whoami()
        ))
    } else {
        Error::Unclear(format!("{at}: {text}"))
    }
}
