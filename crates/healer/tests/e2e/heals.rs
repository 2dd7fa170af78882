//! What fails by itself comes back, and healer can say why it failed.

use model::event::Event;
use model::view::Why;

use crate::docker::kill_from_the_host;
use crate::rig::{Rig, SOON, Service, wait_for};

/// All that `why` says, as one text.
pub(crate) fn told(why: &Why) -> String {
    let lines = why.story.iter().map(|line| line.text.as_str());
    let quotes = why.evidence.iter().map(|evidence| evidence.text.as_str());
    let not_done = why.not_done.iter().map(String::as_str);
    [why.headline.as_str()].into_iter().chain(lines).chain(quotes).chain(not_done).collect::<Vec<_>>().join("\n")
}

/// The causes that the rules named for a service, in order.
pub(crate) fn causes(rig: &Rig, service: &str) -> Vec<String> {
    let diagnosed = rig.journal_of(service).into_iter().filter_map(|entry| {
        let Event::Diagnosed { diagnosis, .. } = entry.event else { return None };
        Some(diagnosis.cause)
    });
    diagnosed.collect()
}

#[test]
fn a_crash_by_its_own_error_comes_back_and_is_told_once_with_the_telling_log_line() {
    let Some(mut rig) = Rig::new("crash", &[Service::web("web")]) else { return };
    rig.start_healer(&["web"]);
    let before = rig.container("web");
    rig.tell("web", "crash");
    let incident = rig.wait_until_healed("web");
    assert_eq!(incident.attempts, 1, "{incident:?}");
    let after = rig.container("web");
    assert_eq!(after.id, before.id, "it is started, not made anew");
    wait_for("the recorder has seen both starts", SOON, || (rig.starts(&after) == 2).then_some(()));

    let why = told(&rig.healer.why(&rig.short("web")));
    assert!(why.contains("cannot open ledger: checksum does not match"), "{why}");
    assert!(why.contains("exit 3") || why.contains("code 3") || why.contains("exited 3"), "{why}");
    let of_incident = told(&rig.healer.why(&incident.id.to_string()));
    assert!(of_incident.contains("cannot open ledger"), "{of_incident}");

    let message = wait_for("the message arrives", SOON, || rig.hook.of_kind("healed").pop());
    assert!(message.is_signed(), "{:?}", message.headers);
    assert_eq!(message.json()["incident"], incident.id.to_string());
    let queued = rig.healer.journal().into_iter().filter(|entry| entry.event.name() == "message_queued").count();
    assert_eq!((queued, rig.hook.deliveries().len()), (1, 1), "one incident that needed nobody is one message");
}

#[test]
fn a_kill_for_want_of_memory_is_known_by_evidence_and_not_by_its_exit_code() {
    let web = Service::web("web").with("mem_limit: 16m").with("memswap_limit: 16m");
    let Some(mut rig) = Rig::new("oom", &[web]) else { return };
    rig.start_healer(&["web"]);
    rig.tell("web", "oom");
    rig.wait_until_healed("web");
    assert_eq!(causes(&rig, "web").last().map(String::as_str), Some("oom_main"));
    let why = told(&rig.healer.why(&rig.short("web")));
    assert!(why.contains("cause: out of memory in the main process") && why.contains("OOMKilled=true"), "{why}");
}

#[test]
fn a_kill_by_the_host_is_healed_and_is_not_called_a_lack_of_memory() {
    let Some(mut rig) = Rig::new("hostkill", &[Service::web("web")]) else { return };
    rig.start_healer(&["web"]);
    let before = rig.container("web");
    kill_from_the_host(before.pid);
    rig.wait_until_healed("web");
    let causes = causes(&rig, "web");
    assert!(!causes.is_empty() && !causes.iter().any(|cause| cause.contains("oom")), "{causes:?}");
    assert_eq!(rig.container("web").id, before.id);
}

#[test]
fn an_unhealthy_service_is_stopped_and_started_and_never_restarted_in_one_call() {
    let check = "healthcheck: {test: [CMD, test, -f, /ok], interval: 1s, timeout: 5s, retries: 2}";
    let Some(mut rig) = Rig::new("sick", &[Service::web("web").with(check)]) else { return };
    rig.wait_for_container("web", |container| container.health == "healthy");
    rig.start_healer(&["web"]);
    let before = rig.container("web");
    rig.tell("web", "sick");
    rig.wait_for_container("web", |container| container.health == "unhealthy");
    rig.wait_for_container("web", |container| {
        container.health == "healthy" && container.started_at != before.started_at
    });
    rig.wait_until_healed("web");
    let after = rig.container("web");
    assert_eq!(after.id, before.id);
    let count = |action| rig.events.count(&after.id, action);
    wait_for("the recorder has seen the second start", SOON, || (count("start") == 2).then_some(()));
    assert_eq!((count("stop"), count("restart")), (1, 0), "stop, look, start; never the engine's restart");
}

#[test]
fn one_crash_among_several_services_touches_that_one_alone() {
    let Some(mut rig) = Rig::new("among", &[Service::web("web"), Service::web("db"), Service::web("queue")]) else {
        return;
    };
    rig.start_healer(&["web", "db", "queue"]);
    let (db, queue) = (rig.container("db"), rig.container("queue"));
    rig.tell("web", "crash");
    rig.wait_until_healed("web");
    assert_eq!((rig.container("db"), rig.container("queue")), (db, queue));
    assert!(rig.incidents("db").is_empty() && rig.incidents("queue").is_empty());
}
