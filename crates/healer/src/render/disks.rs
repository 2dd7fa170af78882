//! What `healer disks` found.

use model::Wall;
use model::disk::{Disk, Holder, Removed};
use model::size::Bytes;

use super::{Page, clean, style};
use crate::volumes::{Listed, Volume};

/// So many files of a rule are named unless all are asked for.
const NAMED_MAX: usize = 10;

/// Each file system with what fills it and what would go. `all`: each file by its name.
pub(crate) fn disks(volumes: &[Volume], all: bool, page: &Page) -> String {
    if volumes.is_empty() {
        let says =
            "No file system is watched. `host.disks: [{path: /var}]` in the configuration watches the one of /var.";
        return page.paragraph(style::PLAIN, says);
    }
    let mut out = String::new();
    for volume in volumes {
        out.push_str(&heading(volume, page));
        if let Some(disk) = &volume.disk {
            out.push_str(&fills(disk));
        }
        for rule in &volume.rules {
            out.push_str(&listed(rule, all, page));
        }
    }
    out
}

fn heading(volume: &Volume, page: &Page) -> String {
    let (says, colour) = match (&volume.disk, &volume.trouble) {
        (Some(disk), _) => {
            let colour = if disk.wants().is_some() { style::BAD } else { style::GOOD };
            let inodes = if disk.inodes > 0 {
                format!(", {} % of its inodes", disk.inodes_used_percent())
            } else {
                String::new()
            };
            let room = format!("{} % of {} used{inodes}", disk.used_percent(), Bytes(disk.total_bytes));
            (format!("{room}; full from {} % on", disk.full_percent), colour)
        }
        (None, trouble) => (format!("cannot be asked: {}", trouble.as_deref().unwrap_or("?")), style::BAD),
    };
    format!("{}  {}\n", page.paint(style::HEAD, &clean(&volume.path)), page.paint(colour, &clean(&says)))
}

fn fills(disk: &Disk) -> String {
    let mut out = String::new();
    for Removed { path, bytes, pid, program, .. } in &disk.removed {
        let says =
            format!("{} of {path}, which was removed, are held open by {program} (process {pid})", Bytes(*bytes));
        out.push_str(&format!("  {}\n", clean(&says)));
    }
    for Holder { path, held, .. } in &disk.holders {
        out.push_str(&format!("  {} holds {held}\n", clean(path)));
    }
    out
}

fn listed(rule: &Listed, all: bool, page: &Page) -> String {
    let mut out = format!("  would go by {}: {}\n", clean(&rule.rule), rule.amount);
    if let Some(trouble) = &rule.trouble {
        out.push_str(&format!("    nothing is found: {}\n", clean(trouble)));
    }
    let named = if all { rule.files.len() } else { NAMED_MAX };
    for file in rule.files.iter().take(named) {
        let changed = page.stamp(Wall(file.changed_s.saturating_mul(1_000)));
        out.push_str(&format!("    {changed}  {:>8}  {}\n", Bytes(file.bytes).to_string(), clean(&file.path)));
    }
    if rule.files.len() > named {
        out.push_str(&format!("    and {} more: `healer disks --all` names each\n", rule.files.len() - named));
    }
    out
}
