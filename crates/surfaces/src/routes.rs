//! The routes, a file for each kind of question.

pub(crate) mod alerts;
pub(crate) mod approve;
pub(crate) mod command;
pub(crate) mod history;
pub(crate) mod incidents;
pub(crate) mod kept;
pub(crate) mod life;
pub(crate) mod policies;
pub(crate) mod state;
pub(crate) mod why;
