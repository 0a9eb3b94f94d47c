package collector

import "time"

// Totals are counters of a whole collector since its epoch, in ratings.
type Totals struct {
	Attempts  uint64 `json:"attempts"`
	Accepted  uint64 `json:"accepted"`
	Throttled uint64 `json:"throttled"`
	Completed uint64 `json:"completed"`
	Failed    uint64 `json:"failed"`
}

// userCounts are counters of one user since the collector's epoch.
type userCounts struct {
	UserID    string   `json:"userId"`
	Attempts  uint64   `json:"attempts"`
	Throttled uint64   `json:"throttled"`
	Context   *Context `json:"context,omitempty"`
}

type countedUser struct {
	counts  userCounts
	listed  bool // on the list of those active since the last drain
	drained bool // some drain has named the user since it was last forgotten
	seen    time.Duration
}

// counters are cumulative: of everything, and of every user. They are moved when a rating is offered, not derived from
// queued events, so that a dropped event or a lost batch loses no count: the next batch carries the sums again.
type counters struct {
	sums     Totals
	users    map[string]*countedUser
	active   []string
	usersMax int
}

func newCounters(usersMax int) counters {
	return counters{users: make(map[string]*countedUser), usersMax: usersMax}
}

// attempt counts one attempt. Where the table is full, an unknown user is counted in the totals only.
func (c *counters) attempt(userID string, accepted bool, context *Context, now time.Duration) {
	c.sums.Attempts++
	if accepted {
		c.sums.Accepted++
	} else {
		c.sums.Throttled++
	}
	user := c.users[userID]
	if user == nil {
		if len(c.users) >= c.usersMax {
			return
		}
		user = &countedUser{counts: userCounts{UserID: userID}}
		c.users[userID] = user
	}
	user.counts.Attempts++
	if !accepted {
		user.counts.Throttled++
	}
	user.seen = now
	if context != nil {
		user.counts.Context = context
	}
	if !user.listed {
		user.listed = true
		c.active = append(c.active, userID)
	}
}

// ended counts the end of an accepted attempt.
func (c *counters) ended(completed bool) {
	if completed {
		c.sums.Completed++
	} else {
		c.sums.Failed++
	}
}

// drain gives the counters of everyone active since the last drain.
//
// A user who was forgotten and came back counts from zero, but cumulative counters never fall: what undelivered has of it
// the edge has not heard of, and is added.
func (c *counters) drain(undelivered func(userID string) (userCounts, bool)) []userCounts {
	drained := make([]userCounts, 0, len(c.active))
	for _, userID := range c.active {
		user := c.users[userID]
		user.listed = false
		if before, waiting := undelivered(userID); waiting && !user.drained {
			user.counts.Attempts += before.Attempts
			user.counts.Throttled += before.Throttled
		}
		user.drained = true
		drained = append(drained, user.counts)
	}
	c.active = c.active[:0]
	return drained
}

// sweep looks at some users and forgets those idle for so long.
func (c *counters) sweep(users int, idle, now time.Duration) {
	for userID, user := range c.users {
		if users--; users < 0 {
			return
		}
		if !user.listed && now-user.seen >= idle {
			delete(c.users, userID)
		}
	}
}
