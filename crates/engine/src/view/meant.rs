//! What a person's words mean: a resource's name, its deployment's, or, where one alone has it, its service's. A name that
//! several hosts have means none of them: `docker:HOST/DEPLOYMENT[/SERVICE]` tells them apart.

use std::fmt;

use model::ResourceId;

use crate::Engine;

/// Why words mean nothing that can be told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unclear {
    /// Nothing is called so.
    Nothing,
    /// Several services are, each named so that it can be told from the others.
    Several {
        /// What they are all called.
        name: String,
        /// Their names.
        among: Vec<String>,
    },
}

impl fmt::Display for Unclear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unclear::Nothing => f.write_str("nothing is called so"),
            Unclear::Several { name, among } => write!(f, "{name} is the name of several: {}", among.join(", ")),
        }
    }
}

/// The resources among the known ones that the words mean: never none.
///
/// # Errors
/// When nothing is called so, or when they are the bare name of several services, or a name on several hosts.
pub fn meant(known: &[ResourceId], words: &str) -> Result<Vec<ResourceId>, Unclear> {
    let named = named(known.iter(), words)?;
    if !named.is_empty() {
        return Ok(named);
    }
    let services: Vec<&ResourceId> = known.iter().filter(|id| id.service() == words).collect();
    match services.as_slice() {
        [] => Err(Unclear::Nothing),
        [one] => Ok(vec![(*one).clone()]),
        several => {
            let among = several.iter().map(|id| told_apart(known, id)).collect();
            Err(Unclear::Several { name: words.to_owned(), among })
        }
    }
}

/// The resources among the known ones that are called so, or whose deployment is: none, or all of them on one host. Each
/// engine may have a `shop`, and nobody means both by it.
pub(crate) fn named<'a>(known: impl Iterator<Item = &'a ResourceId>, words: &str) -> Result<Vec<ResourceId>, Unclear> {
    let mut named: Vec<ResourceId> = known.filter(|id| id.answers_to(words)).cloned().collect();
    named.sort();
    named.dedup();
    if named.iter().all(|id| id.host() == named[0].host()) {
        return Ok(named);
    }
    let whole = |id: &ResourceId| if id.deployment() == words { id.whole_deployment() } else { id.as_str() }.to_owned();
    let mut among: Vec<String> = named.iter().map(whole).collect();
    among.dedup();
    Err(Unclear::Several { name: words.to_owned(), among })
}

/// The short name of a resource, or its whole one where the short one means another, too.
#[must_use]
pub fn told_apart(known: &[ResourceId], id: &ResourceId) -> String {
    let alone = known.iter().filter(|other| other.answers_to(id.short())).all(|other| other == id);
    if alone { id.short().to_owned() } else { id.as_str().to_owned() }
}

impl Engine {
    /// As [`told_apart`], among all that is seen or was spoken of: what a person can give a command.
    pub(crate) fn name_of<'a>(&self, id: &'a ResourceId) -> &'a str {
        let mut known = self.world.resources().chain(self.state.intents.keys());
        let alone = known.all(|other| other == id || !other.answers_to(id.short()));
        if alone { id.short() } else { id.as_str() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_mean_what_is_called_so_on_one_host_or_the_one_service_that_has_the_name() {
        let docker = |host, deployment, service| ResourceId::docker(host, deployment, service, 1);
        let known = [
            docker("h", "hello", "web"),
            docker("h", "shop", "web"),
            docker("h", "shop", "db"),
            docker("h", "wiki", "app"),
            docker("i", "wiki", "app"),
            docker("h", "mail", "shop"),
            ResourceId::lone_container("h", "nginx"),
            docker("i", "wiki", "db"),
            docker("i", "nginx", "web"),
        ];
        let several = |name: &str, among: &[&str]| {
            Err(Unclear::Several { name: name.into(), among: among.iter().map(|&one| one.into()).collect() })
        };
        let table = [
            ("mail", Ok(vec![known[5].clone()])),
            ("shop/web", Ok(vec![known[1].clone()])),
            ("shop", Ok(vec![known[2].clone(), known[1].clone()])),
            ("docker:h/-/nginx", Ok(vec![known[6].clone()])),
            ("nginx", several("nginx", &["docker:h/-/nginx", "docker:i/nginx"])),
            ("web", several("web", &["hello/web", "shop/web", "nginx/web"])),
            ("app", several("app", &["docker:h/wiki/app", "docker:i/wiki/app"])),
            ("wiki/app", several("wiki/app", &["docker:h/wiki/app", "docker:i/wiki/app"])),
            ("wiki", several("wiki", &["docker:h/wiki", "docker:i/wiki"])),
            ("docker:i/wiki/app", Ok(vec![known[4].clone()])),
            ("docker:i/wiki", Ok(vec![known[4].clone(), known[7].clone()])),
            ("-", Err(Unclear::Nothing)),
            ("nobody", Err(Unclear::Nothing)),
        ];
        for (words, expect) in table {
            assert_eq!(meant(&known, words), expect, "{words}");
        }
        let says = meant(&known, "web").unwrap_err().to_string();
        assert_eq!(says, "web is the name of several: hello/web, shop/web, nginx/web");
    }
}
