//! An image is fetched for an update, as healer's hands have it done: the files are compared, the gate is asked, and then it
//! takes its time. The name is given to what was fetched by the engine; what came of it is told a moment later, and to nobody
//! where healer's process ended meanwhile.

use model::action::{Behalf, Permit, Retag};
use model::input::Input;
use model::update::{Fetched, Update};

use crate::docker::Svc;
use crate::images::Flaw;
use crate::people::Moved;
use crate::truth::Token;
use crate::world::{Ev, World};

/// An image that is being fetched.
#[derive(Debug, Clone)]
pub(crate) struct Fetch {
    pub(crate) order: Update,
    svc: Svc,
    /// What the service was made of when that began.
    from: String,
    made_of: String,
}

impl World<'_> {
    pub(crate) fn begin_fetch(&mut self, pid: u32, order: Update) {
        let Some(svc) = self.svc_of(&order.resource) else { return };
        let key = self.docker.by_id(&order.incarnation).filter(|_| self.docker.api);
        let Some(key) = key else {
            return self.fetch_fails(pid, &order, "the engine could not be asked about it: no such container");
        };
        let def = self.docker.containers[key].def.clone();
        if def.config_hash != self.compose_hash(svc) {
            return self.fetch_fails(
                pid,
                &order,
                "Compose would make something else of it: its files were changed since",
            );
        }
        let passes = self.healer(pid).map(|healer| healer.gate.pass_order());
        if let Some(Err(withdrawn)) = passes {
            return self.fetch_fails(pid, &order, &withdrawn.to_string());
        }
        self.counts.hit("update", "fetched");
        let rng = &mut self.updates.rng;
        let takes = match rng.below(10) {
            0..6 => rng.range(300, 5_000),
            6..9 => rng.range(5_000, 60_000),
            _ => rng.range(60_000, 300_000),
        };
        let fetch = Fetch { order, svc, from: def.image_id.clone(), made_of: def.config_hash.clone() };
        self.after(takes, Ev::FetchEnds { pid, fetch: Box::new(fetch) });
    }

    /// The child of a process that ended ends with it.
    pub(crate) fn fetch_ends(&mut self, pid: u32, fetch: Box<Fetch>) {
        if self.healer(pid).is_none() {
            return self.counts.hit("update", "ended with its process");
        }
        if !self.docker.api {
            self.counts.hit("update", "engine gone");
            return self.fetch_fails(pid, &fetch.order, "Compose says: Cannot connect to the Docker daemon");
        }
        match self.updates.rng.below(10) {
            0..2 => {}
            2..4 => return self.fetch_fails(pid, &fetch.order, "the registry cannot be reached"),
            _ => self.newer_is_fetched(pid, &fetch),
        }
        let asks = self.updates.rng.range(50, 900);
        self.after(asks, Ev::FetchTold { pid, fetch });
    }

    fn newer_is_fetched(&mut self, pid: u32, fetch: &Fetch) {
        let svc = fetch.svc;
        let rng = &mut self.updates.rng;
        let flaw = rng.percent(50).then(|| if rng.percent(75) { Flaw::LacksVariable } else { Flaw::LacksCommand });
        let to = self.images.another(flaw);
        self.name_means(svc, &to);
        // Another process may have given it up meanwhile, and said where the name may be.
        let order = (fetch.order.command.clone(), fetch.order.resource.clone());
        let told = self.updates.given_up.contains(&order);
        self.updates.moved.insert(svc, Moved { to, told });
        self.befalls_a_moved_name(pid, svc);
    }

    /// What the name means by now is told to whoever had it fetched.
    pub(crate) fn fetch_told(&mut self, pid: u32, fetch: Fetch) {
        if self.healer(pid).is_none() {
            return self.counts.hit("update", "ended untold");
        }
        let Fetch { order, svc, from, made_of } = fetch;
        let name = self.services[svc].template.image.clone();
        if !self.docker.api {
            let why = format!("the engine could not be asked about it; {name} may mean a newer image by now");
            return self.fetch_fails(pid, &order, &why);
        }
        let to = self.services[svc].template.image_id.clone();
        if to == from {
            self.counts.hit("update", "none newer");
            return self.fetch_is_told(pid, &order, Fetched::Same);
        }
        let config_hash = if self.docker.is_newer { made_of.clone() } else { self.compose_hash(svc) };
        let retag = Retag { name, to, from, config_hash, from_config_hash: made_of };
        self.counts.hit("update", "newer");
        self.updates.newer.entry(order.resource.clone()).or_default().push(retag.clone());
        self.fetch_is_told(pid, &order, Fetched::Newer(Box::new(retag)));
    }

    fn fetch_fails(&mut self, pid: u32, order: &Update, why: &str) {
        self.counts.hit("update", "not fetched");
        self.fetch_is_told(pid, order, Fetched::Failed(why.to_owned()));
    }

    fn fetch_is_told(&mut self, pid: u32, order: &Update, result: Fetched) {
        let input = Input::Fetched { command: order.command.clone(), resource: order.resource.clone(), result };
        let takes = self.updates.rng.range(2, 30);
        self.after(takes, Ev::Arrive { pid, input: Box::new(input), token: Token::None });
    }

    /// Where the name is that a person's update has moved, in words, where nothing was made of it.
    pub(crate) fn where_its_name_is(&self, permit: &Permit) -> String {
        let (Behalf::Person(_), Some(retag)) = (&permit.behalf, self.check.retag(permit)) else {
            return String::new();
        };
        let Retag { name, to, from, .. } = &retag;
        let old = self.docker.by_id(&permit.incarnation).map(|key| &self.docker.containers[key]);
        let runs = old.map_or(from, |old| &old.def.image_id);
        let means = old.is_none_or(|old| self.services[old.svc].template.image_id == *to);
        if runs == to || (self.docker.api && !means) {
            return String::new();
        }
        format!("; {name} means {to} by now: `docker tag {runs} {name}` takes that back")
    }
}
