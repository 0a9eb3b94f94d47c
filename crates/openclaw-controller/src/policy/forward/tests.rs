//! Every path gives the bits of a plain reading of the rule, on networks of all shapes.

use proptest::prelude::*;

use super::*;
use crate::policy::{Dense, LIMITS, Layout, Network, Normaliser};

/// Numbers that look random and are the same everywhere (xorshift64*).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> f32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 40;
        high as f32 / (1 << 23) as f32 - 1.0
    }

    fn many(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.next()).collect()
    }

    fn dense(&mut self, inputs: usize, outputs: usize) -> Dense {
        Dense { inputs, outputs, weights: self.many(inputs * outputs), bias: self.many(outputs) }
    }

    fn chain(&mut self, inputs: usize, widths: &[usize]) -> (Vec<Dense>, usize) {
        let mut last = inputs;
        let layers = widths
            .iter()
            .map(|width| {
                let layer = self.dense(last, *width);
                last = *width;
                layer
            })
            .collect();
        (layers, last)
    }

    fn network(&mut self, layout: Layout, trunk: &[usize], slot: &[usize]) -> Network {
        let mut normaliser = Normaliser::identity(&layout);
        for entry in (0..layout.normalised()).filter(|entry| layout.slots == 0 || *entry != layout.shared) {
            normaliser.mean[entry] = self.next();
            normaliser.std[entry] = 1.5 + self.next();
        }
        let (trunk, answers) = self.chain(layout.trunk_inputs(), trunk);
        let shared_head = self.dense(answers, layout.actions_shared);
        let has_head = layout.actions_slot > 0;
        let (slot_hidden, last) = self.chain(answers + layout.slot, if has_head { slot } else { &[] });
        let slot_head = has_head.then(|| self.dense(last, layout.actions_slot));
        Network { layout, normaliser, trunk, shared_head, slot_hidden, slot_head }
    }

    /// An observation in which some slots are present and some are not.
    fn observation(&mut self, layout: &Layout) -> Vec<f32> {
        let mut observation = self.many(layout.observation());
        for slot in 0..layout.slots {
            let presence = layout.shared + slot * layout.slot;
            observation[presence] = if observation[presence] > -0.3 { 1.0 } else { 0.0 };
        }
        observation
    }
}

/// The rule of `kernel.rs`, read as plainly as can be, for a layer that reads `inputs` one after the other.
fn plain_dense(layer: &Dense, inputs: &[&[f32]]) -> Vec<f32> {
    let (mut sums, mut first) = (layer.bias.clone(), 0);
    for input in inputs {
        sums = plain_sums(layer, &sums, first, input);
        first += input.len();
    }
    sums
}

fn plain_sums(layer: &Dense, start: &[f32], first: usize, input: &[f32]) -> Vec<f32> {
    let output = |output: usize| {
        let mut chains = [start[output], 0.0, 0.0, 0.0];
        for (index, input) in input.iter().enumerate() {
            let weight = layer.weights[output * layer.inputs + first + index];
            chains[index % 4] = weight.mul_add(*input, chains[index % 4]);
        }
        (chains[0] + chains[1]) + (chains[2] + chains[3])
    };
    (0..layer.outputs).map(output).collect()
}

fn plain_hidden(layers: &[Dense], inputs: &[&[f32]]) -> Vec<f32> {
    let Some((first, rest)) = layers.split_first() else { return inputs.concat() };
    let relu = |sums: Vec<f32>| sums.into_iter().map(|x| if x < 0.0 { 0.0 } else { x }).collect::<Vec<_>>();
    rest.iter().fold(relu(plain_dense(first, inputs)), |input, layer| relu(plain_dense(layer, &[&input])))
}

/// The picture in `network.rs`, read as plainly as can be.
fn plain(network: &Network, observation: &[f32]) -> Vec<f32> {
    let Layout { shared, slots, slot, .. } = network.layout;
    let scaled = |value: f32, entry: usize| {
        ((value - network.normaliser.mean[entry]) / network.normaliser.std[entry]).clamp(-10.0, 10.0)
    };
    let mut trunk: Vec<f32> = (0..shared).map(|index| scaled(observation[index], index)).collect();
    let features: Vec<Option<Vec<f32>>> = (0..slots)
        .map(|number| &observation[shared + number * slot..][..slot])
        .map(|raw| {
            (raw[0] == 1.0).then(|| (0..slot).map(|index| scaled(raw[index], shared + index)).collect())
        })
        .collect();
    for index in 0..slot {
        let present = features.iter().flatten().map(|features| features[index]);
        trunk.push(present.reduce(f32::max).unwrap_or(0.0));
    }
    let answer = plain_hidden(&network.trunk, &[&trunk]);
    let mut output = plain_dense(&network.shared_head, &[&answer]);
    if let Some(head) = &network.slot_head {
        for features in &features {
            output.extend(match features {
                None => vec![0.0; head.outputs],
                Some(features) if network.slot_hidden.is_empty() => plain_dense(head, &[&answer, features]),
                Some(features) => {
                    plain_dense(head, &[&plain_hidden(&network.slot_hidden, &[&answer, features])])
                }
            });
        }
    }
    output
}

fn bits(numbers: &[f32]) -> Vec<u32> {
    numbers.iter().map(|number| number.to_bits()).collect()
}

fn run(network: &Network, path: Path, observation: &[f32]) -> Vec<f32> {
    let forward = Forward::new(network).unwrap().over(path).unwrap();
    let mut output = vec![f32::NAN; network.layout.outputs()];
    forward.run(observation, &mut forward.scratch(), &mut output);
    output
}

fn layouts() -> impl Strategy<Value = Layout> {
    let slots = prop_oneof![
        Just((0, 0, 0)),
        (1_usize..6, 1_usize..21, 0_usize..6),
        (1_usize..4, 1_usize..40, 1_usize..40),
    ];
    (1_usize..70, 1_usize..40, slots).prop_map(|(shared, actions_shared, (slots, slot, actions_slot))| {
        Layout { shared, slots, slot, actions_shared, actions_slot }
    })
}

proptest! {
    #[test]
    fn every_path_gives_the_bits_of_the_plain_reading(
        layout in layouts(),
        trunk in prop::collection::vec(1_usize..130, 0..4),
        slot in prop::collection::vec(1_usize..50, 0..3),
        seed in 1_u64..,
        rounded: bool,
    ) {
        let mut numbers = Numbers(seed);
        let network = numbers.network(layout, &trunk, &slot);
        let network = if rounded { network.rounded() } else { network };
        let observation = numbers.observation(&layout);
        let expected = plain(&network, &observation);
        for path in Path::available() {
            prop_assert_eq!(bits(&run(&network, path, &observation)), bits(&expected), "{:?}", path);
        }
    }
}

/// A plain network, and one with slots and heads.
fn both() -> [Network; 2] {
    let mut numbers = Numbers(7);
    let plain = Layout { shared: 17, slots: 0, slot: 0, actions_shared: 3, actions_slot: 0 };
    let slotted = Layout { shared: 17, slots: 3, slot: 5, actions_shared: 3, actions_slot: 2 };
    [numbers.network(plain, &[19, 33], &[]), numbers.network(slotted, &[19, 33], &[21])]
}

#[test]
fn the_fastest_path_is_the_one_taken() {
    let [plain, _] = both();
    let forward = Forward::new(&plain).unwrap();
    assert_eq!(forward.path(), Path::best());
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx512f") {
        assert_eq!(forward.path(), Path::Avx512);
    }
}

#[test]
fn a_path_of_another_architecture_is_refused() {
    let [plain, _] = both();
    let other = if cfg!(target_arch = "aarch64") { Path::Avx512 } else { Path::Neon };
    let refused = Forward::new(&plain).unwrap().over(other).unwrap_err();
    assert_eq!(refused, PathUnavailable(other));
    assert!(refused.to_string().contains("lacks the instructions"));
}

#[test]
fn what_is_not_a_number_reaches_every_output_it_touches_with_the_same_bits() {
    for network in both().into_iter().flat_map(|network| [network.clone().rounded(), network]) {
        for index in 0..network.layout.observation() {
            let mut observation = vec![0.25; network.layout.observation()];
            for slot in 0..network.layout.slots {
                observation[network.layout.shared + slot * network.layout.slot] = 1.0;
            }
            observation[index] = -f32::NAN;
            for path in Path::available() {
                let output = run(&network, path, &observation);
                assert_eq!(
                    bits(&output),
                    vec![f32::NAN.to_bits(); output.len()],
                    "feature {index} on {path:?}"
                );
            }
        }
    }
}

#[test]
fn an_absent_slot_decides_nothing_and_is_not_looked_at() {
    let [_, network] = both();
    let mut numbers = Numbers(11);
    let mut observation = numbers.many(network.layout.observation());
    for (slot, present) in [1.0, 0.0, 1.0].into_iter().enumerate() {
        observation[17 + slot * 5] = present;
    }
    let before = run(&network, Path::best(), &observation);
    assert_eq!(before[3 + 2..3 + 4], [0.0, 0.0]);
    observation[17 + 5 + 1..17 + 10].fill(f32::NAN);
    assert_eq!(run(&network, Path::best(), &observation), before);
}

#[test]
fn slots_that_change_places_change_only_the_places_of_their_outputs() {
    let [_, network] = both();
    let mut observation = Numbers(13).many(network.layout.observation());
    for slot in 0..3 {
        observation[17 + slot * 5] = 1.0;
    }
    let mut before = run(&network, Path::best(), &observation);
    let (first, rest) = observation[17..].split_at_mut(5);
    first.swap_with_slice(&mut rest[5..]);
    let after = run(&network, Path::best(), &observation);
    let (first, rest) = before[3..].split_at_mut(2);
    first.swap_with_slice(&mut rest[2..]);
    assert_eq!(bits(&after), bits(&before));
}

#[test]
fn a_scratch_may_be_used_again() {
    let [_, network] = both();
    let forward = Forward::new(&network).unwrap();
    let mut scratch = forward.scratch();
    let mut numbers = Numbers(17);
    let mut output = vec![0.0; network.layout.outputs()];
    for _ in 0..20 {
        let observation = numbers.observation(&network.layout);
        forward.run(&observation, &mut scratch, &mut output);
        assert_eq!(bits(&output), bits(&run(&network, Path::best(), &observation)));
    }
}

#[test]
fn a_network_whose_parts_do_not_fit_is_refused_with_what_is_wrong() {
    let fault = |spoil: &dyn Fn(&mut Network)| {
        let [_, mut network] = both();
        spoil(&mut network);
        Forward::new(&network).unwrap_err().to_string()
    };
    let found = [
        fault(&|network| network.trunk[1].inputs = 18),
        fault(&|network| network.shared_head = Dense { outputs: 1, ..network.shared_head.clone() }),
        fault(&|network| network.slot_head = None),
        fault(&|network| network.trunk[0].weights[5] = f32::INFINITY),
        fault(&|network| network.slot_hidden[0].bias.truncate(3)),
        fault(&|network| network.normaliser.std[2] = 0.0),
        fault(&|network| network.normaliser.mean[17] = 0.5),
        fault(&|network| network.layout.slots = LIMITS.slots + 1),
        fault(&|network| network.layout.slots = 0),
        fault(&|network| network.trunk = vec![network.trunk[0].clone(); LIMITS.hidden + 1]),
    ];
    let expected = [
        "trunk.1.weights has 627 numbers, and must have 594",
        "shared_head.weights has 99 numbers, and must have 33",
        "slot_head must be there",
        "trunk.0.weights[5] is inf",
        "slot_hidden.0.bias has 3 numbers, and must have 21",
        "normaliser.std[2] is 0",
        "normaliser entry 17 is a slot's presence",
        "65 slots are more than the 64",
        "the layout has no slots but 5 features of a slot",
        "9 layers of trunk are more than the 8",
    ];
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.contains(expected), "{found:?} lacks {expected:?}");
    }
}
