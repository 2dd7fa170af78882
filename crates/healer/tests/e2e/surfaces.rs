//! The HTTP side as it stands without a token: everybody may read, nobody may act.

use serde_json::Value;

use crate::rig::{Rig, Service};

#[test]
fn the_http_side_shows_everything_and_lets_nobody_act() {
    let Some(mut rig) = Rig::new("http", &[Service::web("web")]) else { return };
    rig.start_healer(&["web"]);
    rig.tell("web", "crash");
    let incident = rig.wait_until_healed("web");

    let get = |path: &str| rig.healer.get(path).unwrap_or_else(|| panic!("no answer to {path}"));
    for path in ["/api/v1/deployments", "/api/v1/resources", "/api/v1/incidents", "/api/v1/alerts"] {
        let answer = get(path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        let page: Value = serde_json::from_str(&answer.body).expect("the API speaks JSON");
        assert!(page["items"].is_array() && page["total"].is_u64(), "{path}: {page}");
        assert!(page.get("next").is_some(), "{path}: {page}");
    }
    let deployments: Value = serde_json::from_str(&get("/api/v1/deployments").body).expect("the API speaks JSON");
    assert_eq!(deployments["items"][0]["name"], "http");
    let incidents: Value = serde_json::from_str(&get("/api/v1/incidents").body).expect("the API speaks JSON");
    assert_eq!(incidents["items"][0]["id"], incident.id.to_string());

    let document: Value = serde_json::from_str(&get("/openapi.json").body).expect("OpenAPI is JSON");
    assert!(document["paths"]["/api/v1/incidents"].is_object());
    let metrics = get("/metrics").body;
    assert!(metrics.contains("# TYPE") && metrics.trim_end().ends_with("# EOF"), "{metrics}");
    assert_eq!((get("/healthz").status, get("/readyz").status), (200, 200));

    let before = rig.container("web");
    for path in ["/api/deployments/http/stop", "/api/deployments/http/restart", "/api/v1/commands"] {
        let answer = rig.healer.http("POST", path).expect("healer answers");
        assert!((400..500).contains(&answer.status), "{path} was answered with {}", answer.status);
    }
    assert_eq!(rig.container("web"), before);
}

#[test]
fn history_and_text_output_tell_the_story_to_people_and_machines() {
    let Some(mut rig) = Rig::new("story", &[Service::web("web")]) else { return };
    rig.start_healer(&["web"]);
    rig.tell("web", "crash");
    rig.wait_until_healed("web");
    let lines: Vec<model::view::Line> = rig.healer.json(&["history", "--since", "24h"]);
    assert!(lines.len() > 3 && lines.is_sorted_by_key(|line| line.at), "{lines:?}");
    for words in [&["status"][..], &["incidents"], &["why", "story/web"], &["history", "--since", "24h"]] {
        let out = rig.healer.run(words);
        let said = String::from_utf8_lossy(&out.stdout);
        assert!(out.status.success() && said.contains("web"), "{words:?}: {said}");
        assert!(!said.contains('\u{1b}'), "no colours where nobody looks: {said:?}");
    }
}
