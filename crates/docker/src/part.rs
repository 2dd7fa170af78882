//! Names and ids as parts of a path: what is none becomes no request.

use model::fact::Incarnation;

use crate::error::Error;

/// A container's id as a part of a path.
pub(crate) fn path_part(id: &Incarnation) -> Result<&str, Error> {
    hex_part(&id.0)
}

/// An id as a part of a path.
pub(crate) fn hex_part(id: &str) -> Result<&str, Error> {
    let plain = !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric());
    if plain { Ok(id) } else { Err(Error::NotFound) }
}

/// An image's name as a part of a path.
pub(crate) fn image_part(name: &str) -> Result<&str, Error> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-/:@".contains(&b);
    let is_name = !name.is_empty() && name.bytes().all(plain) && !name.contains("..") && !name.starts_with('/');
    if is_name { Ok(name) } else { Err(Error::Nonsense("its image has no name that could be asked for".to_owned())) }
}

/// The two parts of an image's name. One that names its content cannot mean anything else.
pub(crate) fn repository_and_tag(name: &str) -> Result<(&str, &str), Error> {
    if name.contains('@') {
        return Err(Error::Nonsense("its image is named by its content".to_owned()));
    }
    // A colon before a slash is that of a port.
    Ok(name.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')).unwrap_or((name, "latest")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ids_become_parts_of_a_path() {
        for (id, good) in [("6f0c9a", true), ("", false), ("a/../b", false), ("a?x", false), ("../json", false)] {
            assert_eq!(path_part(&Incarnation(id.into())).is_ok(), good, "{id}");
        }
    }
}
