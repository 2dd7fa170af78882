//! As whom a program runs.

use std::fs;

/// The numbers of a user, from `/etc/passwd`: what a directory service knows besides is not asked.
///
/// # Errors
/// In words.
pub(crate) fn ids_of(user: &str) -> Result<(u32, u32), String> {
    let text = fs::read_to_string("/etc/passwd").map_err(|error| format!("/etc/passwd cannot be read: {error}"))?;
    find(&text, user).ok_or_else(|| format!("there is no user {user} in /etc/passwd"))
}

fn find(passwd: &str, user: &str) -> Option<(u32, u32)> {
    let mut lines = passwd.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let line = lines.find(|fields| fields.first() == Some(&user) || fields.get(2) == Some(&user))?;
    Some((line.get(2)?.parse().ok()?, line.get(3)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_name_or_number() {
        let passwd = "root:x:0:0:root:/:/bin/sh\nbroken\nbilling:x:1001:1002::/srv:/bin/false\n";
        assert_eq!(find(passwd, "billing"), Some((1001, 1002)));
        assert_eq!(find(passwd, "1001"), Some((1001, 1002)));
        assert_eq!((find(passwd, "bill"), find(passwd, "broken"), find(passwd, "")), (None, None, None));
    }
}
