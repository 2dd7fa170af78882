//! What reaches the engine, and what it wants done. Inputs are named for what arrived, effects are imperative.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::action::{Answer, Permit, PermitId};
use crate::command::{Command, CommandId, Reply};
use crate::fact::{Generation, Incarnation, Observation};
use crate::folder::{BringUp, Folder};
use crate::incident::{Excerpt, IncidentId};
use crate::message::{Parcel, Receipt};
use crate::recovery::EngineStart;
use crate::resource::ResourceId;
use crate::settings::Settings;
use crate::update::{Fetched, Update};

/// Something that reached the engine.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// A source saw something.
    Observed(Observation),
    /// A look that was asked for with a ticket was taken, and this is what it showed.
    Looked {
        /// The act that it settles.
        ticket: PermitId,
        /// What was seen.
        seen: Observation,
    },
    /// A source's own state changed.
    Source(Report),
    /// A performer answered an order.
    Answered(PermitId, Answer),
    /// A log was read.
    Gathered {
        /// For which incident.
        incident: IncidentId,
        /// Of which body.
        incarnation: Incarnation,
        /// What it says; `Err` in words where it could not be read.
        log: Result<Excerpt, String>,
    },
    /// A channel reported.
    Delivered(Receipt),
    /// A person asks.
    Commanded(Command),
    /// All deployments that have a directory on a host: these, and no others.
    Folders {
        /// On which.
        host: String,
        /// Which.
        folders: Vec<Folder>,
    },
    /// The mount points that a host's table asks for and that are not mounted: these, and no others.
    Mounts {
        /// Of which.
        host: String,
        /// Which.
        missing: BTreeSet<String>,
    },
    /// Compose has brought a deployment up, or could not.
    BroughtUp {
        /// At whose command.
        command: CommandId,
        /// `Err` in words where it could not.
        result: Result<(), String>,
    },
    /// An image was fetched for an update, or could not be.
    Fetched {
        /// At whose command.
        command: CommandId,
        /// Of which service.
        resource: ResourceId,
        /// What came of it.
        result: Fetched,
    },
    /// The configuration was read (again).
    Configured(Arc<Settings>),
    /// The wall clock was seen to jump against the monotonic one, by so many milliseconds.
    ClockJumped {
        /// Positive: forward.
        by_ms: i64,
    },
    /// The journal can (or cannot) be written with room to spare.
    StoreRoom {
        /// Whether healer must only watch.
        full: bool,
    },
    /// The room that the journal keeps in reserve is there, or is not: without it a full disk could come between a step that
    /// takes something down and the one that brings it up again.
    StoreReserve {
        /// Whether all of it is there.
        whole: bool,
    },
    /// Something outside of the loop keeps healer from its work, or does so no longer: shown until it is withdrawn.
    Warned {
        /// What it is about: a later word on the same replaces this one.
        about: String,
        /// In words, with the remedy; `None`: it is over.
        says: Option<String>,
    },
}

/// A source speaks of itself. `source` is the host part of the resources that it sees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Which.
    pub source: String,
    /// What.
    pub state: SourceState,
}

/// How a source stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceState {
    /// It cannot be reached: why, with the remedy, in one sentence.
    Unreachable {
        /// In words.
        because: String,
        /// Nobody is there at all (no socket, or nobody listens on it), rather than merely out of our reach.
        #[serde(default)]
        down: bool,
    },
    /// It is being shut down: what ends from here on ends by that.
    Closing,
    /// Its stream broke.
    Lost {
        /// Which connection.
        generation: Generation,
        /// Why, in words; empty where nothing is known.
        #[serde(default)]
        because: String,
    },
    /// Subscribed; a listing follows.
    Opened {
        /// The new connection.
        generation: Generation,
        /// To which start of the engine.
        #[serde(default)]
        start: EngineStart,
        /// How far its clock is ahead of ours, where the two differ.
        #[serde(default)]
        ahead_ms: i64,
    },
    /// A full listing is complete: these are all bodies there are. Each was looked at, or is told to be unlooked at until a
    /// look succeeds.
    Listed {
        /// Through which connection.
        generation: Generation,
        /// All bodies.
        present: Vec<(ResourceId, Incarnation)>,
    },
}

impl SourceState {
    /// Connected to an engine that tells nothing of its start.
    #[must_use]
    pub fn opened(generation: Generation) -> SourceState {
        SourceState::Opened { generation, start: EngineStart::default(), ahead_ms: 0 }
    }
}

/// Something that shall be done. None of them is awaited; answers come back as inputs.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub enum Effect {
    /// Look at a resource and say what is there.
    Look {
        /// At what.
        resource: ResourceId,
        /// Of which body.
        incarnation: Incarnation,
        /// The act that this look shall settle: the look must be taken after this effect was given.
        ticket: Option<PermitId>,
    },
    /// Read what its log says.
    Gather {
        /// For which incident.
        incident: IncidentId,
        /// Of what.
        resource: ResourceId,
        /// Of which body.
        incarnation: Incarnation,
    },
    /// Do it.
    Execute(Box<Permit>),
    /// Make and start what a directory describes.
    BringUp(Box<BringUp>),
    /// End what was begun at that command's word, if it is not over yet.
    CallOff(CommandId),
    /// Fetch an image.
    Fetch(Box<Update>),
    /// Send it.
    Send(Box<Parcel>),
    /// Answer a person.
    Answer(Reply),
}
