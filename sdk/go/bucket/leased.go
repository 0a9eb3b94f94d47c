package bucket

import (
	"sync"
	"time"
)

const (
	// MoveSteps is in how many steps lapsed leases move to the safe values.
	MoveSteps = 30
	// MoveStep is how far those steps are apart.
	MoveStep = time.Second
	// ttlMax: a lease beyond an hour is no lease.
	ttlMax = time.Hour
)

// Bounds are the least and greatest values that a bucket may have, whatever the edge says.
type Bounds struct {
	BucketSizeMin, BucketSizeMax, RefillRateMin, RefillRateMax float64
}

// clamp gives the nearest policy inside the bounds, of a sound one.
func (b Bounds) clamp(policy Policy) Policy {
	within := func(value, least, most float64) float64 {
		switch {
		case value < least:
			return least
		case value > most:
			return most
		default:
			return value
		}
	}
	return Policy{
		within(policy.BucketSize, b.BucketSizeMin, b.BucketSizeMax),
		within(policy.RefillRate, b.RefillRateMin, b.RefillRateMax),
	}
}

// Settings of leased buckets.
type Settings struct {
	// Safe is what each user gets while the edge has said nothing, or nothing for long.
	Safe Policy
	// SafeNewcomers is the bucket that all users without parameters of their own share then; nil means none.
	SafeNewcomers *Policy
	// Bounds of whatever the edge says.
	Bounds Bounds
	// UsersMax is how many buckets are kept at most.
	UsersMax int
	// TTL is how long answers hold that do not say.
	TTL time.Duration
	// TTLMin is the shortest lease: one that lapses before the next answer can come would make the edge and the safe
	// values take turns.
	TTLMin time.Duration
}

// Answer is what the edge says of the users it was asked about, and of everyone else.
type Answer struct {
	Policies  map[string]Policy
	Defaults  Policy
	Newcomers *Policy
	TTL       time.Duration
}

// lease is what was leased, and how far it has moved since it lapsed.
type lease struct {
	policy Policy
	until  time.Duration
	steps  int
}

// Leased has buckets by user whose parameters hold for a time, not for ever; safe for use by several goroutines.
//
// The edge leases every user's parameters, those of everyone else, and those of the bucket that newcomers share. While it
// answers, a user whom it no longer names is a newcomer again. When it is silent, whatever lapses moves in thirty steps of
// a second, linearly, to the safe values: an edge that fails must change no limit at once. The steps are taken when a
// bucket is next asked, each at its own time, so that nobody has to visit all of them.
type Leased struct {
	settings      Settings
	safe          Policy
	safeNewcomers *Policy

	mutex     sync.Mutex
	buckets   keyed
	leases    map[string]*lease
	everyone  *lease
	newcomers *lease
	heard     time.Duration // when the edge was last heard of
	answered  bool
	edgeUntil time.Duration
	refused   uint64
}

// NewLeased makes buckets at the safe values. The error names the value that is no bucket's.
func NewLeased(settings Settings) (*Leased, error) {
	safe := settings.Bounds.clamp(settings.Safe)
	by, err := newLaw(safe)
	if err != nil {
		return nil, err
	}
	l := &Leased{settings: settings, safe: safe, buckets: newKeyed(by, settings.UsersMax), leases: make(map[string]*lease)}
	if settings.SafeNewcomers == nil {
		return l, nil
	}
	shared := settings.Bounds.clamp(*settings.SafeNewcomers)
	sharedLaw, err := newLaw(shared)
	if err != nil {
		return nil, err
	}
	l.safeNewcomers = &shared
	l.buckets.setNewcomers(&sharedLaw, 0)
	return l, nil
}

// Decide takes cost tokens of the user's bucket, or says why not.
func (l *Leased) Decide(user string, cost float64, now time.Duration) Decision {
	units, payable := costUnits(cost)
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.catchUp(user, now)
	return l.buckets.decide(user, units, payable, nanoseconds(now))
}

// Peek gives a user's parameters and level as they stand, and whether they are this user's or everyone's.
func (l *Leased) Peek(user string, now time.Duration) (policy Policy, level float64, own bool) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.catchUp(user, now)
	level = tokens(l.buckets.level(l.buckets.entries[user], nanoseconds(now)))
	if core := l.buckets.own(user); core != nil {
		return core.law.policy, level, true
	}
	return l.buckets.defaults.law.policy, level, false
}

// Newcomers gives the parameters of the bucket that newcomers share; nil where there is none.
func (l *Leased) Newcomers(now time.Duration) *Policy {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.moveEveryone(now)
	if l.buckets.newcomers == nil {
		return nil
	}
	policy := l.buckets.newcomers.law.policy
	return &policy
}

// EdgeHolds says whether an answer of the edge is still in force.
func (l *Leased) EdgeHolds(now time.Duration) bool {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.answered && now < l.edgeUntil
}

// Leases is how many users have one, lapsed ones that still move included.
func (l *Leased) Leases() int {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return len(l.leases)
}

// Refused is how many policies of the edge were not applied: no numbers, not asked for, or without room.
func (l *Leased) Refused() uint64 {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.refused
}

// Apply applies the edge's answer to a batch that named the users asked. An edge is trusted with numbers inside the
// bounds and with nothing else. It gives the time until which the answer holds.
func (l *Leased) Apply(answer Answer, asked map[string]bool, now time.Duration) time.Duration {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	until := l.hear(answer.TTL, now)
	for user, policy := range answer.Policies {
		if asked[user] {
			l.grant(user, policy, until, now)
		} else {
			l.refused++
		}
	}
	if !answer.Defaults.Sound() {
		l.refused++
		return until
	}
	l.leaseEveryone(answer, until, now)
	return until
}

// ApplySingle applies the edge's answer to a single event, which leases its user's parameters alone. A time to live of
// zero is one that the answer does not say. It gives the time until which the answer holds.
func (l *Leased) ApplySingle(user string, policy Policy, ttl time.Duration, now time.Duration) time.Duration {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if ttl == 0 {
		ttl = l.settings.TTL
	}
	until := l.hear(ttl, now)
	l.grant(user, policy, until, now)
	return until
}

// Sweep looks at some leases and buckets, for what has lapsed or can be forgotten.
func (l *Leased) Sweep(users int, now time.Duration) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	left := users
	for user := range l.leases {
		if left--; left < 0 {
			break
		}
		l.catchUp(user, now)
		l.retire(user, now)
	}
	l.buckets.forgetSome(users, nanoseconds(now))
}

// hear takes note of an answer, and gives the time until which it holds.
func (l *Leased) hear(ttl time.Duration, now time.Duration) time.Duration {
	// What has lapsed in silence moves as far as it should have before the edge's word is taken.
	l.moveEveryone(now)
	if ttl < l.settings.TTLMin {
		ttl = l.settings.TTLMin
	}
	if ttl > ttlMax {
		ttl = ttlMax
	}
	l.heard, l.answered, l.edgeUntil = now, true, now+ttl
	return l.edgeUntil
}

func (l *Leased) catchUp(user string, now time.Duration) {
	l.moveEveryone(now)
	held := l.leases[user]
	if held == nil || now < held.until {
		return
	}
	if l.heard >= held.until {
		l.buckets.unassign(user, nanoseconds(now))
		delete(l.leases, user)
		return
	}
	held.move(l.safe, now, func(to law, atNs uint64) { l.buckets.assign(user, to, atNs) })
}

func (l *Leased) moveEveryone(now time.Duration) {
	if l.everyone == nil {
		return
	}
	l.everyone.move(l.safe, now, l.buckets.setDefaults)
	if l.safeNewcomers != nil {
		l.newcomers.move(*l.safeNewcomers, now, func(to law, atNs uint64) { l.buckets.setNewcomers(&to, atNs) })
	}
}

// retire forgets a user who has moved all the way and saved all it can: there is nothing left to remember.
func (l *Leased) retire(user string, now time.Duration) {
	held, core, nowNs := l.leases[user], l.buckets.own(user), nanoseconds(now)
	if held == nil || core == nil || held.steps < MoveSteps || core.level(nowNs) < core.law.capacity {
		return
	}
	l.buckets.unassign(user, nowNs)
	delete(l.leases, user)
}

func (l *Leased) grant(user string, policy Policy, until, now time.Duration) {
	if !policy.Sound() {
		l.refused++
		return
	}
	l.catchUp(user, now)
	clamped := l.settings.Bounds.clamp(policy)
	to, err := newLaw(clamped)
	// Only who has a bucket has a lease: both are bounded by the table.
	if err != nil || !l.buckets.assign(user, to, nanoseconds(now)) {
		l.refused++
		return
	}
	l.leases[user] = &lease{policy: clamped, until: until}
}

func (l *Leased) leaseEveryone(answer Answer, until, now time.Duration) {
	nowNs := nanoseconds(now)
	clamped := l.settings.Bounds.clamp(answer.Defaults)
	to, err := newLaw(clamped)
	if err != nil {
		l.refused++
		return
	}
	l.buckets.setDefaults(to, nowNs)
	l.everyone = &lease{policy: clamped, until: until}
	// No such bucket now: when the lease lapses, the safe one comes with the first step.
	shared := clamped
	if l.safeNewcomers != nil {
		shared = *l.safeNewcomers
	}
	var sharedLaw *law
	if answer.Newcomers != nil && answer.Newcomers.Sound() {
		shared = l.settings.Bounds.clamp(*answer.Newcomers)
		if by, err := newLaw(shared); err == nil {
			sharedLaw = &by
		}
	}
	l.buckets.setNewcomers(sharedLaw, nowNs)
	l.newcomers = &lease{policy: shared, until: until}
}

// move takes the steps that are due, each at its own time.
func (h *lease) move(safe Policy, now time.Duration, apply func(to law, atNs uint64)) {
	for h.steps < MoveSteps && now >= h.until+time.Duration(h.steps+1)*MoveStep {
		h.steps++
		if to, err := newLaw(between(h.policy, safe, h.steps)); err == nil {
			apply(to, nanoseconds(h.until+time.Duration(h.steps)*MoveStep))
		}
	}
}

// between gives the parameters so many steps of the way from what was leased to what is safe.
func between(leased, safe Policy, steps int) Policy {
	if steps == MoveSteps {
		return safe
	}
	share := func(from, to float64) float64 { return from + (to-from)*float64(steps)/MoveSteps }
	return Policy{share(leased.BucketSize, safe.BucketSize), share(leased.RefillRate, safe.RefillRate)}
}
