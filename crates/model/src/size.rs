//! Amounts of bytes, as people read them.

use std::fmt;

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
const GIB: u64 = 1024 * MIB;

/// So many bytes: shown as `512 MiB` or `2 GiB`, rounded down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bytes(pub u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            bytes if bytes >= GIB && bytes % GIB == 0 => write!(f, "{} GiB", bytes / GIB),
            bytes if bytes >= 10 * GIB => write!(f, "{}.{} GiB", bytes / GIB, bytes % GIB * 10 / GIB),
            bytes if bytes >= MIB => write!(f, "{} MiB", bytes / MIB),
            bytes if bytes >= KIB => write!(f, "{} KiB", bytes / KIB),
            bytes => write!(f, "{bytes} B"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_told_in_the_unit_that_shows_it() {
        let table = [
            (0, "0 B"),
            (1_023, "1023 B"),
            (6 * KIB, "6 KiB"),
            (512 * MIB, "512 MiB"),
            (1_536 * MIB, "1536 MiB"),
            (2 * GIB, "2 GiB"),
            (12 * GIB + GIB / 2, "12.5 GiB"),
        ];
        for (bytes, expect) in table {
            assert_eq!(Bytes(bytes).to_string(), expect);
        }
    }
}
