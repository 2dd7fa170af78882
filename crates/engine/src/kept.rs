//! A map that can be taken back to before the present batch: what a batch told that the journal did not take is not known
//! yet, and comes again.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::ops::Deref;

/// A map, and what it held at the beginning of the batch under the keys that were touched since.
#[derive(Debug)]
pub(crate) struct Kept<K, V> {
    now: BTreeMap<K, V>,
    before: BTreeMap<K, Option<V>>,
}

impl<K: Ord + Clone, V: Clone> Kept<K, V> {
    /// A batch begins: what the last one told stays.
    pub(crate) fn begin_batch(&mut self) {
        self.before.clear();
    }

    /// All is as it was when the batch began.
    pub(crate) fn take_back(&mut self) {
        for (key, value) in std::mem::take(&mut self.before) {
            match value {
                Some(value) => self.now.insert(key, value),
                None => self.now.remove(&key),
            };
        }
    }

    /// To change what is there.
    pub(crate) fn get_mut<Q>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        let (known, value) = self.now.get_key_value(key)?;
        keep(&mut self.before, known, Some(value));
        self.now.get_mut(key)
    }

    /// To change what is there, or is made for it.
    pub(crate) fn entry(&mut self, key: &K) -> &mut V
    where
        V: Default,
    {
        keep(&mut self.before, key, self.now.get(key));
        self.now.entry(key.clone()).or_default()
    }

    /// Puts it there, in the place of what was there.
    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        keep(&mut self.before, &key, self.now.get(&key));
        self.now.insert(key, value)
    }

    /// Takes it away.
    pub(crate) fn remove<Q>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        let (key, value) = self.now.remove_entry(key)?;
        keep(&mut self.before, &key, Some(&value));
        Some(value)
    }

    /// Takes away what shall not stay.
    pub(crate) fn retain(&mut self, stays: impl Fn(&K, &V) -> bool) {
        let before = &mut self.before;
        self.now.retain(|key, value| {
            let stays = stays(key, value);
            if !stays {
                keep(before, key, Some(value));
            }
            stays
        });
    }

    /// To change all of these.
    pub(crate) fn each_mut(&mut self, these: impl Fn(&K, &V) -> bool) -> impl Iterator<Item = (&K, &mut V)> {
        let before = &mut self.before;
        self.now.iter_mut().filter(move |(key, value)| these(key, value)).map(move |(key, value)| {
            keep(before, key, Some(value));
            (key, value)
        })
    }
}

/// Only the first touch in a batch counts.
fn keep<K: Ord + Clone, V: Clone>(before: &mut BTreeMap<K, Option<V>>, key: &K, value: Option<&V>) {
    if !before.contains_key(key) {
        before.insert(key.clone(), value.cloned());
    }
}

impl<K, V> Default for Kept<K, V> {
    fn default() -> Self {
        Kept { now: BTreeMap::new(), before: BTreeMap::new() }
    }
}

impl<K: Ord, V> FromIterator<(K, V)> for Kept<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        Kept { now: entries.into_iter().collect(), before: BTreeMap::new() }
    }
}

impl<K, V> Deref for Kept<K, V> {
    type Target = BTreeMap<K, V>;

    fn deref(&self) -> &BTreeMap<K, V> {
        &self.now
    }
}

#[cfg(test)]
mod tests {
    use super::Kept;

    #[test]
    fn a_batch_is_taken_back_whole() {
        let mut kept: Kept<u8, String> = (1..=4).map(|n| (n, n.to_string())).collect();
        let before = kept.clone();
        kept.begin_batch();
        kept.get_mut(&1).unwrap().push('x');
        kept.entry(&1).push('y');
        kept.entry(&9).push('z');
        kept.insert(2, "other".to_owned());
        assert_eq!(kept.remove(&3), Some("3".to_owned()));
        kept.insert(3, "made again".to_owned());
        kept.each_mut(|key, _| *key == 4).for_each(|(_, value)| value.push('w'));
        kept.retain(|key, _| *key != 4);
        assert_eq!(kept.values().collect::<Vec<_>>(), ["1xy", "other", "made again", "z"]);
        kept.take_back();
        assert_eq!(*kept, before);
    }

    #[test]
    fn what_an_earlier_batch_told_stays() {
        let mut kept: Kept<u8, u8> = Kept::default();
        kept.insert(1, 1);
        kept.begin_batch();
        kept.insert(1, 2);
        kept.take_back();
        kept.take_back();
        assert_eq!(kept.get(&1), Some(&1));
    }
}
