package guard

import (
	"math"
	"time"
)

// The law's constants, those of the Rust crate openclaw-controller.
const (
	// Time constants of the throughput: two means, and a maximum that fades. In seconds.
	fastS = 0.25
	slowS = 2.5
	peakS = 30.0
	// fastShare is the share of the fast throughput in what counts; the slow one has the rest.
	fastShare = 0.71
	// floor is the requests always allowed, even when the throughput has fallen to nothing.
	floor = 2.0
	// floorInTime is the requests allowed while nothing is late: a burst that finds an idle service must not be refused
	// for its idleness.
	floorInTime = 16.0
	// peakShare is the share of what the peak would allow that is allowed always.
	peakShare = 0.02
)

// throughput is requests that end per second: averaged over 0.25 s and 2.5 s, and the highest slow mean, fading over 30 s.
type throughput struct {
	fast, slow mean
	peakPerS   float64
}

// advance takes how many requests ended in the last interval.
func (t *throughput) advance(ended uint64, interval time.Duration) {
	s := interval.Seconds()
	t.fast.add(float64(ended), s, fastS)
	t.slow.add(float64(ended), s, slowS)
	t.peakPerS = math.Max(t.peakPerS*math.Exp(-s/peakS), t.slow.perS())
}

// mean is an exponentially weighted mean of a count per second; it weighs each sample by the time that it covers.
type mean struct{ weighted, weight float64 }

func (m *mean) add(count, intervalS, tauS float64) {
	share := 1 - math.Exp(-intervalS/tauS)
	m.weighted += share * (count/intervalS - m.weighted)
	m.weight += share * (1 - m.weight)
}

// perS is divided by the weight so far, so that the first samples count in full.
func (m *mean) perS() float64 {
	if m.weight > 0 {
		return m.weighted / m.weight
	}
	return 0
}

// capOf gives the requests that may be in flight by the guard time w; late says whether one that took longer than w has
// ended within the last second.
func (t *throughput) capOf(w time.Duration, late bool) int {
	s := w.Seconds()
	least := floorInTime
	if late {
		least = floor
	}
	perS := fastShare*t.fast.perS() + (1-fastShare)*t.slow.perS()
	requests := math.Round(math.Max(math.Max(s*perS, peakShare*t.peakPerS*s), least))
	return int(math.Min(requests, math.MaxInt32))
}

// ceilingOf gives the number in flight at which nobody enters: a fifth above the cap, and at least one.
func ceilingOf(requests int) int {
	if requests < 5 {
		return requests + 1
	}
	return requests + requests/5
}
