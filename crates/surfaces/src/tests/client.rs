//! The command line's end of the socket, and the commands that come over it.

use model::command::{Ask, CommandId};
use model::view::Status;
use serde_json::json;

use super::*;
use crate::client::{Client, ClientError};

/// The name of the user who runs this test, by somebody else's word.
fn whoami() -> String {
    let output = std::process::Command::new("id").arg("-un").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[tokio::test]
async fn a_question_is_answered_in_its_own_type() {
    let served = Served::start(Fixed::new()).await;
    let client = Client::connect(served.dir.path()).await.unwrap();
    let status: Status = client.get("/api/v1/status").await.unwrap();
    assert_eq!(status, *served.fixed.status.lock().unwrap());
    let value: Value = client.get("/api/v1/incidents?state=open").await.unwrap();
    assert_eq!(value["total"], 1);
}

#[tokio::test]
async fn a_command_carries_the_user_whom_the_kernel_names() {
    let served = Served::start(Fixed::new()).await;
    let client = Client::connect(served.dir.path()).await.unwrap();
    let id = CommandId("again".to_owned());
    let reply = client.command(&Ask::Stop("shop/web".to_owned()), Some(&id)).await.unwrap();
    assert!(reply.taken && reply.id == id, "{reply:?}");
    client.command(&Ask::Thaw, None).await.unwrap();
    let commands = served.fixed.commands.lock().unwrap().clone();
    assert_eq!(commands[0], (id, whoami(), Ask::Stop("shop/web".to_owned())));
    assert!(
        commands[1].2 == Ask::Thaw && !commands[1].0.0.is_empty() && commands[1].0 != commands[0].0,
        "{commands:?}"
    );
}

#[tokio::test]
async fn a_command_that_is_not_taken_is_a_reply_and_an_error() {
    let served = Served::start(Fixed { takes: false, ..Fixed::new() }).await;
    let client = Client::connect(served.dir.path()).await.unwrap();
    let reply = client.command(&Ask::Start("shop/web".to_owned()), None).await.unwrap();
    assert!(!reply.taken && reply.lines.len() == 2, "{reply:?}");
    let error = client.post::<Value>("/api/v1/commands", &json!({"ask": "thaw"})).await.unwrap_err();
    assert_eq!(error, ClientError::Refused { status: 409, error: "refused: absent; nothing done".to_owned() });
}

#[tokio::test]
async fn a_service_action_is_the_command_that_says_the_same() {
    let served = Served::start(Fixed::new()).await;
    let shop_web = "shop/web".to_owned();
    let table = [
        ("start", Ask::Start(shop_web.clone())),
        ("stop", Ask::Stop(shop_web.clone())),
        ("restart", Ask::Restart(shop_web.clone())),
        ("rebuild", Ask::Rebuild(shop_web.clone())),
        ("pull", Ask::Pull(shop_web)),
    ];
    for (action, expect) in table {
        let service = json!({"deployment": "shop", "service": "web", "action": action});
        let answer = served.post("/api/v1/commands", &json!({"service_action": service}).to_string()).await;
        assert_eq!(answer.status, 200, "{action}: {answer:?}");
        assert_eq!(served.fixed.commands.lock().unwrap().last().unwrap().2, expect);
    }
    let whole = r#"{"service_action": {"deployment": "shop", "action": "restart"}}"#;
    assert_eq!(served.post("/api/v1/commands", whole).await.status, 400, "no service is named");
}

#[tokio::test]
async fn a_malformed_command_is_refused_and_never_reaches_the_loop() {
    let served = Served::start(Fixed::new()).await;
    for body in [
        "",
        "{",
        "[]",
        "{}",
        r#"{"ask": "halt"}"#,
        r#"{"ask": "thaw", "x": 1}"#,
        "\u{0}",
        r#"{"ask": {"stop": 7}}"#,
        r#"{"id": "1"}"#,
    ] {
        let answer = served.post("/api/v1/commands", body).await;
        assert!(answer.status == 400 && answer.error().starts_with("no command: "), "{body}: {answer:?}");
    }
    assert_eq!(served.post("/api/v1/commands?force=1", r#"{"ask": "thaw"}"#).await.status, 400);
    assert!(served.fixed.commands.lock().unwrap().is_empty());
}

#[tokio::test]
async fn what_keeps_a_client_from_an_answer_is_told_by_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let absent = Client::connect(dir.path()).await.unwrap_err();
    assert!(matches!(&absent, ClientError::NotRunning(text) if text.contains("healer run")), "{absent:?}");
    drop(std::os::unix::net::UnixListener::bind(dir.path().join(crate::SOCKET_FILE)).unwrap());
    let dead = Client::connect(dir.path()).await.unwrap_err();
    assert!(matches!(dead, ClientError::NotRunning(_)), "{dead:?}");

    let served = Served::start(Fixed::new()).await;
    let client = Client::connect(served.dir.path()).await.unwrap();
    let refused = client.get::<Value>("/api/v1/deployments/none").await.unwrap_err();
    assert!(matches!(&refused, ClientError::Refused { status: 404, error } if error.contains("none")), "{refused:?}");
    let other = client.get::<Vec<u8>>("/api/v1/status").await.unwrap_err();
    assert!(matches!(&other, ClientError::Broken(text) if text.contains("version that runs")), "{other:?}");
    let nonsense = client.get::<Value>("not a path").await.unwrap_err();
    assert!(matches!(nonsense, ClientError::Broken(_)), "{nonsense:?}");
}

#[tokio::test]
async fn somebody_else_on_the_socket_is_no_healer() {
    let dir = tempfile::tempdir().unwrap();
    let listener = tokio::net::UnixListener::bind(dir.path().join(crate::SOCKET_FILE)).unwrap();
    tokio::spawn(async move {
        for answer in ["", "", "SSH-2.0-OpenSSH\r\n", "HTTP/1.1 500 Oops\r\ncontent-length: 2\r\n\r\nno"] {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    let client = Client::connect(dir.path()).await.unwrap();
    for _ in 0..2 {
        let broken = client.get::<Value>("/api/v1/status").await.unwrap_err();
        assert!(matches!(&broken, ClientError::Broken(text) if text.contains("broke off")), "{broken:?}");
    }
}
