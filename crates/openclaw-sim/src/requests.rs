//! Requests between admission and end, in places that are used again.

use openclaw_scenario::JobId;

/// Longest list of dependencies that a request can be marked to call.
pub(crate) const CALLS_MAX: usize = 32;

/// One admitted request. `P` is what its admission wants back at its end.
#[derive(Debug)]
pub(crate) struct Request<P> {
    pub(crate) user: u32,
    pub(crate) class: u16,
    /// Where it waits or works: 0 is the service, 1 the first dependency.
    pub(crate) stage: u8,
    /// Stages still to visit, as bits; bit 0 is the first dependency.
    pub(crate) calls: u32,
    /// Of these, the ones it has entered.
    pub(crate) called: u32,
    /// Its place at the present stage.
    pub(crate) job: Option<JobId>,
    /// When it was admitted.
    pub(crate) admitted_s: f64,
    /// When it entered the present stage.
    pub(crate) entered_s: f64,
    /// Seconds in work at the service, once that is done.
    pub(crate) work_s: f64,
    /// Empty once the client has left: what is in work goes on, and nobody waits for it.
    pub(crate) pass: Option<P>,
    generation: u32,
}

/// All admitted requests.
#[derive(Debug)]
pub(crate) struct Requests<P> {
    places: Vec<Request<P>>,
    free: Vec<u32>,
    /// By place, then dependency: seconds spent there.
    dependency_s: Vec<f64>,
    dependencies: usize,
}

impl<P> Requests<P> {
    pub(crate) fn new(dependencies: usize) -> Self {
        Self { places: Vec::new(), free: Vec::new(), dependency_s: Vec::new(), dependencies }
    }

    /// Keeps an admitted request; returns its place.
    pub(crate) fn admit(&mut self, user: u32, class: u16, calls: u32, now_s: f64, pass: P) -> u32 {
        let request = |generation| Request {
            user,
            class,
            stage: 0,
            calls,
            called: 0,
            job: None,
            admitted_s: now_s,
            entered_s: now_s,
            work_s: 0.0,
            pass: Some(pass),
            generation,
        };
        match self.free.pop() {
            Some(place) => {
                let old = &mut self.places[place as usize];
                *old = request(old.generation.wrapping_add(1));
                place
            }
            None => {
                self.places.push(request(0));
                self.dependency_s.resize(self.places.len() * self.dependencies, 0.0);
                u32::try_from(self.places.len() - 1).unwrap_or(u32::MAX)
            }
        }
    }

    pub(crate) fn get(&self, place: u32) -> &Request<P> {
        &self.places[place as usize]
    }

    pub(crate) fn get_mut(&mut self, place: u32) -> &mut Request<P> {
        &mut self.places[place as usize]
    }

    pub(crate) fn generation(&self, place: u32) -> u32 {
        self.places[place as usize].generation
    }

    /// Whether the request that had this generation is still waited for.
    pub(crate) fn runs(&self, place: u32, generation: u32) -> bool {
        let request = &self.places[place as usize];
        request.generation == generation && request.pass.is_some()
    }

    /// The place may be used again.
    pub(crate) fn release(&mut self, place: u32) {
        self.free.push(place);
    }

    pub(crate) fn spent_at(&mut self, place: u32, dependency: usize, seconds: f64) {
        self.dependency_s[place as usize * self.dependencies + dependency] = seconds;
    }

    /// Seconds spent at each dependency; what it did not call holds no meaning.
    pub(crate) fn dependency_s(&self, place: u32) -> &[f64] {
        let start = place as usize * self.dependencies;
        &self.dependency_s[start..start + self.dependencies]
    }
}
