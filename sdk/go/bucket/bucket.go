// Package bucket has token buckets whose parameters may change at any moment without minting a token.
//
// Its arithmetic is exact and, unit for unit, that of the Rust crate openclaw-bucket; both run the cases in
// sdk/conformance.
package bucket

import (
	"sync"
	"time"
)

// Bucket is one token bucket; safe for use by several goroutines.
type Bucket struct {
	mutex sync.Mutex
	core  core
}

// New makes a full bucket. The error names the field that is no bucket's.
func New(policy Policy) (*Bucket, error) {
	law, err := newLaw(policy)
	if err != nil {
		return nil, err
	}
	return &Bucket{core: core{law: law}}, nil
}

// TryConsume takes cost tokens now, or none. A cost of zero is always allowed; a negative one, or NaN, never.
func (b *Bucket) TryConsume(cost float64) bool {
	return b.Decide(cost, Now()).Allowed
}

// Decide is TryConsume at a time of the caller's (since any fixed origin), with everything that a reply needs.
func (b *Bucket) Decide(cost float64, now time.Duration) Decision {
	units, payable := costUnits(cost)
	nowNs := nanoseconds(now)
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if payable && (units == 0 || b.core.take(units, nowNs)) {
		return allowed(b.core.law, b.core.level(nowNs))
	}
	return limited(b.core.law, b.core.level(nowNs), units, payable, Own)
}

// UpdatePolicy changes the parameters now. What the bucket holds, settled at the old ones, is kept up to the new
// capacity; nothing is minted, and the next decision is made with the new ones. A policy that is no bucket's changes
// nothing.
func (b *Bucket) UpdatePolicy(policy Policy) error {
	return b.UpdatePolicyAt(policy, Now())
}

// UpdatePolicyAt is UpdatePolicy at a time of the caller's.
func (b *Bucket) UpdatePolicyAt(policy Policy, now time.Duration) error {
	law, err := newLaw(policy)
	if err != nil {
		return err
	}
	b.mutex.Lock()
	defer b.mutex.Unlock()
	b.core.change(law, nanoseconds(now))
	return nil
}

// Level is the tokens in the bucket; it changes nothing.
func (b *Bucket) Level(now time.Duration) float64 {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return tokens(b.core.level(nanoseconds(now)))
}

// Policy is the parameters in force.
func (b *Bucket) Policy() Policy {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.core.law.policy
}
