//! The end in order: nothing new is begun, and what healer itself took down is brought up before it goes.

use std::collections::BTreeSet;
use std::time::Duration;

use model::ResourceId;
use runtime::Handle;

use super::watch;

const ASK_EVERY: Duration = Duration::from_millis(50);
/// What takes longer to stop is left to the next healer. systemd waits for a little longer (`TimeoutStopSec`).
const AT_MOST: Duration = Duration::from_secs(50);

/// Waits until nothing is down by healer's hand; a second signal ends that.
pub(super) async fn bring_up(handle: &Handle) {
    tokio::select! {
        () = is_up(handle) => return,
        () = watch::signal_to_end() => {}
        () = tokio::time::sleep(AT_MOST) => {}
    }
    let left = tokio::time::timeout(ASK_EVERY, held_down(handle)).await.unwrap_or_default();
    if !left.is_empty() {
        tracing::warn!("{} may stay down until healer runs again, which starts it then", names(&left));
    }
}

async fn is_up(handle: &Handle) {
    let mut said = false;
    loop {
        let down = held_down(handle).await;
        if down.is_empty() {
            return;
        }
        if !std::mem::replace(&mut said, true) {
            let names = names(&down);
            tracing::info!(
                "healer has stopped {names} in order to start it, and does that first; a second signal ends it at once"
            );
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}

/// Of a loop that has ended nothing is known, and nothing more is done by it.
async fn held_down(handle: &Handle) -> BTreeSet<ResourceId> {
    handle.glance(|engine, _| engine.held_down()).await.unwrap_or_default()
}

fn names(resources: &BTreeSet<ResourceId>) -> String {
    resources.iter().map(ResourceId::short).collect::<Vec<_>>().join(", ")
}
