package collector

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"openclaw.dev/go/bucket"
	"openclaw.dev/go/internal/conformance"
)

type endpointCase struct {
	Name, Endpoint, Refused, Never string
	BatchURL                       *string `json:"batchUrl"`
}

func TestEndpointCases(t *testing.T) {
	for _, c := range conformance.Cases[endpointCase](t, "endpoints.json") {
		found, err := newEndpoint(c.Endpoint)
		if c.Refused != "" {
			if err == nil || !strings.Contains(err.Error(), c.Refused) {
				t.Errorf("%s: %v", c.Name, err)
			} else if c.Never != "" && strings.Contains(err.Error(), c.Never) {
				t.Errorf("%s: %v repeats %s", c.Name, err, c.Never)
			}
			continue
		}
		if err != nil || found.event.String() != c.Endpoint {
			t.Errorf("%s: %v, %v", c.Name, found.event, err)
			continue
		}
		if (found.batch == nil) != (c.BatchURL == nil) || found.batch != nil && found.batch.String() != *c.BatchURL {
			t.Errorf("%s: the batch URL is %v", c.Name, found.batch)
		}
	}
}

type backoffCase struct {
	Name  string
	Steps []struct {
		Succeeded  bool
		Failed     float64
		RetryAfter string
		Times      int
		PauseMs    float64
	}
}

func TestBackoffCases(t *testing.T) {
	for _, c := range conformance.Cases[backoffCase](t, "backoff.json") {
		var pause backoff
		for _, step := range c.Steps {
			if step.Succeeded {
				pause.succeeded()
				continue
			}
			asked := retryAfter(step.RetryAfter, "Sun, 06 Nov 1994 08:49:37 GMT")
			found := pause.failed(step.Failed, asked)
			for time := 1; time < step.Times; time++ {
				found = pause.failed(step.Failed, asked)
			}
			if ms := float64(found) / float64(time.Millisecond); ms != step.PauseMs {
				t.Errorf("%s: %+v is %v ms", c.Name, step, ms)
			}
		}
	}
}

type answerCase struct {
	Name, To   string
	Answer     json.RawMessage
	Unreadable bool
	Policy     bucket.Policy
	Policies   map[string]bucket.Policy
	TTLMs      *uint64 `json:"ttlMs"`
	Rejected   []int
}

func TestAnswerCases(t *testing.T) {
	for _, c := range conformance.Cases[answerCase](t, "answers.json") {
		t.Run(c.Name, func(t *testing.T) {
			if c.To == "event" {
				answer, err := readPolicyAnswer(c.Answer)
				c.expect(t, err, answer.TTLMs)
				if err == nil && answer.policy() != c.Policy {
					t.Errorf("the policy is %+v", answer.policy())
				}
				return
			}
			answer, err := readBatchAnswer(c.Answer)
			c.expect(t, err, answer.TTLMs)
			if err != nil {
				return
			}
			policies, rejected := make(map[string]bucket.Policy), make([]int, 0)
			for user, policy := range answer.Policies {
				policies[user] = policy.policy()
			}
			for _, item := range answer.Rejected {
				rejected = append(rejected, item.Index)
			}
			if !reflect.DeepEqual(policies, c.Policies) || !reflect.DeepEqual(rejected, c.Rejected) {
				t.Errorf("policies %+v, rejected %v", policies, rejected)
			}
		})
	}
}

func (c answerCase) expect(t *testing.T, err error, ttlMs *uint64) {
	t.Helper()
	if (err != nil) != c.Unreadable {
		t.Fatalf("read with %v", err)
	}
	if !c.Unreadable && !reflect.DeepEqual(ttlMs, c.TTLMs) {
		t.Errorf("ttlMs is %v", ttlMs)
	}
}

type batchCase struct {
	Name     string
	Settings struct{ BatchMax, QueueMax, UsersMax int }
	Steps    []batchStep
}

type batchStep struct {
	Attempt     string
	Accepted    bool
	Context     *Context
	Ended       string
	Event       *Rating
	Gather      bool
	Waiting     *int
	Dropped     *uint64
	Batch       json.RawMessage
	InFlight    uint32
	Then        string
	RoundTripMs float64
}

func TestBatchCases(t *testing.T) {
	for _, c := range conformance.Cases[batchCase](t, "batches.json") {
		c := c
		t.Run(c.Name, func(t *testing.T) {
			outbox := newOutbox(c.Settings.BatchMax, c.Settings.QueueMax, c.Settings.UsersMax)
			counters := newCounters(c.Settings.UsersMax)
			for _, step := range c.Steps {
				step.take(t, &outbox, &counters)
			}
		})
	}
}

func (s batchStep) take(t *testing.T, outbox *outbox, counters *counters) {
	gather := func() { outbox.fill(counters.drain(outbox.pending)) }
	if s.Attempt != "" {
		counters.attempt(s.Attempt, s.Accepted, s.Context, 0)
	}
	if s.Ended != "" {
		counters.ended(s.Ended == "completed")
	}
	if s.Event != nil {
		outbox.push(*s.Event)
	}
	if s.Gather {
		gather()
	}
	if s.Waiting != nil && outbox.waiting() != *s.Waiting {
		t.Errorf("%d wait, not %d", outbox.waiting(), *s.Waiting)
	}
	if s.Dropped != nil && outbox.dropped != *s.Dropped {
		t.Errorf("%d dropped, not %d", outbox.dropped, *s.Dropped)
	}
	if s.Batch == nil {
		return
	}
	gather()
	batch := outbox.nextBatch(collectorInfo{ID: "c", Service: "rating", Epoch: 1790000000000}, s.InFlight, counters.sums)
	body, err := json.Marshal(batch)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(plain(t, body), plain(t, s.Batch)) {
		t.Errorf("posted %s, not %s", body, s.Batch)
	}
	switch s.Then {
	case "lost":
		outbox.putBack(batch.Events, batch.Users)
	case "refused":
		outbox.giveUp(len(batch.Events))
	default:
		outbox.done(len(batch.Events))
		outbox.succeeded(time.Duration(s.RoundTripMs * float64(time.Millisecond)))
	}
}

func plain(t *testing.T, text []byte) interface{} {
	var value interface{}
	if err := json.Unmarshal(text, &value); err != nil {
		t.Fatal(err)
	}
	return value
}
