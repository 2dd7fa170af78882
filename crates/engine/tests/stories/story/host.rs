//! The host of a story: it goes down, and comes back with another start of its engine.

use super::*;

impl Story {
    /// The engine tells from now on which start of it this is.
    pub(crate) fn tells_its_start(&mut self) -> &mut Story {
        self.engine_is_new(true)
    }

    fn engine_is_new(&mut self, host_is_new: bool) -> &mut Story {
        self.starts += 1;
        let boot = if host_is_new { Some(format!("boot-{}", self.starts)) } else { self.start.boot.clone() };
        let at = Some(self.source_now());
        let process = Some(format!("process-{}", self.starts));
        let engine = self.start.engine.take().or(Some("engine-of-h".to_owned()));
        self.start = EngineStart { engine, machine: None, boot, process, at };
        self
    }

    /// healer is ended in order, as a host does first when it goes down.
    pub(crate) fn ends_in_order(&mut self) -> &mut Story {
        let now = self.now();
        let decision = self.engine.as_mut().unwrap().end(now);
        self.commit(&decision.entries);
        self.is_killed()
    }

    /// The engine ends all that runs, before nobody's eyes; each answers TERM with this code.
    pub(crate) fn engine_ends_all(&mut self, code: i32) -> &mut Story {
        for at in 0..self.containers.len() {
            if self.containers[at].run == Run::Running {
                let now = self.source_now();
                let container = &mut self.containers[at];
                (container.run, container.life) = (Run::Exited, container.life + 1);
                container.exit = Some(Exit { at: now, code, oom: false, error: String::new(), start_error: None });
                if container.health != Health::Unchecked {
                    container.health = Health::Starting;
                }
            }
        }
        self
    }

    /// The host goes down in order and comes back, and with it the engine: what has a policy is started by that.
    pub(crate) fn host_restarts(&mut self, code: i32) -> &mut Story {
        self.ends_in_order().after(1.0).engine_ends_all(code).after(40.0);
        self.boots()
    }

    /// The host comes up, and with it the engine: what has a policy is started by that.
    pub(crate) fn boots(&mut self) -> &mut Story {
        self.engine_is_new(true).policies_start()
    }

    /// A remote engine is started anew: of what happened before it remembers nothing.
    pub(crate) fn remembers_nothing(&mut self) -> &mut Story {
        self.containers.iter_mut().for_each(|container| container.kept.clear());
        (self.kept_complete, self.memory_is_young) = (Some(false), true);
        self
    }

    /// It is another machine, made of a copy of this one's disks.
    pub(crate) fn is_a_clone(&mut self) -> &mut Story {
        self.start.engine = Some("engine-of-the-clone".to_owned());
        self
    }

    /// The engine alone is another one.
    pub(crate) fn engine_restarts(&mut self) -> &mut Story {
        self.engine_is_new(false)
    }

    /// What the engine starts by itself when it starts.
    pub(crate) fn policies_start(&mut self) -> &mut Story {
        for at in 0..self.containers.len() {
            let container = &self.containers[at];
            let by_policy = match container.definition.restart_policy {
                RestartPolicy::Always => true,
                RestartPolicy::UnlessStopped => !container.flag,
                RestartPolicy::OnFailure(_) => container.exit.as_ref().is_some_and(|exit| exit.code != 0),
                RestartPolicy::No => false,
            };
            if by_policy && container.run == Run::Exited {
                let now = self.source_now();
                (self.containers[at].run, self.containers[at].started) = (Run::Running, Some(now));
            }
        }
        self
    }

    /// When each service was started last, and whether it runs.
    pub(crate) fn started_at(&mut self, name: &str) -> Option<SourceTime> {
        let container = self.container(name);
        container.started.filter(|_| container.run == Run::Running)
    }
}
