//! Fair: a queue in which groups take turns.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

/// Items in the order in which they came within each group, and one of each group in turn. A group without items takes no room.
#[derive(Debug)]
pub(super) struct Fair<T> {
    groups: BTreeMap<u64, VecDeque<(Instant, T)>>,
    turn: VecDeque<u64>,
    len: usize,
}

impl<T> Default for Fair<T> {
    fn default() -> Self {
        Self { groups: BTreeMap::new(), turn: VecDeque::new(), len: 0 }
    }
}

impl<T> Fair<T> {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// How many items of a group wait, and since when the oldest of them.
    pub(super) fn waiting(&self, group: u64) -> Option<(usize, Instant)> {
        let queue = self.groups.get(&group)?;
        queue.front().map(|(at, _)| (queue.len(), *at))
    }

    pub(super) fn push(&mut self, now: Instant, group: u64, item: T) {
        let queue = self.groups.entry(group).or_default();
        if queue.is_empty() {
            self.turn.push_back(group);
        }
        queue.push_back((now, item));
        self.len += 1;
    }

    pub(super) fn pop(&mut self) -> Option<(Instant, T)> {
        let group = self.turn.pop_front()?;
        let queue = self.groups.get_mut(&group)?;
        let item = queue.pop_front()?;
        if queue.is_empty() {
            self.groups.remove(&group);
        } else {
            self.turn.push_back(group);
        }
        self.len -= 1;
        Some(item)
    }
}
