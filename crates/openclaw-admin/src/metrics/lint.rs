//! Checks of the text form, so that every service's tests can hold its metrics to what `promtool check
//! metrics` demands without installing it.
//!
//! The rules: each family has help and a type and comes once; names are snake case, in base units, and end
//! in `_total` exactly where they are counters; label values are escaped; no series comes twice; histograms
//! are whole and cumulative.

use std::collections::{HashMap, HashSet};

/// Abbreviated or derived units that a name must not end in, or carry before `_total`.
const UNITS_REFUSED: [&str; 16] = [
    "ms",
    "us",
    "ns",
    "sec",
    "s",
    "milliseconds",
    "microseconds",
    "nanoseconds",
    "minutes",
    "hours",
    "kb",
    "mb",
    "kilobytes",
    "megabytes",
    "percent",
    "b",
];

/// What is wrong with `text`, one finding a line; empty where it is fine.
#[must_use]
pub fn check(text: &str) -> Vec<String> {
    let mut checker = Checker::default();
    for (index, line) in text.lines().enumerate() {
        if let Err(finding) = checker.line(line) {
            checker.findings.push(format!("line {}: {finding}", index + 1));
        }
    }
    if !text.is_empty() && !text.ends_with('\n') {
        checker.findings.push("the last line has no line feed".to_owned());
    }
    checker.finish()
}

#[derive(Default)]
struct Checker {
    families: HashMap<String, Family>,
    current: Option<String>,
    helps: HashMap<String, String>,
    series: HashSet<String>,
    findings: Vec<String>,
}

#[derive(Default)]
struct Family {
    kind: String,
    samples: usize,
    /// By all labels but `le`: the bucket counts as they came, and the count of all samples.
    histograms: HashMap<String, HistogramSeries>,
}

#[derive(Default)]
struct HistogramSeries {
    buckets: Vec<(f64, f64)>,
    count: Option<f64>,
    sum: bool,
}

impl Checker {
    fn line(&mut self, line: &str) -> Result<(), String> {
        if line.is_empty() {
            return Ok(());
        }
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap_or((rest, ""));
            if self.helps.insert(name.to_owned(), help.to_owned()).is_some() {
                return Err(format!("{name} has help twice"));
            }
            return Ok(());
        }
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').ok_or("TYPE names no kind")?;
            let family = Family { kind: kind.to_owned(), ..Family::default() };
            self.current = Some(name.to_owned());
            if self.families.insert(name.to_owned(), family).is_some() {
                return Err(format!("{name} comes twice: a family's samples must be together"));
            }
            return Ok(());
        }
        if line.starts_with('#') {
            return Ok(());
        }
        self.sample(line)
    }

    fn sample(&mut self, line: &str) -> Result<(), String> {
        let sample = Sample::parse(line)?;
        if !self.series.insert(format!("{}{:?}", sample.name, sample.labels)) {
            return Err(format!("this series of {} comes twice", sample.name));
        }
        let current = self.current.clone().ok_or_else(|| format!("{} has no TYPE", sample.name))?;
        let family = self.families.get_mut(&current).ok_or("no family")?;
        family.samples += 1;
        if family.kind == "histogram" {
            return family.add_histogram_sample(&current, sample);
        }
        if sample.name != current {
            return Err(format!("{} stands in the family {current}", sample.name));
        }
        Ok(())
    }

    fn finish(mut self) -> Vec<String> {
        let mut names: Vec<_> = self.families.keys().cloned().collect();
        names.sort();
        for name in names {
            let family = &self.families[&name];
            if self.helps.get(&name).is_none_or(|help| help.trim().is_empty()) {
                self.findings.push(format!("{name} has no help"));
            }
            if family.samples == 0 {
                self.findings.push(format!("{name} has no samples"));
            }
            self.findings.extend(name_findings(&name, &family.kind));
            self.findings.extend(family.histogram_findings(&name));
        }
        self.findings
    }
}

fn name_findings(name: &str, kind: &str) -> Vec<String> {
    let mut findings = Vec::new();
    if !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        || !name.starts_with(|first: char| first.is_ascii_lowercase())
    {
        findings.push(format!("{name} is not in snake case"));
    }
    match (kind, name.ends_with("_total")) {
        ("counter", false) => findings.push(format!("{name} is a counter and does not end in _total")),
        ("gauge" | "histogram", true) => findings.push(format!("{name} ends in _total and is no counter")),
        ("counter" | "gauge" | "histogram", _) => {}
        (other, _) => findings.push(format!("{name} has the type {other}; use counter, gauge or histogram")),
    }
    if ["_bucket", "_count", "_sum"].iter().any(|suffix| name.ends_with(suffix)) {
        findings.push(format!("{name} ends as only a part of a histogram may"));
    }
    let unit = name.trim_end_matches("_total").rsplit('_').next().unwrap_or_default();
    if UNITS_REFUSED.contains(&unit) {
        findings.push(format!("{name} is not in a base unit spelt out, such as seconds or bytes"));
    }
    findings
}

impl Family {
    fn add_histogram_sample(&mut self, family: &str, mut sample: Sample) -> Result<(), String> {
        let part = sample.name.strip_prefix(family).unwrap_or_default().to_owned();
        let le =
            sample.labels.iter().position(|(key, _)| key == "le").map(|index| sample.labels.remove(index).1);
        let series = self.histograms.entry(format!("{:?}", sample.labels)).or_default();
        match (part.as_str(), le) {
            ("_bucket", Some(le)) => {
                let bound = parse_value(&le).ok_or_else(|| format!("the bound {le} is no number"))?;
                series.buckets.push((bound, sample.value));
            }
            ("_count", None) => series.count = Some(sample.value),
            ("_sum", None) => series.sum = true,
            _ => return Err(format!("{} stands in the histogram {family}", sample.name)),
        }
        Ok(())
    }

    fn histogram_findings(&self, name: &str) -> Vec<String> {
        let mut findings = Vec::new();
        for (labels, series) in &self.histograms {
            let increasing =
                series.buckets.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1);
            if !increasing {
                findings.push(format!("{name}{labels}: buckets are not cumulative"));
            }
            let all =
                series.buckets.last().filter(|(bound, _)| *bound == f64::INFINITY).map(|(_, count)| *count);
            if all.is_none() || all != series.count || !series.sum {
                findings.push(format!("{name}{labels}: lacks +Inf, sum or count, or they disagree"));
            }
        }
        findings
    }
}

struct Sample {
    name: String,
    labels: Vec<(String, String)>,
    value: f64,
}

impl Sample {
    fn parse(line: &str) -> Result<Self, String> {
        let name_end = line.find(['{', ' ']).ok_or("a sample has no value")?;
        let name = line[..name_end].to_owned();
        let mut rest = &line[name_end..];
        let mut labels = Vec::new();
        if let Some(inside) = rest.strip_prefix('{') {
            (labels, rest) = parse_labels(inside)?;
        }
        let value = parse_value(rest.trim()).ok_or_else(|| format!("{name} has the value {rest:?}"))?;
        Ok(Self { name, labels, value })
    }
}

type Labels = Vec<(String, String)>;

/// Labels up to and past the closing brace, and what follows it.
fn parse_labels(mut rest: &str) -> Result<(Labels, &str), String> {
    let mut labels = Labels::new();
    loop {
        if let Some(after) = rest.strip_prefix('}') {
            return Ok((labels, after));
        }
        let (key, after) = rest.split_once("=\"").ok_or("a label has no quoted value")?;
        if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return Err(format!("{key:?} is no label name"));
        }
        if labels.iter().any(|(known, _)| known == key) {
            return Err(format!("the label {key} comes twice"));
        }
        let (value, after) = parse_label_value(after)?;
        labels.push((key.to_owned(), value));
        rest = after.strip_prefix(',').unwrap_or(after);
    }
}

fn parse_label_value(text: &str) -> Result<(String, &str), String> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((index, character)) = characters.next() {
        match character {
            '"' => return Ok((value, &text[index + 1..])),
            '\\' => match characters.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, escaped @ ('\\' | '"'))) => value.push(escaped),
                _ => return Err("a label value holds an unknown escape".to_owned()),
            },
            other => value.push(other),
        }
    }
    Err("a label value has no end".to_owned())
}

fn parse_value(text: &str) -> Option<f64> {
    match text {
        "+Inf" => Some(f64::INFINITY),
        "-Inf" => Some(f64::NEG_INFINITY),
        "NaN" => Some(f64::NAN),
        number => number.parse().ok(),
    }
}
