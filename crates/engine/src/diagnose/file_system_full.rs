//! A file system has as good as no room left, or no inodes.

use model::disk::{Disk, Removed, Want};
use model::fact::Health;
use model::incident::{Case, Confidence, Mend};
use model::size::Bytes;

use super::{BroughtBy, Cause, Finding};

pub(super) const CAUSE: Cause = Cause {
    name: "file_system_full",
    issue_type: "disk_full",
    brought_by: BroughtBy::Nothing,
    manual: "Proved by: a file system of `host.disks` of which as much is used as counts as full (90 % where nothing is set), by \
             room or by inodes, as the kernel counts. Refuted by: a share below the one at which it has room again. What fills \
             it is named: files that were removed and are still held open, with the process that holds them; else the \
             directory that grew most, or holds most. Mended by: removing what its owner has listed under `clean`; nothing \
             else is ever removed. Where nothing is listed that could go, a person is told what to look at.",
    judge,
};

fn judge(case: &Case) -> Option<Finding> {
    // It counts as full until it has some room again, as its source says.
    let look = case.look.as_ref().filter(|look| look.health == Health::Unhealthy)?;
    let disk = look.disk.as_deref()?;
    let want = disk.wants().unwrap_or(disk.scarcest());
    let (fills, because) = what_fills(disk, want);
    let lacks = match want {
        Want::Room => "it is full",
        Want::Inodes => "it has no room for more files",
    };
    Some(Finding {
        title: format!("{lacks} ({disk}){fills}"),
        confidence: Confidence::Sure,
        because: format!("{because}; listed as free to go: {}", disk.listed),
        mend: if disk.listed.files > 0 { Mend::FreeSpace } else { Mend::Person },
    })
}

/// What a person looks at first, and what tells of it.
fn what_fills(disk: &Disk, want: Want) -> (String, String) {
    let used = disk.total_bytes.saturating_sub(disk.free_bytes);
    let most = disk.removed.first();
    let by_it = |removed: &&Removed| Some(removed.pid) == most.map(|most| most.pid);
    let held_open: u64 = disk.removed.iter().filter(by_it).map(|removed| removed.bytes).sum();
    // No cleaning gets that back.
    if let Some(removed) = most.filter(|_| want == Want::Room && held_open >= used / 4) {
        let holder = format!("{} (process {})", removed.program, removed.pid);
        let title = format!(": {holder} holds {} of removed files open", Bytes(held_open));
        let because =
            format!("{} was removed and is still open: its room comes back when that closes it", removed.path);
        return (title, because);
    }
    let grown =
        disk.holders.iter().filter(|holder| holder.grown_bytes > Some(0)).max_by_key(|holder| holder.grown_bytes);
    let holds = match want {
        Want::Room => disk.holders.iter().max_by_key(|holder| holder.held.bytes),
        Want::Inodes => disk.holders.iter().max_by_key(|holder| holder.held.files),
    };
    match (want, grown, holds) {
        (Want::Room, Some(grown), _) => {
            let by = Bytes(grown.grown_bytes.unwrap_or_default().unsigned_abs());
            (format!(": {} grew by {by}", grown.path), format!("{} holds {}", grown.path, grown.held))
        }
        (_, _, Some(holds)) => (format!(": {} holds most", holds.path), format!("{} holds {}", holds.path, holds.held)),
        (_, _, None) => (String::new(), "what fills it was not found".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use model::disk::{Amount, Holder};
    use model::fact::{Look, Run};

    use super::super::cases::{case, look};
    use super::*;

    fn finding(disk: Disk) -> Option<Finding> {
        let look = Look { health: Health::Unhealthy, disk: Some(Box::new(disk)), ..look(Run::Running, 0) };
        judge(&case(&[], Some(look)))
    }

    fn full() -> Disk {
        Disk {
            total_bytes: 1_000 << 20,
            free_bytes: 20 << 20,
            inodes: 100,
            inodes_free: 50,
            full_percent: 90,
            ..Disk::default()
        }
    }

    fn holder(path: &str, mib: u64, files: u64, grown_mib: i64) -> Holder {
        let held = Amount { files, bytes: mib << 20 };
        Holder { path: path.to_owned(), held, grown_bytes: Some(grown_mib << 20) }
    }

    #[test]
    fn it_names_what_fills_it_and_removes_only_what_is_listed() {
        let holders = vec![holder("/v/big", 600, 3, 0), holder("/v/log", 300, 4, 250), holder("/v/many", 1, 90, -3)];
        let removed = |mib: u64| Removed {
            path: "/v/app.log".to_owned(),
            bytes: mib << 20,
            pid: 7,
            program: "billing".to_owned(),
        };
        let listed = Amount { files: 3, bytes: 5 << 20 };
        let inodes = Disk { free_bytes: 900 << 20, inodes_free: 1, ..full() };
        for (name, disk, title, mend) in [
            ("nothing is known", full(), "it is full (98 % of 1000 MiB used)", Mend::Person),
            (
                "it grew",
                Disk { holders: holders.clone(), listed, ..full() },
                "it is full (98 % of 1000 MiB used): /v/log grew by 250 MiB",
                Mend::FreeSpace,
            ),
            (
                "removed and open",
                Disk { holders: holders.clone(), removed: vec![removed(400)], ..full() },
                "it is full (98 % of 1000 MiB used): billing (process 7) holds 400 MiB of removed files open",
                Mend::Person,
            ),
            (
                "a removed file of no weight",
                Disk { holders: holders.clone(), removed: vec![removed(1)], ..full() },
                "it is full (98 % of 1000 MiB used): /v/log grew by 250 MiB",
                Mend::Person,
            ),
            (
                "inodes",
                Disk { holders, listed, ..inodes },
                "it has no room for more files (99 % of 100 inodes used): /v/many holds most",
                Mend::FreeSpace,
            ),
        ] {
            let found = finding(disk).unwrap();
            assert_eq!((found.title.as_str(), found.mend), (title, mend), "{name}");
        }
        let nearly = finding(Disk { free_bytes: 120 << 20, ..full() }).unwrap();
        assert_eq!(nearly.title, "it is full (88 % of 1000 MiB used)", "until there is some room again");
        let well = Look { health: Health::Healthy, disk: Some(Box::new(full())), ..look(Run::Running, 0) };
        assert_eq!(judge(&case(&[], Some(well))), None, "its source says that it has room");
        assert_eq!(judge(&case(&[], Some(look(Run::Running, 0)))), None, "it is no file system");
    }
}
