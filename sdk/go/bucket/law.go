package bucket

import (
	"fmt"
	"math"
	"math/bits"
)

// The greatest numbers that a bucket may have.
const (
	// CapacityMax is the greatest capacity, in tokens (2^32).
	CapacityMax = 4294967296.0
	// RefillRateMax is the greatest refill rate, in tokens per second (2^30).
	RefillRateMax = 1073741824.0
)

const (
	// A bucket counts in units of 2^-20 token.
	unitsPerToken = 1048576.0
	// Less than a unit is nothing.
	capacityMin = 1 / unitsPerToken
	// A token in a billion years is nothing.
	refillRateMin = 1.0 / (1 << 55)
	// 2^93 / 10^9, rounded up: turns units per second into units per nanosecond.
	perNanosecond = 9903520314283042200
)

// Policy is what the edge decides for a bucket: its capacity in tokens and its refill rate in tokens per second.
type Policy struct {
	BucketSize float64 `json:"bucketSize"`
	RefillRate float64 `json:"refillRate"`
}

// Sound says whether both numbers are finite and not negative: the least that an edge's word must be.
func (p Policy) Sound() bool {
	sound := func(value float64) bool { return value >= 0 && value <= math.MaxFloat64 }
	return sound(p.BucketSize) && sound(p.RefillRate)
}

// law is a policy that was checked, with the integers that decisions compute with.
//
// What a refill rate has brought since time zero is one whole number of units, so that decisions never round, however
// often a bucket is asked. The arithmetic is that of the Rust crate openclaw-bucket, unit for unit.
type law struct {
	policy   Policy
	capacity int64 // units, rounded down
	speed    uint64
	shift    uint // units per nanosecond are speed / 2^shift
}

// newLaw checks a policy. The error names the field.
func newLaw(policy Policy) (law, error) {
	size, err := checked("bucketSize", policy.BucketSize, CapacityMax, capacityMin)
	if err != nil {
		return law{}, err
	}
	refill, err := checked("refillRate", policy.RefillRate, RefillRateMax, refillRateMin)
	if err != nil {
		return law{}, err
	}
	speed, shift := speedAndShift(refill)
	return law{Policy{size, refill}, int64(size * unitsPerToken), speed, shift}, nil
}

func checked(field string, value, most, least float64) (float64, error) {
	// NaN fails every comparison, so it is refused here too.
	if !(value >= 0 && value <= most) {
		return 0, fmt.Errorf("%s is %v; it must be a number from 0 to %.0f", field, value, most)
	}
	if value < least {
		return 0, nil
	}
	return value, nil
}

// speedAndShift gives units per nanosecond, rounded up by less than one part in 2^59: a period that is a whole number
// of nanoseconds then refills exactly its tokens.
func speedAndShift(refillRate float64) (uint64, uint) {
	if refillRate == 0 {
		return 0, 0
	}
	double := math.Float64bits(refillRate)
	mantissa := double<<11 | 1<<63
	product, _ := bits.Mul64(mantissa, perNanosecond)
	// refillRate = mantissa / 2^63 * 2^exponent tokens per second, a token is 2^20 units, and the product holds
	// 2^29 / 10^9 times mantissa: 63 + 29 - 20 - exponent.
	exact := uint(72 + 1023 - double>>52)
	return product>>(exact%4) + 1, exact / 4 * 4
}

// refilled is the units gained from time zero.
func (l law) refilled(nowNs uint64) units128 {
	hi, lo := bits.Mul64(nowNs, l.speed)
	if l.shift >= 64 {
		return units128{0, hi >> (l.shift - 64)}
	}
	return units128{hi >> l.shift, hi<<(64-l.shift) | lo>>l.shift}
}

// nanoseconds is the least time in which so many units are surely refilled, whatever the phase; saturates.
func (l law) nanoseconds(units int64) uint64 {
	ns := saturated(l.quotient(units))
	// The quotient is right to one part in 2^52; the integers have the last word.
	step := 1 + ns>>51
	for ns < math.MaxUint64 && l.refilled(ns).less(units) {
		if ns > math.MaxUint64-step {
			return math.MaxUint64
		}
		ns += step
	}
	return ns
}

// quotient is about the nanoseconds in which so many units are refilled.
func (l law) quotient(units int64) float64 {
	return float64(units) * math.Ldexp(1, int(l.shift)) / float64(l.speed)
}

func saturated(ns float64) uint64 {
	if ns >= 1<<64 {
		return math.MaxUint64
	}
	return uint64(ns)
}

// costUnits is a cost in units, rounded up; false for what no bucket can pay: a negative one, or what is no number.
func costUnits(cost float64) (int64, bool) {
	if !(cost >= 0 && cost <= CapacityMax) {
		return 0, false
	}
	return int64(math.Ceil(cost * unitsPerToken)), true
}

// tokens of a level; below zero it is shown as empty.
func tokens(level int64) float64 {
	if level < 0 {
		return 0
	}
	return float64(level) / unitsPerToken
}

// units128 is a place on a refill line: two's complement, so that no time is too long for it.
type units128 struct{ hi, lo uint64 }

// minus gives the place so many units before.
func (u units128) minus(units int64) units128 {
	lo, borrow := bits.Sub64(u.lo, uint64(units), 0)
	hi, _ := bits.Sub64(u.hi, uint64(units>>63), borrow)
	return units128{hi, lo}
}

// plus gives the sum of two places.
func (u units128) plus(other units128) units128 {
	lo, carry := bits.Add64(u.lo, other.lo, 0)
	hi, _ := bits.Add64(u.hi, other.hi, carry)
	return units128{hi, lo}
}

// sub gives the difference of two places.
func (u units128) sub(other units128) units128 {
	lo, borrow := bits.Sub64(u.lo, other.lo, 0)
	hi, _ := bits.Sub64(u.hi, other.hi, borrow)
	return units128{hi, lo}
}

// less says whether there are fewer than so many units, which are not negative.
func (u units128) less(units int64) bool {
	return int64(u.hi) < 0 || u.hi == 0 && u.lo < uint64(units)
}

// atMost gives the units, cut to the capacity above and to what an int64 holds below.
func (u units128) atMost(capacity int64) int64 {
	switch {
	case int64(u.hi) < 0:
		if u.hi == math.MaxUint64 && int64(u.lo) < 0 {
			return int64(u.lo)
		}
		return math.MinInt64 / 2
	case u.hi > 0 || u.lo > uint64(capacity):
		return capacity
	default:
		return int64(u.lo)
	}
}
