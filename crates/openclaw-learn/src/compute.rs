//! Where tensors live, and the few ways they come and go.

use crate::learner::LearnError;
use burn_tensor::{Device, Tensor, TensorData};

/// A device to learn on. The CPU's mathematics runs on the calling thread alone, always in the same order.
#[derive(Debug, Clone)]
pub struct Compute {
    device: Device,
}

impl Compute {
    /// Burn's `flex` backend, always there.
    #[must_use]
    pub fn cpu() -> Self {
        Self { device: Device::flex() }
    }

    /// `cpu`, `cuda` or `wgpu`.
    ///
    /// # Errors
    /// No such device, or this build has none.
    pub fn open(name: &str) -> Result<Self, LearnError> {
        let device = match name {
            "cpu" => return Ok(Self::cpu()),
            "cuda" => cuda(),
            "wgpu" => wgpu(),
            _ => return Err(LearnError::Device { name: name.to_owned(), mend: "take cpu, cuda or wgpu" }),
        };
        let absent = LearnError::Device {
            name: name.to_owned(),
            mend: "build with the cargo feature of that name (--features cuda or wgpu)",
        };
        device.map(|device| Self { device }).ok_or(absent)
    }

    /// A matrix of so many columns.
    pub(crate) fn matrix(&self, values: Vec<f32>, columns: usize) -> Tensor<2> {
        let rows = values.len() / columns;
        Tensor::from_data(TensorData::new(values, [rows, columns]), &self.device)
    }

    pub(crate) fn vector(&self, values: Vec<f32>) -> Tensor<1> {
        let len = values.len();
        Tensor::from_data(TensorData::new(values, [len]), &self.device)
    }
}

#[cfg(feature = "cuda")]
fn cuda() -> Option<Device> {
    Some(Device::cuda(0))
}

#[cfg(not(feature = "cuda"))]
fn cuda() -> Option<Device> {
    None
}

#[cfg(feature = "wgpu")]
fn wgpu() -> Option<Device> {
    Some(Device::wgpu(burn_tensor::DeviceKind::DefaultDevice))
}

#[cfg(not(feature = "wgpu"))]
fn wgpu() -> Option<Device> {
    None
}

/// The numbers of a tensor, rows one after the other.
///
/// # Panics
/// Where the device has failed: nothing that was computed on it can be had any more.
pub(crate) fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.try_into_vec_as::<f32>().expect("the device works and every tensor here is made of f32")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_is_not_there_is_refused_with_advice() {
        let error = Compute::open("tpu").unwrap_err().to_string();
        assert!(error.contains("tpu") && error.contains("cuda"), "{error}");
        #[cfg(not(feature = "cuda"))]
        assert!(Compute::open("cuda").unwrap_err().to_string().contains("feature"));
        assert!(Compute::open("cpu").is_ok());
    }
}
