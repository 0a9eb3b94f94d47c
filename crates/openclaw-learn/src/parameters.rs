//! The numbers that are learned: one flat vector, handed out as matrices.
//!
//! Burn's modules and optimisers keep a tensor per layer; with networks of a few thousand weights most of an update is
//! then the overhead of many small operations. One flat vector makes Adam and the clipping a dozen operations in all,
//! and a checkpoint one list of numbers.

use crate::compute::{Compute, numbers};
use burn_tensor::{Gradients, Tensor};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

/// How a matrix begins.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Begin {
    /// Orthogonal, times this gain (Saxe et al. 2014): what a layer passes on is neither damped nor blown up.
    Orthogonal(f64),
    /// The same number everywhere.
    Constant(f32),
}

/// A matrix of `inputs` rows and `outputs` columns; a bias has one row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Matrix {
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
    pub(crate) begin: Begin,
}

/// Matrices behind one another in one vector.
#[derive(Debug, Clone)]
pub(crate) struct Parameters {
    flat: Tensor<1>,
    shapes: Vec<Matrix>,
}

impl Parameters {
    pub(crate) fn begin(shapes: Vec<Matrix>, compute: &Compute, rng: &mut ChaCha8Rng) -> Self {
        let numbers = shapes.iter().flat_map(|shape| shape.values(rng)).collect();
        Self { flat: compute.vector(numbers), shapes }
    }

    /// The same shapes with other numbers; none where their count differs.
    pub(crate) fn with(&self, numbers: Vec<f32>, compute: &Compute) -> Option<Self> {
        (numbers.len() == self.len())
            .then(|| Self { flat: compute.vector(numbers), shapes: self.shapes.clone() })
    }

    pub(crate) fn len(&self) -> usize {
        self.shapes.iter().map(|shape| shape.inputs * shape.outputs).sum()
    }

    pub(crate) fn numbers(&self) -> Vec<f32> {
        numbers(self.flat.clone())
    }

    /// Takes a step along the flat vector.
    pub(crate) fn subtract(&mut self, step: Tensor<1>) {
        self.flat = self.flat.clone() - step;
    }

    /// Zeros, one for each number.
    pub(crate) fn zeros(&self) -> Tensor<1> {
        self.flat.zeros_like()
    }

    /// The matrices as constants.
    pub(crate) fn matrices(&self) -> Vec<Tensor<2>> {
        let mut first = 0;
        let matrix = |shape: &Matrix| {
            let len = shape.inputs * shape.outputs;
            first += len;
            self.flat.clone().narrow(0, first - len, len).reshape([shape.inputs, shape.outputs])
        };
        self.shapes.iter().map(matrix).collect()
    }

    /// The matrices as leaves that a loss may be differentiated by.
    pub(crate) fn leaves(&self) -> Vec<Tensor<2>> {
        self.matrices().into_iter().map(|matrix| matrix.autodiff().require_grad()).collect()
    }

    /// The gradient as one vector, in the order of the parameters. What the loss does not depend on has zeros.
    pub(crate) fn gradient(leaves: &[Tensor<2>], gradients: &mut Gradients) -> Tensor<1> {
        let each = leaves.iter().map(|leaf| {
            let gradient = leaf.grad_remove(gradients);
            let gradient = gradient.unwrap_or_else(|| leaf.clone().inner().zeros_like());
            let [rows, columns] = gradient.dims();
            gradient.reshape([rows * columns])
        });
        Tensor::cat(each.collect(), 0)
    }

    /// Moves towards other parameters of the same shapes by a fraction: Polyak averaging of target networks.
    pub(crate) fn blend(&mut self, towards: &Self, fraction: f64) {
        let kept = self.flat.clone().mul_scalar(1.0 - fraction);
        self.flat = kept + towards.flat.clone().mul_scalar(fraction);
    }
}

impl Matrix {
    fn values(&self, rng: &mut ChaCha8Rng) -> Vec<f32> {
        match self.begin {
            Begin::Constant(value) => vec![value; self.inputs * self.outputs],
            Begin::Orthogonal(gain) => orthogonal(self.inputs, self.outputs, gain, rng),
        }
    }
}

/// Gram-Schmidt on normally distributed vectors: the shorter side's vectors are orthonormal, times `gain`.
fn orthogonal(inputs: usize, outputs: usize, gain: f64, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let (count, len) = (inputs.min(outputs), inputs.max(outputs));
    let mut basis = Vec::<Vec<f64>>::with_capacity(count);
    while basis.len() < count {
        let mut vector = (0..len).map(|_| rng.sample(StandardNormal)).collect::<Vec<f64>>();
        // Twice: the first pass leaves rounding errors along earlier vectors.
        for earlier in basis.iter().chain(&basis) {
            let along = dot(&vector, earlier);
            vector.iter_mut().zip(earlier).for_each(|(value, earlier)| *value -= along * earlier);
        }
        let length = dot(&vector, &vector).sqrt();
        if length > 1e-6 {
            vector.iter_mut().for_each(|value| *value /= length);
            basis.push(vector);
        }
    }
    let element = |row: usize, column: usize| {
        let value = if inputs <= outputs { basis[row][column] } else { basis[column][row] };
        (gain * value) as f32
    };
    (0..inputs)
        .flat_map(|row| (0..outputs).map(move |column| (row, column)))
        .map(|(r, c)| element(r, c))
        .collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests;
