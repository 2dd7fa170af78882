//! What a person's words mean: a resource's name, its deployment's, or, where one alone has it, its service's.

use std::fmt;

use model::ResourceId;

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
/// When nothing is called so, or when they are the bare name of several services.
pub fn meant(known: &[ResourceId], words: &str) -> Result<Vec<ResourceId>, Unclear> {
    let named: Vec<ResourceId> = known.iter().filter(|id| id.answers_to(words)).cloned().collect();
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

/// The short name of a resource, or its whole one where the short one means another, too.
#[must_use]
pub fn told_apart(known: &[ResourceId], id: &ResourceId) -> String {
    let alone = known.iter().filter(|other| other.answers_to(id.short())).all(|other| other == id);
    if alone { id.short().to_owned() } else { id.as_str().to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_service_name_means_the_one_service_that_has_it() {
        let docker = |host, deployment, service| ResourceId::docker(host, deployment, service, 1);
        let known = [
            docker("h", "hello", "web"),
            docker("h", "shop", "web"),
            docker("h", "shop", "db"),
            docker("h", "wiki", "app"),
            docker("i", "wiki", "app"),
            docker("h", "mail", "shop"),
            ResourceId::lone_container("h", "nginx"),
        ];
        let several = |name: &str, among: &[&str]| {
            Err(Unclear::Several { name: name.into(), among: among.iter().map(|&one| one.into()).collect() })
        };
        let table = [
            ("db", Ok(vec![known[2].clone()])),
            ("shop/web", Ok(vec![known[1].clone()])),
            ("shop", Ok(vec![known[1].clone(), known[2].clone()])),
            ("nginx", Ok(vec![known[6].clone()])),
            ("web", several("web", &["hello/web", "shop/web"])),
            ("app", several("app", &["docker:h/wiki/app", "docker:i/wiki/app"])),
            ("-", Err(Unclear::Nothing)),
            ("nobody", Err(Unclear::Nothing)),
        ];
        for (words, expect) in table {
            assert_eq!(meant(&known, words), expect, "{words}");
        }
        let says = meant(&known, "web").unwrap_err().to_string();
        assert_eq!(says, "web is the name of several: hello/web, shop/web");
    }
}
