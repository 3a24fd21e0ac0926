//! An array that grows at its end and always knows what its elements combine to.

/// A segment tree. `T::default()` has to be neutral to what the elements are combined with, which has to be
/// associative; the caller gives it with each call, and always the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Segments<T> {
    /// What all elements combine to.
    all: T,
    /// Twice the capacity, which is a power of two. Element `i` is at `capacity + i`; what is at `n` below the capacity
    /// combines `2n` and `2n + 1`, down to 1 for the whole. Nothing is at 0. A single element, as most arrays have it,
    /// is in `all` alone.
    tree: Vec<T>,
    len: u32,
}

impl<T: Copy + Default + PartialEq> Segments<T> {
    /// The array of these elements; takes time in proportion to them.
    pub(crate) fn new(elements: &[T], combine: impl Fn(T, T) -> T) -> Self {
        let mut segments = Self {
            all: elements.first().copied().unwrap_or_default(),
            tree: Vec::new(),
            len: elements.len() as u32,
        };
        if elements.len() > 1 {
            let capacity = elements.len().next_power_of_two();
            segments.tree = vec![T::default(); 2 * capacity];
            segments.tree[capacity..capacity + elements.len()].copy_from_slice(elements);
            for at in (1..capacity).rev() {
                segments.tree[at] = segments.combined(at, &combine);
            }
            segments.all = segments.tree[1];
        }
        segments
    }

    fn capacity(&self) -> usize {
        self.tree.len() / 2
    }

    fn combined(&self, at: usize, combine: impl Fn(T, T) -> T) -> T {
        combine(self.tree[2 * at], self.tree[2 * at + 1])
    }

    /// What all elements combine to, first to last.
    pub(crate) fn all(&self) -> T {
        self.all
    }

    pub(crate) fn len(&self) -> u32 {
        self.len
    }

    pub(crate) fn get(&self, index: u32) -> T {
        let element = self.tree.get(self.capacity() + index as usize);
        element.copied().unwrap_or(self.all)
    }

    /// Appends an element: logarithmic, but when the capacity doubles.
    pub(crate) fn push(&mut self, element: T, combine: impl Fn(T, T) -> T) {
        let capacity = self.capacity();
        let index = self.len;
        if (index as usize) < capacity {
            self.len += 1;
            self.set(index, element);
            self.repair(&mut vec![index], combine);
            return;
        }
        let mut elements = Vec::with_capacity(capacity.max(1) + 1);
        match capacity {
            0 => elements.extend((index > 0).then_some(self.all)),
            _ => elements.extend_from_slice(&self.tree[capacity..]),
        }
        elements.push(element);
        *self = Self::new(&elements, combine);
    }

    /// Replaces an element; what it is combined to is wrong until [`Self::repair`].
    pub(crate) fn set(&mut self, index: u32, element: T) {
        let at = self.capacity() + index as usize;
        *self.tree.get_mut(at).unwrap_or(&mut self.all) = element;
    }

    /// Combines anew what the elements at these indices, in descending or ascending order, have a part in. Uses up the
    /// list.
    pub(crate) fn repair(&mut self, changed: &mut Vec<u32>, combine: impl Fn(T, T) -> T) {
        let capacity = self.capacity() as u32;
        changed.iter_mut().for_each(|index| *index += capacity);
        while changed.first().is_some_and(|at| *at > 1) {
            changed.iter_mut().for_each(|at| *at /= 2);
            changed.dedup();
            changed.retain(|at| {
                let at = *at as usize;
                let combined = self.combined(at, &combine);
                let differs = combined != self.tree[at];
                self.tree[at] = combined;
                differs
            });
        }
        changed.clear();
        self.all = self.tree.get(1).copied().unwrap_or(self.all);
    }

    /// For searches: position 1 is the whole, `2n` and `2n + 1` are the halves of `n`, elements are at the number that
    /// comes with it and after. Nothing where there is a single element.
    pub(crate) fn tree(&self) -> (&[T], usize) {
        (&self.tree, self.capacity())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Neither commutative nor without order: a combination keeps the first and the last element.
    fn ends(first: (u32, u32), last: (u32, u32)) -> (u32, u32) {
        match (first, last) {
            ((0, 0), other) | (other, (0, 0)) => other,
            _ => (first.0, last.1),
        }
    }

    #[test]
    fn whatever_is_pushed_or_set_the_whole_is_combined_in_order() {
        let mut segments = Segments::new(&[(7, 7)], ends);
        for element in 8..200 {
            segments.push((element, element), ends);
            assert_eq!(segments.all(), (7, element));
        }
        let elements: Vec<_> = (7..200).map(|element| (element, element)).collect();
        assert_eq!(segments.tree, Segments::new(&elements, ends).tree);
        for changed in [vec![0], vec![192], vec![192, 100, 99, 0], vec![0, 1, 192]] {
            for index in &changed {
                let (old, _) = segments.get(*index);
                segments.set(*index, (old + 1000, old + 1000));
            }
            segments.repair(&mut changed.clone(), ends);
            let elements: Vec<_> = (0..193).map(|index| segments.get(index)).collect();
            assert_eq!(segments.tree, Segments::new(&elements, ends).tree);
        }
    }
}
