//! An ONNX graph in the making: operators are added one after the other, each by the name of what it gives.
//!
//! Field numbers are those of `onnx.proto3` in the ONNX repository; the operators are those of opset 17.

use super::protobuf::Message;

/// Element types of `TensorProto`.
const FLOAT: i64 = 1;
const INT64: i64 = 7;
/// Types of `AttributeProto`.
const ATTRIBUTE_INT: i64 = 2;
const ATTRIBUTE_INTS: i64 = 7;

/// The name of a value in the graph.
pub(super) type Value = String;

#[derive(Clone, Debug, Default)]
pub(super) struct Graph {
    nodes: Vec<Message>,
    constants: Vec<Message>,
}

impl Graph {
    /// Adds an operator, and returns the name of its output.
    pub(super) fn add(&mut self, operator: &str, inputs: &[&str]) -> Value {
        self.add_with(operator, inputs, &[])
    }

    /// Adds an operator with attributes.
    pub(super) fn add_with(&mut self, operator: &str, inputs: &[&str], attributes: &[Message]) -> Value {
        let output = format!("{operator}_{}", self.nodes.len());
        self.add_named(operator, inputs, attributes, &output);
        output
    }

    /// Adds an operator whose output has a name of its own.
    pub(super) fn add_named(
        &mut self,
        operator: &str,
        inputs: &[&str],
        attributes: &[Message],
        output: &str,
    ) {
        let node = inputs.iter().fold(Message::new(), |node, input| node.text(1, input));
        let node = node.text(2, output).text(3, output).text(4, operator);
        self.nodes.push(attributes.iter().fold(node, |node, attribute| node.message(5, attribute)));
    }

    /// A constant of numbers.
    pub(super) fn numbers(&mut self, name: &str, shape: &[usize], numbers: &[f32]) -> Value {
        self.constant(name, shape, FLOAT, numbers.iter().flat_map(|number| number.to_le_bytes()).collect())
    }

    /// A constant row of integers.
    pub(super) fn integers(&mut self, integers: &[i64]) -> Value {
        let name = format!("integers_{}", self.constants.len());
        let bytes = integers.iter().flat_map(|integer| integer.to_le_bytes()).collect();
        self.constant(&name, &[integers.len()], INT64, bytes)
    }

    /// Cuts `from..to` out of one axis.
    pub(super) fn slice(&mut self, value: &str, axis: i64, from: usize, to: usize) -> Value {
        let [from, to, axis] = [from as i64, to as i64, axis].map(|integer| self.integers(&[integer]));
        self.add("Slice", &[value, &from, &to, &axis])
    }

    fn constant(&mut self, name: &str, shape: &[usize], element: i64, bytes: Vec<u8>) -> Value {
        let tensor = shape.iter().fold(Message::new(), |tensor, size| tensor.int(1, *size as i64));
        self.constants.push(tensor.int(2, element).text(8, name).raw(9, &bytes));
        name.to_owned()
    }

    /// The whole model, with one input and one output of rows of numbers, as many rows as one likes.
    pub(super) fn model(
        self,
        input: (&str, usize),
        output: (&str, usize),
        metadata: &[(&str, &str)],
    ) -> Vec<u8> {
        let graph = self.nodes.iter().fold(Message::new(), |graph, node| graph.message(1, node));
        let graph = graph.text(2, "policy");
        let graph = self.constants.iter().fold(graph, |graph, constant| graph.message(5, constant));
        let graph = graph.message(11, &rows(input)).message(12, &rows(output));
        let opset = Message::new().text(1, "").int(2, 17);
        // Version 8 of the file format came with opset 16 and holds opset 17.
        let model = Message::new().int(1, 8).text(2, "openclaw").message(7, &graph).message(8, &opset);
        let entry = |(key, value): &(&str, &str)| Message::new().text(1, key).text(2, value);
        metadata.iter().fold(model, |model, pair| model.message(14, &entry(pair))).into_bytes()
    }
}

/// An attribute that is an integer.
pub(super) fn integer(name: &str, value: i64) -> Message {
    Message::new().text(1, name).int(3, value).int(20, ATTRIBUTE_INT)
}

/// An attribute that is a row of integers.
pub(super) fn integers(name: &str, values: &[i64]) -> Message {
    let attribute = Message::new().text(1, name);
    values.iter().fold(attribute, |attribute, value| attribute.int(8, *value)).int(20, ATTRIBUTE_INTS)
}

/// `ValueInfoProto` of rows of so many numbers.
fn rows((name, numbers): (&str, usize)) -> Message {
    let shape = Message::new()
        .message(1, &Message::new().text(2, "rows"))
        .message(1, &Message::new().int(1, numbers as i64));
    let tensor = Message::new().int(1, FLOAT).message(2, &shape);
    Message::new().text(1, name).message(2, &Message::new().message(1, &tensor))
}
