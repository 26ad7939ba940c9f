//! A set of sequence numbers, for counting lines one by one over days.
//!
//! Numbers arrive nearly in order, so all that lies below the first gap is one number; what lies above is a bitmap
//! in chunks of 4,096. Memory is bounded by [`MAX_CHUNKS`], 32 MiB, whatever arrives: numbers too far above the
//! first gap are refused, not stored.

use std::collections::BTreeMap;

/// Numbers in a chunk.
const CHUNK: u64 = 4_096;
/// Chunks kept above the first gap.
pub const MAX_CHUNKS: u64 = 65_536;

/// Which numbers, from 1, have been seen.
#[derive(Debug, Default)]
pub struct SeqSet {
    /// Chunks `0..full` hold every number.
    full: u64,
    chunks: BTreeMap<u64, Chunk>,
    len: u64,
    highest: u64,
}

#[derive(Debug)]
struct Chunk {
    words: Box<[u64; (CHUNK / 64) as usize]>,
    ones: u64,
}

/// What became of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inserted {
    /// It is higher than all before it.
    New,
    /// It is new, but a higher one came before it.
    NewOutOfOrder,
    /// It was there.
    Duplicate,
    /// It is 0, or further above the first gap than the set keeps; it was not stored.
    OutOfRange,
}

impl SeqSet {
    /// Adds `seq`.
    pub fn insert(&mut self, seq: u64) -> Inserted {
        let Some(index) = seq.checked_sub(1) else { return Inserted::OutOfRange };
        let (chunk_no, bit) = (index / CHUNK, index % CHUNK);
        if chunk_no < self.full {
            return Inserted::Duplicate;
        }
        if chunk_no - self.full >= MAX_CHUNKS {
            return Inserted::OutOfRange;
        }
        let chunk = self
            .chunks
            .entry(chunk_no)
            .or_insert_with(|| Chunk { words: Box::new([0; (CHUNK / 64) as usize]), ones: 0 });
        let (word, mask) = (&mut chunk.words[(bit / 64) as usize], 1_u64 << (bit % 64));
        if *word & mask != 0 {
            return Inserted::Duplicate;
        }
        *word |= mask;
        chunk.ones += 1;
        self.len += 1;
        while self.chunks.get(&self.full).is_some_and(|chunk| chunk.ones == CHUNK) {
            self.chunks.remove(&self.full);
            self.full += 1;
        }
        if seq > self.highest {
            self.highest = seq;
            Inserted::New
        } else {
            Inserted::NewOutOfOrder
        }
    }

    /// How many numbers it holds.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The highest number it holds; 0 where it holds none.
    #[must_use]
    pub fn highest(&self) -> u64 {
        self.highest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn two_days_in_order_take_one_chunk() {
        let mut set = SeqSet::default();
        for seq in 1..=1_728_000 {
            assert_eq!(set.insert(seq), Inserted::New);
        }
        assert_eq!((set.len(), set.highest()), (1_728_000, 1_728_000));
        assert!(set.chunks.len() <= 1);
    }

    #[test]
    fn a_number_out_of_all_bounds_is_refused() {
        let mut set = SeqSet::default();
        assert_eq!(set.insert(0), Inserted::OutOfRange);
        assert_eq!(set.insert(u64::MAX), Inserted::OutOfRange);
        assert!(set.is_empty());
    }

    proptest! {
        #[test]
        fn it_agrees_with_a_plain_set(numbers in proptest::collection::vec(1_u64..10_000, 0..2_000)) {
            let (mut set, mut plain) = (SeqSet::default(), BTreeSet::new());
            for seq in numbers {
                let highest = plain.last().copied().unwrap_or(0);
                let expected = match (plain.insert(seq), seq > highest) {
                    (false, _) => Inserted::Duplicate,
                    (true, true) => Inserted::New,
                    (true, false) => Inserted::NewOutOfOrder,
                };
                prop_assert_eq!(set.insert(seq), expected);
            }
            prop_assert_eq!(set.len(), plain.len() as u64);
            prop_assert_eq!(set.highest(), plain.last().copied().unwrap_or(0));
        }
    }
}
