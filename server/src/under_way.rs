//! What a loop has begun and does not wait for: it begins the same thing again only when that is over.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Things that are under way.
#[derive(Clone, Debug)]
pub struct UnderWay<K>(Arc<Mutex<HashSet<K>>>);

impl<K> Default for UnderWay<K> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K: Clone + Eq + Hash> UnderWay<K> {
    fn all(&self) -> MutexGuard<'_, HashSet<K>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins something, which is over when what this gives is dropped. None: it is under way already.
    pub fn begin(&self, key: K) -> Option<Begun<K>> {
        let is_new = self.all().insert(key.clone());
        // Made only then: what is dropped counts as over.
        is_new.then(|| Begun {
            all: self.clone(),
            key,
        })
    }
}

/// One thing that is under way.
#[derive(Debug)]
pub struct Begun<K: Clone + Eq + Hash> {
    all: UnderWay<K>,
    key: K,
}

impl<K: Clone + Eq + Hash> Drop for Begun<K> {
    fn drop(&mut self) {
        self.all.all().remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thing_is_begun_again_when_it_is_over() {
        let all = UnderWay::default();
        let first = all.begin(1);
        assert!(first.is_some());
        assert!(all.begin(1).is_none());
        assert!(all.begin(2).is_some());
        drop(first);
        assert!(all.begin(1).is_some());
    }
}
