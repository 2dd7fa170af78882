//! The performers: they do as the real ones do. Look at the container, see whether the act is still due, ask the gate as
//! the very last thing, act. Answers may be lost, late, or lie.

use std::sync::Arc;

use model::ResourceId;
use model::action::{Action, Answer, Behalf, Change, Pair, Permit, PermitId, With};
use model::command::Reply;
use model::complaint::Complaint;
use model::fact::{Fact, Generation, Incarnation, Observation};
use model::incident::{Excerpt, IncidentId, Line};
use model::input::Input;
use model::message::{Delivery, Kind, Parcel, Receipt};
use model::network::{Lost, Network};

use crate::docker::{By, Key};
use crate::healer::CrashPoint;
use crate::images::Flaw;
use crate::people::Deed;
use crate::truth::Token;
use crate::world::{Ev, World};

/// Some performers start this late at most: their pool was full.
const LATE_START_MS: u64 = 40_000;

impl World<'_> {
    // ---- acts

    pub(crate) fn begin_act(&mut self, pid: u32, permit: Box<Permit>) {
        let late = self.stormy && self.rng.percent(5);
        let wait = if late { self.rng.range(500, LATE_START_MS) } else { self.rng.range(0, 4) };
        if late {
            self.counts.hit("answer", "late start");
        }
        self.aim_at(pid, &permit, wait);
        self.after(wait, Ev::Reread { pid, permit });
    }

    /// Races are aimed: at random they would be met once in a hundred worlds.
    fn aim_at(&mut self, pid: u32, permit: &Permit, reread_in: u64) {
        if !self.stormy || !self.rng.percent(14) {
            return;
        }
        let Some(svc) = self.svc_of(&permit.step.resource) else { return };
        let ours = matches!(permit.behalf, Behalf::Incident(_));
        let soon = reread_in + self.rng.below(900);
        match self.rng.below(12) {
            0..3 if ours => {
                let race = match permit.step.action {
                    Action::Start => "stop at our start",
                    Action::Stop => "stop at our stop",
                    Action::Recreate => "stop at our recreate",
                    Action::Change(_) => "stop at our change",
                };
                self.counts.hit("race", race);
                self.after(soon, Ev::Deed(Deed::DockerStop(svc)));
            }
            3 if ours => self.after(soon, Ev::Deed(Deed::DockerKill(svc))),
            4..6 if ours => {
                self.counts.hit("race", "freeze at a permit");
                let within = self.rng.below(reread_in + 60);
                self.after(within, Ev::Deed(Deed::Freeze));
                let thawed = self.rng.range(1_000, 600_000);
                self.after(within + thawed, Ev::Deed(Deed::Thaw));
            }
            6..8 if ours => {
                let within = self.rng.below(reread_in + 300);
                self.after(within, Ev::Deed(Deed::HealerStop(svc)));
            }
            8..10 if permit.step.pair == Pair::Opens || permit.step.action == Action::Recreate => {
                let within = self.rng.below(1_500);
                self.after(within, Ev::KillHealer { pid, point: CrashPoint::BetweenStopAndStart });
            }
            10 => {
                self.counts.hit("race", "second healer at a permit");
                self.after(soon, Ev::BeginHealer);
            }
            _ => {}
        }
    }

    /// Just before the act the container is looked at again.
    pub(crate) fn reread(&mut self, pid: u32, permit: Box<Permit>) {
        if self.healer(pid).is_none() {
            return;
        }
        let withheld = |why: &str| Answer::Withheld(why.to_owned());
        let answer = match self.docker.by_id(&permit.incarnation) {
            _ if !self.docker.api => Some(withheld("no look was possible just before the act")),
            None => Some(withheld("the container is gone")),
            Some(key) => permit.answered_by(self.docker.containers[key].run),
        };
        if let Some(answer) = answer {
            self.orders.insert(permit.id, (pid, false));
            return self.answer(permit.id, answer);
        }
        let wait = if self.stormy && self.rng.percent(15) { self.rng.range(5, 900) } else { self.rng.range(0, 4) };
        if self.stormy && self.rng.percent(3) {
            // A client that tries again what it thinks was lost.
            self.after(wait + 30, Ev::Act { pid, permit: permit.clone(), again: true });
        }
        self.after(wait, Ev::Act { pid, permit, again: false });
    }

    pub(crate) fn act(&mut self, pid: u32, permit: Box<Permit>, again: bool) {
        let tick = self.moment().tick;
        if self.healer(pid).is_some() && self.starts_without_mount(&permit) {
            self.counts.hit("race", "mount gone at the act");
            if !again {
                self.orders.insert(permit.id, (pid, false));
                self.answer(permit.id, Answer::Withheld("a mount that it needs is missing".to_owned()));
            }
            return;
        }
        if self.healer(pid).is_some()
            && let Some(answer) = self.ended_meanwhile(&permit)
        {
            if !again {
                self.orders.insert(permit.id, (pid, false));
                self.answer(permit.id, answer);
            }
            return;
        }
        let Some(healer) = self.healer(pid) else { return };
        if let Err(withdrawn) = healer.gate.pass(&permit, tick) {
            if !again {
                self.orders.insert(permit.id, (pid, false));
                self.answer(permit.id, Answer::Withheld(withdrawn.to_string()));
            }
            return;
        }
        self.check_act(pid, &permit);
        self.orders.insert(permit.id, (pid, true));
        let Some(key) = self.docker.by_id(&permit.incarnation).filter(|_| self.docker.api) else {
            let why = "the engine cannot be reached".to_owned() + &self.where_its_name_is(&permit);
            return self.answer(permit.id, Answer::Failed(why));
        };
        self.trace(|| format!("healer {pid} acts: {} {}", permit.step.action, permit.step.resource.short()));
        match permit.step.action {
            Action::Start => {
                self.counts.hit("act", "start");
                self.docker_start(key, By::Healer(permit.id));
            }
            Action::Stop => {
                self.counts.hit("act", "stop");
                let undo = matches!(permit.behalf, Behalf::Incident(_)) && permit.step.pair == Pair::None;
                if self.stormy && self.rng.percent(if undo { 25 } else { 3 }) {
                    let why = "the engine answered 500: cannot stop container: permission denied";
                    if let Behalf::Person(_) = permit.behalf {
                        // They are told, and it is theirs to see to.
                        let svc = self.docker.containers[key].svc;
                        self.services[svc].truth.refused = true;
                    }
                    return self.answer(permit.id, Answer::Failed(why.to_owned()));
                }
                self.docker_stop(key, By::Healer(permit.id));
            }
            Action::Recreate => self.begin_remaking(pid, &permit, key),
            Action::Change(Change::SetMemory) => self.sets_memory(&permit, key),
            Action::Change(change) => self.changes_network(change, &permit, key),
        }
    }

    /// What is to be made anew is looked at once more, after Compose was asked about it.
    pub(crate) fn ended_meanwhile(&mut self, permit: &Permit) -> Option<Answer> {
        let key = self.docker.by_id(&permit.incarnation).filter(|_| permit.step.action == Action::Recreate)?;
        let answer = permit.answered_by(self.docker.containers[key].run)?;
        if permit.ran && !self.docker.containers[key].is_up() {
            self.counts.hit("race", "ended before it was made anew");
        }
        Some(answer)
    }

    fn sets_memory(&mut self, permit: &Permit, key: Key) {
        let With::Memory(limits) = permit.step.with else { return };
        self.counts.hit("act", if permit.unhindered { "memory limit taken back" } else { "memory limit" });
        let definition = Arc::make_mut(&mut self.docker.containers[key].def);
        let answer = if definition.memory_limit_bytes == limits.to_bytes {
            Answer::AlreadySo
        } else if definition.memory_limit_bytes != limits.from_bytes {
            Answer::Failed("somebody else has set its limit".to_owned())
        } else if self.stormy && self.rng.percent(10) {
            Answer::Failed("the engine answered 500: cannot update container".to_owned())
        } else {
            definition.memory_limit_bytes = limits.to_bytes;
            Answer::Done
        };
        self.answer(permit.id, answer);
    }

    fn changes_network(&mut self, change: Change, permit: &Permit, key: Key) {
        let name = match change {
            Change::SetMemory | Change::CreateNetwork => "create network",
            Change::RemoveNetwork => "remove network",
            Change::JoinNetwork => "join network",
            // Nobody in these worlds has healer unpause anything, and no file system is watched in them.
            Change::Unpause | Change::FreeSpace => return,
        };
        self.counts.hit("act", name);
        if self.stormy && self.rng.percent(10) {
            return self.answer(permit.id, Answer::Failed("the engine answered 500: cannot".to_owned()));
        }
        let lost = &mut self.docker.containers[key].lost_networks;
        let (name, made_anew) = match &permit.step.with {
            With::Network(network) => (network.name.clone(), change == Change::CreateNetwork),
            With::NetworkName(name) => (name.clone(), false),
            With::Nothing | With::Image(_) | With::Memory(_) => return,
        };
        let of = lost.iter().position(|lost| lost.name == name);
        let answer = match (of, &permit.step.with) {
            (Some(at), With::NetworkName(_)) if lost[at].made_anew => {
                lost.remove(at);
                Answer::Done
            }
            (Some(_), With::NetworkName(_)) => Answer::Failed("there is no such network".to_owned()),
            (Some(at), _) if lost[at].made_anew == made_anew => Answer::AlreadySo,
            (Some(at), _) => {
                lost[at].made_anew = made_anew;
                Answer::Done
            }
            // It was attached to what is removed by this.
            (None, With::Network(network)) if !made_anew => {
                lost.push(Lost { name, made_anew, known: Some(Network::clone(network)) });
                Answer::Done
            }
            (None, _) => Answer::AlreadySo,
        };
        self.answer(permit.id, answer);
    }

    /// What the engine said reaches the loop, mostly.
    pub(crate) fn answer(&mut self, permit: PermitId, answer: Answer) {
        let Some((pid, _)) = self.orders.get(&permit).copied() else { return };
        let mut answer = answer;
        let mut takes = self.rng.range(2, 30);
        // That nothing was begun healer's own hands say, and not an engine.
        if self.stormy && !matches!(answer, Answer::Withheld(_)) {
            match self.rng.below(100) {
                0..15 => return self.counts.hit("answer", "lost"),
                // Whoever moves an image's name says where it is, or nothing.
                15..18 if answer == Answer::Done && self.check.retag_of(permit).is_none() => {
                    self.counts.hit("answer", "lie");
                    answer = Answer::Failed("the engine answered 500: context deadline exceeded".to_owned());
                }
                18..23 => {
                    self.counts.hit("answer", "late");
                    takes = self.rng.range(1_000, 80_000);
                }
                _ => {}
            }
        }
        self.counts.hit(
            "answer",
            match answer {
                Answer::Done => "done",
                Answer::AlreadySo => "already_so",
                Answer::Withheld(_) => "withheld",
                Answer::Failed(_) | Answer::Unknown(_) => "failed",
            },
        );
        let input = Box::new(Input::Answered(permit, answer));
        self.after(takes, Ev::Arrive { pid, input, token: Token::None });
    }

    // ---- looks and logs

    pub(crate) fn begin_look(
        &mut self,
        pid: u32,
        resource: ResourceId,
        incarnation: Incarnation,
        ticket: Option<PermitId>,
    ) {
        let late = self.stormy && self.rng.percent(5);
        let wait = if late { self.rng.range(100, 30_000) } else { self.rng.range(1, 10) };
        self.after(wait, Ev::LookNow { pid, resource, incarnation, ticket });
    }

    pub(crate) fn look_now(
        &mut self,
        pid: u32,
        resource: &ResourceId,
        incarnation: &Incarnation,
        ticket: Option<PermitId>,
    ) {
        if self.stormy && self.rng.percent(15) {
            return self.counts.hit("look", "lost");
        }
        let Some(svc) = self.svc_of(resource).filter(|_| self.docker.api) else { return };
        let Some(healer) = self.healer(pid) else { return };
        let generation = healer.eyes.generation;
        let bodies: Vec<_> = self.docker.bodies(svc).map(|(key, _)| key).collect();
        let mut found = false;
        for key in bodies {
            let asked = self.docker.containers[key].id == *incarnation;
            found |= asked;
            if asked && ticket.is_some() {
                self.counts.hit("look", "settles");
            }
            self.look_arrives(pid, generation, key, ticket.filter(|_| asked));
        }
        if !found {
            let seen = Observation {
                resource: resource.clone(),
                incarnation: incarnation.clone(),
                generation: Generation(generation),
                fact: Fact::Gone,
            };
            let input = match ticket {
                Some(ticket) => Input::Looked { ticket, seen },
                None => Input::Observed(seen),
            };
            self.after(3, Ev::Arrive { pid, input: Box::new(input), token: Token::None });
        }
    }

    pub(crate) fn gather(&mut self, pid: u32, incident: IncidentId, incarnation: Incarnation) {
        if self.stormy && self.rng.percent(20) {
            return;
        }
        let telling = self.rng.percent(50);
        let of = self.docker.by_id(&incarnation);
        let complaint = of.filter(|key| self.flaw_of(*key) == Some(Flaw::LacksVariable));
        let complaint = complaint.map(|_| Complaint::VariableMissing { name: Some("LEDGER".to_owned()) });
        let line = Line { text: "panic: no space left on device".to_owned(), times: 1, telling, complaint };
        let log = Ok(Excerpt { lines: vec![line], read_lines: 20, cut: false });
        let takes = self.rng.range(5, 60);
        let input = Box::new(Input::Gathered { incident, incarnation, log });
        self.after(takes, Ev::Arrive { pid, input, token: Token::None });
    }

    // ---- messages

    pub(crate) fn send(&mut self, pid: u32, parcel: Box<Parcel>) {
        let takes = self.rng.range(20, 1_500);
        self.after(takes, Ev::Sent { pid, parcel });
    }

    pub(crate) fn sent(&mut self, pid: u32, parcel: &Parcel) {
        if self.healer(pid).is_none() {
            return;
        }
        let result = match self.rng.below(1_000) {
            0..2 if self.stormy => Delivery::Rejected("410 Gone".to_owned()),
            2..100 if self.stormy => Delivery::Retry("503 Service Unavailable".to_owned()),
            _ if self.now < self.channel_down_until => Delivery::Retry("no route to host".to_owned()),
            _ => Delivery::Delivered,
        };
        if result == Delivery::Delivered {
            self.message_is_read(&parcel.message);
            self.check.received.insert(parcel.message.id);
            self.counts.hit(
                "message",
                match parcel.message.kind {
                    Kind::Healed => "healed",
                    Kind::Opened => "opened",
                    Kind::Updated => "updated",
                    Kind::Escalated => "escalated",
                    Kind::Resolved => "resolved",
                    Kind::Recovered => "recovered",
                    Kind::Notice => "notice",
                },
            );
        }
        if self.stormy && self.rng.percent(2) {
            return; // The receipt is lost: the same message is sent again.
        }
        let receipt = Receipt { channel: parcel.channel.clone(), message: parcel.message.id, result };
        self.arrives(pid, Input::Delivered(receipt), Token::None);
    }

    pub(crate) fn replied(&mut self, reply: &Reply) {
        self.check.unanswered.remove(&reply.id);
        self.link_is_answered(reply);
        self.update_is_answered(reply);
        self.trace(|| format!("{} is answered: {:?}", reply.id.0, reply.lines));
    }
}
