//! A policy's network as an ONNX model, for runtimes other than this one.
//!
//! The model reads raw observation rows (`observation`, any number of them at once) and gives what the network gives
//! (`output`): scale, clip and slots are inside it. The action mapping and the guardrails are not; whoever serves the
//! model elsewhere has to bring his own. Sums are taken in another order there, so that outputs agree to about
//! 1e-5 and not to the bit.

mod graph;
mod protobuf;

use super::artifact::Artifact;
use super::network::{Dense, Layout, Network, Normaliser};
use graph::{Graph, Value, integer, integers};

/// Name of the model's input.
const OBSERVATION: &str = "observation";
/// Name of the model's output.
const OUTPUT: &str = "output";

impl Artifact {
    /// The policy as the bytes of an ONNX file (opset 17); its document is in the model's metadata.
    #[must_use]
    pub fn to_onnx(&self) -> Vec<u8> {
        let document = self.info().to_json();
        let metadata = [("openclaw-policy", document.as_str())];
        let layout = self.network().layout;
        graph_of(self.network()).model(
            (OBSERVATION, layout.observation()),
            (OUTPUT, layout.outputs()),
            &metadata,
        )
    }
}

fn graph_of(network: &Network) -> Graph {
    let mut graph = Graph::default();
    let scale = Scale::new(&mut graph, network);
    let Layout { shared, slots, .. } = network.layout;
    let observed = graph.slice(OBSERVATION, 1, 0, shared);
    let mut trunk_inputs = scale.shared(&mut graph, &observed);
    let set = (slots > 0).then(|| Slots::new(&mut graph, &network.layout, &scale));
    if let Some(set) = &set {
        trunk_inputs = graph.add_with("Concat", &[&trunk_inputs, &set.largest], &[integer("axis", 1)]);
    }
    let answer = network.trunk.iter().enumerate().fold(trunk_inputs, |input, (index, layer)| {
        let sum = dense(&mut graph, &format!("trunk.{index}"), layer, &input);
        graph.add("Relu", &[&sum])
    });
    let shared_output = dense(&mut graph, "shared_head", &network.shared_head, &answer);
    match (set, &network.slot_head) {
        (Some(set), Some(head)) => {
            let slots_output = set.outputs(&mut graph, network, head, &answer);
            let parts = [shared_output.as_str(), slots_output.as_str()];
            graph.add_named("Concat", &parts, &[integer("axis", 1)], OUTPUT);
        }
        _ => graph.add_named("Identity", &[&shared_output], &[], OUTPUT),
    }
    graph
}

/// `inputs` times the layer's weights plus its bias; `inputs` is a matrix.
fn dense(graph: &mut Graph, name: &str, layer: &Dense, inputs: &str) -> Value {
    let weights = graph.numbers(&format!("{name}.weight"), &[layer.outputs, layer.inputs], &layer.weights);
    let bias = graph.numbers(&format!("{name}.bias"), &[layer.outputs], &layer.bias);
    graph.add_with("Gemm", &[inputs, &weights, &bias], &[integer("transB", 1)])
}

/// The scale of the features.
struct Scale {
    shared: [Value; 2],
    slot: Option<[Value; 2]>,
    clip: [Value; 2],
}

impl Scale {
    fn new(graph: &mut Graph, network: &Network) -> Self {
        let Normaliser { mean, std } = &network.normaliser;
        let Layout { shared, slot, slots, .. } = network.layout;
        let mut part = |name: &str, from: usize, count: usize| {
            [("mean", mean), ("std", std)].map(|(half, numbers)| {
                graph.numbers(&format!("normaliser.{name}.{half}"), &[count], &numbers[from..from + count])
            })
        };
        let (of_shared, of_slot) =
            (part("shared", 0, shared), (slots > 0).then(|| part("slot", shared, slot)));
        let clip = [("lowest", -Normaliser::CLIP), ("highest", Normaliser::CLIP)]
            .map(|(name, bound)| graph.numbers(&format!("normaliser.{name}"), &[], &[bound]));
        Self { shared: of_shared, slot: of_slot, clip }
    }

    fn shared(&self, graph: &mut Graph, values: &str) -> Value {
        self.scaled(graph, values, &self.shared)
    }

    fn scaled(&self, graph: &mut Graph, values: &str, [mean, std]: &[Value; 2]) -> Value {
        let centred = graph.add("Sub", &[values, mean]);
        let scaled = graph.add("Div", &[&centred, std]);
        graph.add("Clip", &[&scaled, &self.clip[0], &self.clip[1]])
    }
}

/// The slots of all rows, `[rows, slots, features]`.
struct Slots {
    features: Value,
    /// Which of them are present, `[rows, slots, 1]`.
    present: Value,
    zero: Value,
    /// The largest of each feature over the present ones, 0 where there is none, `[rows, features]`.
    largest: Value,
}

impl Slots {
    fn new(graph: &mut Graph, layout: &Layout, scale: &Scale) -> Self {
        let flat = graph.slice(OBSERVATION, 1, layout.shared, layout.observation());
        let shape = graph.integers(&[-1, layout.slots as i64, layout.slot as i64]);
        let observed = graph.add("Reshape", &[&flat, &shape]);
        let features = match &scale.slot {
            Some(of_slot) => scale.scaled(graph, &observed, of_slot),
            None => observed,
        };
        let [zero, half, lowest] = [("zero", 0.0), ("half", 0.5), ("lowest", f32::MIN)]
            .map(|(name, number)| graph.numbers(name, &[], &[number]));
        let presence = graph.slice(&features, 2, 0, 1);
        let present = graph.add("Greater", &[&presence, &half]);
        let candidates = graph.add("Where", &[&present, &features, &lowest]);
        let largest = graph.add_with("ReduceMax", &[&candidates], &over_slots());
        let most = graph.add_with("ReduceMax", &[&presence], &over_slots());
        let any = graph.add("Greater", &[&most, &half]);
        let largest = graph.add("Where", &[&any, &largest, &zero]);
        Self { features, present, zero, largest }
    }

    /// The slots' outputs, one after the other in each row.
    fn outputs(&self, graph: &mut Graph, network: &Network, head: &Dense, answer: &str) -> Value {
        let named = network.slot_hidden.iter().enumerate();
        let mut layers =
            named.map(|(index, layer)| (format!("slot_hidden.{index}"), layer)).collect::<Vec<_>>();
        let hidden = layers.len();
        layers.push(("slot_head".to_owned(), head));
        let mut last = String::new();
        for (index, (name, layer)) in layers.iter().enumerate() {
            let sum = if index == 0 {
                self.first(graph, name, layer, network.trunk_outputs(), answer)
            } else {
                let weights = transposed(graph, name, layer, 0, layer.inputs);
                let bias = graph.numbers(&format!("{name}.bias"), &[layer.outputs], &layer.bias);
                let product = graph.add("MatMul", &[&last, &weights]);
                graph.add("Add", &[&product, &bias])
            };
            last = if index < hidden { graph.add("Relu", &[&sum]) } else { sum };
        }
        let outputs = graph.add("Where", &[&self.present, &last, &self.zero]);
        let shape = graph.integers(&[-1, (network.layout.slots * head.outputs) as i64]);
        graph.add("Reshape", &[&outputs, &shape])
    }

    /// The first layer, which reads the trunk's answer and the slot.
    fn first(&self, graph: &mut Graph, name: &str, layer: &Dense, answers: usize, answer: &str) -> Value {
        let from_trunk = transposed(graph, &format!("{name}.trunk"), layer, 0, answers);
        let bias = graph.numbers(&format!("{name}.bias"), &[layer.outputs], &layer.bias);
        let from_trunk = graph.add("Gemm", &[answer, &from_trunk, &bias]);
        let axes = graph.integers(&[1]);
        let for_all_slots = graph.add("Unsqueeze", &[&from_trunk, &axes]);
        let from_slot = transposed(graph, &format!("{name}.slot"), layer, answers, layer.inputs);
        let from_slot = graph.add("MatMul", &[&self.features, &from_slot]);
        graph.add("Add", &[&for_all_slots, &from_slot])
    }
}

fn over_slots() -> [protobuf::Message; 2] {
    [integers("axes", &[1]), integer("keepdims", 0)]
}

/// The weights of some of a layer's inputs, a row for each input.
fn transposed(graph: &mut Graph, name: &str, layer: &Dense, from: usize, to: usize) -> Value {
    let weights: Vec<f32> = (from..to)
        .flat_map(|input| (0..layer.outputs).map(move |output| layer.weights[output * layer.inputs + input]))
        .collect();
    graph.numbers(&format!("{name}.weight"), &[to - from, layer.outputs], &weights)
}
