//! The shapes of answers: lists, and what went wrong.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::query::Window;

/// A list, or a page of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Items<T> {
    /// This page's.
    pub items: Vec<T>,
    /// How many there are on all pages.
    pub total: usize,
    /// The `cursor` of the next page; `null` on the last.
    pub next: Option<String>,
}

impl<T: Clone> Items<T> {
    /// The part of a whole list that the window shows.
    pub(crate) fn page<'a>(all: impl Iterator<Item = &'a T> + Clone, window: &Window) -> Result<Items<T>, Problem>
    where
        T: 'a,
    {
        let from = match &window.cursor {
            None => 0,
            Some(cursor) => cursor.parse().map_err(|_| Problem::bad("cursor: use `next` of the page before"))?,
        };
        let total = all.clone().count();
        let end = usize::saturating_add(from, window.limit);
        let next = (end < total).then(|| end.to_string());
        Ok(Items { items: all.skip(from).take(window.limit).cloned().collect(), total, next })
    }
}

/// What went wrong, as a status and as a sentence with its remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    pub(crate) error: String,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, error: impl Into<String>) -> Problem {
        Problem { status, error: error.into() }
    }

    pub(crate) fn bad(error: impl Into<String>) -> Problem {
        Problem::new(StatusCode::BAD_REQUEST, error)
    }

    pub(crate) fn not_found(error: impl Into<String>) -> Problem {
        Problem::new(StatusCode::NOT_FOUND, error)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        (self.status, Json(serde_json::json!({ "error": self.error }))).into_response()
    }
}

impl From<runtime::Closed> for Problem {
    fn from(closed: runtime::Closed) -> Problem {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, format!("{closed}: ask again when it runs"))
    }
}

impl From<store::Error> for Problem {
    fn from(error: store::Error) -> Problem {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, format!("the journal cannot be read: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_each_other_to_the_end_and_beyond_it_are_empty() {
        let page = |cursor: Option<&str>| {
            let window = Window { limit: 2, cursor: cursor.map(ToOwned::to_owned) };
            Items::page([1, 2, 3, 4, 5].iter(), &window)
        };
        let expect = |items: &[i32], next: Option<&str>| {
            Ok(Items { items: items.to_vec(), total: 5, next: next.map(ToOwned::to_owned) })
        };
        assert_eq!(page(None), expect(&[1, 2], Some("2")));
        assert_eq!(page(Some("2")), expect(&[3, 4], Some("4")));
        assert_eq!(page(Some("4")), expect(&[5], None));
        assert_eq!(page(Some("18446744073709551615")), expect(&[], None));
        assert_eq!(page(Some("-1")).unwrap_err().status, StatusCode::BAD_REQUEST);
    }
}
