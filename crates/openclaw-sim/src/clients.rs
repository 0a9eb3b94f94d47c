//! What clients do by themselves: try again when refused, and leave when it takes too long.
//!
//! All waits are one of a few constants, so that one first-in-first-out queue for each of them is always in order:
//! a heap would cost more for nothing.

use std::collections::VecDeque;

use openclaw_scenario::ClientBehaviour;

/// An attempt that was refused and will be made again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Retry {
    pub(crate) at_s: f64,
    pub(crate) user: u32,
    /// Retries made with this one.
    pub(crate) retry: u8,
    pub(crate) retries_max: u8,
}

/// Refused attempts on their way back.
#[derive(Debug, Default)]
pub(crate) struct Retries {
    /// Users that ignore back-off, first retries, second retries.
    queues: [VecDeque<Retry>; 3],
}

impl Retries {
    /// Plans the retry after `retries` retries so far.
    pub(crate) fn plan(
        &mut self,
        now_s: f64,
        user: u32,
        retries: u8,
        retries_max: u8,
        ignores_backoff: bool,
    ) {
        if retries >= retries_max {
            return;
        }
        let at_s = now_s + ClientBehaviour::backoff_s(ignores_backoff, u32::from(retries));
        let queue = if ignores_backoff { 0 } else { 1 + usize::from(retries.min(1)) };
        self.queues[queue].push_back(Retry { at_s, user, retry: retries + 1, retries_max });
    }

    fn next(&self) -> (f64, usize) {
        let at_s = |queue: &VecDeque<Retry>| queue.front().map_or(f64::INFINITY, |retry| retry.at_s);
        let [ignoring, first, second] = self.queues.each_ref().map(at_s);
        let mut next = (ignoring, 0);
        if first < next.0 {
            next = (first, 1);
        }
        if second < next.0 {
            next = (second, 2);
        }
        next
    }

    /// When the next one comes; infinity where there is none.
    pub(crate) fn next_s(&self) -> f64 {
        self.next().0
    }

    pub(crate) fn pop(&mut self) -> Option<Retry> {
        let (_, queue) = self.next();
        self.queues[queue].pop_front()
    }
}

/// The moment at which a client leaves unless its request has ended.
#[derive(Clone, Copy, Debug)]
struct Deadline {
    at_s: f64,
    request: u32,
    generation: u32,
}

/// When clients leave, one queue for each class: its network delay is part of the time that a client waits.
#[derive(Debug)]
pub(crate) struct Patience {
    queues: Vec<VecDeque<Deadline>>,
    /// By class, how long after its arrival at the service a request is given up.
    waits_s: Vec<f64>,
}

impl Patience {
    pub(crate) fn new(waits_s: Vec<f64>) -> Self {
        Self { queues: waits_s.iter().map(|_| VecDeque::new()).collect(), waits_s }
    }

    pub(crate) fn begin(&mut self, now_s: f64, class: usize, request: u32, generation: u32) {
        let at_s = now_s + self.waits_s[class];
        self.queues[class].push_back(Deadline { at_s, request, generation });
    }

    /// The earliest deadline whose request `runs` still, where there is one: its time and its class.
    pub(crate) fn next(&mut self, runs: impl Fn(u32, u32) -> bool) -> (f64, usize) {
        let mut next = (f64::INFINITY, 0);
        for (class, queue) in self.queues.iter_mut().enumerate() {
            while queue.front().is_some_and(|first| !runs(first.request, first.generation)) {
                queue.pop_front();
            }
            if let Some(first) = queue.front()
                && first.at_s < next.0
            {
                next = (first.at_s, class);
            }
        }
        next
    }

    /// The request of the first deadline of `class`.
    pub(crate) fn pop(&mut self, class: usize) -> Option<u32> {
        self.queues[class].pop_front().map(|deadline| deadline.request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_client_comes_back_as_often_as_it_was_drawn_to_and_later_each_time() {
        let mut retries = Retries::default();
        retries.plan(1.0, 7, 0, 2, false);
        let first = retries.pop().unwrap();
        assert_eq!((first.user, first.retry), (7, 1));
        assert!((first.at_s - 1.2).abs() < 1e-12);
        retries.plan(first.at_s, 7, first.retry, first.retries_max, false);
        let second = retries.pop().unwrap();
        assert!((second.at_s - 1.6).abs() < 1e-12);
        retries.plan(second.at_s, 7, second.retry, second.retries_max, false);
        assert_eq!(retries.pop(), None);
    }

    #[test]
    fn those_who_ignore_back_off_overtake_the_others() {
        let mut retries = Retries::default();
        retries.plan(1.0, 1, 0, 1, false);
        retries.plan(1.1, 2, 0, 1, true);
        assert!((retries.next_s() - 1.12).abs() < 1e-12);
        assert_eq!(retries.pop().unwrap().user, 2);
        assert_eq!(retries.pop().unwrap().user, 1);
        assert_eq!(retries.next_s(), f64::INFINITY);
    }

    #[test]
    fn only_requests_that_still_run_are_given_up() {
        let mut patience = Patience::new(vec![1.0, 0.9]);
        patience.begin(0.0, 0, 10, 1);
        patience.begin(0.0, 1, 11, 1);
        patience.begin(0.1, 0, 12, 1);
        assert_eq!(patience.next(|_, _| true), (0.9, 1));
        let (at_s, class) = patience.next(|request, _| request == 12);
        assert!((at_s - 1.1).abs() < 1e-12);
        assert_eq!(patience.pop(class), Some(12));
        assert_eq!(patience.next(|_, _| true), (f64::INFINITY, 0));
    }
}
