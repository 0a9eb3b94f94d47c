package bucket

import (
	"fmt"
	"math/rand"
	"sync"
	"testing"
	"time"
)

func leased(t *testing.T, usersMax int) *Leased {
	t.Helper()
	buckets, err := NewLeased(Settings{
		Safe:     Policy{20, 10},
		Bounds:   Bounds{1.2, 1e6, 0.05, 1e6},
		UsersMax: usersMax,
		TTL:      5 * time.Second,
		TTLMin:   200 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	return buckets
}

func given(users ...string) (Answer, map[string]bool) {
	answer := Answer{Policies: make(map[string]Policy), Defaults: Policy{14, 7}, TTL: 5 * time.Second}
	asked := make(map[string]bool)
	for _, user := range users {
		answer.Policies[user], asked[user] = Policy{6, 3}, true
	}
	return answer, asked
}

func TestAFloodOfMadeUpUsersTakesNoMoreRoomThanThereIs(t *testing.T) {
	buckets := leased(t, 100)
	answer, asked := given("ann")
	buckets.Apply(answer, asked, 0)
	allowed := 0
	for n := 0; n < 10_000; n++ {
		if buckets.Decide(fmt.Sprint("made-up-", n), 1, 0).Allowed {
			allowed++
		}
	}
	// 99 with a bucket each, and one bucket of 14 for all the others.
	if users := len(buckets.buckets.entries); users != 100 || allowed != 99+14 {
		t.Errorf("%d users, %d allowed", users, allowed)
	}
	if refusedBy := buckets.Decide("made-up-9999", 1, 0).RefusedBy; refusedBy != Overflow {
		t.Errorf("refused by %s", refusedBy)
	}
	if !buckets.Decide("ann", 6, 0).Allowed {
		t.Error("ann has lost her bucket")
	}
}

func TestAUserWithoutRoomGetsNoLease(t *testing.T) {
	buckets := leased(t, 1)
	answer, asked := given("ann", "bob")
	buckets.Apply(answer, asked, 0)
	if buckets.Leases() != 1 || buckets.Refused() != 1 {
		t.Errorf("%d leases, %d refused", buckets.Leases(), buckets.Refused())
	}
}

func TestNewcomersWhoseBucketsAreFullAgainAreForgotten(t *testing.T) {
	buckets := leased(t, 100)
	for n := 0; n < 50; n++ {
		buckets.Decide(fmt.Sprint("user-", n), 1, 0)
	}
	for _, expected := range []struct {
		at    time.Duration
		users int
	}{{50 * time.Millisecond, 50}, {100 * time.Millisecond, 0}} {
		buckets.Sweep(1000, expected.at)
		if users := len(buckets.buckets.entries); users != expected.users {
			t.Errorf("at %v there are %d users", expected.at, users)
		}
	}
}

func TestWhoHasMovedAllTheWayAndSavedAllItCanIsForgotten(t *testing.T) {
	buckets := leased(t, 100)
	buckets.ApplySingle("u", Policy{50, 4}, 0, 0)
	if !buckets.Decide("u", 21, 34_900*time.Millisecond).Allowed {
		t.Fatal("the move is not at 21")
	}
	if buckets.Sweep(10, 35*time.Second); buckets.Leases() != 1 {
		t.Error("forgotten before it is full")
	}
	if buckets.Sweep(10, 38*time.Second); buckets.Leases() != 0 || len(buckets.buckets.entries) != 0 {
		t.Error("not forgotten")
	}
}

func TestWhateverChangesNoMoreIsAdmittedThanWasThereAndRefilled(t *testing.T) {
	random := rand.New(rand.NewSource(7))
	for course := 0; course < 50; course++ {
		drawn := func() Policy {
			return Policy{float64(random.Intn(3000)) / 64, float64(random.Intn(200_000)) / 1024}
		}
		inForce := drawn()
		bucket, err := New(inForce)
		if err != nil {
			t.Fatal(err)
		}
		// For every interval that starts at some step and ends here: what is still allowed in it. At 512ths of a second
		// every refill is a whole number of units, and the bound holds with nothing added.
		var allowances []float64
		now := time.Duration(0)
		for step := 0; step < 100; step++ {
			passed := random.Intn(40)
			now += time.Duration(passed) * time.Second / 512
			if random.Intn(5) == 0 {
				was := inForce
				inForce = drawn()
				if err := bucket.UpdatePolicyAt(inForce, now); err != nil {
					t.Fatal(err)
				}
				allowances = added(allowances, float64(passed)/512*was.RefillRate)
			} else {
				allowances = added(allowances, float64(passed)/512*inForce.RefillRate)
			}
			allowances = append(allowances, inForce.BucketSize)
			if cost := float64(random.Intn(400)) / 16; bucket.Decide(cost, now).Allowed {
				allowances = added(allowances, -cost)
			}
			for _, allowance := range allowances {
				if allowance < 0 {
					t.Fatalf("course %d, step %d: %v tokens too many", course, step, -allowance)
				}
			}
		}
	}
}

func added(allowances []float64, tokens float64) []float64 {
	for place := range allowances {
		allowances[place] += tokens
	}
	return allowances
}

func TestManyGoroutinesTakeNoMoreThanThereIs(t *testing.T) {
	bucket, err := New(Policy{1000, 0})
	if err != nil {
		t.Fatal(err)
	}
	taken := make([]int, 4)
	var group sync.WaitGroup
	for worker := range taken {
		group.Add(1)
		go func(worker int) {
			defer group.Done()
			for n := 0; n < 1000; n++ {
				if bucket.TryConsume(1) {
					taken[worker]++
				}
				if n%100 == 0 {
					_ = bucket.UpdatePolicy(Policy{1000, 0})
				}
			}
		}(worker)
	}
	group.Wait()
	if sum := taken[0] + taken[1] + taken[2] + taken[3]; sum != 1000 {
		t.Errorf("%d taken of 1000", sum)
	}
}
