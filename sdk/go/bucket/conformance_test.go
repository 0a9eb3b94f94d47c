package bucket

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"openclaw.dev/go/internal/conformance"
)

type casePolicy struct {
	BucketSize, RefillRate conformance.Number
}

func (p casePolicy) policy() Policy {
	return Policy{float64(p.BucketSize), float64(p.RefillRate)}
}

type bucketStep struct {
	AtNs         int64
	Consume      *conformance.Number
	Allowed      bool
	Level        *float64
	RetryAfterNs *conformance.Wait
	ResetAfterNs *conformance.Wait
	Update       *casePolicy
	Times        int
	Refused      string
}

type bucketCase struct {
	Name    string
	Bucket  casePolicy
	Refused string
	Steps   []bucketStep
}

func expectRefused(t *testing.T, err error, field string) {
	t.Helper()
	if err == nil || !strings.HasPrefix(err.Error(), field+" is ") {
		t.Fatalf("refused with %v, which does not name %s", err, field)
	}
}

func expectWait(t *testing.T, what string, found time.Duration, expected *conformance.Wait) {
	t.Helper()
	if expected == nil {
		return
	}
	if want := time.Duration(expected.Ns); !expected.Never && found != want || expected.Never && found != Never {
		t.Errorf("%s is %d ns, not %+v", what, found, *expected)
	}
}

func (s bucketStep) check(t *testing.T, bucket *Bucket) {
	now := time.Duration(s.AtNs)
	switch {
	case s.Refused != "":
		expectRefused(t, bucket.UpdatePolicyAt(s.Update.policy(), now), s.Refused)
	case s.Update != nil:
		for time := 0; time == 0 || time < s.Times; time++ {
			if err := bucket.UpdatePolicyAt(s.Update.policy(), now); err != nil {
				t.Fatal(err)
			}
		}
	case s.Consume != nil:
		decision := bucket.Decide(float64(*s.Consume), now)
		if decision.Allowed != s.Allowed {
			t.Errorf("allowed is %v", decision.Allowed)
		}
		expectWait(t, "retryAfterNs", decision.RetryAfter, s.RetryAfterNs)
		expectWait(t, "resetAfterNs", decision.ResetAfter, s.ResetAfterNs)
	}
	// Levels are whole units: compared as such, so that no language's division decides.
	units := func(level float64) float64 { return math.Round(level * unitsPerToken) }
	if s.Level != nil && units(bucket.Level(now)) != units(*s.Level) {
		t.Errorf("the level is %v", bucket.Level(now))
	}
}

func TestBucketCases(t *testing.T) {
	for _, file := range []string{"bucket.json", "courses.json"} {
		for _, c := range conformance.Cases[bucketCase](t, file) {
			c := c
			t.Run(c.Name, func(t *testing.T) {
				bucket, err := New(c.Bucket.policy())
				if c.Refused != "" {
					expectRefused(t, err, c.Refused)
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				for _, step := range c.Steps {
					if step.check(t, bucket); t.Failed() {
						shown, _ := json.Marshal(step)
						t.Fatalf("at %s", shown)
					}
				}
			})
		}
	}
}

type leaseStep struct {
	AtMs   int64
	Answer *struct {
		Policies  map[string]Policy
		Defaults  Policy
		Newcomers *Policy
		TTLMs     int64 `json:"ttlMs"`
	}
	Single *struct {
		Policy
		TTLMs int64 `json:"ttlMs"`
	}
	Asked     []string
	User      string
	Is        *Policy
	Own       bool
	Level     *float64
	Consume   *float64
	Allowed   bool
	RefusedBy RefusedBy
	EdgeHolds *bool
	Newcomers *Policy
}

type leaseCase struct {
	Name  string
	Steps []leaseStep
}

// ms is milliseconds as a duration; what is beyond all reason stays so.
func ms(value int64) time.Duration {
	if value > math.MaxInt64/int64(time.Millisecond) {
		return Never
	}
	return time.Duration(value) * time.Millisecond
}

func (s leaseStep) check(t *testing.T, buckets *Leased) {
	now := ms(s.AtMs)
	if s.Answer != nil {
		asked := make(map[string]bool)
		for _, user := range s.Asked {
			asked[user] = true
		}
		answer := Answer{s.Answer.Policies, s.Answer.Defaults, s.Answer.Newcomers, ms(s.Answer.TTLMs)}
		buckets.Apply(answer, asked, now)
	}
	if s.Single != nil {
		buckets.ApplySingle(s.Asked[0], s.Single.Policy, ms(s.Single.TTLMs), now)
	}
	if s.EdgeHolds != nil && buckets.EdgeHolds(now) != *s.EdgeHolds {
		t.Errorf("edgeHolds is %v", !*s.EdgeHolds)
	}
	if found := buckets.Newcomers(now); s.Newcomers != nil && (found == nil || *found != *s.Newcomers) {
		t.Errorf("newcomers have %+v", found)
	}
	if s.Consume != nil {
		decision := buckets.Decide(s.User, *s.Consume, now)
		if decision.Allowed != s.Allowed || decision.RefusedBy != s.RefusedBy {
			t.Errorf("allowed is %v, refused by %q", decision.Allowed, decision.RefusedBy)
		}
	}
	policy, level, own := buckets.Peek(s.User, now)
	if s.Is != nil && (policy != *s.Is || own != s.Own) {
		t.Errorf("%s has %+v, its own: %v", s.User, policy, own)
	}
	if s.Level != nil && math.Abs(level-*s.Level) > 1/unitsPerToken {
		t.Errorf("the level is %v", level)
	}
}

func TestLeaseCases(t *testing.T) {
	for _, c := range conformance.Cases[leaseCase](t, "leases.json") {
		c := c
		t.Run(c.Name, func(t *testing.T) {
			buckets, err := NewLeased(Settings{
				Safe:          Policy{20, 10},
				SafeNewcomers: &Policy{1000, 1000},
				Bounds:        Bounds{1.2, 1e6, 0.05, 1e6},
				UsersMax:      100,
				TTL:           5 * time.Second,
				TTLMin:        200 * time.Millisecond,
			})
			if err != nil {
				t.Fatal(err)
			}
			for _, step := range c.Steps {
				if step.check(t, buckets); t.Failed() {
					shown, _ := json.Marshal(step)
					t.Fatalf("at %s", shown)
				}
			}
		})
	}
}
