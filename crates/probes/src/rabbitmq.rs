//! How many messages wait in a queue of RabbitMQ, by its management API:
//! `{rabbitmq: "http://monitor:password@mq:15672", queue: mail, growing_for: 10m}`.

use outbound::{Address, Exchange};
use serde_json::Value;

use crate::answer::{Answer, Measure, count};
use crate::asker::Asker;
use crate::dial::Deadline;
use crate::http::get;
use crate::trouble::{Trouble, Unexpected};

/// All that is looked at. What a busy queue tells of each consumer would not fit.
const COLUMNS: &str = "columns=messages,consumers";

/// A queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// The management API, with user and password.
    pub url: Address,
    /// Its virtual host; `/` is the one that a broker begins with.
    pub virtual_host: String,
    /// Its name.
    pub queue: String,
    /// More than so many are too many.
    pub above: Option<u64>,
}

impl Check {
    pub(crate) async fn ask(&self, asker: &Asker, deadline: &Deadline) -> Result<Answer, Trouble> {
        let url = self.url.at(&["api", "queues", &self.virtual_host, &self.queue], COLUMNS);
        let (exchange, answer) = get(&url, &[], asker, deadline, std::time::Duration::ZERO).await?;
        self.judge(&exchange, answer)
    }

    fn judge(&self, exchange: &Exchange, mut answer: Answer) -> Result<Answer, Trouble> {
        let who = self.url.to_string();
        let wrong = |what| Trouble::Wrong { who: who.clone(), what };
        let says = || exchange.quote.clone();
        match exchange.status {
            200 => {}
            401 | 403 => return Err(Trouble::Denied { who, how: says() }),
            404 => return Err(wrong(Unexpected::Absent { what: self.queue() })),
            got => return Err(wrong(Unexpected::Status { got, expected: "200".to_owned(), says: says() })),
        }
        let queue: Value = serde_json::from_slice(&exchange.body).unwrap_or_default();
        // A queue that has just been declared, or whose node is away, has no count.
        let Some(depth) = queue["messages"].as_u64() else {
            return Err(wrong(Unexpected::Absent { what: format!("count yet of the messages in {}", self.queue()) }));
        };
        let consumers = queue["consumers"].as_u64();
        let because = match consumers {
            Some(0) => format!("{} at {who}, from which nobody takes any", self.queue()),
            _ => format!("{} at {who}", self.queue()),
        };
        answer.at_most(Measure::Depth, count(depth), self.above.map(count), &because);
        consumers.into_iter().for_each(|consumers| answer.measured(Measure::Consumers, count(consumers)));
        Ok(answer)
    }

    fn queue(&self) -> String {
        let queue = evidence::escape(&self.queue, crate::SAID_CHARS_MAX);
        match self.virtual_host.as_str() {
            "/" => format!("queue `{queue}`"),
            host => format!("queue `{queue}` in `{}`", evidence::escape(host, crate::SAID_CHARS_MAX)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_api_says_becomes_an_answer() {
        let check = Check {
            url: "http://bob:s3cr3t@mq:15672".parse().unwrap(),
            virtual_host: "/".to_owned(),
            queue: "mail".to_owned(),
            above: Some(10),
        };
        let table = [
            (200, r#"{"messages": 7, "consumers": 2}"#, "well after 0 ms, queue_depth=7, queue_consumers=2"),
            (
                200,
                r#"{"messages": 70, "consumers": 0}"#,
                "the depth of the queue is 70 messages, the limit 10 messages \
                 (queue `mail` at http://mq:15672, from which nobody takes any)",
            ),
            (200, r#"{"name": "mail"}"#, "http://mq:15672 has no count yet of the messages in queue `mail`"),
            (200, "[[[", "http://mq:15672 has no count yet of the messages in queue `mail`"),
            (401, "", "http://mq:15672 does not permit it: not_authorised"),
            (404, "", "http://mq:15672 has no queue `mail`"),
            (502, "", "http://mq:15672 answered 502, not 200: not_authorised"),
        ];
        for (status, body, says) in table {
            let exchange = Exchange {
                status,
                headers: Default::default(),
                body: body.into(),
                complete: true,
                quote: "not_authorised".into(),
            };
            let answer = check.judge(&exchange, Answer::default()).unwrap_or_else(Answer::from);
            assert_eq!(answer.to_string(), says);
        }
        assert!(!format!("{check:?}").contains("s3cr3t"));
    }
}
