//! Lines: which calls an extension has, so that nobody has to look through all calls to know whether it is busy.

use std::collections::BTreeSet;

use domain::ExtensionId;

use crate::call::CallKey;

/// The calls of every extension that has one.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    pairs: BTreeSet<(ExtensionId, CallKey)>,
}

impl Lines {
    /// A call now has these parties instead of those.
    pub(super) fn change(&mut self, call: CallKey, before: &[Option<ExtensionId>], after: &[Option<ExtensionId>]) {
        for extension in before.iter().flatten().filter(|extension| !after.contains(&Some(**extension))) {
            self.pairs.remove(&(*extension, call));
        }
        for extension in after.iter().flatten().filter(|extension| !before.contains(&Some(**extension))) {
            self.pairs.insert((*extension, call));
        }
    }

    /// The running calls of an extension, oldest first.
    pub(crate) fn of(&self, extension: ExtensionId) -> impl Iterator<Item = CallKey> + '_ {
        let (first, last) = ((extension, CallKey(0)), (extension, CallKey(u64::MAX)));
        self.pairs.range(first..=last).map(|(_, call)| *call)
    }

    /// How many calls an extension has besides one; counting ends at `most`.
    pub(crate) fn others(&self, extension: ExtensionId, but: CallKey, most: usize) -> usize {
        self.of(extension).filter(|call| *call != but).take(most).count()
    }

    #[cfg(test)]
    fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use domain::ExtensionId;
    use uuid::Uuid;

    use super::Lines;
    use crate::call::CallKey;

    #[test]
    fn an_extension_has_the_calls_it_takes_part_in() {
        let [ann, bob, cem] = [1, 2, 3].map(|id| ExtensionId(Uuid::from_u128(id)));
        let mut lines = Lines::default();
        lines.change(CallKey(1), &[None, None], &[Some(ann), Some(bob)]);
        lines.change(CallKey(2), &[None, None], &[Some(cem), Some(bob)]);
        assert_eq!(lines.of(bob).collect::<Vec<_>>(), [CallKey(1), CallKey(2)]);
        assert_eq!((lines.others(bob, CallKey(2), 5), lines.others(bob, CallKey(3), 5)), (1, 2));
        assert_eq!(lines.others(bob, CallKey(3), 1), 1, "no more is counted than is asked for");
        // Bob hands his first call over to Cem; Ann calls herself.
        lines.change(CallKey(1), &[Some(ann), Some(bob)], &[Some(ann), Some(cem)]);
        lines.change(CallKey(3), &[None, None], &[Some(ann), Some(ann)]);
        assert_eq!(lines.of(bob).collect::<Vec<_>>(), [CallKey(2)]);
        assert_eq!(lines.of(cem).collect::<Vec<_>>(), [CallKey(1), CallKey(2)]);
        lines.change(CallKey(1), &[Some(ann), Some(cem)], &[None, None]);
        lines.change(CallKey(2), &[Some(cem), Some(bob)], &[None, None]);
        lines.change(CallKey(3), &[Some(ann), Some(ann)], &[None, None]);
        assert!(lines.is_empty());
    }
}
