//! Where sessions live, so that an event of the kernel finds its session by a number.

/// What stands in epoll's 64 bits: the slot, its generation, the leg and whether it is RTCP.
///
/// The generation keeps an event that was already fetched for a socket now closed from reaching the
/// slot's next tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) slot: u32,
    pub(crate) generation: u16,
    pub(crate) leg: u8,
    pub(crate) rtcp: bool,
}

impl Key {
    pub(crate) fn to_bits(self) -> u64 {
        u64::from(self.slot) << 32 | u64::from(self.generation) << 16 | u64::from(self.leg) << 8 | u64::from(self.rtcp)
    }

    pub(crate) fn from_bits(bits: u64) -> Key {
        Key { slot: (bits >> 32) as u32, generation: (bits >> 16) as u16, leg: (bits >> 8) as u8, rtcp: bits & 1 == 1 }
    }
}

/// A slab: entries keep their place, places are used again.
#[derive(Debug)]
pub(crate) struct Slots<T> {
    places: Vec<Place<T>>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct Place<T> {
    generation: u16,
    /// Boxed: growing the slab must not move what is large.
    entry: Option<Box<T>>,
}

impl<T> Slots<T> {
    pub(crate) fn new() -> Slots<T> {
        Slots { places: Vec::new(), free: Vec::new() }
    }

    /// Opens a place; `fill` makes its entry, knowing where it will stand.
    pub(crate) fn insert<E>(&mut self, fill: impl FnOnce(u32, u16) -> Result<T, E>) -> Result<u32, E> {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.places.push(Place { generation: 0, entry: None });
            (self.places.len() - 1) as u32
        });
        let place = &mut self.places[slot as usize];
        match fill(slot, place.generation) {
            Ok(entry) => {
                place.entry = Some(Box::new(entry));
                Ok(slot)
            }
            Err(error) => {
                // Sockets may have been registered under this generation before the failure.
                place.generation = place.generation.wrapping_add(1);
                self.free.push(slot);
                Err(error)
            }
        }
    }

    pub(crate) fn occupied(&self) -> usize {
        self.places.len() - self.free.len()
    }

    pub(crate) fn get_mut(&mut self, slot: u32) -> Option<&mut T> {
        self.places.get_mut(slot as usize)?.entry.as_deref_mut()
    }

    /// The entry that an event was meant for, if it is still there.
    pub(crate) fn for_event(&mut self, key: Key) -> Option<&mut T> {
        let place = self.places.get_mut(key.slot as usize)?;
        if place.generation == key.generation { place.entry.as_deref_mut() } else { None }
    }

    pub(crate) fn remove(&mut self, slot: u32) -> Option<Box<T>> {
        let place = self.places.get_mut(slot as usize)?;
        let entry = place.entry.take()?;
        place.generation = place.generation.wrapping_add(1);
        self.free.push(slot);
        Some(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(slot: u32, generation: u16) -> Key {
        Key { slot, generation, leg: 1, rtcp: true }
    }

    #[test]
    fn a_key_survives_its_bits() {
        for key in [key(0, 0), key(u32::MAX, 1), Key { slot: 7, generation: u16::MAX, leg: 255, rtcp: false }] {
            assert_eq!(Key::from_bits(key.to_bits()), key);
        }
    }

    #[test]
    fn an_event_of_the_former_tenant_finds_nobody() {
        let mut slots = Slots::new();
        let first = slots.insert(|_, generation| Ok::<_, ()>(("first", generation))).unwrap();
        let old = key(first, slots.get_mut(first).unwrap().1);
        assert_eq!(slots.for_event(old).unwrap().0, "first");
        slots.remove(first).unwrap();
        assert_eq!(slots.for_event(old), None);
        let second = slots.insert(|_, generation| Ok::<_, ()>(("second", generation))).unwrap();
        assert_eq!(second, first);
        assert_eq!(slots.for_event(old), None);
        assert_eq!(slots.get_mut(second).unwrap().0, "second");
        assert!(slots.for_event(key(9, 0)).is_none() && slots.remove(9).is_none());
    }

    #[test]
    fn a_failed_insertion_leaves_the_place_free_and_its_keys_dead() {
        let mut slots: Slots<&str> = Slots::new();
        let mut seen = None;
        let failure = slots.insert(|slot, generation| {
            seen = Some(key(slot, generation));
            Err("no")
        });
        assert_eq!(failure, Err("no"));
        let slot = slots.insert(|_, _| Ok::<_, ()>("yes")).unwrap();
        assert_eq!(slot, seen.unwrap().slot);
        assert_eq!(slots.for_event(seen.unwrap()), None);
    }
}
