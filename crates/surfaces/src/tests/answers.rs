//! What the routes answer.

use model::alert::State;
use serde_json::json;

use super::fixed::{alert, append, opened, resolved};
use super::*;

#[tokio::test]
async fn lists_come_in_pages_with_their_total() {
    let served = Served::start(Fixed::new()).await;
    let page = served.get("/api/v1/deployments?limit=2").await.json();
    let names: Vec<_> = page["items"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!((names, &page["total"], &page["next"]), (vec!["shop", "wiki"], &json!(3), &json!("2")));
    let rest = served.get("/api/v1/deployments?limit=2&cursor=2").await.json();
    assert_eq!((rest["items"].as_array().unwrap().len(), &rest["next"]), (1, &json!(null)));
    let resources = served.get("/api/v1/resources?deployment=shop").await.json();
    assert_eq!((&resources["total"], &resources["items"][1]["short"]), (&json!(2), &json!("shop/web")));
    assert_eq!(served.get("/api/v1/resources?deployment=none").await.json()["total"], 0);
}

#[tokio::test]
async fn incidents_are_all_or_the_open_ones() {
    let served = Served::start(Fixed::new()).await;
    let total = async |query| served.get(&format!("/api/v1/incidents{query}")).await.json()["total"].clone();
    assert_eq!(
        (total("").await, total("?state=all").await, total("?state=open").await),
        (json!(2), json!(2), json!(1))
    );
    let wrong = served.get("/api/v1/incidents?state=closed").await;
    assert_eq!((wrong.status, wrong.error()), (400, "state: `closed` is none of all, open".to_owned()));
}

#[tokio::test]
async fn a_deployment_is_found_by_name_and_where_hosts_share_it_by_host() {
    let served = Served::start(Fixed::new()).await;
    assert_eq!(served.get("/api/v1/deployments/shop").await.json()["host"], "web-1");
    let both = served.get("/api/v1/deployments/wiki").await;
    assert_eq!((both.status, both.error()), (409, "wiki is on web-1 and web-2: say which with ?host=".to_owned()));
    assert_eq!(served.get("/api/v1/deployments/wiki?host=web-2").await.json()["host"], "web-2");
    let none = served.get("/api/v1/deployments/none").await;
    assert!(none.status == 404 && none.error().contains("/api/v1/deployments lists them"), "{none:?}");
}

#[tokio::test]
async fn why_is_asked_of_words_and_told_from_the_journal() {
    let served = Served::start(Fixed::new()).await;
    let story = async |path: &str| {
        let why = served.get(path).await.json();
        why["story"]
            .as_array()
            .unwrap()
            .iter()
            .map(|line| line["text"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(story("/api/v1/why?of=shop/web").await, ["1 alert_changed", "2 incident_opened"]);
    assert_eq!(story("/api/v1/why?of=shop").await.len(), 4);
    assert_eq!(story("/api/v1/why?of=web-1/41").await, ["2 incident_opened"]);
    assert_eq!(story("/api/v1/incidents/web-1/41").await, ["2 incident_opened"]);
    assert_eq!(story("/api/v1/incidents/41").await, ["2 incident_opened"]);
    for path in [
        "/api/v1/why?of=nobody",
        "/api/v1/why?of=web-1/99",
        "/api/v1/incidents/web-1/99",
        "/api/v1/incidents/web-1/x",
        "/api/v1/incidents/99",
        "/api/v1/incidents/x",
    ] {
        let none = served.get(path).await;
        assert!(none.status == 404 && none.error().contains("lists"), "{path}: {none:?}");
    }
    let several = served.get("/api/v1/why?of=web").await;
    assert_eq!((several.status, several.error()), (409, "web is the name of several: hello/web, shop/web".to_owned()));
    let nothing = served.get("/api/v1/why").await;
    assert_eq!((nothing.status, nothing.error()), (400, "the key `of` is missing: ?of=shop/web".to_owned()));
}

#[tokio::test]
async fn why_is_told_of_what_was_removed_and_that_the_engine_has_forgotten() {
    let served = Served::start(Fixed::new()).await;
    let gone = |service: &str| {
        let incarnation = model::fact::Incarnation("0123456789ab".into());
        model::event::Event::ResourceGone { resource: fixed::resource(service), incarnation }
    };
    append(served.dir.path(), 4, &[gone("old"), gone("old"), gone("older")]);
    for words in ["shop/old", "old"] {
        let why = served.get(&format!("/api/v1/why?of={words}")).await.json();
        assert_eq!(why["headline"], "Resource(ResourceId(\"docker:web-1/shop/old\"))", "{words}");
        assert_eq!(why["story"].as_array().unwrap().len(), 2, "{words}");
    }
    assert_eq!(served.get("/api/v1/why?of=oldest").await.status, 404);
}

#[tokio::test]
async fn history_pages_through_the_journal_in_either_order() {
    let served = Served::start(Fixed::new()).await;
    let seqs = |page: &Value| -> Vec<u64> {
        page["entries"].as_array().unwrap().iter().map(|entry| entry["seq"].as_u64().unwrap()).collect()
    };
    let first = served.get("/api/v1/history?limit=3").await.json();
    assert_eq!((seqs(&first), &first["total"], &first["next"]), (vec![4, 3, 2], &json!(null), &json!("2")));
    let second = served.get("/api/v1/history?limit=3&cursor=2").await.json();
    assert_eq!((seqs(&second), &second["total"], &second["next"]), (vec![1], &json!(null), &json!(null)));
    let all = served.get("/api/v1/history?order=oldest").await.json();
    assert_eq!((seqs(&all), &all["total"], all["items"].as_array().unwrap().len()), (vec![1, 2, 3, 4], &json!(4), 4));
    for (query, expect) in [
        ("incident=web-1/41", vec![2]),
        ("resource=docker:web-1/shop/mail", vec![4, 3]),
        ("alerts_only=true&limit=2", vec![4, 3]),
        // The journal of this test begins in November 2026, a second for each entry.
        ("since=2026-11-23T14:01:25Z", vec![4, 3]),
        ("until=2026-11-23T14:01:24Z", vec![1]),
    ] {
        assert_eq!(seqs(&served.get(&format!("/api/v1/history?{query}")).await.json()), expect, "{query}");
    }
    for (query, expect) in [
        ("incident=41", "incident: `41`"),
        ("resource=shop/web", "resource: `shop/web`"),
        ("since=yesterday", "since: `yesterday` is neither a time"),
        ("cursor=x", "cursor: use `next`"),
        ("limit=0", "limit: `0`"),
        ("sinc=1h", "did you mean `since`?"),
        ("since=1h&since=1h", "given twice"),
    ] {
        let wrong = served.get(&format!("/api/v1/history?{query}")).await;
        assert!(wrong.status == 400 && wrong.error().contains(expect), "{query}: {wrong:?}");
    }
}

#[tokio::test]
async fn kept_routes_answer_in_their_old_shapes() {
    let served = Served::start(Fixed::new()).await;
    let shop = served.get("/api/deployments/shop").await.json();
    assert_eq!(
        (&shop["deployment"]["status"], &shop["deployment"]["services"][0]["status"]),
        (&json!("partial"), &json!("missing"))
    );
    assert_eq!(served.get("/api/deployments").await.json()["deployments"][0], shop["deployment"]);
    let health = served.get("/api/deployments/health").await.json();
    assert_eq!(
        (&health["deployments"][0]["status"], &health["deployments"][1]["status"]),
        (&json!("unhealthy"), &json!("healthy"))
    );
    let platform = served.get("/api/platform/status").await.json();
    assert_eq!(
        (&platform["status"], &platform["open_incidents"], &platform["needs_attention"]),
        (&json!("critical"), &json!(1), &json!(1))
    );
    assert_eq!(served.get("/health").await.json()["status"], "ok");
}

#[tokio::test]
async fn metrics_are_openmetrics_and_count_what_happened_since_the_start() {
    let served = Served::start(Fixed::new()).await;
    let metrics = async || {
        let answer = served.get("/metrics").await;
        assert_eq!(answer.header("content-type"), Some("application/openmetrics-text; version=1.0.0; charset=utf-8"));
        answer.body
    };
    let text = metrics().await;
    assert!(text.ends_with("# EOF\n"), "{text}");
    for line in [
        "healer_build_info{version=\"0.1.0\",name=\"web-1\"} 1",
        "healer_incidents{phase=\"awaiting_approval\"} 1",
        "healer_incidents{phase=\"held\"} 0",
        "healer_resources{standing=\"needs_you\"} 1",
        "healer_resources{standing=\"well\"} 1",
        "healer_deployments{standing=\"well\"} 2",
        "healer_source_up{source=\"local\"} 1",
        "healer_frozen 1",
        "healer_start_time_seconds 1795442482",
        "healer_journal_last_entry 4",
        // What the journal held before is the past.
        "healer_journal_events_total 0",
    ] {
        assert!(text.lines().any(|has| has == line), "{line} is missing in\n{text}");
    }
    append(served.dir.path(), 4, &[opened(42, "mail"), alert("mail", State::Firing), resolved(42)]);
    let text = metrics().await;
    for line in [
        "healer_incidents_opened_total{alert=\"service_down\"} 1",
        "healer_incidents_resolved_total{outcome=\"healed\"} 1",
        "healer_alert_transitions_total{alert=\"service_down\",state=\"firing\"} 1",
        "healer_journal_events_total 3",
    ] {
        assert!(text.lines().any(|has| has == line), "{line} is missing in\n{text}");
    }
    assert!(metrics().await.contains("healer_journal_events_total 3\n"), "an event was counted twice");
}

#[tokio::test]
async fn the_policies_are_a_list_that_says_which_never_apply() {
    let served = Served::start(Fixed::new()).await;
    let page = served.get("/api/v1/policies").await.json();
    let told: Vec<_> =
        page["items"].as_array().unwrap().iter().map(|row| (&row["number"], &row["covered_by"])).collect();
    let (one, two, three, built_in) = (json!(1), json!(2), json!(3), json!(null));
    let (none, by_two) = (json!([]), json!([2]));
    assert_eq!(told, [(&one, &none), (&two, &none), (&three, &by_two), (&built_in, &none)]);
}

#[tokio::test]
async fn what_follows_from_the_policies_is_told_of_one_issue_or_of_each() {
    let served = Served::start(Fixed::new()).await;
    let one = served.get("/api/v1/policies/explain?of=shop/web&issue=service_down").await.json();
    let issue = &one["items"][0]["issues"][0];
    assert_eq!((&issue["policy"], &issue["issue_type"]), (&json!(2), &json!("service_down")));
    assert_eq!(issue["passed_over"][0]["because"][0], json!({"field": "deployment", "wants": "wiki", "found": "shop"}));
    let all = served.get("/api/v1/policies/explain?of=shop").await.json();
    assert_eq!((&all["total"], all["items"][1]["issues"].as_array().unwrap().len() > 2), (&json!(2), true));
    let table = [
        ("of=nobody", 404, "healer knows nothing called `nobody`: /api/v1/resources lists what it watches"),
        ("of=web", 409, "web is the name of several: hello/web, shop/web"),
        ("issue=none", 400, "the key `of` is missing: ?of=shop/web"),
    ];
    for (query, status, error) in table {
        let answer = served.get(&format!("/api/v1/policies/explain?{query}")).await;
        assert_eq!((answer.status, answer.error()), (status, error.to_owned()), "{query}");
    }
    let unknown = served.get("/api/v1/policies/explain?of=shop&issue=servce_down").await;
    assert_eq!(unknown.status, 400);
    let begins = "there is no issue type `servce_down`: did you mean `service_down`? Known are connection_timeout, ";
    assert!(unknown.error().starts_with(begins), "{}", unknown.error());
}
