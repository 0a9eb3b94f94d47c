//! Which keyed requests are in progress, and what the others were answered: bounded in number, bytes and time.
//!
//! Requests are known by 128-bit keyed hashes and not by their texts: what is kept is small, and nobody can make two of
//! them meet without knowing the process's random key.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use axum::body::Bytes;
use http::{HeaderValue, StatusCode};
use tokio::time::Instant;

/// Bytes of an entry beside its answer's body, roughly: its hashes, its header fields and its places in both lists.
const ENTRY_BYTES: usize = 256;

/// A request by caller and key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Identity(pub(super) u128);

/// A request by its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fingerprint(pub(super) u128);

/// A user, by a keyed hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct UserHash(pub(super) u64);

/// An answer to give again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) content_type: Option<HeaderValue>,
    pub(super) retry_after: Option<HeaderValue>,
    pub(super) body: Bytes,
}

impl Answer {
    fn bytes(&self) -> usize {
        ENTRY_BYTES + self.body.len()
    }
}

#[derive(Debug)]
enum State {
    InProgress,
    /// In progress, of a user whose ratings were deleted meanwhile: its answer is not to be kept.
    TakenBack,
    Answered(Answer),
}

#[derive(Debug)]
struct Entry {
    fingerprint: Fingerprint,
    /// Whom the request rates as.
    users: Box<[UserHash]>,
    state: State,
}

impl Entry {
    fn bytes(&self) -> usize {
        match &self.state {
            State::Answered(answer) => answer.bytes() + size_of_val(&*self.users),
            State::InProgress | State::TakenBack => 0,
        }
    }
}

/// What is known of a request that arrives.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// Nothing: it is in progress from now on.
    New,
    /// It is in progress.
    InProgress,
    /// It was answered so.
    Answered(Answer),
    /// Its key belongs to a request of other content.
    OtherContent,
    /// As many requests are in progress as may be.
    Full,
}

/// The requests of one service.
#[derive(Debug)]
pub(super) struct Memory {
    entries: HashMap<Identity, Entry>,
    /// The answered ones, the oldest first.
    answered: VecDeque<(Identity, Instant)>,
    bytes: usize,
    keys_max: usize,
    bytes_max: usize,
    ttl: Duration,
}

impl Memory {
    pub(super) fn new(keys_max: usize, bytes_max: usize, ttl: Duration) -> Self {
        Self { entries: HashMap::new(), answered: VecDeque::new(), bytes: 0, keys_max, bytes_max, ttl }
    }

    /// How many requests are remembered.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Asks after a request, which begins where nothing is known of it.
    pub(super) fn begin(
        &mut self,
        identity: Identity,
        fingerprint: Fingerprint,
        users: Vec<UserHash>,
        now: Instant,
    ) -> Known {
        self.expire(now);
        if let Some(entry) = self.entries.get(&identity) {
            return match &entry.state {
                _ if entry.fingerprint != fingerprint => Known::OtherContent,
                State::InProgress | State::TakenBack => Known::InProgress,
                State::Answered(answer) => Known::Answered(answer.clone()),
            };
        }
        while self.entries.len() >= self.keys_max {
            if !self.forget_oldest() {
                return Known::Full;
            }
        }
        let entry = Entry { fingerprint, users: users.into(), state: State::InProgress };
        self.entries.insert(identity, entry);
        Known::New
    }

    /// Remembers the answer of a request in progress. One too large for the whole memory is forgotten instead.
    pub(super) fn answered(&mut self, identity: Identity, answer: Answer, now: Instant) {
        let Some(entry) = self.entries.get_mut(&identity) else { return };
        let taken_back = matches!(entry.state, State::TakenBack);
        entry.state = State::Answered(answer);
        let bytes = entry.bytes();
        if taken_back || bytes > self.bytes_max {
            self.forget(identity);
            return;
        }
        self.answered.push_back((identity, now));
        self.bytes += bytes;
        while self.bytes > self.bytes_max && self.forget_oldest() {}
    }

    /// Forgets the answers to requests that rate as `user`, also those that are still in progress. A request that is sent
    /// again is a new one then.
    pub(super) fn take_back(&mut self, user: UserHash) {
        let Self { entries, answered, bytes, .. } = self;
        entries.retain(|_, entry| {
            if !entry.users.contains(&user) {
                return true;
            }
            *bytes -= entry.bytes();
            let in_progress = !matches!(entry.state, State::Answered(_));
            entry.state = State::TakenBack;
            in_progress
        });
        answered.retain(|(identity, _)| entries.contains_key(identity));
    }

    /// Forgets a request in progress, so that it may begin again.
    pub(super) fn forget(&mut self, identity: Identity) {
        self.entries.remove(&identity);
    }

    fn expire(&mut self, now: Instant) {
        while self.answered.front().is_some_and(|(_, since)| now.duration_since(*since) >= self.ttl) {
            self.forget_oldest();
        }
    }

    /// Forgets the oldest answer; false where there is none.
    fn forget_oldest(&mut self) -> bool {
        let Some((identity, _)) = self.answered.pop_front() else { return false };
        if let Some(entry) = self.entries.remove(&identity) {
            self.bytes -= entry.bytes();
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: Fingerprint = Fingerprint(1);
    const SECOND: Duration = Duration::from_secs(1);

    fn answer(bytes: usize) -> Answer {
        Answer {
            status: StatusCode::CREATED,
            content_type: None,
            retry_after: None,
            body: vec![b'x'; bytes].into(),
        }
    }

    fn answer_at(memory: &mut Memory, id: u128, now: Instant) {
        assert_eq!(memory.begin(Identity(id), BODY, vec![], now), Known::New, "{id}");
        memory.answered(Identity(id), answer(10), now);
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_is_new_then_in_progress_then_answered_until_its_time_is_over() {
        let (mut memory, now) = (Memory::new(10, 1 << 20, 60 * SECOND), Instant::now());
        assert_eq!(memory.begin(Identity(1), BODY, vec![], now), Known::New);
        assert_eq!(memory.begin(Identity(1), BODY, vec![], now + SECOND), Known::InProgress);
        memory.answered(Identity(1), answer(10), now + SECOND);
        assert_eq!(memory.begin(Identity(1), BODY, vec![], now + 60 * SECOND), Known::Answered(answer(10)));
        assert_eq!(memory.begin(Identity(1), BODY, vec![], now + 61 * SECOND), Known::New);
        assert_eq!(memory.bytes, 0);
    }

    #[tokio::test]
    async fn a_key_is_one_contents_alone_and_anothers_once_it_is_forgotten() {
        let (mut memory, now) = (Memory::new(10, 1 << 20, 60 * SECOND), Instant::now());
        assert_eq!(memory.begin(Identity(1), BODY, vec![], now), Known::New);
        assert_eq!(memory.begin(Identity(1), Fingerprint(2), vec![], now), Known::OtherContent);
        memory.forget(Identity(1));
        assert_eq!(memory.begin(Identity(1), Fingerprint(2), vec![], now), Known::New);
    }

    #[tokio::test]
    async fn the_oldest_answers_give_way_and_requests_in_progress_never_do() {
        let (mut memory, now) = (Memory::new(3, 1 << 20, 60 * SECOND), Instant::now());
        assert_eq!(memory.begin(Identity(1), BODY, vec![], now), Known::New);
        (2..10).for_each(|id| answer_at(&mut memory, id, now));
        assert_eq!(memory.len(), 3);
        assert_eq!(memory.begin(Identity(1), BODY, vec![], now), Known::InProgress);
        assert_eq!(memory.begin(Identity(9), BODY, vec![], now), Known::Answered(answer(10)));
        assert_eq!(memory.begin(Identity(20), BODY, vec![], now), Known::New);
        assert_eq!(memory.begin(Identity(21), BODY, vec![], now), Known::New);
        assert_eq!(memory.begin(Identity(22), BODY, vec![], now), Known::Full);
    }

    #[tokio::test]
    async fn bytes_are_bounded_and_an_answer_too_large_for_all_of_them_is_not_kept() {
        let (mut memory, now) = (Memory::new(1000, 10 * (ENTRY_BYTES + 10), 60 * SECOND), Instant::now());
        (0..100).for_each(|id| answer_at(&mut memory, id, now));
        assert_eq!((memory.len(), memory.answered.len()), (10, 10));
        assert_eq!(memory.bytes, memory.bytes_max);
        assert_eq!(memory.begin(Identity(100), BODY, vec![], now), Known::New);
        memory.answered(Identity(100), answer(100_000), now);
        assert_eq!(memory.begin(Identity(100), BODY, vec![], now), Known::New);
        assert_eq!(memory.bytes, memory.bytes_max, "the others stay");
    }

    #[tokio::test]
    async fn a_users_answers_are_forgotten_and_those_in_progress_never_kept() {
        let (mut memory, now) = (Memory::new(10, 1 << 20, 60 * SECOND), Instant::now());
        let (ann, bob) = (UserHash(1), UserHash(2));
        for (id, users) in [(1, vec![ann]), (2, vec![bob]), (3, vec![bob, ann]), (4, vec![ann])] {
            assert_eq!(memory.begin(Identity(id), BODY, users, now), Known::New);
        }
        (1..4).for_each(|id| memory.answered(Identity(id), answer(10), now));
        memory.take_back(ann);
        assert_eq!(
            (memory.len(), memory.answered.len()),
            (2, 1),
            "bob's answer, and the request in progress"
        );
        assert_eq!(memory.bytes, answer(10).bytes() + size_of::<UserHash>());
        assert_eq!(memory.begin(Identity(4), BODY, vec![ann], now), Known::InProgress);
        memory.answered(Identity(4), answer(10), now);
        assert_eq!(memory.begin(Identity(4), BODY, vec![ann], now), Known::New);
        assert_eq!(memory.begin(Identity(1), BODY, vec![ann], now), Known::New);
        assert_eq!(memory.begin(Identity(2), BODY, vec![bob], now), Known::Answered(answer(10)));
    }
}
