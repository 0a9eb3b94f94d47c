package collector

import (
	"context"
	"errors"
	"math/rand"
	"time"

	"openclaw.dev/go/bucket"
	"openclaw.dev/go/guard"
)

const (
	// singlesPerFlush is the single events posted per flush at most, where the edge takes no batches: each is a round trip.
	singlesPerFlush = 100
	// sweptPerFlush is the users, leases and buckets looked over per flush for what can be forgotten.
	sweptPerFlush = 1000
	// countersKeptTTLs: counters outlive leases this many times over, for the edge must be the first to forget a user.
	countersKeptTTLs = 3
)

// run is the collector's heartbeat: it hands over what has gathered, pauses after failures, and delivers a last time when
// it is told to end.
func (c *Collector) run(ctx context.Context) {
	defer close(c.ended)
	ticker := time.NewTicker(c.options.FlushInterval)
	defer ticker.Stop()
	jitter := rand.New(rand.NewSource(time.Now().UnixNano()))
	var pause backoff
	var pauseUntil time.Duration
	for {
		select {
		case <-c.told:
			c.deliverTheRest(ctx)
			return
		case <-ticker.C:
		}
		now := bucket.Now()
		c.gather(now)
		c.buckets.Sweep(sweptPerFlush, now)
		if now < pauseUntil {
			continue
		}
		if err := c.deliver(ctx); err != nil {
			c.failed(err)
			pauseUntil = bucket.Now() + pause.failed(jitter.Float64(), asked(err))
		} else {
			pause.succeeded()
		}
	}
}

func (c *Collector) gather(now time.Duration) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.outbox.fill(c.counters.drain(c.outbox.pending))
	c.counters.sweep(sweptPerFlush, countersKeptTTLs*c.options.TTL, now)
}

func (c *Collector) deliverTheRest(ctx context.Context) {
	c.gather(bucket.Now())
	for {
		if err := c.deliver(ctx); err != nil {
			c.failed(err)
			return
		}
		c.mutex.Lock()
		done := c.outbox.isEmpty()
		c.mutex.Unlock()
		if done {
			return
		}
	}
}

// deliver posts what waits, in as many batches as it takes; what fills no batch waits for the next flush.
func (c *Collector) deliver(ctx context.Context) error {
	for more := true; more; {
		c.mutex.Lock()
		batch := c.outbox.nextBatch(c.info, c.inFlight, c.counters.sums)
		c.mutex.Unlock()
		sent := bucket.Now()
		answer, err := c.delivery.postBatch(ctx, batch, sent)
		if err != nil {
			c.undelivered(batch, err)
			return err
		}
		if answer == nil {
			return c.deliverSingles(ctx, batch)
		}
		c.apply(*answer, batch, sent)
		c.mutex.Lock()
		more = c.outbox.fillsABatch()
		c.mutex.Unlock()
	}
	return nil
}

func (c *Collector) apply(answer batchAnswer, batch eventBatch, sent time.Duration) {
	now := bucket.Now()
	asked := make(map[string]bool, len(batch.Users)+len(batch.Events))
	for _, user := range batch.Users {
		asked[user.UserID] = true
	}
	for _, event := range batch.Events {
		asked[event.UserID] = true
	}
	taken := bucket.Answer{
		Policies: make(map[string]bucket.Policy, len(answer.Policies)),
		Defaults: answer.Defaults.policy(),
		TTL:      ttl(answer.TTLMs),
	}
	for user, policy := range answer.Policies {
		taken.Policies[user] = policy.policy()
	}
	if answer.Newcomers != nil {
		newcomers := answer.Newcomers.policy()
		taken.Newcomers = &newcomers
	}
	until := c.buckets.Apply(taken, asked, now)
	followed := c.guard.Follow(answer.guards(), until, now)
	rejected := lesser(len(answer.Rejected), len(batch.Events))
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.outbox.done(len(batch.Events))
	c.outbox.succeeded(now - sent)
	c.rejected += uint64(rejected)
	c.noteGuard(followed)
	c.succeeded(len(batch.Events)-rejected, *answer.PolicyVersion)
}

// undelivered: a batch that did not arrive waits again; one that will never be taken is made smaller or given up.
func (c *Collector) undelivered(batch eventBatch, err error) {
	var failure *DeliveryError
	final := errors.As(err, &failure) && failure.final()
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if final && failure.tooLarge() && c.outbox.halve() {
		final = false
	}
	if final {
		// The counters in it are cumulative, and come again with their users.
		c.outbox.giveUp(len(batch.Events))
	} else {
		c.outbox.putBack(batch.Events, batch.Users)
	}
}

// deliverSingles posts events one by one, for an edge that knows no batches and has no use for counters.
func (c *Collector) deliverSingles(ctx context.Context, batch eventBatch) error {
	events := batch.Events
	if len(events) > singlesPerFlush {
		c.putBack(events[singlesPerFlush:])
		events = events[:singlesPerFlush]
	}
	for place, event := range events {
		event.InFlight = &batch.InFlight
		answer, err := c.delivery.postSingle(ctx, event)
		var failure *DeliveryError
		switch {
		case err == nil:
			now := bucket.Now()
			until := c.buckets.ApplySingle(event.UserID, answer.policy(), ttl(answer.TTLMs), now)
			followed := c.guard.FollowSingle(guard.Answer{GuardMs: answer.GuardMs}, until, now)
			c.mutex.Lock()
			c.noteGuard(followed)
			c.outbox.done(1)
			c.succeeded(1, answer.PolicyVersion)
			c.mutex.Unlock()
		case errors.As(err, &failure) && failure.final():
			c.mutex.Lock()
			c.outbox.giveUp(1)
			c.mutex.Unlock()
			c.failed(err)
		default:
			c.putBack(events[place:])
			return err
		}
	}
	return nil
}

func (c *Collector) putBack(events []Rating) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.outbox.putBack(events, nil)
}

// succeeded takes note of an answer; the caller holds the lock.
func (c *Collector) succeeded(events int, version string) {
	c.delivered += uint64(events)
	c.policyVersion = shown(version)
	c.edgeError = ""
}

// noteGuard counts a guard time that was none; the caller holds the lock.
func (c *Collector) noteGuard(followed bool) {
	if !followed {
		c.guardsRefused++
	}
}

func (c *Collector) failed(err error) {
	c.mutex.Lock()
	first := c.edgeError == ""
	c.edgeError = err.Error()
	c.mutex.Unlock()
	if first && c.options.OnError != nil {
		c.options.OnError(err)
	}
}
