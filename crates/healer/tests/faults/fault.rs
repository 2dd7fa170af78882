//! What a fault is: a deployment, what befalls it, and what healer is to make of that.

use model::action::Action;

use crate::scene::Scene;

/// A fault, as data.
#[derive(Clone, Copy)]
pub(crate) struct Fault {
    /// Its name, which is also the deployment's: letters and digits alone.
    pub(crate) name: &'static str,
    /// The deployment's Compose file. `$HOST` stands for the volumes by which the host's own programs are found under
    /// `/usr`, and the folder `d` beside the file under `/d`.
    pub(crate) compose: &'static str,
    /// The service that falls ill.
    pub(crate) of: &'static str,
    /// Files of the folder `d`, written before it is brought up.
    pub(crate) files: &'static [(&'static str, &'static str)],
    /// What befalls it.
    pub(crate) make: Make,
    /// The cause that healer is to name; `None` where there is nothing to name.
    pub(crate) cause: Option<&'static str>,
    /// What healer is to do first about it; `None` for nothing.
    pub(crate) action: Option<Action>,
    /// How that is to end.
    pub(crate) end: End,
}

/// What befalls a deployment.
#[derive(Clone, Copy)]
pub(crate) enum Make {
    /// It is ill when it is brought up.
    Up,
    /// This, once all of it runs and healer has seen that.
    Then(fn(&Scene<'_>)),
    /// This, instead of bringing it up.
    Instead(fn(&Scene<'_>)),
}

/// How it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// It runs again, and that held.
    Healed,
    /// A person is told, or asked, and nothing was tried.
    Person,
    /// It was tried, and did not help: it is tried within its budget, and then a person is told.
    InVain,
    /// Nothing is tried before what it needs is well.
    Waits,
    /// There is nothing to do, and nothing is done.
    Left,
}

/// A fault with the most usual of everything: a deployment that is ill when it is brought up.
pub(crate) const USUAL: Fault =
    Fault { name: "", compose: "", of: "web", files: &[], make: Make::Up, cause: None, action: None, end: End::Person };
