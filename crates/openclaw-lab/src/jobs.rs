//! Independent jobs over threads, with results in the order of the jobs.
//!
//! One counter hands out the next job: jobs are whole simulated courses, seconds long and uneven, so nothing is
//! gained by the stealing queues of a thread pool library. What comes out cannot depend on the number of threads.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Does `work` for every job on at most `threads` threads (at least one), and returns the results in the jobs'
/// order.
///
/// # Panics
/// If `work` panics, with its message.
pub(crate) fn in_order<J: Sync, R: Send>(
    jobs: &[J],
    threads: usize,
    work: impl Fn(&J) -> R + Sync,
) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let one_thread = || {
        let mut done = Vec::new();
        loop {
            // Relaxed: the counter only has to be distinct; results pass through the join.
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(job) = jobs.get(place) else { return done };
            done.push((place, work(job)));
        }
    };
    let mut done: Vec<(usize, R)> = thread::scope(|scope| {
        let others: Vec<_> = (1..threads.min(jobs.len())).map(|_| scope.spawn(one_thread)).collect();
        let mut done = one_thread();
        for other in others {
            match other.join() {
                Ok(results) => done.extend(results),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        done
    });
    done.sort_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_jobs_on_any_number_of_threads() {
        let jobs: Vec<u64> = (0..100).collect();
        let squares: Vec<u64> = jobs.iter().map(|job| job * job).collect();
        for threads in [0, 1, 3, 200] {
            assert_eq!(in_order(&jobs, threads, |job| job * job), squares, "{threads} threads");
        }
        assert_eq!(in_order(&[], 4, |job: &u64| *job), [0_u64; 0]);
    }

    #[test]
    #[should_panic(expected = "job 7 went wrong")]
    fn a_panic_in_a_job_is_passed_on() {
        let jobs: Vec<u64> = (0..20).collect();
        in_order(&jobs, 4, |job| assert!(*job != 7, "job {job} went wrong"));
    }
}
