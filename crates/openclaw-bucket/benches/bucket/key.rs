//! Short string keys made in registers: reading a million prepared strings from memory would add a
//! cache miss to every side and hide the difference that is to be measured.

use std::hash::{Hash, Hasher};

/// An eight-byte text key, such as `00c0ffee`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Key(u64);

impl Key {
    /// The hexadecimal digits of `number`, computed eight at a time.
    pub(crate) fn new(number: u32) -> Self {
        let mut digits = u64::from(number);
        digits = (digits | digits << 16) & 0x0000_ffff_0000_ffff;
        digits = (digits | digits << 8) & 0x00ff_00ff_00ff_00ff;
        digits = (digits | digits << 4) & 0x0f0f_0f0f_0f0f_0f0f;
        let letters = (digits + 0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101;
        Self((digits + 0x3030_3030_3030_3030 + letters * u64::from(b'a' - b'9' - 1)).swap_bytes())
    }

    pub(crate) fn bytes(self) -> [u8; 8] {
        self.0.to_ne_bytes()
    }
}

impl Hash for Key {
    /// As `str` does it: the bytes and an end mark.
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(&self.bytes());
        state.write_u8(0xff);
    }
}

/// A fast source of uniformly distributed numbers, the same for every side.
#[derive(Clone, Debug)]
pub(crate) struct Draws(u64);

impl Draws {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (((self.0 >> 32) * u64::from(bound)) >> 32) as u32
    }
}
