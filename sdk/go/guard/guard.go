// Package guard caps the requests in flight, and refuses the greedy first.
//
// Buckets bound what users send; only what is in flight tells that the service has stopped keeping up, and no answer from an
// edge is fast enough for that. So the cap is local, moved ten times a second by how fast requests end: by Little's law,
// work in flight divided by throughput is the time that the newest arrival will take. The edge says how long that may be.
//
// A bare cap would be first come, first served. Here a full guard still lets in those who hold less than an equal share of
// what is in flight, into a reserve of a fifth above the cap. Shares are counted exactly, in a map that holds no more users
// than there are requests in flight.
//
// The law is that of the Rust crates; all languages run the cases of sdk/conformance. The guard against stalls is Rust's
// alone.
package guard

import (
	"fmt"
	"sync"
	"time"

	"openclaw.dev/go/bucket"
)

const (
	// moveEvery is the time between two moves of the cap.
	moveEvery = 100 * time.Millisecond
	// lateFor is how long a lateness keeps the floor low.
	lateFor = time.Second
	// unloadedOthers: a request that finds no more than these in flight takes as long as one that waits for nobody.
	unloadedOthers = 1
	// unloadedStep is how far each such request moves the median of their times.
	unloadedStep = 1.1
	// unloadedMinOfSLO is the least that the median falls to, as a share of the SLO: below it makes no difference, and the
	// way back is long.
	unloadedMinOfSLO = 0.03
	// unloadedTimes: the guard time is at least so many times that median, for a shorter one starves a service that is
	// merely slow.
	unloadedTimes = 1.5
)

// Options of a guard. Zero values take the defaults.
type Options struct {
	// SLO is the latency that requests should keep. By default 200 ms.
	SLO time.Duration
	// Open lets everybody in: requests are only counted.
	Open bool
}

// Full says why a request may not enter.
type Full struct {
	// InFlight is the requests in flight at that moment.
	InFlight int
	// Cap is the number that held for this request.
	Cap int
	// RetryAfter is how long the work in flight may take.
	RetryAfter time.Duration
}

// Error is one sentence with both numbers.
func (f *Full) Error() string {
	return fmt.Sprintf("the service is full: %d requests are in flight and %d may be", f.InFlight, f.Cap)
}

// Guard counts requests in flight against a cap that follows from how fast they end; safe for use by several goroutines.
type Guard struct {
	enabled     bool
	unloadedMin time.Duration

	mutex    sync.Mutex
	times    times
	ended    uint64
	flow     throughput
	held     map[string]int // requests in flight by user
	inFlight int
	refused  uint64
	lateAt   time.Duration
	everLate bool
	moved    time.Duration
	began    bool
	unloaded float64 // median time of requests that waited for nobody, in seconds
}

// New makes a guard. The error says what is wrong with the options.
func New(options Options) (*Guard, error) {
	if options.SLO == 0 {
		options.SLO = 200 * time.Millisecond
	}
	if options.SLO < 0 {
		return nil, fmt.Errorf("SLO is %v; it must be longer than nothing", options.SLO)
	}
	// The median begins low: the slow first requests of a process say little.
	least := time.Duration(unloadedMinOfSLO * float64(options.SLO))
	return &Guard{
		enabled:     !options.Open,
		unloadedMin: least,
		times:       newTimes(options.SLO),
		held:        make(map[string]int),
		unloaded:    least.Seconds(),
	}, nil
}

// Place is a request in flight.
type Place struct {
	guard   *Guard
	user    string
	entered time.Duration
	others  int // in flight when it entered
	once    sync.Once
}

// Enter lets one request of the user in; the error is a *Full. Whoever enters must Leave or Withdraw.
func (g *Guard) Enter(user string, class Class) (*Place, error) {
	return g.EnterAt(user, class, bucket.Now())
}

// EnterAt is Enter at a time of the caller's (since any fixed origin).
func (g *Guard) EnterAt(user string, class Class, now time.Duration) (*Place, error) {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	g.move(now)
	held := g.held[user]
	if may, capped := g.capFor(g.times.of(class), now); capped && g.inFlight >= may {
		if g.inFlight >= ceilingOf(may) || held*len(g.held) >= g.inFlight {
			g.refused++
			return nil, &Full{InFlight: g.inFlight, Cap: may, RetryAfter: g.lasting(g.times.common)}
		}
	}
	place := &Place{guard: g, user: user, entered: now, others: g.inFlight}
	g.inFlight++
	g.held[user] = held + 1
	return place, nil
}

// Leave ends the request, and tells whether it was done as asked. Only the first end counts.
func (p *Place) Leave(served bool) { p.LeaveAt(served, bucket.Now()) }

// LeaveAt is Leave at a time of the caller's.
func (p *Place) LeaveAt(served bool, now time.Duration) {
	p.once.Do(func() { p.guard.leave(p, true, served, now) })
}

// Withdraw ends a request for which no work was done, such as one that its user's bucket refused: it says nothing of how
// fast work leaves.
func (p *Place) Withdraw() {
	p.once.Do(func() { p.guard.leave(p, false, false, bucket.Now()) })
}

// Follow follows the edge's answer to a batch until then. It is false where the answer's common time is none, and changes
// nothing.
func (g *Guard) Follow(answer Answer, until, now time.Duration) bool {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	g.move(now)
	return g.times.lease(answer, until)
}

// FollowSingle is the same for the answer to a single event, which may say nothing of guards: then nothing changes.
func (g *Guard) FollowSingle(answer Answer, until, now time.Duration) bool {
	return answer.GuardMs == nil || g.Follow(Answer{GuardMs: answer.GuardMs}, until, now)
}

// Status is how things stand. Where Open, everybody enters, and Time and Cap are zero.
type Status struct {
	InFlight int
	Refused  uint64
	Open     bool
	Time     time.Duration
	Cap      int
}

// Status gives how things stand now.
func (g *Guard) Status(now time.Duration) Status {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	g.move(now)
	status := Status{InFlight: g.inFlight, Refused: g.refused, Open: true}
	if may, capped := g.capFor(g.times.common, now); capped {
		status.Open, status.Time, status.Cap = false, g.lasting(g.times.common), may
	}
	return status
}

// capFor gives the requests that may be in flight by a guard time, and whether there is such a number.
func (g *Guard) capFor(w, now time.Duration) (int, bool) {
	if !g.enabled || w == open {
		return 0, false
	}
	return g.flow.capOf(g.lasting(w), g.everLate && now-g.lateAt < lateFor), true
}

// lasting is a guard time as it is obeyed: no shorter than what a service needs that nobody waits for.
func (g *Guard) lasting(w time.Duration) time.Duration {
	return greater(w, time.Duration(unloadedTimes*g.unloaded*float64(time.Second)))
}

func (g *Guard) leave(p *Place, shows, served bool, now time.Duration) {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	g.move(now)
	g.inFlight--
	if g.held[p.user]--; g.held[p.user] == 0 {
		delete(g.held, p.user)
	}
	if !shows {
		return
	}
	g.ended++
	took := now - p.entered
	if took > g.lasting(g.times.common) {
		g.lateAt, g.everLate = now, true
	}
	if served && p.others <= unloadedOthers {
		g.learn(took)
	}
}

// learn moves the median of what takes its time alone.
func (g *Guard) learn(took time.Duration) {
	if took.Seconds() > g.unloaded {
		g.unloaded *= unloadedStep
		return
	}
	g.unloaded /= unloadedStep
	if least := g.unloadedMin.Seconds(); g.unloaded < least {
		g.unloaded = least
	}
}

// move takes stock where it is time to. With whatever happens rather than by a timer: nothing is to be stopped, and while
// nothing happens nobody asks.
func (g *Guard) move(now time.Duration) {
	if !g.began {
		g.moved, g.began = now, true
	}
	since := now - g.moved
	if since < moveEvery {
		return
	}
	g.times.lapse(now)
	g.flow.advance(g.ended, since)
	g.ended, g.moved = 0, now
}
