//! The same network as plain loops over its weights: no lanes, no packing, memory as it comes.

use openclaw_controller::policy::{Dense, Network, Normaliser};

pub(crate) fn run(network: &Network, observation: &[f32]) -> Vec<f32> {
    let layout = network.layout;
    let Normaliser { mean, std } = &network.normaliser;
    let scaled = |value: f32, entry: usize| ((value - mean[entry]) / std[entry]).clamp(-10.0, 10.0);
    let mut trunk: Vec<f32> = (0..layout.shared).map(|index| scaled(observation[index], index)).collect();
    let slots: Vec<Vec<f32>> = observation[layout.shared..]
        .chunks_exact(layout.slot)
        .map(|slot| {
            slot.iter().enumerate().map(|(index, value)| scaled(*value, layout.shared + index)).collect()
        })
        .collect();
    let present = || slots.iter().filter(|slot| slot[0] > 0.5);
    trunk.extend(
        (0..layout.slot).map(|index| present().map(|slot| slot[index]).reduce(f32::max).unwrap_or(0.0)),
    );
    let answer = hidden(&network.trunk, trunk);
    let mut output = dense(&network.shared_head, &answer);
    for slot in &slots {
        let Some(head) = &network.slot_head else { break };
        if slot[0] > 0.5 {
            let joint = answer.iter().chain(slot).copied().collect();
            output.extend(dense(head, &hidden(&network.slot_hidden, joint)));
        } else {
            output.extend(vec![0.0; head.outputs]);
        }
    }
    output
}

fn hidden(layers: &[Dense], input: Vec<f32>) -> Vec<f32> {
    layers.iter().fold(input, |input, layer| dense(layer, &input).into_iter().map(|x| x.max(0.0)).collect())
}

fn dense(layer: &Dense, input: &[f32]) -> Vec<f32> {
    let rows = layer.weights.chunks_exact(layer.inputs);
    rows.zip(&layer.bias)
        .map(|(row, bias)| bias + row.iter().zip(input).map(|(w, x)| w * x).sum::<f32>())
        .collect()
}
