//! The containers of a story: what there is, what happens to it, and what people do to it at the engine.

use super::*;

impl Story {
    /// A container that runs, made before the story began.
    pub(crate) fn runs(&mut self, name: &str) -> &mut Story {
        self.runs_as(name, |_| {})
    }

    /// … of a definition that differs from a plain Compose service's.
    pub(crate) fn runs_as(&mut self, name: &str, differs: impl FnOnce(&mut Definition)) -> &mut Story {
        let mut definition = compose_service(name);
        differs(&mut definition);
        self.made += 1;
        let id = Incarnation(format!("{}-{}", name.replace('/', "-"), self.made).into());
        let started = Some(SourceTime(self.source_now().0 - 3_600_000_000_000));
        self.containers.push(Container {
            resource: named(name),
            id,
            definition: Arc::new(definition),
            run: Run::Running,
            started,
            exit: None,
            health: Health::Unchecked,
            restarts: 0,
            flag: false,
            kept: Vec::new(),
            ends: None,
            outgrows: None,
            lost_networks: Vec::new(),
            refuses: None,
            ignores_term: false,
            unstartable: None,
            untold: None,
            life: 0,
            log: Vec::new(),
            complaint: None,
        });
        self
    }

    /// `docker run`: made and started before healer's eyes, outside of any deployment.
    pub(crate) fn docker_run(&mut self, name: &str) -> &mut Story {
        self.runs_as(name, |definition| definition.belongs = Belongs::Unclaimed);
        let container = self.container(name);
        (container.run, container.started) = (Run::Created, None);
        let id = container.id.clone();
        self.event(&id, What::Created);
        self.comes_up(&id);
        self
    }

    /// A container that is down since before the story began.
    pub(crate) fn is_down(&mut self, name: &str, code: i32) -> &mut Story {
        let at = SourceTime(self.source_now().0 - 60_000_000_000);
        let container = self.container(name);
        container.run = Run::Exited;
        container.exit = Some(Exit { at, code, oom: false, error: String::new(), start_error: None });
        self
    }

    pub(crate) fn has_check(&mut self, name: &str) -> &mut Story {
        self.container(name).health = Health::Healthy;
        self
    }

    pub(crate) fn logs(&mut self, name: &str, lines: &[&'static str]) -> &mut Story {
        self.container(name).log = lines.to_vec();
        self
    }

    /// It says in its log that this is wrong.
    pub(crate) fn complains(&mut self, name: &str, complaint: Complaint) -> &mut Story {
        let container = self.container(name);
        (container.log, container.complaint) = (vec!["error: so it is"], Some(complaint));
        self
    }

    /// From here on it ends `after_ms` after each start, `times` times.
    pub(crate) fn will_end(&mut self, name: &str, after_ms: u64, code: i32, times: u32) -> &mut Story {
        self.container(name).ends = Some((after_ms, code, times));
        self
    }

    pub(crate) fn ignores_term(&mut self, name: &str) -> &mut Story {
        self.container(name).ignores_term = true;
        self
    }

    pub(crate) fn cannot_start(&mut self, name: &str, error: &'static str) -> &mut Story {
        self.container(name).unstartable = Some(error);
        self
    }

    /// It is killed for want of memory so many seconds after each start, unless it has `enough` MiB; it has `limit`.
    pub(crate) fn outgrows(&mut self, name: &str, limit: u64, enough: u64, after_s: u64) -> &mut Story {
        let container = self.container(name);
        Arc::make_mut(&mut container.definition).memory_limit_bytes = limit << 20;
        container.outgrows = Some((after_s * 1_000, enough << 20));
        self.is_looked_at(name)
    }

    /// The content id of the image that it is made of.
    pub(crate) fn image_of(&mut self, name: &str) -> String {
        self.container(name).definition.image_id.clone()
    }

    /// Its memory limit, in MiB.
    pub(crate) fn limit_of(&mut self, name: &str) -> u64 {
        self.container(name).definition.memory_limit_bytes >> 20
    }

    /// The engine refuses to do this to it, from now on.
    pub(crate) fn refuses(&mut self, name: &str, action: Action, because: &'static str) -> &mut Story {
        self.container(name).refuses = Some((action, because));
        self
    }

    /// Its main process ends, and while it is down these networks of it are removed, which healer may have seen.
    pub(crate) fn loses_networks(&mut self, name: &str, networks: &[&str], seen: bool) -> &mut Story {
        let lost = networks.iter().map(|network| Lost {
            name: (*network).to_owned(),
            made_anew: false,
            known: seen.then(|| bridge(network)),
        });
        self.container(name).lost_networks = lost.collect();
        self.crashes(name, 1)
    }

    /// Another network that it is attached to is removed while it is down.
    pub(crate) fn loses_another_network(&mut self, name: &str, network: &str) -> &mut Story {
        let lost = Lost { name: network.to_owned(), made_anew: false, known: Some(bridge(network)) };
        self.container(name).lost_networks.push(lost);
        self
    }

    /// Somebody makes the networks again that it is attached to.
    pub(crate) fn networks_are_made_anew(&mut self, name: &str) -> &mut Story {
        self.container(name).lost_networks.iter_mut().for_each(|lost| lost.made_anew = true);
        self
    }

    /// The networks that it is attached to and that are no more, with a `+` where there is another of the name.
    pub(crate) fn lost(&mut self, name: &str) -> Vec<String> {
        let lost = self.container(name).lost_networks.iter();
        lost.map(|lost| format!("{}{}", lost.name, if lost.made_anew { "+" } else { "" })).collect()
    }

    pub(crate) fn can_start(&mut self, name: &str) -> &mut Story {
        self.container(name).unstartable = None;
        self
    }

    /// A new container takes the place of the present one, and runs.
    pub(crate) fn recreated(&mut self, name: &str, differs: impl FnOnce(&mut Definition)) -> &mut Story {
        let old = self.container(name).id.clone();
        self.event(&old, What::Renamed { aside: true });
        self.replaced(name, differs)
    }

    /// The present container has the temporary name that a recreate gives to what it replaces.
    pub(crate) fn put_aside(&mut self, name: &str) -> &mut Story {
        let container = self.container(name);
        let mut definition = Definition::clone(&container.definition);
        definition.name = format!("0123456789ab_{}", definition.name);
        container.definition = Arc::new(definition);
        let id = container.id.clone();
        self.event(&id, What::Renamed { aside: true });
        self
    }

    /// A new container takes the place of one that was put aside, and runs.
    pub(crate) fn replaced(&mut self, name: &str, differs: impl FnOnce(&mut Definition)) -> &mut Story {
        let old = self.container(name).id.clone();
        let mut definition = Definition::clone(&self.container(name).definition);
        definition.name = name.replace('/', "_");
        differs(&mut definition);
        self.runs_as(name, |new| *new = definition);
        let at = self.source_now();
        let new = self.container(name);
        (new.run, new.started) = (Run::Created, None);
        let new = new.id.clone();
        self.event(&new, What::Created);
        let container = self.by_id(&new).unwrap();
        (container.run, container.started) = (Run::Running, Some(at));
        self.event(&new, What::Started);
        self.event(&old, What::Destroyed);
        self.containers.retain(|container| container.id != old);
        self
    }

    /// Compose v2 makes a new container in the place of the present one.
    pub(crate) fn made_to_replace(&mut self, name: &str) -> &mut Story {
        let replaces = Some(self.container(name).id.clone());
        let definition = Definition { replaces, ..Definition::clone(&self.container(name).definition) };
        self.runs_as(name, |new| *new = definition);
        let new = self.container(name);
        (new.run, new.started) = (Run::Created, None);
        let new = new.id.clone();
        self.event(&new, What::Created);
        self.is_looked_at(name)
    }

    /// Then it stops and removes the old one, and gives its name to the new one: it has yet to start that.
    pub(crate) fn stopped_for_a_new_one(&mut self, name: &str) -> &mut Story {
        let old = self.container(name).id.clone();
        self.made_to_replace(name);
        let new = self.container(name).id.clone();
        self.after(0.02).stops_by_hand(&old);
        self.after(0.3).event(&old, What::Destroyed);
        self.containers.retain(|container| container.id != old);
        self.event(&new, What::Renamed { aside: false });
        self.is_looked_at(name)
    }

    /// `docker create`: made, and not started.
    pub(crate) fn made(&mut self, name: &str) -> &mut Story {
        self.runs(name);
        let container = self.container(name);
        (container.run, container.started) = (Run::Created, None);
        let id = container.id.clone();
        self.event(&id, What::Created);
        self
    }

    /// Somebody's start of what was made fails: no event tells of it.
    pub(crate) fn fails_to_start(&mut self, name: &str, error: &'static str) -> &mut Story {
        let at = self.source_now();
        let container = self.container(name);
        container.unstartable = Some(error);
        container.exit = Some(Exit { at, code: 128, oom: false, error: error.to_owned(), start_error: None });
        self.is_looked_at(name)
    }

    /// `docker update`, or `docker rename`: its event is followed by a look.
    pub(crate) fn updated(&mut self, name: &str, differs: impl FnOnce(&mut Definition)) -> &mut Story {
        let container = self.container(name);
        let mut definition = Definition::clone(&container.definition);
        differs(&mut definition);
        container.definition = Arc::new(definition);
        let id = container.id.clone();
        self.event(&id, What::Updated);
        self.is_looked_at(name)
    }

    fn is_looked_at(&mut self, name: &str) -> &mut Story {
        let container = self.container(name);
        let (resource, incarnation) = (container.resource.clone(), container.id.clone());
        self.file(LOOK_TAKES_MS, Due::Look { resource, incarnation, ticket: None });
        self
    }

    /// Removed, as by `docker rm -f`.
    pub(crate) fn removed(&mut self, name: &str) -> &mut Story {
        let id = self.container(name).id.clone();
        self.event(&id, What::Destroyed);
        self.containers.retain(|container| container.id != id);
        self
    }

    /// The main process ends with this code, and nobody told it to.
    pub(crate) fn crashes(&mut self, name: &str, code: i32) -> &mut Story {
        let id = self.container(name).id.clone();
        self.ends_with(&id, code, false);
        self
    }

    pub(crate) fn runs_out_of_memory(&mut self, name: &str) -> &mut Story {
        let id = self.container(name).id.clone();
        self.event(&id, What::OutOfMemory);
        self.ends_with(&id, 137, true);
        self
    }

    /// Its last end had this code, whatever its signal was.
    pub(crate) fn ended_with(&mut self, name: &str, code: i32) -> &mut Story {
        let id = self.container(name).id.clone();
        let exit = self.by_id(&id).unwrap().exit.as_mut().expect("it has ended");
        exit.code = code;
        self
    }

    pub(crate) fn turns(&mut self, name: &str, health: Health) -> &mut Story {
        let id = self.container(name).id.clone();
        self.by_id(&id).unwrap().health = health;
        self.event(&id, What::Health(health));
        self
    }

    /// The engine's own policy starts it again and again: it waits to be restarted just now.
    pub(crate) fn is_restarting(&mut self, name: &str, code: i32) -> &mut Story {
        let id = self.container(name).id.clone();
        self.ends_with(&id, code, false);
        let container = self.by_id(&id).unwrap();
        container.run = Run::Restarting;
        container.restarts += 1;
        self
    }

    /// … and starts it.
    pub(crate) fn policy_starts(&mut self, name: &str) -> &mut Story {
        let id = self.container(name).id.clone();
        self.comes_up(&id);
        self
    }

    /// `docker kill` of what waits to be restarted: no event tells of it.
    pub(crate) fn killed_while_restarting(&mut self, name: &str) -> &mut Story {
        let container = self.container(name);
        (container.run, container.flag) = (Run::Exited, true);
        self
    }

    /// Its process dies while containerd is silent: the engine goes on to call it running.
    pub(crate) fn dies_untold(&mut self, name: &str, code: i32) -> &mut Story {
        let at = self.source_now();
        self.container(name).untold = Some(Exit { at, code, oom: false, error: String::new(), start_error: None });
        self
    }

    /// containerd is back, and the engine tells the end that it missed, late.
    pub(crate) fn is_told_late(&mut self, name: &str) -> &mut Story {
        let id = self.container(name).id.clone();
        let container = self.by_id(&id).unwrap();
        let exit = container.untold.take().expect("it has died");
        let code = exit.code;
        (container.run, container.exit) = (Run::Exited, Some(exit));
        self.event(&id, What::Died { code });
        self
    }

    pub(crate) fn paused(&mut self, name: &str) -> &mut Story {
        let id = self.container(name).id.clone();
        self.by_id(&id).unwrap().run = Run::Paused;
        self.event(&id, What::Paused);
        self
    }

    pub(crate) fn attached(&mut self, name: &str) -> &mut Story {
        let id = self.container(name).id.clone();
        self.event(&id, What::Attached);
        self
    }

    /// `docker stop`: signal, end, stop; the API stays open. One that meets a start waits for it; one of what is down
    /// leaves no trace at all.
    pub(crate) fn docker_stop(&mut self, name: &str) -> &mut Story {
        let id = self.container(name).id.clone();
        self.stops_by_hand(&id);
        self
    }

    /// `docker stop` of this very container.
    pub(crate) fn docker_stop_of(&mut self, id: &Incarnation) -> &mut Story {
        self.stops_by_hand(id);
        self
    }

    pub(super) fn stops_by_hand(&mut self, id: &Incarnation) {
        let is_start = |due: &Due| matches!(due, Due::Started { id: starting, .. } if starting == id);
        let starts_at = self.agenda.iter().find(|(_, due)| is_start(due)).map(|((at, _), _)| *at);
        if let Some(at) = starts_at {
            return self.file(at - self.now_ms + 1, Due::StopsByHand(id.clone()));
        }
        if self.by_id(id).is_none_or(|container| container.run != Run::Running) {
            return;
        }
        let id = id.clone();
        let at = self.signals(&id, 15);
        self.api_found_open(&id, at);
        self.terminates(&id, None);
    }

    /// `docker kill`: signal and end, no stop.
    pub(crate) fn docker_kill(&mut self, name: &str) -> &mut Story {
        let id = self.container(name).id.clone();
        let at = self.signals(&id, 9);
        self.api_found_open(&id, at);
        let life = self.by_id(&id).unwrap().life;
        self.file(26, Due::Ends { id, life, code: 137 });
        self
    }

    /// The signal of a `docker stop` alone: who sent it is not known yet.
    pub(crate) fn is_told_to_end(&mut self, name: &str, signal: u8) -> &mut Story {
        let id = self.container(name).id.clone();
        self.signals(&id, signal);
        if signal == 9 {
            let life = self.by_id(&id).unwrap().life;
            self.file(26, Due::Ends { id, life, code: 137 });
        } else {
            self.terminates(&id, None);
        }
        self
    }

    /// `docker kill -s TERM` of what takes long to end.
    pub(crate) fn is_told_to_drain(&mut self, name: &str) -> &mut Story {
        let id = self.container(name).id.clone();
        let at = self.signals(&id, 15);
        self.api_found_open(&id, at);
        self
    }

    /// `docker start`.
    pub(crate) fn docker_start(&mut self, name: &str) -> &mut Story {
        let id = self.container(name).id.clone();
        self.comes_up(&id);
        self
    }

    /// What our own order did, though its answer was lost.
    pub(crate) fn docker_start_by_us(&mut self, name: &str) -> &mut Story {
        self.docker_start(name)
    }

    /// A signal that asks nothing to end.
    pub(crate) fn reloaded(&mut self, name: &str) -> &mut Story {
        let id = self.container(name).id.clone();
        self.by_id(&id).unwrap().flag = true;
        self.event(&id, What::Signalled { signal: 1, terminating: false });
        self
    }
}

fn bridge(name: &str) -> Network {
    Network {
        name: name.to_owned(),
        driver: "bridge".to_owned(),
        options: BTreeMap::new(),
        labels: BTreeMap::new(),
        internal: false,
        attachable: false,
        ipv6: false,
        subnets: Vec::new(),
    }
}

impl Container {
    /// Whether a step would change nothing.
    pub(super) fn is_changed(&self, step: &Step) -> bool {
        let lost = |name: &str| self.lost_networks.iter().find(|lost| lost.name == name);
        match (step.action, &step.with) {
            (Action::Change(Change::SetMemory), With::Memory(to)) => to.to_bytes == self.definition.memory_limit_bytes,
            (Action::Change(Change::CreateNetwork), With::Network(of)) => lost(&of.name).is_none_or(|it| it.made_anew),
            (Action::Change(Change::JoinNetwork), With::NetworkName(name)) => lost(name).is_none(),
            _ => false,
        }
    }

    pub(super) fn change(&mut self, step: &Step) {
        match (step.action, &step.with) {
            (Action::Change(Change::SetMemory), With::Memory(limits)) => {
                Arc::make_mut(&mut self.definition).memory_limit_bytes = limits.to_bytes;
            }
            (Action::Change(Change::CreateNetwork), With::Network(network)) => {
                self.lost_networks
                    .iter_mut()
                    .filter(|lost| lost.name == network.name)
                    .for_each(|it| it.made_anew = true);
            }
            (Action::Change(Change::RemoveNetwork), With::Network(network)) => {
                self.lost_networks.retain(|lost| lost.name != network.name);
                let known = Some(Network::clone(network));
                self.lost_networks.push(Lost { name: network.name.clone(), made_anew: false, known });
            }
            (Action::Change(Change::JoinNetwork), With::NetworkName(name)) => {
                self.lost_networks.retain(|lost| lost.name != *name);
            }
            (Action::Change(Change::Unpause), With::Nothing) => self.run = Run::Running,
            other => panic!("no such change: {other:?}"),
        }
    }
}
