//! Files that were removed and are still held open: their room comes back when nobody holds them any more.

use std::io;
use std::path::Path;

use model::disk::Removed;

use crate::taken;

/// So many are told, the largest first.
const TOLD_MAX: usize = 5;
/// Smaller ones fill no disk.
const BYTES_MIN: u64 = 64 * 1024;

/// Those of the file system of a path, the largest first: of each only one that holds it. Of whose processes healer may not
/// look at nothing is told.
///
/// # Errors
/// When the path is not there.
pub fn removed(root: &Path) -> io::Result<Vec<Removed>> {
    let device = crate::device(root)?;
    let mut found: Vec<Removed> = Vec::new();
    let mut inodes = Vec::new();
    for open in linux::open_files()? {
        let bytes = taken(open.blocks);
        let is_told = !open.removed || bytes < BYTES_MIN || inodes.contains(&open.inode);
        // What a container has written lies below its overlay.
        let is_here = || open.device == device || linux::is_overlay_on(open.pid, open.device, device);
        if is_told || !is_here() {
            continue;
        }
        inodes.push(open.inode);
        let program = linux::name(open.pid);
        found.push(Removed { path: open.path, bytes, pid: open.pid, program });
    }
    found.sort_by_key(|removed| std::cmp::Reverse(removed.bytes));
    found.truncate(TOLD_MAX);
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_removed_file_is_told_with_who_holds_it() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("app.log");
        std::fs::write(&path, vec![7; 1 << 20]).unwrap();
        let held = std::fs::File::open(&path).unwrap();
        let of_it = || removed(root.path()).unwrap().into_iter().find(|it| it.path.contains("app.log"));
        assert_eq!(of_it(), None, "it has its name yet");
        std::fs::remove_file(&path).unwrap();
        let it = of_it().expect("it is found");
        assert_eq!((it.pid.cast_unsigned(), it.bytes), (std::process::id(), 1 << 20));
        assert!(!it.program.is_empty() && !it.path.contains("(deleted)"), "{it:?}");
        drop(held);
        assert_eq!(of_it(), None);
    }
}
