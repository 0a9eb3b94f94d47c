//! Reading JSON objects so that every mistake is found at once.
//!
//! A derived `Deserialize` stops at the first error. Authors of scenarios would then fix one field, run
//! again, and find the next. Here each accessor notes what is wrong, with its path, and goes on with a
//! placeholder; the values are only handed out when no issue was noted.

use std::cell::RefCell;
use std::fmt;

use serde_json::{Map, Value};

/// One mistake in a scenario file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// Where, for instance `scenarios[2].capacity[0].level`; empty for the file as a whole.
    pub path: String,
    /// What is wrong, for instance `must be in (0, 1], is 1.5`.
    pub message: String,
}

impl fmt::Display for Issue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.path, self.message)
        }
    }
}

/// Every mistake in a scenario file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", Lines(issues))]
pub struct ScenarioErrors {
    /// In the order of the file; never empty.
    pub issues: Vec<Issue>,
}

struct Lines<'a>(&'a [Issue]);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, issue) in self.0.iter().enumerate() {
            write!(f, "{}{issue}", if index == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

/// Where issues gather while a file is read.
#[derive(Debug, Default)]
pub(crate) struct Issues(RefCell<Vec<Issue>>);

impl Issues {
    pub(crate) fn add(&self, path: impl Into<String>, message: impl Into<String>) {
        self.0.borrow_mut().push(Issue { path: path.into(), message: message.into() });
    }

    /// The value, if nothing was wrong.
    pub(crate) fn finish<T>(self, value: T) -> Result<T, ScenarioErrors> {
        let issues = self.0.into_inner();
        if issues.is_empty() { Ok(value) } else { Err(ScenarioErrors { issues }) }
    }
}

/// An interval of allowed numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    low: f64,
    low_open: bool,
    high: f64,
}

impl Bounds {
    /// `[low, high]`
    pub(crate) const fn closed(low: f64, high: f64) -> Self {
        Self { low, low_open: false, high }
    }

    /// `(low, high]`
    pub(crate) const fn above(low: f64, high: f64) -> Self {
        Self { low, low_open: true, high }
    }

    fn holds(self, value: f64) -> bool {
        (if self.low_open { value > self.low } else { value >= self.low }) && value <= self.high
    }
}

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}, {}]", if self.low_open { '(' } else { '[' }, self.low, self.high)
    }
}

/// The fields of one JSON object. Call [`finish`](Self::finish) last: it reports the fields nobody asked for.
pub(crate) struct Fields<'a> {
    path: String,
    map: Option<&'a Map<String, Value>>,
    asked: Vec<&'static str>,
    issues: &'a Issues,
}

impl<'a> Fields<'a> {
    pub(crate) fn new(path: String, value: &'a Value, issues: &'a Issues) -> Self {
        if !value.is_object() {
            issues.add(path.clone(), format!("must be an object, is {}", kind(value)));
        }
        Self { path, map: value.as_object(), asked: Vec::new(), issues }
    }

    pub(crate) fn at(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    pub(crate) fn issue(&self, name: &str, message: impl Into<String>) {
        self.issues.add(self.at(name), message);
    }

    /// The field's value if it is there; `null` counts as a value.
    pub(crate) fn optional(&mut self, name: &'static str) -> Option<&'a Value> {
        if !self.asked.contains(&name) {
            self.asked.push(name);
        }
        self.map?.get(name)
    }

    fn required(&mut self, name: &'static str) -> Option<&'a Value> {
        let value = self.optional(name);
        if value.is_none() && self.map.is_some() {
            self.issue(name, "is missing");
        }
        value
    }

    /// A number in `bounds`; without a `default` the field is required.
    pub(crate) fn number(&mut self, name: &'static str, bounds: Bounds, default: Option<f64>) -> f64 {
        let placeholder = default.unwrap_or(bounds.high);
        let found = if default.is_some() { self.optional(name) } else { self.required(name) };
        let Some(value) = found else { return placeholder };
        match value.as_f64() {
            Some(number) if bounds.holds(number) => return number,
            Some(number) => self.issue(name, format!("must be in {bounds}, is {number}")),
            None => self.issue(name, format!("must be a number in {bounds}, is {}", kind(value))),
        }
        placeholder
    }

    /// A whole number from `low` to `high`, required.
    pub(crate) fn whole(&mut self, name: &'static str, low: u64, high: u64) -> u64 {
        let Some(value) = self.required(name) else { return low };
        match value.as_u64() {
            Some(number) if (low..=high).contains(&number) => return number,
            _ => self.issue(name, format!("must be a whole number in [{low}, {high}], is {}", show(value))),
        }
        low
    }

    /// A whole number that fits 32 bits.
    pub(crate) fn count(&mut self, name: &'static str, low: u32, high: u32) -> u32 {
        u32::try_from(self.whole(name, low.into(), high.into())).unwrap_or(high)
    }

    /// A string that is not empty, required.
    pub(crate) fn text(&mut self, name: &'static str) -> String {
        let Some(value) = self.required(name) else { return String::new() };
        match value.as_str() {
            Some(text) if !text.trim().is_empty() => return text.to_owned(),
            Some(_) => self.issue(name, "must not be empty"),
            None => self.issue(name, format!("must be a string, is {}", kind(value))),
        }
        String::new()
    }

    /// One of a few words, required.
    pub(crate) fn choice<T: Copy>(&mut self, name: &'static str, choices: &[(&str, T)]) -> Option<T> {
        let value = self.required(name)?;
        let chosen = choices.iter().find(|(word, _)| value.as_str() == Some(word)).map(|(_, choice)| *choice);
        if chosen.is_none() {
            let words: Vec<String> = choices.iter().map(|(word, _)| format!("\"{word}\"")).collect();
            self.issue(name, format!("must be {}, is {}", words.join(" or "), show(value)));
        }
        chosen
    }

    /// A truth value, `default` where absent.
    pub(crate) fn flag(&mut self, name: &'static str, default: bool) -> bool {
        let Some(value) = self.optional(name) else { return default };
        value.as_bool().unwrap_or_else(|| {
            self.issue(name, format!("must be true or false, is {}", kind(value)));
            default
        })
    }

    /// An object that `read` turns into a `T`, required.
    pub(crate) fn object<T>(&mut self, name: &'static str, read: impl FnOnce(Fields<'a>) -> T) -> Option<T> {
        let value = self.required(name)?;
        Some(read(Fields::new(self.at(name), value, self.issues)))
    }

    /// An object that may be absent.
    pub(crate) fn object_or_none<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(Fields<'a>) -> T,
    ) -> Option<T> {
        let value = self.optional(name)?;
        Some(read(Fields::new(self.at(name), value, self.issues)))
    }

    /// A list of objects, empty where absent.
    pub(crate) fn list<T>(&mut self, name: &'static str, read: impl Fn(Fields<'a>) -> T) -> Vec<T> {
        let Some(value) = self.optional(name) else { return Vec::new() };
        let Some(items) = value.as_array() else {
            self.issue(name, format!("must be a list, is {}", kind(value)));
            return Vec::new();
        };
        let path = self.at(name);
        let each = items.iter().enumerate();
        each.map(|(index, item)| read(Fields::new(format!("{path}[{index}]"), item, self.issues))).collect()
    }

    /// Reports every field that was not asked for.
    pub(crate) fn finish(self) {
        let Some(map) = self.map else { return };
        for name in map.keys().filter(|name| !self.asked.contains(&name.as_str())) {
            let known = self.asked.join(", ");
            self.issues.add(self.at(name), format!("unknown field; known here: {known}"));
        }
    }
}

/// The JSON type of a value, for messages.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// A scalar as written, anything longer by its type.
fn show(value: &Value) -> String {
    match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) if text.len() <= 40 => format!("{text:?}"),
        other => kind(other).to_owned(),
    }
}
