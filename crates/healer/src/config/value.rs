//! How single values are written: durations, limits, addresses, names, and references to the environment.
//!
//! Each `Err` says what would be right, and is shown behind "expected".

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use model::verdict::Limit;

/// Reads a size: `512MiB`, `2GiB`, `64k`. K, M and G are powers of 1024, as in Compose files.
///
/// # Errors
/// What was expected.
pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    let expected = || "a size such as 512MiB or 2GiB".to_owned();
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| expected())?;
    let unit = unit.trim().to_ascii_lowercase();
    let power = match unit.trim_end_matches('b').trim_end_matches('i') {
        "" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        _ => return Err(expected()),
    };
    number.checked_mul(1 << (10 * power)).filter(|bytes| *bytes > 0).ok_or_else(expected)
}

/// `90%`: a whole number of percent.
pub(crate) fn percent(text: &str) -> Result<u8, String> {
    let number = text.trim().strip_suffix('%').and_then(|number| number.trim_end().parse::<u8>().ok());
    number
        .filter(|percent| (1..=100).contains(percent))
        .ok_or_else(|| "a share from 1% to 100%, such as 90%".to_owned())
}

/// `30s`, `5m`, `1h30m`, `7d`: whole numbers with units, the largest unit first, each at most once.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    const EXPECTED: &str = "a duration such as 30s, 5m or 1h30m";
    const UNITS: [(&str, u64); 6] =
        [("w", 604_800_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
    let wrong = || match text.parse::<u64>() {
        Ok(_) => format!("{EXPECTED}: a bare number has no unit (`{text}s`?)"),
        Err(_) => EXPECTED.to_owned(),
    };
    let (mut rest, mut total_ms, mut units) = (text.trim(), 0_u64, UNITS.as_slice());
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let (digits, behind) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len()));
        let (unit, behind) = behind.split_at(behind.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(behind.len()));
        let number: u64 = digits.parse().map_err(|_| wrong())?;
        let at = units.iter().position(|(name, _)| *name == unit).ok_or_else(wrong)?;
        total_ms = number.checked_mul(units[at].1).and_then(|ms| total_ms.checked_add(ms)).ok_or_else(wrong)?;
        units = &units[at + 1..];
        rest = behind;
    }
    Ok(Duration::from_millis(total_ms))
}

/// A duration as it is written in the configuration: `1h30m`.
pub(crate) fn written(duration: Duration) -> String {
    let units = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
    let mut rest_ms = duration.as_millis();
    let mut out = String::new();
    for (unit, ms) in units {
        if rest_ms >= ms {
            out.push_str(&format!("{}{unit}", rest_ms / ms));
            rest_ms %= ms;
        }
    }
    if out.is_empty() { "0s".to_owned() } else { out }
}

/// `3/30m`: so many within such a window.
pub(crate) fn limit(text: &str) -> Result<Limit, String> {
    const EXPECTED: &str = "a limit such as 3/30m: at most 3 within 30 minutes";
    let (count, window) = text.split_once('/').ok_or(EXPECTED)?;
    let count: u32 = count.trim().parse().map_err(|_| EXPECTED)?;
    let window = duration(window.trim()).map_err(|_| EXPECTED)?;
    if count == 0 || window.is_zero() {
        return Err(format!("{EXPECTED}; to forbid all acts set `mode: observe`"));
    }
    if window > LIMIT_WINDOW_MAX {
        return Err(format!("a window of at most {}", written(LIMIT_WINDOW_MAX)));
    }
    Ok(Limit { count, window_ms: u64::try_from(window.as_millis()).unwrap_or(u64::MAX) })
}

/// The longest window that is counted over.
const LIMIT_WINDOW_MAX: Duration = Duration::from_secs(7 * 86_400);

/// A limit as it is written in the configuration.
pub(crate) fn limit_written(limit: Limit) -> String {
    format!("{}/{}", limit.count, written(limit.window()))
}

/// An IP address with a port.
pub(crate) fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| match text.strip_prefix("localhost:").or(text.strip_prefix(':')) {
        Some(port) => format!("an IP address with a port: `127.0.0.1:{port}`?"),
        None => "an IP address with a port, such as 127.0.0.1:4325 or [::1]:4325".to_owned(),
    })
}

/// A URL of one of these schemes with something behind it.
pub(crate) fn url(text: &str, schemes: &[&str]) -> Result<(), String> {
    let well_formed = text.split_once("://").is_some_and(|(scheme, rest)| {
        schemes.contains(&scheme)
            && !rest.is_empty()
            && !rest.starts_with(['?', '#'])
            && (scheme == "unix") == rest.starts_with('/')
            && !rest.contains(|c: char| c.is_whitespace() || c.is_control())
    });
    if well_formed {
        return Ok(());
    }
    let starts: Vec<String> = schemes.iter().map(|scheme| format!("{scheme}://")).collect();
    Err(format!("a URL that begins with {}", starts.join(" or ")))
}

/// Whether what goes to this URL is private on its way; `Err` if no path can be put behind it, or it must not be told.
pub(crate) fn base_url(url: &str) -> Result<bool, String> {
    if url.contains('@') {
        return Err("holds a user, and perhaps a password, which every message would tell: leave them out".to_owned());
    }
    if url.contains(['?', '#']) {
        return Err("links put a path behind it: leave out `?`, `#` and what follows".to_owned());
    }
    let Some(rest) = url.strip_prefix("http://") else { return Ok(true) };
    let authority = rest.split('/').next().unwrap_or_default();
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    Ok(bare == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback()))
}

/// A URL as it may be shown: without what could be a secret, that is user, path and query.
pub(crate) fn url_shown(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return "…".to_owned() };
    if scheme == "unix" {
        return url.to_owned();
    }
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let path = if path.len() > 1 { "/…" } else { path };
    format!("{scheme}://{host}{path}")
}

/// A name that ends up in ids and paths.
pub(crate) fn name(text: &str) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if !text.is_empty() && text.len() <= NAME_BYTES_MAX && text.chars().all(plain) {
        Ok(())
    } else {
        Err(format!("a name of at most {NAME_BYTES_MAX} letters, digits, `.`, `_` and `-`"))
    }
}

/// The longest name.
const NAME_BYTES_MAX: usize = 100;

/// Puts the environment's values in the place of `${NAME}`; `${NAME:-default}` has a default, `$${` is a plain `${`.
pub(crate) fn interpolated(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        if rest[..at].ends_with('$') {
            out.push_str(&rest[..at]);
            out.push('{');
            rest = &rest[at + 2..];
            continue;
        }
        out.push_str(&rest[..at]);
        let (reference, behind) = rest[at + 2..].split_once('}').ok_or("`${` is not closed by `}`")?;
        let (name, default) = match reference.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (reference, None),
        };
        let named = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty() || !name.chars().all(named) {
            return Err(format!("`${{{reference}}}` names no environment variable (write `$${{` for a plain `${{`)"));
        }
        let value = variable(name).or_else(|| default.map(str::to_owned));
        out.push_str(&value.ok_or_else(|| format!("the environment variable {name} is not set"))?);
        rest = behind;
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_powers_of_1024_as_in_compose_files() {
        let table = [
            ("512MiB", Some(512 << 20)),
            ("2GiB", Some(2 << 30)),
            ("64k", Some(64 << 10)),
            ("1gb", Some(1 << 30)),
            ("100", Some(100)),
            ("0", None),
            ("MiB", None),
            ("1.5GiB", None),
            ("-1k", None),
            ("1T", None),
            ("99999999999G", None),
        ];
        for (text, expect) in table {
            assert_eq!(bytes(text).ok(), expect, "{text}");
        }
    }

    #[test]
    fn durations_have_units_in_falling_order() {
        let table = [
            ("30s", Some(30_000)),
            ("5m", Some(300_000)),
            ("1h30m", Some(5_400_000)),
            ("7d", Some(604_800_000)),
            ("0m", Some(0)),
            ("250ms", Some(250)),
            ("2d12h", Some(216_000_000)),
            ("30m1h", None),
            ("1h1h", None),
            ("30", None),
            ("s", None),
            ("", None),
            ("-5m", None),
            ("1.5h", None),
            ("5 m", None),
            ("99999999999999999w", None),
        ];
        for (text, expect_ms) in table {
            assert_eq!(duration(text).ok(), expect_ms.map(Duration::from_millis), "{text}");
        }
        assert!(duration("30").unwrap_err().contains("`30s`?"));
    }

    #[test]
    fn what_is_written_reads_back_the_same() {
        for ms in [0, 1, 999, 30_000, 90_000, 5_400_000, 604_800_000, 694_861_001] {
            let duration_ = Duration::from_millis(ms);
            assert_eq!(duration(&written(duration_)), Ok(duration_));
        }
        assert_eq!(limit_written(limit("3/30m").unwrap()), "3/30m");
    }

    #[test]
    fn limits_need_a_count_and_a_window() {
        assert_eq!(limit("3/30m"), Ok(Limit { count: 3, window_ms: 1_800_000 }));
        for text in ["3", "3/", "/30m", "0/30m", "3/0s", "x/30m", "3/30", "3/8d", "-1/30m"] {
            assert!(limit(text).is_err(), "{text}");
        }
    }

    #[test]
    fn addresses_are_addresses_with_ports() {
        assert!(address("127.0.0.1:4325").is_ok() && address("[::1]:4325").is_ok());
        assert!(address(":4325").unwrap_err().contains("`127.0.0.1:4325`?"));
        assert!(address("localhost:80").unwrap_err().contains("`127.0.0.1:80`?"));
        assert!(address("4325").is_err());
    }

    #[test]
    fn a_shown_url_keeps_no_secret() {
        let table = [
            ("https://hooks.example.org/T0/B1/secret", "https://hooks.example.org/…"),
            ("https://user:pw@example.org:8443/", "https://example.org:8443/"),
            ("https://example.org?token=x", "https://example.org/…"),
            ("unix:///var/run/docker.sock", "unix:///var/run/docker.sock"),
            ("nonsense", "…"),
        ];
        for (url, expect) in table {
            assert_eq!(url_shown(url), expect);
        }
    }

    #[test]
    fn links_go_behind_a_url_that_is_private_on_its_way() {
        let table = [
            ("https://healer.example.org", Ok(true)),
            ("https://example.org/healer/", Ok(true)),
            ("http://localhost:4325", Ok(true)),
            ("http://127.0.0.1:4325/x", Ok(true)),
            ("http://[::1]:4325", Ok(true)),
            ("http://healer.example.org", Ok(false)),
            ("http://localhost.example.org", Ok(false)),
            ("https://ann:s3cret@example.org", Err("holds a user")),
            ("https://example.org/?x=", Err("leave out `?`")),
            ("https://example.org/#x", Err("leave out `?`")),
        ];
        for (url, expect) in table {
            match (base_url(url), expect) {
                (Ok(found), Ok(expect)) => assert_eq!(found, expect, "{url}"),
                (Err(says), Err(part)) => assert!(says.contains(part) && !says.contains("s3cret"), "{says}"),
                (found, expect) => panic!("{url}: {found:?} instead of {expect:?}"),
            }
        }
    }

    #[test]
    fn urls_have_a_known_scheme_and_a_place() {
        let schemes = ["unix", "tcp"];
        for (text, expect) in [
            ("unix:///var/run/docker.sock", true),
            ("tcp://10.0.0.1:2375", true),
            ("unix://var/run", false),
            ("tcp://", false),
            ("tcp:///x", false),
            ("ssh://host", false),
            ("tcp://a b", false),
            ("", false),
        ] {
            assert_eq!(url(text, &schemes).is_ok(), expect, "{text}");
        }
    }

    #[test]
    fn references_to_the_environment_are_replaced_or_refused() {
        let variable = |name: &str| (name == "SET").then(|| "v${SET}".to_owned());
        let table = [
            ("plain $5", Ok("plain $5")),
            ("a ${SET} b ${SET}", Ok("a v${SET} b v${SET}")),
            ("${UNSET:-else}", Ok("else")),
            ("${UNSET:-}", Ok("")),
            ("$${SET}", Ok("${SET}")),
            ("${UNSET}", Err("the environment variable UNSET is not set")),
            ("${SET", Err("`${` is not closed by `}`")),
        ];
        for (text, expect) in table {
            assert_eq!(interpolated(text, &variable), expect.map(str::to_owned).map_err(str::to_owned), "{text}");
        }
        assert!(interpolated("${a b}", &variable).is_err());
    }
}
