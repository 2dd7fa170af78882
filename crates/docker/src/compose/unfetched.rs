//! What it means that an image could not be fetched, from what registries and engines say of that
//! (OCI distribution specification, error codes; Go's network errors).

/// What is wrong, and what helps, where the words are known.
pub(super) fn meaning(said: &str) -> Option<&'static str> {
    let said = said.to_lowercase();
    MEANINGS.iter().find(|(words, _)| words.iter().any(|word| said.contains(word))).map(|(_, meaning)| *meaning)
}

/// The more particular ones come first: what is refused for another reason may be called denied as well.
const MEANINGS: &[(&[&str], &str)] = &[
    (
        &["toomanyrequests", "too many requests", "pull rate limit"],
        "the registry takes no more requests for now: try again later, or `docker login` there",
    ),
    (&["no matching manifest", "no match for platform"], "the registry has that image for other processors only"),
    (
        &["manifest unknown", "manifest for ", "no such manifest", ": not found", "name_unknown", "name unknown"],
        "the registry has no such image or tag",
    ),
    (
        &[
            "unauthorized",
            "authentication required",
            "no basic auth credentials",
            "access denied",
            "access to the resource is denied",
        ],
        "the registry has no such image, or gives it to nobody who is not let in: `docker login` there",
    ),
    (&["x509:", "certificate"], "the registry's certificate is not accepted"),
    (
        &[
            "no such host",
            "connection refused",
            "i/o timeout",
            "tls handshake timeout",
            "network is unreachable",
            "no route to host",
            "connection reset",
            "client.timeout exceeded",
            "server misbehaving",
            "service unavailable",
            "bad gateway",
        ],
        "the registry cannot be reached",
    ),
    (&["no space left on device"], "the engine's disk is full"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_registries_say_has_a_meaning() {
        let table = [
            (
                "manifest for registry.example.org/app:9 not found: manifest unknown: manifest unknown",
                Some("the registry has no such image or tag"),
            ),
            (
                "pull access denied for app, repository does not exist or may require 'docker login'",
                Some("`docker login`"),
            ),
            (
                "toomanyrequests: You have reached your pull rate limit. You may increase the limit by authenticating",
                Some("takes no more requests"),
            ),
            (
                "Get https://r.example.org/v2/: dial tcp: lookup r.example.org on 10.0.0.2:53: no such host",
                Some("cannot be reached"),
            ),
            (
                "Get http://127.0.0.1:5000/v2/: dial tcp 127.0.0.1:5000: connect: connection refused",
                Some("cannot be reached"),
            ),
            ("x509: certificate signed by unknown authority", Some("certificate")),
            ("no matching manifest for linux/arm64/v8 in the manifest list entries", Some("other processors")),
            ("write /var/lib/docker/tmp/x: no space left on device", Some("disk is full")),
            ("The command '/bin/sh -c make' returned a non-zero code: 2", None),
        ];
        for (said, expect) in table {
            match (meaning(said), expect) {
                (Some(meaning), Some(expect)) => assert!(meaning.contains(expect), "{said}: {meaning}"),
                (meaning, expect) => assert_eq!(meaning, expect, "{said}"),
            }
        }
    }
}
