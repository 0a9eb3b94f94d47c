package guard_test

import (
	"errors"
	"fmt"
	"time"

	"openclaw.dev/go/guard"
)

func Example() {
	inFlight, err := guard.New(guard.Options{SLO: 200 * time.Millisecond})
	if err != nil {
		panic(err)
	}
	var places []*guard.Place
	for {
		place, err := inFlight.Enter("greedy", guard.Class{})
		var full *guard.Full
		if errors.As(err, &full) {
			fmt.Println(full)
			break
		}
		places = append(places, place)
	}
	modest, err := inFlight.Enter("modest", guard.Class{})
	fmt.Println("who holds less than an equal share enters:", err == nil)
	for _, place := range append(places, modest) {
		place.Leave(true)
	}
	// Output:
	// the service is full: 16 requests are in flight and 16 may be
	// who holds less than an equal share enters: true
}
