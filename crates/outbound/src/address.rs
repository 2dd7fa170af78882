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
