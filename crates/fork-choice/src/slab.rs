//! Things that come and go, under numbers that are used again.

#[derive(Debug, Clone, Default)]
pub(crate) struct Slab<T> {
    things: Vec<T>,
    free: Vec<u32>,
}

impl<T: Default> Slab<T> {
    pub(crate) fn insert(&mut self, thing: T) -> u32 {
        match self.free.pop() {
            Some(id) => {
                self.things[id as usize] = thing;
                id
            }
            None => {
                push_sparingly(&mut self.things, thing);
                self.things.len() as u32 - 1
            }
        }
    }

    /// Takes a thing out; the next one takes its place.
    pub(crate) fn remove(&mut self, id: u32) -> T {
        self.free.push(id);
        std::mem::take(&mut self.things[id as usize])
    }

    pub(crate) fn get(&self, id: u32) -> &T {
        &self.things[id as usize]
    }

    pub(crate) fn get_mut(&mut self, id: u32) -> &mut T {
        &mut self.things[id as usize]
    }
}

/// Appends to a list that may become long: it has room for a quarter more than it holds, at most, in place of as much
/// again.
pub(crate) fn push_sparingly<T>(list: &mut Vec<T>, thing: T) {
    if list.len() == list.capacity() {
        list.reserve_exact(list.len() / 4 + 4);
    }
    list.push(thing);
}
