//! The OpenAPI document against what is really served: routes, keys and shapes.

use std::collections::BTreeSet;

use super::*;

/// Each documented GET, with a path that can be asked for and its documented query keys.
fn questions() -> Vec<(String, String, BTreeSet<String>)> {
    let document = serde_json::to_value(crate::document()).unwrap();
    let paths = document["paths"].as_object().unwrap();
    // A page for people is no answer in JSON: see `links`.
    let is_page = |item: &Value| item["get"]["responses"]["200"]["content"].get("text/html").is_some();
    let gets = paths.iter().filter(|(_, item)| item.get("get").is_some() && !is_page(item));
    gets.map(|(path, item)| {
        let parameters = item["get"]["parameters"].as_array().cloned().unwrap_or_default();
        let keys = parameters.iter().filter(|it| it["in"] == "query").map(|it| it["name"].as_str().unwrap().to_owned());
        let asked = path.replace("{name}", "shop").replace("{instance}", "web-1").replace("{number}", "41");
        let of = if path.ends_with("/why") || path.ends_with("/explain") { "?of=shop/web" } else { "" };
        (path.clone(), asked + of, keys.collect())
    })
    .collect()
}

#[tokio::test]
async fn every_route_of_the_document_is_served_in_the_shape_that_it_tells() {
    let served = Served::start(Fixed::new()).await;
    let document = served.get("/openapi.json").await.json();
    let questions = questions();
    assert!(questions.len() >= 18, "only {} routes are documented", questions.len());
    for (path, asked, _) in questions {
        let answer = served.get(&asked).await;
        assert_eq!(answer.status, 200, "{asked}: {answer:?}");
        if path == "/metrics" {
            continue;
        }
        let schema = &document["paths"][&path]["get"]["responses"]["200"]["content"]["application/json"]["schema"];
        assert!(schema.is_object(), "{path} has no schema");
        check(&document, schema, &answer.json()).unwrap_or_else(|wrong| panic!("{path}: {wrong}"));
    }
    let reply = served.post("/api/v1/commands", r#"{"ask": "thaw"}"#).await.json();
    let post = &document["paths"]["/api/v1/commands"]["post"];
    let schema = |of: &Value| of["content"]["application/json"]["schema"].clone();
    check(&document, &schema(&post["responses"]["200"]), &reply).unwrap();
    for ask in [
        r#"{"start": "x"}"#,
        r#"{"restart_all": "x"}"#,
        r#"{"pull": "x"}"#,
        r#"{"rebuild": "x"}"#,
        r#"{"freeze": {"because": "x"}}"#,
        r#""thaw""#,
        r#"{"approve": "web-1/41"}"#,
        r#"{"reject": {"incident": "web-1/41", "because": "x"}}"#,
        r#"{"answer": {"question": {"incident": "web-1/41", "plan": "x", "binds": null, "until": 1}, "approved": true,
            "because": "x"}}"#,
    ] {
        let body = format!(r#"{{"ask": {ask}}}"#);
        check(&document, &schema(&post["requestBody"]), &serde_json::from_str(&body).unwrap()).unwrap();
        assert_eq!(served.post("/api/v1/commands", &body).await.status, 200, "{body}");
    }
    let body = r#"{"service_action": {"deployment": "shop", "service": "web", "action": "pull"}}"#;
    check(&document, &schema(&post["requestBody"]), &serde_json::from_str(body).unwrap()).unwrap();
}

#[tokio::test]
async fn every_route_knows_the_keys_that_the_document_tells_and_no_other() {
    let served = Served::start(Fixed::new()).await;
    for (path, asked, keys) in questions().into_iter().filter(|(path, _, _)| path.starts_with("/api/v1/")) {
        let join = if asked.contains('?') { '&' } else { '?' };
        let answer = served.get(&format!("{asked}{join}zzzzzz=1")).await;
        assert_eq!(answer.status, 400, "{path}: {answer:?}");
        let error = answer.error();
        let told: BTreeSet<String> = match error.split_once("this route knows ") {
            Some((_, list)) => list.split(", ").map(ToOwned::to_owned).collect(),
            None => BTreeSet::new(),
        };
        assert_eq!(told, keys, "{path}: {error}");
    }
}

/// Holds a value against a schema: types, words, required and unknown properties.
pub(super) fn check(document: &Value, schema: &Value, value: &Value) -> Result<(), String> {
    if let Some(reference) = schema["$ref"].as_str() {
        return check(document, document.pointer(&reference[1..]).ok_or(format!("{reference} leads nowhere"))?, value);
    }
    for choice in ["oneOf", "anyOf"] {
        if let Some(schemas) = schema[choice].as_array() {
            let wrongs: Vec<String> =
                schemas.iter().filter_map(|schema| check(document, schema, value).err()).collect();
            return if wrongs.len() < schemas.len() { Ok(()) } else { Err(wrongs.join(" / ")) };
        }
    }
    if let Some(words) = schema["enum"].as_array() {
        return words.contains(value).then_some(()).ok_or(format!("{value} is none of {words:?}"));
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => return Ok(()),
    };
    let is = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    if !types.contains(&is) {
        return Err(format!("{value} is no {types:?}"));
    }
    for item in value.as_array().into_iter().flatten() {
        check(document, &schema["items"], item)?;
    }
    let (Some(has), Some(knows)) = (value.as_object(), schema["properties"].as_object()) else { return Ok(()) };
    for (name, value) in has {
        let schema = knows.get(name).ok_or(format!("`{name}` is sent and not documented"))?;
        check(document, schema, value).map_err(|wrong| format!("{name}: {wrong}"))?;
    }
    let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    required.filter(|name| !has.contains_key(*name)).try_for_each(|name| Err(format!("`{name}` is not sent")))
}

#[test]
fn the_check_of_shapes_finds_what_is_wrong() {
    let document = serde_json::to_value(crate::document()).unwrap();
    let schema = serde_json::json!({ "$ref": "#/components/schemas/Line" });
    let line = |value: &str| check(&document, &schema, &serde_json::from_str(value).unwrap());
    line(r#"{"at": 1, "incident": null, "resource": "x", "tone": "good", "text": "t"}"#).unwrap();
    for wrong in [
        r#"{"at": 1, "incident": null, "resource": "x", "tone": "good"}"#,
        r#"{"at": 1, "incident": null, "resource": "x", "tone": "best", "text": "t"}"#,
        r#"{"at": "1", "incident": null, "resource": "x", "tone": "good", "text": "t"}"#,
        r#"{"at": 1, "incident": null, "resource": "x", "tone": "good", "text": "t", "more": 1}"#,
    ] {
        assert!(line(wrong).is_err(), "{wrong}");
    }
}
