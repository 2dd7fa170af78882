//! Directories that are reached through no link, and what is in them.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat, openat, statat};

/// An entry of a directory.
pub(crate) struct Entry {
    pub(crate) name: CString,
    pub(crate) stat: Stat,
}

impl Entry {
    pub(crate) fn kind(&self) -> FileType {
        FileType::from_raw_mode(self.stat.st_mode)
    }
}

/// Opens a directory, step by step, from the root: none of the steps may be a link.
pub(crate) fn open(path: &Path) -> io::Result<OwnedFd> {
    let mut folder = below(rustix::fs::CWD, c"/")?;
    for part in path.components() {
        match part {
            Component::RootDir => {}
            Component::Normal(name) => {
                let name = CString::new(name.as_encoded_bytes()).map_err(|_| io::ErrorKind::InvalidInput)?;
                folder = below(&folder, &name)?;
            }
            Component::CurDir | Component::ParentDir | Component::Prefix(_) => {
                return Err(io::ErrorKind::InvalidInput.into());
            }
        }
    }
    Ok(folder)
}

/// Opens a directory in another one, unless it is a link.
pub(crate) fn below(folder: impl AsFd, name: &CStr) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(folder, name, flags, Mode::empty())?)
}

/// What is in a directory. What vanishes meanwhile, or may not be looked at, is left out.
pub(crate) fn entries(folder: &OwnedFd) -> impl Iterator<Item = Entry> {
    let names = Dir::read_from(folder).into_iter().flatten().flatten().map(|entry| entry.file_name().to_owned());
    let names = names.filter(|name| !matches!(name.as_bytes(), b"." | b".."));
    names.filter_map(|name| {
        let stat = look(folder, &name)?;
        Some(Entry { name, stat })
    })
}

/// Looks at an entry itself, not at what it may lead to.
pub(crate) fn look(folder: &OwnedFd, name: &CStr) -> Option<Stat> {
    statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).ok()
}
