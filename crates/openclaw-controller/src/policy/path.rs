//! Which instructions the forward pass runs with: asked of the processor once, when a policy is loaded.

use std::fmt;

/// Instructions that the forward pass can be run with. All give the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Path {
    /// What every processor of the architecture has.
    Scalar,
    /// x86-64 with AVX2 and FMA: 8 lanes.
    Avx2,
    /// x86-64 with AVX-512: 16 lanes.
    Avx512,
    /// 64-bit Arm: 4 lanes.
    Neon,
}

/// This processor lacks the instructions of a path that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathUnavailable(pub Path);

impl fmt::Display for PathUnavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "this processor lacks the instructions of path {:?}", self.0)
    }
}

impl std::error::Error for PathUnavailable {}

impl Path {
    /// All paths, the fastest last.
    const ALL: [Self; 4] = [Self::Scalar, Self::Neon, Self::Avx2, Self::Avx512];

    /// The paths that this processor can take, the fastest last.
    pub fn available() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|path| path.is_available())
    }

    /// The fastest path that this processor can take.
    #[must_use]
    pub fn best() -> Self {
        Self::available().last().unwrap_or(Self::Scalar)
    }

    /// Whether this processor can take it.
    #[must_use]
    pub fn is_available(self) -> bool {
        match self {
            Self::Scalar => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => is_x86_feature_detected!("avx512f") && Self::Avx2.is_available(),
            #[cfg(target_arch = "aarch64")]
            Self::Neon => std::arch::is_aarch64_feature_detected!("neon"),
            // The other architecture's.
            _ => false,
        }
    }
}

/// A path that this processor was found to have: what code compiled for it may be called with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Checked(Path);

impl Checked {
    pub(super) fn best() -> Self {
        Self(Path::best())
    }

    pub(super) fn new(path: Path) -> Result<Self, PathUnavailable> {
        if path.is_available() { Ok(Self(path)) } else { Err(PathUnavailable(path)) }
    }

    pub(super) fn path(self) -> Path {
        self.0
    }
}
