package guard

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestManyGoroutinesNeverPassTheCeilingAndLeaveNothing(t *testing.T) {
	guard, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for worker := 0; worker < 16; worker++ {
		user := fmt.Sprint("user-", worker%5)
		all.Add(1)
		go func() {
			defer all.Done()
			for n := 0; n < 500; n++ {
				// At a standing time: the cap stays at 16, and its ceiling at 19.
				place, err := guard.EnterAt(user, Class{}, 0)
				if err != nil {
					continue
				}
				if status := guard.Status(0); status.InFlight > 19 {
					t.Errorf("%+v", status)
				}
				place.LeaveAt(true, 0)
				place.Withdraw()
			}
		}()
	}
	all.Wait()
	if status := guard.Status(0); status.InFlight != 0 || len(guard.held) != 0 {
		t.Errorf("%+v, %v", status, guard.held)
	}
}

func TestAnSLOThatIsNoTimeIsRefused(t *testing.T) {
	if _, err := New(Options{SLO: -time.Second}); err == nil || !strings.Contains(err.Error(), "SLO is -1s") {
		t.Errorf("%v", err)
	}
}
