//! Adam over a flat vector, and parameters that learn by it.

use crate::compute::{Compute, numbers};
use crate::parameters::{Matrix, Parameters};
use burn_tensor::Tensor;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// Adam (Kingma, Ba 2015) over a flat vector, with clipping of the gradient's norm.
#[derive(Debug, Clone)]
struct Adam {
    first: Tensor<1>,
    second: Tensor<1>,
    step: u32,
    epsilon: f64,
}

/// What Adam remembers, for a checkpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct AdamState {
    first: Vec<f32>,
    second: Vec<f32>,
    step: u32,
}

const BETA_1: f64 = 0.9;
const BETA_2: f64 = 0.999;

impl Adam {
    /// `epsilon` is added to the root of the second moment.
    fn new(parameters: &Parameters, epsilon: f64) -> Self {
        let zeros = parameters.zeros();
        Self { first: zeros.clone(), second: zeros, step: 0, epsilon }
    }

    /// Moves the parameters against the gradient. A gradient longer than `norm_max` is shortened to it.
    fn step(
        &mut self,
        parameters: &mut Parameters,
        gradient: Tensor<1>,
        learning_rate: f64,
        norm_max: Option<f64>,
    ) {
        let gradient = match norm_max {
            Some(most) => {
                let norm = gradient.clone().square().sum().sqrt();
                let shorten = norm.add_scalar(1e-6).recip().mul_scalar(most).clamp_max(1.0);
                gradient * shorten
            }
            None => gradient,
        };
        self.step += 1;
        let first = self.first.clone().mul_scalar(BETA_1) + gradient.clone().mul_scalar(1.0 - BETA_1);
        let second = self.second.clone().mul_scalar(BETA_2) + gradient.square().mul_scalar(1.0 - BETA_2);
        let steps = f64::from(self.step);
        let unbias_1 = 1.0 - BETA_1.powf(steps);
        let unbias_2 = (1.0 - BETA_2.powf(steps)).sqrt();
        let scale = second.clone().sqrt().div_scalar(unbias_2).add_scalar(self.epsilon);
        parameters.subtract((first.clone() / scale).mul_scalar(learning_rate / unbias_1));
        (self.first, self.second) = (first, second);
    }

    fn state(&self) -> AdamState {
        AdamState {
            first: numbers(self.first.clone()),
            second: numbers(self.second.clone()),
            step: self.step,
        }
    }

    /// None where the lengths differ.
    fn with(&self, state: AdamState, compute: &Compute) -> Option<Self> {
        let len = self.first.dims()[0];
        (state.first.len() == len && state.second.len() == len).then(|| Self {
            first: compute.vector(state.first),
            second: compute.vector(state.second),
            step: state.step,
            epsilon: self.epsilon,
        })
    }
}

/// Parameters with their optimiser.
#[derive(Debug, Clone)]
pub(crate) struct Learned {
    parameters: Parameters,
    adam: Adam,
}

/// What a checkpoint keeps of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct LearnedState {
    parameters: Vec<f32>,
    adam: AdamState,
}

impl Learned {
    pub(crate) fn begin(shapes: Vec<Matrix>, epsilon: f64, compute: &Compute, rng: &mut ChaCha8Rng) -> Self {
        let parameters = Parameters::begin(shapes, compute, rng);
        Self { adam: Adam::new(&parameters, epsilon), parameters }
    }

    pub(crate) fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    pub(crate) fn matrices(&self) -> Vec<Tensor<2>> {
        self.parameters.matrices()
    }

    pub(crate) fn leaves(&self) -> Vec<Tensor<2>> {
        self.parameters.leaves()
    }

    /// One step against the gradient of a loss over these leaves.
    pub(crate) fn descend(
        &mut self,
        leaves: &[Tensor<2>],
        loss: &Tensor<1>,
        learning_rate: f64,
        norm_max: Option<f64>,
    ) {
        let gradient = Parameters::gradient(leaves, &mut loss.backward());
        self.step(gradient, learning_rate, norm_max);
    }

    /// One step against a gradient.
    pub(crate) fn step(&mut self, gradient: Tensor<1>, learning_rate: f64, norm_max: Option<f64>) {
        self.adam.step(&mut self.parameters, gradient, learning_rate, norm_max);
    }

    pub(crate) fn state(&self) -> LearnedState {
        LearnedState { parameters: self.parameters.numbers(), adam: self.adam.state() }
    }

    /// The same shapes with other numbers; none where their count differs.
    pub(crate) fn with(&self, state: LearnedState, compute: &Compute) -> Option<Self> {
        let parameters = self.parameters.with(state.parameters, compute)?;
        Some(Self { parameters, adam: self.adam.with(state.adam, compute)? })
    }
}

#[cfg(test)]
mod tests;
