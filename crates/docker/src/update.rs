//! The image of a service is fetched for an update: the container is not touched, and what would be made of it by then is told.

use model::action::Retag;
use model::update::{Fetched, Update};

use crate::compose::Compose;
use crate::definition::CONFIG_HASH;
use crate::hands::Hands;

impl Hands {
    /// Fetches the image that a service's image name means. `still` is asked as the very last thing before that.
    pub async fn fetch(&self, order: &Update, still: impl Fn() -> Result<(), String>) -> Fetched {
        self.fetch_newer(order, still).await.unwrap_or_else(Fetched::Failed)
    }

    async fn fetch_newer(&self, order: &Update, still: impl Fn() -> Result<(), String>) -> Result<Fetched, String> {
        let unasked = |e: crate::error::Error| format!("the engine could not be asked about it: {e}");
        let inspect = self.host().inspect(&order.incarnation).await.map_err(unasked)?;
        let (name, labels) = (inspect.config.image.unwrap_or_default(), inspect.config.labels.unwrap_or_default());
        let from = inspect.image.ok_or("the engine does not tell which image it is made of")?;
        let network = inspect.host_config.network_mode.unwrap_or_default();
        let made_of = labels.get(CONFIG_HASH).map_or("", String::as_str);
        let compose = Compose::new(self.host().endpoint());
        // What else would come of its being made anew is its owner's to bring about.
        let service = compose.unchanged(&labels, made_of, &network).await?;
        still()?;
        service.fetch(order.source).await?;
        let moved = |e| format!("{}; {name} may mean a newer image by now", unasked(e));
        let to = self.host().image_id(&name).await.map_err(moved)?;
        let to = to.ok_or_else(|| format!("there is no image called {name} after that"))?;
        if to == from {
            return Ok(Fetched::Same);
        }
        let config_hash = if service.hashes_the_image() {
            let moved = |why| format!("{why}; {name} means {to} by now: `docker tag {from} {name}` takes that back");
            service.present_hash().await.map_err(moved)?
        } else {
            made_of.to_owned()
        };
        let from_config_hash = made_of.to_owned();
        Ok(Fetched::Newer(Box::new(Retag { name, to, from, config_hash, from_config_hash })))
    }
}
