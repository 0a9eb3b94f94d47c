//! Checkpoints as bytes: what wrote them, a checksum, and the state.
//!
//! The state is in postcard's form, which keeps every float to the bit. A self-describing form lost: replay buffers
//! are large, and a checkpoint is only ever read by the version that wrote it, which the header makes sure of.

use crate::environment::{ActionSpace, EnvSpec};
use crate::learner::CheckpointError;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Counts up with every change of what a checkpoint holds.
const HEADER: &[u8; 16] = b"openclaw-learn 1";

/// Whose checkpoint it is.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Origin {
    algorithm: String,
    settings: Vec<u8>,
    shapes: Vec<usize>,
}

impl Origin {
    fn new(algorithm: &str, settings: &impl Serialize, spec: &EnvSpec) -> Self {
        let layout = spec.layout;
        let (kind, actions) = match spec.action {
            ActionSpace::Continuous { len } => (0, len),
            ActionSpace::Discrete { count } => (1, count),
        };
        let shapes = vec![
            spec.envs,
            spec.observation_len,
            kind,
            actions,
            layout.shared,
            layout.slots,
            layout.slot,
            layout.actions_shared,
            layout.actions_slot,
        ];
        Self { algorithm: algorithm.to_owned(), settings: encode(settings), shapes }
    }
}

pub(crate) fn write(
    algorithm: &str,
    settings: &impl Serialize,
    spec: &EnvSpec,
    state: &impl Serialize,
) -> Vec<u8> {
    let body = encode(&(Origin::new(algorithm, settings, spec), state));
    [HEADER.as_slice(), &crc32c::crc32c(&body).to_le_bytes(), &body].concat()
}

pub(crate) fn read<S: DeserializeOwned>(
    algorithm: &str,
    settings: &impl Serialize,
    spec: &EnvSpec,
    checkpoint: &[u8],
) -> Result<S, CheckpointError> {
    let rest = checkpoint.strip_prefix(HEADER).ok_or(CheckpointError::Other("program or version"))?;
    let (sum, body) = rest.split_first_chunk::<4>().ok_or(CheckpointError::Damaged("cut short"))?;
    if u32::from_le_bytes(*sum) != crc32c::crc32c(body) {
        return Err(CheckpointError::Damaged("checksum"));
    }
    let unreadable = |_| CheckpointError::Damaged("content");
    let (origin, state) = postcard::take_from_bytes::<Origin>(body).map_err(unreadable)?;
    let own = Origin::new(algorithm, settings, spec);
    if origin.algorithm != own.algorithm {
        return Err(CheckpointError::Other("algorithm"));
    }
    if origin.settings != own.settings {
        return Err(CheckpointError::Other("setting"));
    }
    if origin.shapes != own.shapes {
        return Err(CheckpointError::Other("environment"));
    }
    postcard::from_bytes(state).map_err(unreadable)
}

fn encode(value: &impl Serialize) -> Vec<u8> {
    postcard::to_allocvec(value).expect("plain numbers can always be written")
}

/// A random number generator between two draws.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct SavedRng {
    seed: [u8; 32],
    stream: u64,
    word: u128,
}

impl SavedRng {
    pub(crate) fn of(rng: &ChaCha8Rng) -> Self {
        Self { seed: rng.get_seed(), stream: rng.get_stream(), word: rng.get_word_pos() }
    }

    pub(crate) fn restore(&self) -> ChaCha8Rng {
        let mut rng = ChaCha8Rng::from_seed(self.seed);
        rng.set_stream(self.stream);
        rng.set_word_pos(self.word);
        rng
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::RngExt;

    fn spec() -> EnvSpec {
        EnvSpec::plain(2, 3, ActionSpace::Discrete { count: 2 })
    }

    fn written() -> Vec<u8> {
        write("ppo", &1.5, &spec(), &vec![1.0_f32, -0.0, f32::MIN_POSITIVE])
    }

    #[test]
    fn what_was_written_is_read() {
        let state = read::<Vec<f32>>("ppo", &1.5, &spec(), &written()).unwrap();
        assert_eq!(
            state.iter().map(|x| x.to_bits()).collect::<Vec<_>>(),
            [0x3f80_0000, 0x8000_0000, 0x0080_0000]
        );
    }

    #[test]
    fn anothers_checkpoint_is_refused_and_named() {
        let read = |algorithm, settings: f64, spec: &EnvSpec| {
            read::<Vec<f32>>(algorithm, &settings, spec, &written()).unwrap_err()
        };
        assert_eq!(read("dqn", 1.5, &spec()), CheckpointError::Other("algorithm"));
        assert_eq!(read("ppo", 1.0, &spec()), CheckpointError::Other("setting"));
        let more = EnvSpec { envs: 3, ..spec() };
        assert_eq!(read("ppo", 1.5, &more), CheckpointError::Other("environment"));
    }

    #[test]
    fn damage_anywhere_is_noticed() {
        let good = written();
        for index in 0..good.len() {
            let mut bad = good.clone();
            bad[index] ^= 4;
            assert!(read::<Vec<f32>>("ppo", &1.5, &spec(), &bad).is_err(), "byte {index}");
            assert!(read::<Vec<f32>>("ppo", &1.5, &spec(), &good[..index]).is_err(), "length {index}");
        }
    }

    #[test]
    fn a_restored_generator_goes_on_where_it_was() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        rng.set_stream(9);
        let _ = (rng.random::<u64>(), rng.random::<u32>());
        let mut restored = SavedRng::of(&rng).restore();
        assert_eq!(restored.random::<[u64; 9]>(), rng.random::<[u64; 9]>());
    }
}
