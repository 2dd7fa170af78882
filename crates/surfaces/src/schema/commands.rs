//! What persons ask, and what healer says to it.

use utoipa::ToSchema;

/// A command.
#[derive(Debug, ToSchema)]
pub struct CommandRequest {
    /// What is asked.
    pub ask: Option<Ask>,
    /// Or the same of a service, as a suggestion puts it.
    pub service_action: Option<ServiceRequest>,
    /// The same id twice acts once; made up if left out.
    pub id: Option<String>,
}

/// Something that healer does at a person's word, and the evidence speaks for: `service_action` of the command says it.
#[derive(Debug, ToSchema)]
pub struct Suggestion {
    /// `service_action`.
    pub kind: String,
    /// The service, as its deployment calls it.
    pub service: String,
    /// What to do.
    pub action: ServiceAction,
    /// What a button says.
    pub title: String,
    /// Why.
    pub reason: String,
}

/// What is done to a service of a deployment.
#[derive(Debug, ToSchema)]
pub struct ServiceRequest {
    /// The deployment.
    pub deployment: String,
    /// The service.
    pub service: String,
    /// What to do.
    pub action: ServiceAction,
}

/// What can be done to a service.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum ServiceAction {
    /// Start it.
    Start,
    /// Stop it.
    Stop,
    /// Stop and start it.
    Restart,
    /// Build its image anew, and make it of that.
    Rebuild,
    /// Fetch its image anew, and make it of that.
    Pull,
}

/// What can be asked. Names are a deployment, a service (`shop/web`), or a resource.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum Ask {
    /// It shall run from here on.
    Start(String),
    /// It shall not run from here on.
    Stop(String),
    /// Stop and start it.
    Restart(String),
    /// Stop and start it, and all that needs it.
    RestartAll(String),
    /// Fetch its image from the registry, and make it anew of that if it is a newer one.
    Pull(String),
    /// The same with an image that is built.
    Rebuild(String),
    /// Its state as it is found is what is wanted.
    Adopt(String),
    /// Start nothing new anywhere.
    Freeze {
        /// Why.
        because: String,
    },
    /// The freeze is over.
    Thaw,
    /// Yes to the plan that an incident asks about.
    Approve(String),
    /// No to it.
    Reject {
        /// Of which incident.
        incident: String,
        /// Why.
        because: String,
    },
    /// Yes or no to exactly this question, whatever is asked by then.
    Answer {
        /// Which.
        question: Asked,
        /// Yes.
        approved: bool,
        /// Why.
        because: String,
    },
    /// A person takes the incident.
    Acknowledge(String),
}

/// One question to a person, as the entry of the message that put it tells it.
#[derive(Debug, ToSchema)]
pub struct Asked {
    /// Of which incident.
    pub incident: String,
    /// What would be done.
    pub plan: String,
    /// The body that it is about.
    #[schema(required)]
    pub binds: Option<Binding>,
    /// When it expires, in milliseconds of healer's own clock.
    pub until: u64,
}

/// A body that a question is about.
#[derive(Debug, ToSchema)]
pub struct Binding {
    /// The container's id.
    pub incarnation: String,
    /// The image's content id.
    pub image_id: String,
    /// Compose's hash of the service's configuration.
    pub config_hash: String,
}

/// What healer says to a command.
#[derive(Debug, ToSchema)]
pub struct Reply {
    /// To which.
    pub id: String,
    /// Whether it was taken.
    pub taken: bool,
    /// Per resource, or once for the whole.
    pub lines: Vec<ReplyLine>,
    /// That it is not over yet: who gives the same command again, with its id, waits on.
    pub under_way: Option<bool>,
    /// Where it was not taken: the lines as one.
    pub error: Option<String>,
}

/// One line of a reply.
#[derive(Debug, ToSchema)]
pub struct ReplyLine {
    /// Which resource, if one.
    #[schema(required)]
    pub resource: Option<String>,
    /// What becomes of it.
    pub text: String,
    /// Whether it will not be as was asked: refused, dropped, or tried in vain. What is queued has not failed.
    pub failed: bool,
}
