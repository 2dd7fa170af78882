//! A browser, as far as pages without scripts need one: it opens an address, and presses a button of what it was served.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::rig::SOON;

/// A page that is open.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) url: String,
    pub(crate) status: u16,
    pub(crate) html: String,
}

impl Page {
    /// Opens an address, as a click on a link does.
    pub(crate) fn open(url: &str) -> Page {
        Page::ask("GET", url, "")
    }

    /// Asks for its head alone, as those do who only want to know whether a link leads anywhere.
    pub(crate) fn peek(url: &str) -> Page {
        Page::ask("HEAD", url, "")
    }

    /// Presses the button that is named so: its form is posted to where the form says, with what stands in its fields.
    pub(crate) fn press(&self, button: &str) -> Page {
        let form = self.forms().find(|form| form.contains(&format!(">{button}</button>")));
        let form = form.unwrap_or_else(|| panic!("no form with the button {button} in {self:?}"));
        let mut tags = form.split('<').filter_map(|tag| tag.split_once('>')).map(|(tag, _)| tag);
        let head = tags.next().expect("a form begins with its tag");
        assert_eq!(attribute(head, "method"), Some("post"), "{head}");
        let fields = tags.filter_map(|tag| {
            let name = attribute(tag, "name")?;
            Some(format!("{}={}", encoded(name), encoded(attribute(tag, "value").unwrap_or_default())))
        });
        let fields: Vec<String> = fields.collect();
        Page::ask("POST", &self.led_to(attribute(head, "action").unwrap_or_default()), &fields.join("&"))
    }

    /// Whether anything can be answered on it.
    pub(crate) fn asks(&self) -> bool {
        self.forms().next().is_some()
    }

    fn forms(&self) -> impl Iterator<Item = &str> {
        self.html
            .match_indices("<form")
            .filter_map(|(at, _)| self.html[at..].split_once("</form>"))
            .map(|(form, _)| form)
    }

    /// Where an address on this page leads: none leads to the page itself.
    fn led_to(&self, address: &str) -> String {
        let origin_bytes = self.url.match_indices('/').nth(2).map_or(self.url.len(), |(at, _)| at);
        match address {
            "" => self.url.clone(),
            path if path.starts_with('/') => self.url[..origin_bytes].to_owned() + path,
            other => other.to_owned(),
        }
    }

    fn ask(method: &str, url: &str, form: &str) -> Page {
        let (host, path) = url.strip_prefix("http://").and_then(|rest| rest.split_once('/')).expect("it is an address");
        let mut stream = TcpStream::connect(host).expect("somebody answers there");
        stream.set_read_timeout(Some(SOON)).expect("a time is one");
        let mut request =
            format!("{method} /{path} HTTP/1.1\r\nHost: {host}\r\nAccept: text/html\r\nConnection: close\r\n");
        if method == "POST" {
            // What a page that tells no referrer is posted from.
            request += "Origin: null\r\nContent-Type: application/x-www-form-urlencoded\r\n";
            request += &format!("Content-Length: {}\r\n", form.len());
        }
        stream.write_all(format!("{request}\r\n{form}").as_bytes()).expect("they read");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("they answer");
        let (head, html) = answer.split_once("\r\n\r\n").expect("it is HTTP");
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("it is HTTP");
        Page { url: url.to_owned(), status, html: html.to_owned() }
    }
}

/// The value of an attribute of a tag.
pub(crate) fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
    rest.split_once('"').map(|(value, _)| value)
}

/// As a form's values are written.
fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._*".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
