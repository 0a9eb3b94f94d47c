//! Reading what arrives: one item, a JSON array or NDJSON, each item judged by itself.
//!
//! A batch with one bad item keeps its good ones, so a batch is first cut into items without looking inside
//! them and each item is then parsed alone. The usual envelope is parsed in one pass; only when that fails is
//! it cut up to find out which event is to blame.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::batch::{CollectorInfo, DependencyGauge, EventBatch, Rejected, Totals, UserCounts};
use crate::event::{DEPENDENCIES_MAX, RatingEvent, check_ms};
use crate::problem::{Problem, ProblemKind};
use crate::rating::{Rating, RatingRules, ScoreRange, json_problem, refuse_array};

/// How the items of a body are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyForm {
    /// `application/json`: one object or an array of them.
    Json,
    /// `application/x-ndjson`: one object a line.
    NdJson,
}

/// What [`parse_events`] found.
#[derive(Clone, Debug, PartialEq)]
pub struct EventIntake {
    /// The envelope, where there was one; its `events` are empty.
    pub envelope: Option<EventBatch>,
    /// The valid events, with their place in the body.
    pub events: Vec<RatingEvent>,
    /// The others.
    pub rejected: Vec<Rejected>,
}

fn utf8(body: &[u8]) -> Result<&str, Problem> {
    std::str::from_utf8(body).map_err(|error| {
        Problem::new(
            ProblemKind::MalformedBody,
            format!("the body is not UTF-8: byte {} does not fit", error.valid_up_to()),
        )
    })
}

fn too_many(found: usize, items_max: usize) -> Problem {
    Problem::new(
        ProblemKind::BodyTooLarge,
        format!("the batch has {found} items or more; this service takes at most {items_max} at a time"),
    )
}

/// Cuts a body into items. The flag says whether the body was a single object.
fn items(body: &[u8], form: BodyForm, items_max: usize) -> Result<(Vec<&str>, bool), Problem> {
    let text = utf8(body)?;
    let (items, single) = match form {
        BodyForm::NdJson => {
            let lines = text.lines().filter(|line| !line.trim().is_empty());
            (lines.take(items_max + 1).collect::<Vec<_>>(), false)
        }
        BodyForm::Json if text.trim_start().starts_with('[') => {
            let raw: Vec<&RawValue> = serde_json::from_str(text).map_err(|error| json_problem(&error))?;
            (raw.into_iter().map(RawValue::get).collect(), false)
        }
        BodyForm::Json => (vec![text], true),
    };
    if items.len() > items_max {
        return Err(too_many(items.len(), items_max));
    }
    if items.is_empty() {
        return Err(Problem::new(ProblemKind::MalformedBody, "the batch is empty; send at least one item"));
    }
    Ok((items, single))
}

/// Parses the body of `POST /ratings`. The flag says whether it was a single rating.
///
/// # Errors
/// A problem where the body as a whole cannot be read; a single bad item of a batch is an `Err` in its place.
pub fn parse_ratings(
    body: &[u8],
    form: BodyForm,
    items_max: usize,
    arrival_ms: u64,
    rules: &RatingRules,
) -> Result<(Vec<Result<Rating, Problem>>, bool), Problem> {
    let (items, single) = items(body, form, items_max)?;
    Ok((items.into_iter().map(|item| Rating::parse(item, arrival_ms, rules)).collect(), single))
}

/// Parses the body of `POST /api/v1/event`.
///
/// # Errors
/// A problem that names the field.
pub fn parse_event(body: &[u8], scores: ScoreRange) -> Result<RatingEvent, Problem> {
    // The slice parser checks the UTF-8 of what it reads; this finds it in what it skips.
    let text = utf8(body)?;
    event(text, scores)
}

fn event(json: &str, scores: ScoreRange) -> Result<RatingEvent, Problem> {
    refuse_array(json)?;
    let event: RatingEvent = serde_json::from_str(json).map_err(|error| json_problem(&error))?;
    event.check(scores).map_err(|reason| Problem::new(ProblemKind::InvalidField, reason))?;
    Ok(event)
}

/// Parses the body of `POST /api/v1/events`: the envelope, a bare array, or NDJSON.
///
/// # Errors
/// A problem where the body as a whole cannot be read; single bad events are in `rejected`.
pub fn parse_events(
    body: &[u8],
    form: BodyForm,
    items_max: usize,
    scores: ScoreRange,
) -> Result<EventIntake, Problem> {
    let text = utf8(body)?;
    if form == BodyForm::NdJson || text.trim_start().starts_with('[') {
        let (items, _) = items(body, form, items_max)?;
        return Ok(judge(None, items, scores));
    }
    let Ok(mut batch) = serde_json::from_str::<EventBatch>(text) else {
        return envelope_item_by_item(text, items_max, scores);
    };
    let found = batch.events.len().max(batch.users.len());
    if found > items_max {
        return Err(too_many(found, items_max));
    }
    check_envelope(&batch)?;
    let mut intake = EventIntake { envelope: None, events: Vec::new(), rejected: Vec::new() };
    intake.events = std::mem::take(&mut batch.events);
    let mut index = 0;
    intake.events.retain(|event| {
        let checked = event.check(scores);
        if let Err(reason) = &checked {
            let problem = Problem::new(ProblemKind::InvalidField, reason.clone());
            intake.rejected.push(Rejected { index, problem });
        }
        index += 1;
        checked.is_ok()
    });
    intake.envelope = Some(batch);
    Ok(intake)
}

/// The longest name of a collector, a service or a dependency, in bytes: all become keys of bounded maps.
const NAME_BYTES_MAX: usize = 128;

fn check_envelope(batch: &EventBatch) -> Result<(), Problem> {
    let invalid = |reason: String| Problem::new(ProblemKind::InvalidField, reason);
    let collector = [("collector.id", &batch.collector.id), ("collector.service", &batch.collector.service)];
    let dependencies = batch.dependencies.iter().map(|gauge| ("dependencies.name", &gauge.name));
    for (field, value) in collector.into_iter().chain(dependencies) {
        if value.is_empty() || value.len() > NAME_BYTES_MAX {
            let bytes = value.len();
            return Err(invalid(format!("{field} has {bytes} bytes; it must have 1 to {NAME_BYTES_MAX}")));
        }
    }
    let named = batch.dependencies.len();
    if named > DEPENDENCIES_MAX {
        return Err(invalid(format!("dependencies names {named}, more than {DEPENDENCIES_MAX}")));
    }
    check_ms("roundTripMs", batch.round_trip_ms).map_err(invalid)
}

/// The slow way through an envelope that did not parse at once: either one event is bad, or the envelope is.
fn envelope_item_by_item(text: &str, items_max: usize, scores: ScoreRange) -> Result<EventIntake, Problem> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct RawBatch<'a> {
        collector: CollectorInfo,
        seq: u64,
        #[serde(default)]
        in_flight: u32,
        #[serde(default)]
        totals: Totals,
        #[serde(default)]
        users: Vec<UserCounts>,
        #[serde(default)]
        round_trip_ms: Option<f64>,
        #[serde(default)]
        dependencies: Vec<DependencyGauge>,
        #[serde(default)]
        late: bool,
        #[serde(default, borrow)]
        events: Vec<&'a RawValue>,
    }
    let raw: RawBatch<'_> = serde_json::from_str(text).map_err(|error| json_problem(&error))?;
    let found = raw.events.len().max(raw.users.len());
    if found > items_max {
        return Err(too_many(found, items_max));
    }
    let envelope = EventBatch {
        collector: raw.collector,
        seq: raw.seq,
        in_flight: raw.in_flight,
        totals: raw.totals,
        users: raw.users,
        round_trip_ms: raw.round_trip_ms,
        dependencies: raw.dependencies,
        late: raw.late,
        events: Vec::new(),
    };
    check_envelope(&envelope)?;
    Ok(judge(Some(envelope), raw.events.into_iter().map(RawValue::get).collect(), scores))
}

fn judge(envelope: Option<EventBatch>, items: Vec<&str>, scores: ScoreRange) -> EventIntake {
    let mut intake = EventIntake { envelope, events: Vec::with_capacity(items.len()), rejected: Vec::new() };
    for (index, item) in items.into_iter().enumerate() {
        match event(item, scores) {
            Ok(event) => intake.events.push(event),
            Err(problem) => intake.rejected.push(Rejected { index, problem }),
        }
    }
    intake
}

#[cfg(test)]
mod tests;
