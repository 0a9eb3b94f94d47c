package collector

import "time"

const (
	// usersPerBatchMax: all users after an outage in one body would be refused as too large, again and again.
	usersPerBatchMax = 10_000
	// successesToGrow is after how many batches a size that was halved is tried again.
	successesToGrow = 64
)

type collectorInfo struct {
	ID      string `json:"id"`
	Service string `json:"service"`
	Epoch   int64  `json:"epoch"`
}

type eventBatch struct {
	Collector   collectorInfo `json:"collector"`
	Seq         uint64        `json:"seq"`
	InFlight    uint32        `json:"inFlight"`
	Totals      Totals        `json:"totals"`
	Users       []userCounts  `json:"users,omitempty"`
	RoundTripMs *float64      `json:"roundTripMs,omitempty"`
	Events      []Rating      `json:"events"`
}

// outbox is what waits for delivery: events in order, and the newest counters of every user that the edge has not heard
// of. Bounded on both sides: the oldest give way, and every event that does is counted.
type outbox struct {
	events    []Rating
	users     map[string]userCounts
	order     []string // users, in the order in which they became active
	underWay  int      // events handed out and neither taken by the edge nor put back
	dropped   uint64
	seq       uint64
	halvings  uint
	successes int
	roundTrip *float64

	batchMax, queueMax, usersMax int
}

func newOutbox(batchMax, queueMax, usersMax int) outbox {
	return outbox{users: make(map[string]userCounts), batchMax: batchMax, queueMax: queueMax, usersMax: usersMax}
}

// waiting is the events not known to be delivered.
func (o *outbox) waiting() int { return len(o.events) + o.underWay }

func (o *outbox) isEmpty() bool { return len(o.events) == 0 && len(o.users) == 0 }

// fillsABatch says whether what waits should not wait for the next flush.
func (o *outbox) fillsABatch() bool {
	return len(o.events) >= o.eventsPerBatch() || len(o.users) >= o.usersPerBatch()
}

// pending gives the counters of a user that the edge has not heard of yet.
func (o *outbox) pending(userID string) (userCounts, bool) {
	counts, waiting := o.users[userID]
	return counts, waiting
}

func (o *outbox) push(event Rating) {
	o.events = append(o.events, event)
	o.bound()
}

func (o *outbox) fill(users []userCounts) {
	for _, user := range users {
		o.setUser(user)
	}
	o.bound()
}

// nextBatch is what came first, as much as one may hold.
func (o *outbox) nextBatch(collector collectorInfo, inFlight uint32, totals Totals) eventBatch {
	o.seq++
	batch := eventBatch{Collector: collector, Seq: o.seq, InFlight: inFlight, Totals: totals, RoundTripMs: o.roundTrip}
	count := lesser(len(o.order), o.usersPerBatch())
	for _, userID := range o.order[:count] {
		batch.Users = append(batch.Users, o.users[userID])
		delete(o.users, userID)
	}
	o.order = o.order[count:]
	count = lesser(len(o.events), o.eventsPerBatch())
	// A copy, and never nil: the edge expects a list.
	batch.Events = append(make([]Rating, 0, count), o.events[:count]...)
	o.events = o.events[count:]
	o.underWay += count
	return batch
}

// done: the edge has taken so many events.
func (o *outbox) done(events int) { o.underWay -= events }

// giveUp: the edge will never take so many events.
func (o *outbox) giveUp(events int) {
	o.underWay -= events
	o.dropped += uint64(events)
}

// succeeded: a batch was answered within so much time.
func (o *outbox) succeeded(roundTrip time.Duration) {
	ms := float64(roundTrip) / float64(time.Millisecond)
	o.roundTrip = &ms
	if o.successes++; o.successes >= successesToGrow {
		if o.successes = 0; o.halvings > 0 {
			o.halvings--
		}
	}
}

// halve: a batch was too large for the edge. It says whether it can be made smaller.
func (o *outbox) halve() bool {
	o.successes = 0
	if o.eventsPerBatch() == 1 && o.usersPerBatch() == 1 {
		return false
	}
	o.halvings++
	return true
}

// putBack takes back what did not arrive.
func (o *outbox) putBack(events []Rating, users []userCounts) {
	o.underWay -= len(events)
	o.events = append(append(make([]Rating, 0, len(events)+len(o.events)), events...), o.events...)
	for _, user := range users {
		// Counters only rise: where both are known, the higher is the newer.
		if known, waiting := o.users[user.UserID]; waiting {
			known.Attempts = greater(known.Attempts, user.Attempts)
			known.Throttled = greater(known.Throttled, user.Throttled)
			user = known
		}
		o.setUser(user)
	}
	o.bound()
}

// abandon gives up all that waits.
func (o *outbox) abandon() {
	o.dropped += uint64(o.waiting())
	o.events, o.underWay = nil, 0
}

func (o *outbox) setUser(user userCounts) {
	if _, waiting := o.users[user.UserID]; !waiting {
		o.order = append(o.order, user.UserID)
	}
	o.users[user.UserID] = user
}

// bound lets the oldest give way. Counters that do are not lost for users who come again: they are cumulative.
func (o *outbox) bound() {
	if excess := len(o.events) - o.queueMax; excess > 0 {
		o.events = o.events[excess:]
		o.dropped += uint64(excess)
	}
	if excess := len(o.order) - o.usersMax; excess > 0 {
		for _, userID := range o.order[:excess] {
			delete(o.users, userID)
		}
		o.order = o.order[excess:]
	}
}

func (o *outbox) eventsPerBatch() int { return halved(o.batchMax, o.halvings) }

func (o *outbox) usersPerBatch() int {
	most := usersPerBatchMax
	if o.batchMax > most {
		most = o.batchMax
	}
	return halved(most, o.halvings)
}

func halved(size int, times uint) int {
	if size >>= times; size > 1 {
		return size
	}
	return 1
}

func lesser(a, b int) int {
	if a < b {
		return a
	}
	return b
}

func greater(a, b uint64) uint64 {
	if a > b {
		return a
	}
	return b
}
