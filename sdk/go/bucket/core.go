package bucket

import (
	"math"
	"time"
)

// Never is a wait that no time ends.
const Never = time.Duration(math.MaxInt64)

// skewMaxNs: changes this far behind the latest one are made at its time; a clock further behind was set back, and is
// believed.
const skewMaxNs = 10_000_000_000

// core is a bucket in units and nanoseconds, without a lock.
//
// It stands at a position on its refill line: level = min(capacity, refilled(now) - position). Refilling writes
// nothing, taking tokens moves one number, and a change of parameters carries the level over and nothing else.
type core struct {
	law       law
	position  units128
	placed    bool // false while nobody has taken anything: the bucket is full
	changedNs uint64
}

// level is the units in the bucket; below zero where the clock went back.
func (c *core) level(nowNs uint64) int64 {
	if !c.placed {
		return c.law.capacity
	}
	return c.law.refilled(nowNs).sub(c.position).atMost(c.law.capacity)
}

// settle sets the level, which is at most the capacity.
func (c *core) settle(level int64, nowNs uint64) {
	c.position, c.placed = c.law.refilled(nowNs).minus(level), true
}

// take takes units if they are there.
func (c *core) take(units int64, nowNs uint64) bool {
	level := c.level(nowNs)
	if units > level {
		return false
	}
	c.settle(level-units, nowNs)
	return true
}

// change changes the parameters; the level, settled at the old ones, is kept up to the new capacity.
func (c *core) change(to law, nowNs uint64) {
	// The time between two changes must not be refilled at both refill rates in turn.
	if nowNs >= c.changedNs || c.changedNs-nowNs > skewMaxNs {
		c.changedNs = nowNs
	}
	level := least(c.level(c.changedNs), to.capacity)
	c.law = to
	c.settle(level, c.changedNs)
}

func least(a, b int64) int64 {
	if a < b {
		return a
	}
	return b
}

// RefusedBy says which bucket lacked the tokens.
type RefusedBy string

// The buckets that can lack them.
const (
	// Own is the user's own bucket.
	Own RefusedBy = "own"
	// Newcomers is the bucket that all users without parameters of their own share.
	Newcomers RefusedBy = "newcomers"
	// Overflow is the bucket of users for whom there was no room.
	Overflow RefusedBy = "overflow"
)

// Decision is what was decided, with everything that a reply needs.
type Decision struct {
	// Allowed says whether the tokens were taken.
	Allowed bool
	// Level is the tokens in the bucket after the decision.
	Level float64
	// Policy is what the decision was made with.
	Policy Policy
	// ResetAfter is the time until the bucket is full if nothing more is taken; Never where it never is.
	ResetAfter time.Duration
	// RetryAfter is zero where allowed; else the earliest time from now at which the same request can be allowed, Never
	// where these parameters never will.
	RetryAfter time.Duration
	// RefusedBy is empty where allowed.
	RefusedBy RefusedBy
}

func allowed(by law, level int64) Decision {
	return Decision{Allowed: true, Level: tokens(level), Policy: by.policy, ResetAfter: untilFull(by, level)}
}

// limited is the decision that took nothing, because units were not there; those that nobody can pay are not payable.
func limited(by law, level, units int64, payable bool, refusedBy RefusedBy) Decision {
	return Decision{
		Level:      tokens(level),
		Policy:     by.policy,
		ResetAfter: untilFull(by, level),
		RetryAfter: wait(by, level, units, payable),
		RefusedBy:  refusedBy,
	}
}

// wait is the time until a bucket at level holds units.
func wait(by law, level, units int64, payable bool) time.Duration {
	if !payable || units > by.capacity || by.speed == 0 {
		return Never
	}
	if units <= level {
		return 0
	}
	return duration(by.nanoseconds(units - level))
}

// untilFull is an estimate in doubles, as the other implementations have it: nobody decides by it.
func untilFull(by law, level int64) time.Duration {
	if level >= by.capacity {
		return 0
	}
	if by.speed == 0 {
		return Never
	}
	return duration(saturated(math.Ceil(by.quotient(by.capacity - level))))
}

func duration(ns uint64) time.Duration {
	if ns > math.MaxInt64 {
		return Never
	}
	return time.Duration(ns)
}

// nanoseconds of a time since the origin; what lies before it is the origin.
func nanoseconds(now time.Duration) uint64 {
	if now < 0 {
		return 0
	}
	return uint64(now)
}

var origin = time.Now()

// Now is the time that buckets count by where none is given: since the process began, and never set back.
func Now() time.Duration {
	return time.Since(origin)
}
