//! Reads the event stream, and nothing else: an engine drops events of a subscriber that does not read for 100 ms.

use tokio::sync::mpsc;

use crate::http::Reply;
use crate::wire::Event;

/// How many events may wait. A full queue ends the stream: what is lost is made good by a new listing.
pub(crate) const EVENTS_MAX: usize = 4_096;
/// The longest event, in bytes: its attributes hold all of a container's labels.
const EVENT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The stream's events. The channel closes when the stream ends, breaks, or is not kept up with.
pub(crate) fn read(reply: Reply) -> (mpsc::Receiver<Event>, tokio::task::JoinHandle<&'static str>) {
    let (sender, receiver) = mpsc::channel(EVENTS_MAX);
    (receiver, tokio::spawn(pump(reply, sender)))
}

/// Gives the reason why it ended.
async fn pump(mut reply: Reply, events: mpsc::Sender<Event>) -> &'static str {
    let mut line = Vec::new();
    loop {
        let piece = match reply.piece().await {
            Ok(Some(piece)) => piece,
            Ok(None) => return "the engine ended its event stream",
            Err(_) => return "the event stream broke off",
        };
        for part in piece.split_inclusive(|b| *b == b'\n') {
            line.extend_from_slice(part);
            if line.len() > EVENT_BYTES_MAX {
                return "an event was too long";
            }
            if !part.ends_with(b"\n") {
                continue;
            }
            // A line that is no event is passed over: the periodic listing makes good what it may have told.
            if let Ok(event) = serde_json::from_slice::<Event>(&line)
                && events.try_send(event).is_err()
            {
                return "events came faster than they were taken";
            }
            line.clear();
        }
    }
}
