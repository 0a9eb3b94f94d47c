//! What a network's outputs mean: the last step before the guardrails, which differs between learning algorithms.

use super::action::DiscreteActions;
use super::elementary::exp;
use super::network::{Layout, NetworkError};
use super::schema::LAYOUT;

/// What a network's outputs are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Actions once clipped to ±1.
    Clipped,
    /// Actions once through the hyperbolic tangent.
    Tanh,
    /// A score for each of the [`DiscreteActions`]; the first highest is chosen.
    Choice,
}

impl Output {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Clipped, Self::Tanh, Self::Choice];

    /// Its name in artifacts.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Clipped => "clipped",
            Self::Tanh => "tanh",
            Self::Choice => "choice",
        }
    }

    /// The cut of the rows of a network with such outputs.
    #[must_use]
    pub fn layout(self) -> Layout {
        match self {
            Self::Clipped | Self::Tanh => LAYOUT,
            Self::Choice => Layout { actions_shared: DiscreteActions::COUNT, actions_slot: 0, ..LAYOUT },
        }
    }

    /// Checks that a network of such a layout has such outputs.
    ///
    /// # Errors
    /// It has not.
    pub fn check(self, layout: &Layout) -> Result<(), NetworkError> {
        let expected = self.layout();
        if *layout == expected {
            return Ok(());
        }
        let name = self.name();
        Err(NetworkError::new(format!(
            "a network with {name:?} outputs must have the layout {expected:?}, but has {layout:?}"
        )))
    }

    /// Turns what the network gave into an output row, still unclipped. Not a number where that was.
    pub fn actions(self, raw: &[f32], outputs: &mut [f32]) {
        match self {
            Self::Clipped => outputs.copy_from_slice(raw),
            Self::Tanh => {
                for (output, raw) in outputs.iter_mut().zip(raw) {
                    *output = tanh(*raw);
                }
            }
            Self::Choice if raw.iter().any(|score| score.is_nan()) => outputs.fill(f32::NAN),
            Self::Choice => DiscreteActions::outputs(choice(raw), outputs),
        }
    }
}

/// The hyperbolic tangent, with the same bits everywhere.
#[must_use]
pub fn tanh(x: f32) -> f32 {
    1.0 - 2.0 / (exp(2.0 * x) + 1.0)
}

/// The number of the first highest score.
#[must_use]
pub fn choice(scores: &[f32]) -> usize {
    let mut best = 0;
    for (index, score) in scores.iter().enumerate() {
        if *score > scores[best] {
            best = index;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::ACTIONS;

    #[test]
    fn the_first_highest_score_is_chosen() {
        assert_eq!(choice(&[1.0, 3.0, 3.0, 2.0]), 1);
        let mut expected = [0.0; ACTIONS];
        DiscreteActions::outputs(7, &mut expected);
        let mut scores = [0.0; DiscreteActions::COUNT];
        scores[7] = 0.5;
        let mut outputs = [9.0; ACTIONS];
        Output::Choice.actions(&scores, &mut outputs);
        assert_eq!(outputs, expected);
        scores[3] = f32::NAN;
        Output::Choice.actions(&scores, &mut outputs);
        assert!(outputs.iter().all(|output| output.is_nan()));
    }

    #[test]
    fn tanh_is_that_of_the_standard_library() {
        for step in -2000..=2000_i16 {
            let x = f32::from(step) / 100.0;
            assert!((tanh(x) - x.tanh()).abs() < 2e-7, "{x}");
        }
        assert_eq!((tanh(1e9), tanh(-1e9), tanh(0.0)), (1.0, -1.0, 0.0));
    }
}
