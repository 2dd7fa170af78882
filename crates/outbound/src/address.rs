//! Where a request goes. A type of its own, so that no log and no error can show more of it than its host: the path and
//! the query of a webhook's URL are secrets as often as not.

use std::fmt;
use std::str::FromStr;

use reqwest::Url;

use crate::error::Error;

/// An `http` or `https` URL with a host. Shown as its scheme, host and port alone.
#[derive(Clone, PartialEq, Eq)]
pub struct Address(Url);

impl Address {
    pub(crate) fn url(&self) -> &Url {
        &self.0
    }

    /// The host, as it is connected to: an address without brackets, or a name.
    #[must_use]
    pub fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default().trim_matches(['[', ']'])
    }

    /// The port, or the scheme's own.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.0.port_or_known_default().unwrap_or_default()
    }

    /// Whether TLS is spoken there.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// The same server and user, a path below this one, of which each part is encoded, and another query.
    #[must_use]
    pub fn at(&self, parts: &[&str], query: &str) -> Address {
        let mut url = self.0.clone();
        url.set_query(Some(query).filter(|query| !query.is_empty()));
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(parts);
        }
        Address(url)
    }

    /// Where a `Location` of its answer leads to: the address, and whether that is another host.
    #[must_use]
    pub fn leads_to(&self, location: &str) -> Option<(Address, bool)> {
        let to = self.0.join(location).ok()?;
        let elsewhere = to.host_str() != self.0.host_str();
        Some((Address(to), elsewhere))
    }

    pub(crate) fn path_and_query(&self) -> String {
        let query = self.0.query().map(|query| format!("?{query}")).unwrap_or_default();
        format!("{}{query}", self.0.path())
    }

    /// What `Host:` says.
    pub(crate) fn authority(&self) -> String {
        let host = self.0.host_str().unwrap_or_default();
        self.0.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// The user and the password that the URL names.
    pub(crate) fn credentials(&self) -> Option<(String, String)> {
        let (user, password) = (self.0.username(), self.0.password().unwrap_or_default());
        let plain = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
        (!user.is_empty() || !password.is_empty()).then(|| (plain(user), plain(password)))
    }
}

impl FromStr for Address {
    type Err = Error;

    fn from_str(text: &str) -> Result<Address, Error> {
        let wrong =
            |why: &str| Error::Final { reason: format!("{why}: expected http://… or https://…"), status: None };
        let url: Url = text.trim().parse().map_err(|error| wrong(&format!("not a URL ({error})")))?;
        match url.scheme() {
            "http" | "https" if url.has_host() => Ok(Address(url)),
            "http" | "https" => Err(wrong("a URL without a host")),
            scheme => Err(wrong(&format!("a URL of scheme `{scheme}` cannot be called"))),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.0.scheme(), self.0.host_str().unwrap_or_default())?;
        self.0.port().map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self}/…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_shows_its_host_and_nothing_else() {
        let address: Address =
            "https://bob:pass@hooks.example.org:8443/services/T0/B0/SECRET?token=SECRET".parse().unwrap();
        assert_eq!(address.to_string(), "https://hooks.example.org:8443");
        assert_eq!(format!("{address:?}"), "Address(https://hooks.example.org:8443/…)");
    }

    #[test]
    fn an_address_is_taken_apart_and_led_on() {
        let address: Address = "http://bob:p%40ss@[::1]:8080/base/?token=x".parse().unwrap();
        assert_eq!((address.host(), address.port(), address.is_tls()), ("::1", 8080, false));
        assert_eq!(address.authority(), "[::1]:8080");
        assert_eq!(address.credentials(), Some(("bob".to_owned(), "p@ss".to_owned())));
        assert_eq!(address.at(&["queues", "/", "a b"], "").path_and_query(), "/base/queues/%2F/a%20b");
        assert_eq!(address.at(&[], "page=2").path_and_query(), "/base?page=2");
        let leads = |to: &str| address.leads_to(to).map(|(to, elsewhere)| (to.path_and_query(), elsewhere));
        assert_eq!(leads("/in"), Some(("/in".to_owned(), false)));
        assert_eq!(leads("https://[::1]/in?a"), Some(("/in?a".to_owned(), false)));
        assert_eq!(leads("//elsewhere.example/"), Some(("/".to_owned(), true)));
    }

    #[test]
    fn what_cannot_be_called_is_refused_for_good_and_not_quoted() {
        for text in
            ["", "hooks.example.org/SECRET", "ftp://h/SECRET", "file:///SECRET", "http://", "https://h:99999/SECRET"]
        {
            let error = text.parse::<Address>().unwrap_err();
            assert!(!error.retryable(), "{text}");
            assert!(!error.to_string().contains("SECRET") && error.to_string().contains("http"), "{text}: {error}");
        }
    }
}
