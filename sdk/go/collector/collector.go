// Package collector joins a service to OpenClaw's control loop: it admits by what is in flight and by its users' buckets, reports to the edge what
// was rated, and applies the edge's answers to the buckets.
//
// Nothing here ever waits on a request's path: admission is arithmetic, events go to a bounded queue, and one goroutine
// posts what has gathered ten times a second. While the edge is away, leases lapse and limits move to the safe values.
package collector

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"openclaw.dev/go/bucket"
	"openclaw.dev/go/guard"
)

// ErrClosed is what SendRating answers after Close.
var ErrClosed = errors.New("the collector is closed")

// lastDelivery is the longest time that Close gives the last delivery: a service that ends must end.
const lastDelivery = 5 * time.Second

// Collector is safe for use by several goroutines.
type Collector struct {
	options  Options
	info     collectorInfo
	buckets  *bucket.Leased
	guard    *guard.Guard
	delivery *delivery

	// Whether this collector admits: then admission counts the attempts, and ratings only make events.
	admits atomic.Bool

	mutex         sync.Mutex
	counters      counters
	outbox        outbox
	inFlight      uint32
	numbered      uint64
	closed        bool
	delivered     uint64
	rejected      uint64
	guardsRefused uint64
	edgeError     string
	policyVersion string

	stop   context.CancelFunc // ends posts under way
	told   chan struct{}      // closed to end the loop
	ended  chan struct{}      // closed once it has
	closes sync.Once
}

// New starts a collector; Close ends it.
func New(options Options) (*Collector, error) {
	options, err := options.withDefaults()
	if err != nil {
		return nil, err
	}
	to, err := newEndpoint(options.EventEndpoint)
	if err != nil {
		return nil, err
	}
	buckets, err := bucket.NewLeased(bucket.Settings{
		Safe:          options.Safe,
		SafeNewcomers: options.SafeNewcomers,
		Bounds:        options.Bounds,
		UsersMax:      options.UsersMax,
		TTL:           options.TTL,
		TTLMin:        2 * options.FlushInterval,
	})
	if err != nil {
		return nil, err
	}
	inFlight, err := guard.New(guard.Options{SLO: options.SLO, Open: options.Unguarded})
	if err != nil {
		return nil, err
	}
	id, err := newID(options.Service)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	c := &Collector{
		options:  options,
		info:     collectorInfo{ID: id, Service: options.Service, Epoch: time.Now().UnixMilli()},
		buckets:  buckets,
		guard:    inFlight,
		delivery: newDelivery(to, options.Token, options.Timeout),
		counters: newCounters(options.UsersMax),
		outbox:   newOutbox(options.BatchMax, options.QueueMax, options.UsersMax),
		stop:     stop,
		told:     make(chan struct{}),
		ended:    make(chan struct{}),
	}
	go c.run(ctx)
	return c, nil
}

// newID is unique among the collectors of one service.
func newID(service string) (string, error) {
	nonce := make([]byte, 8)
	if _, err := rand.Read(nonce); err != nil {
		return "", fmt.Errorf("no randomness for the collector's id: %w", err)
	}
	if len(service) > 16 {
		service = service[:16]
	}
	return fmt.Sprintf("%s-%d-%s", userIDOf(service), os.Getpid(), hex.EncodeToString(nonce)), nil
}

// SendRating queues a rating as an event, and never waits. Where this collector does not admit, the rating is counted as an
// attempt that was accepted and completed. The error names what is no rating; a full queue is none: its oldest event gives
// way, and is counted.
func (c *Collector) SendRating(ctx context.Context, rating Rating) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	event, err := rating.event(time.Now())
	if err != nil {
		return err
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.closed {
		c.outbox.dropped++
		return ErrClosed
	}
	if !c.admits.Load() {
		c.counters.attempt(event.UserID, true, event.Context, bucket.Now())
		c.counters.ended(true)
	}
	c.numbered++
	if event.EventID == "" {
		event.EventID = fmt.Sprintf("%s-%d", c.info.ID, c.numbered)
	}
	c.outbox.push(event)
	return nil
}

// Enter asks the in-flight guard for one request, before its user's bucket is asked for what is in it; the error is a
// *guard.Full, and is counted as an attempt. Whoever enters must Leave or Withdraw. Circumstances may be nil.
func (c *Collector) Enter(userID string, circumstances *Context) (*guard.Place, error) {
	c.admits.Store(true)
	user, now := userIDOf(userID), bucket.Now()
	var class guard.Class
	if circumstances != nil {
		class = guard.Class(*circumstances)
	}
	place, err := c.guard.EnterAt(user, class, now)
	if err != nil {
		c.mutex.Lock()
		defer c.mutex.Unlock()
		c.counters.attempt(user, false, circumstances, now)
	}
	return place, err
}

// Decide takes cost tokens of the user's bucket and counts the attempt. Whatever was allowed must be told to Finished when
// it has ended. Circumstances may be nil.
func (c *Collector) Decide(userID string, cost float64, circumstances *Context) bucket.Decision {
	c.admits.Store(true)
	user, now := userIDOf(userID), bucket.Now()
	decision := c.buckets.Decide(user, cost, now)
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.counters.attempt(user, decision.Allowed, circumstances, now)
	if decision.Allowed {
		c.inFlight++
	}
	return decision
}

// Finished tells that something that Decide had allowed has ended, and whether it was done as asked.
func (c *Collector) Finished(completed bool) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	// What was never allowed must not turn the number in flight into billions.
	if c.inFlight > 0 {
		c.inFlight--
	}
	c.counters.ended(completed)
}

// TryConsume takes one token of the user's bucket, for those who ask only whether to go on: what it allows counts as
// completed at once.
func (c *Collector) TryConsume(userID string) bool {
	allowed := c.Decide(userID, 1, nil).Allowed
	if allowed {
		c.Finished(true)
	}
	return allowed
}

// Policy gives a user's parameters and level as they stand, and whether they are this user's or everyone's.
func (c *Collector) Policy(userID string) (policy bucket.Policy, level float64, own bool) {
	return c.buckets.Peek(userIDOf(userID), bucket.Now())
}

// Usual is what users get in quiet times; less than that is called a reduced capacity.
func (c *Collector) Usual() bucket.Policy { return c.options.Safe }

// Status is a collector's state, for dashboards and tests.
type Status struct {
	ID, Service     string
	ControlledBy    string // "edge" or "safe-values"
	PolicyVersion   string // empty where the edge does not decide
	Leases          int
	InFlight        uint32       // what Decide allowed and Finished was not told of
	Guard           guard.Status // requests that entered, and how many may
	EventsWaiting   int
	EventsDelivered uint64
	EventsRejected  uint64
	EventsDropped   uint64
	PoliciesRefused uint64
	EdgeError       string // empty while the edge answers
	Totals          Totals
}

// Status gives the collector's state.
func (c *Collector) Status() Status {
	now := bucket.Now()
	controlledBy := "safe-values"
	if c.buckets.EdgeHolds(now) {
		controlledBy = "edge"
	}
	leases, refused := c.buckets.Leases(), c.buckets.Refused()
	c.mutex.Lock()
	defer c.mutex.Unlock()
	status := Status{
		ID: c.info.ID, Service: c.info.Service,
		ControlledBy:    controlledBy,
		Leases:          leases,
		InFlight:        c.inFlight,
		Guard:           c.guard.Status(now),
		EventsWaiting:   c.outbox.waiting(),
		EventsDelivered: c.delivered,
		EventsRejected:  c.rejected,
		EventsDropped:   c.outbox.dropped,
		PoliciesRefused: refused + c.guardsRefused,
		EdgeError:       c.edgeError,
		Totals:          c.counters.sums,
	}
	if controlledBy == "edge" {
		status.PolicyVersion = c.policyVersion
	}
	return status
}

// Close delivers what waits and ends, at the latest when ctx does or after five seconds. What is left is counted as
// dropped.
func (c *Collector) Close(ctx context.Context) error {
	var err error
	c.closes.Do(func() {
		c.mutex.Lock()
		c.closed = true
		c.mutex.Unlock()
		close(c.told)
		patience := time.NewTimer(lastDelivery)
		defer patience.Stop()
		select {
		case <-c.ended:
		case <-patience.C:
		case <-ctx.Done():
			err = ctx.Err()
		}
		c.stop()
		<-c.ended
		c.delivery.client.CloseIdleConnections()
		c.mutex.Lock()
		defer c.mutex.Unlock()
		c.outbox.abandon()
	})
	return err
}
