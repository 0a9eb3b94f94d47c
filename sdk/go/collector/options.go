package collector

import (
	"fmt"
	"os"
	"time"

	"openclaw.dev/go/bucket"
)

// Options of a collector. Zero values take the defaults.
type Options struct {
	// EventEndpoint is the single-event URL; the batch URL is derived from it. By default the variable EVENT_ENDPOINT, or
	// else the edge on this machine.
	EventEndpoint string
	// Service is whose capacity the edge manages; collectors of the same name share it. By default "rating".
	Service string
	// Token is the bearer token of the role collector; by default the variable OPENCLAW_COLLECTOR_TOKEN.
	Token string
	// Safe is what each user gets while the edge says nothing. By default 20 at once, 10 a second.
	Safe bucket.Policy
	// SafeNewcomers is what all users that the edge does not know get together then. By default 1000 at once, 1000 a second.
	SafeNewcomers *bucket.Policy
	// Bounds of whatever the edge says. By default 1.2 to 10^6 tokens, 0.05 to 10^6 a second.
	Bounds bucket.Bounds
	// SLO is the latency that requests should keep; while the edge says nothing, the guard takes half of it for the time that
	// the work in flight may take. By default 200 ms.
	SLO time.Duration
	// Unguarded lets requests in however many are in flight.
	Unguarded bool
	// FlushInterval is the time between two posts. By default 100 ms.
	FlushInterval time.Duration
	// BatchMax is the events per batch at most. By default 1,000.
	BatchMax int
	// QueueMax is the events waiting for the edge at most; the oldest give way, and are counted. By default 10,000.
	QueueMax int
	// UsersMax is the users counted, and buckets kept, at most. By default 100,000.
	UsersMax int
	// TTL is how long answers hold that do not say. By default 5 s.
	TTL time.Duration
	// Timeout is the longest time for a post and its answer. By default 2 s.
	Timeout time.Duration
	// OnError is told what went wrong, once per outage; it must not block. By default nobody is.
	OnError func(error)
}

// withDefaults fills the gaps and checks the rest. The error names the option, what it was and what it must be.
func (o Options) withDefaults() (Options, error) {
	text := func(value *string, variable, usual string) {
		if *value == "" {
			*value = os.Getenv(variable)
		}
		if *value == "" {
			*value = usual
		}
	}
	text(&o.EventEndpoint, "EVENT_ENDPOINT", "http://127.0.0.1:8081/api/v1/event")
	text(&o.Token, "OPENCLAW_COLLECTOR_TOKEN", "")
	if o.Service == "" {
		o.Service = "rating"
	}
	if len(o.Service) > 128 {
		return o, fmt.Errorf("Service has %d bytes; it must have 1 to 128", len(o.Service))
	}
	if o.Safe == (bucket.Policy{}) {
		o.Safe = bucket.Policy{BucketSize: 20, RefillRate: 10}
	}
	if o.SafeNewcomers == nil {
		o.SafeNewcomers = &bucket.Policy{BucketSize: 1000, RefillRate: 1000}
	}
	if !o.Safe.Sound() || !o.SafeNewcomers.Sound() {
		return o, fmt.Errorf("Safe is %+v and SafeNewcomers %+v; their numbers must be 0 or more", o.Safe, *o.SafeNewcomers)
	}
	if o.Bounds == (bucket.Bounds{}) {
		o.Bounds = bucket.Bounds{BucketSizeMin: 1.2, BucketSizeMax: 1e6, RefillRateMin: 0.05, RefillRateMax: 1e6}
	}
	if err := checkBounds(o.Bounds); err != nil {
		return o, err
	}
	return o, o.checkSizes()
}

func checkBounds(b bucket.Bounds) error {
	ordered := func(least, most float64) bool { return least >= 0 && least <= most && most <= bucket.RefillRateMax }
	if !ordered(b.BucketSizeMin, b.BucketSizeMax) || !ordered(b.RefillRateMin, b.RefillRateMax) {
		return fmt.Errorf("Bounds are %+v; they must be numbers from 0 to %.0f, the lesser ones first", b, bucket.RefillRateMax)
	}
	return nil
}

func (o *Options) checkSizes() error {
	counts := []struct {
		name  string
		value *int
		usual int
	}{{"BatchMax", &o.BatchMax, 1000}, {"QueueMax", &o.QueueMax, 10_000}, {"UsersMax", &o.UsersMax, 100_000}}
	for _, count := range counts {
		if *count.value == 0 {
			*count.value = count.usual
		}
		if *count.value < 0 {
			return fmt.Errorf("%s is %d; it must be 1 or more", count.name, *count.value)
		}
	}
	times := []struct {
		name  string
		value *time.Duration
		usual time.Duration
	}{
		{"SLO", &o.SLO, 200 * time.Millisecond},
		{"FlushInterval", &o.FlushInterval, 100 * time.Millisecond},
		{"TTL", &o.TTL, 5 * time.Second},
		{"Timeout", &o.Timeout, 2 * time.Second},
	}
	for _, span := range times {
		if *span.value == 0 {
			*span.value = span.usual
		}
		if *span.value < 0 {
			return fmt.Errorf("%s is %v; it must be longer than nothing", span.name, *span.value)
		}
	}
	return nil
}
