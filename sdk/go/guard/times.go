package guard

import (
	"math"
	"time"
)

const (
	// minOfSLO is the shortest guard time that is obeyed, as a share of the SLO; timeMax is the longest.
	minOfSLO = 0.05
	timeMax  = time.Hour
	// classesMax is how many classes are told apart.
	classesMax = 8
	// open is the guard time that lets everybody in.
	open time.Duration = math.MaxInt64
)

// Class is circumstances of requests that the edge may give a guard time of their own, in words that it lists.
type Class struct{ DeviceType, NetworkQuality, Region string }

// ClassTime is the guard time of one class, in ms.
type ClassTime struct {
	Class   Class
	GuardMs float64
}

// Answer is what the edge says of guards.
type Answer struct {
	// GuardMs is how long the work in flight may take; nil lets everybody in.
	GuardMs *float64
	// Classes may have shorter ones.
	Classes []ClassTime
}

// times are the guard times that hold: what the edge leased, or half the SLO where no lease holds.
type times struct {
	own, least, common time.Duration
	classes            map[Class]time.Duration
	until              time.Duration
	leased             bool
}

func newTimes(slo time.Duration) times {
	return times{own: slo / 2, common: slo / 2, least: lesser(time.Duration(minOfSLO*float64(slo)), timeMax)}
}

// lease follows an answer, and says whether its common time could be used; what else there is holds all the same.
func (t *times) lease(answer Answer, until time.Duration) bool {
	usable := answer.GuardMs == nil || *answer.GuardMs > 0
	if usable {
		t.common, t.until, t.leased = open, until, true
		if answer.GuardMs != nil {
			t.common = t.within(*answer.GuardMs)
		}
	}
	t.classes = nil
	for place, class := range answer.Classes {
		if place < classesMax && class.GuardMs > 0 && !math.IsInf(class.GuardMs, 1) {
			if t.classes == nil {
				t.classes = make(map[Class]time.Duration)
			}
			t.classes[class.Class] = t.within(class.GuardMs)
		}
	}
	return usable
}

// lapse lets go of what does not hold any more.
func (t *times) lapse(now time.Duration) {
	if t.leased && now >= t.until {
		t.common, t.classes, t.leased = t.own, nil, false
	}
}

// of gives the time of a class; never longer than the common one. A class without a time of its own counts as plain,
// which is the class without circumstances.
func (t *times) of(class Class) time.Duration {
	own, has := t.classes[class]
	if !has {
		own, has = t.classes[Class{}]
	}
	if !has {
		return t.common
	}
	return lesser(own, t.common)
}

func (t *times) within(ms float64) time.Duration {
	if ms >= float64(timeMax/time.Millisecond) {
		return timeMax
	}
	return greater(time.Duration(ms*float64(time.Millisecond)), t.least)
}

func lesser(one, other time.Duration) time.Duration {
	if one < other {
		return one
	}
	return other
}

func greater(one, other time.Duration) time.Duration {
	if one > other {
		return one
	}
	return other
}
