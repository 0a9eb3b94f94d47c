package collector

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"openclaw.dev/go/bucket"
	"openclaw.dev/go/guard"
)

// standIn is an edge that keeps what is posted and answers as it is told.
type standIn struct {
	server *httptest.Server

	mutex   sync.Mutex
	batches []eventBatch
	singles []Rating
	token   string
	policy  bucket.Policy
	// onBatch may answer instead; it says whether it did.
	onBatch func(batch eventBatch, response http.ResponseWriter) bool
}

func newStandIn(t *testing.T, address string) *standIn {
	t.Helper()
	edge := &standIn{policy: bucket.Policy{BucketSize: 6, RefillRate: 3}}
	edge.server = httptest.NewUnstartedServer(edge)
	if address != "" {
		listener, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		edge.server.Listener.Close()
		edge.server.Listener = listener
	}
	edge.server.Start()
	t.Cleanup(edge.stop)
	return edge
}

// stop ends it as a process does that is killed: with all its connections.
func (e *standIn) stop() {
	e.server.CloseClientConnections()
	e.server.Close()
}

func (e *standIn) endpoint() string { return e.server.URL + "/api/v1/event" }

func (e *standIn) ServeHTTP(response http.ResponseWriter, request *http.Request) {
	body, _ := io.ReadAll(request.Body)
	e.mutex.Lock()
	defer e.mutex.Unlock()
	e.token = request.Header.Get("Authorization")
	if request.URL.Path != "/api/v1/events" {
		var event Rating
		_ = json.Unmarshal(body, &event)
		e.singles = append(e.singles, event)
		fmt.Fprint(response, `{"bucketSize":5,"refillRate":2}`)
		return
	}
	var batch eventBatch
	_ = json.Unmarshal(body, &batch)
	e.batches = append(e.batches, batch)
	if e.onBatch != nil && e.onBatch(batch, response) {
		return
	}
	policies := make(map[string]bucket.Policy)
	for _, user := range batch.Users {
		policies[user.UserID] = e.policy
	}
	_ = json.NewEncoder(response).Encode(map[string]interface{}{
		"policies": policies, "defaults": bucket.Policy{BucketSize: 14, RefillRate: 7}, "ttlMs": 5000, "policyVersion": "stand-in",
	})
}

func (e *standIn) items() []string {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	items := make([]string, 0)
	for _, batch := range e.batches {
		for _, event := range batch.Events {
			items = append(items, event.ItemID)
		}
	}
	return items
}

func (e *standIn) last() eventBatch {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	if len(e.batches) == 0 {
		return eventBatch{}
	}
	return e.batches[len(e.batches)-1]
}

func start(t *testing.T, options Options) *Collector {
	t.Helper()
	if options.FlushInterval == 0 {
		options.FlushInterval = 10 * time.Millisecond
	}
	collector, err := New(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = collector.Close(context.Background()) })
	return collector
}

func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not in 10 s: %s", what)
		}
	}
}

func send(t *testing.T, collector *Collector, item string) {
	t.Helper()
	rating := Rating{UserID: "ann", ItemID: item, Score: 7, Timestamp: 1790000000000}
	if err := collector.SendRating(context.Background(), rating); err != nil {
		t.Fatal(err)
	}
}

func items(from, to int) []string {
	names := make([]string, 0)
	for n := from; n < to; n++ {
		names = append(names, fmt.Sprint("item-", n))
	}
	return names
}

func TestRatingsAreReportedCountedAndAnswered(t *testing.T) {
	edge := newStandIn(t, "")
	collector := start(t, Options{EventEndpoint: edge.endpoint(), Token: "secret", FlushInterval: 50 * time.Millisecond})
	send(t, collector, "a")
	send(t, collector, "b")
	until(t, "both delivered", func() bool { return collector.Status().EventsDelivered == 2 })
	if found := edge.items(); !reflect.DeepEqual(found, []string{"a", "b"}) {
		t.Errorf("the edge got %v", found)
	}
	if totals := edge.last().Totals; totals != (Totals{Attempts: 2, Accepted: 2, Completed: 2}) {
		t.Errorf("the edge counts %+v", totals)
	}
	if edge.token != "Bearer secret" {
		t.Errorf("the token is %q", edge.token)
	}
	if policy, _, own := collector.Policy("ann"); policy != edge.policy || !own {
		t.Errorf("ann has %+v, her own: %v", policy, own)
	}
	if status := collector.Status(); status.ControlledBy != "edge" || status.PolicyVersion != "stand-in" {
		t.Errorf("%+v", status)
	}
}

func TestUsersAreAdmittedByWhatTheEdgeGaveAndRefusalsReported(t *testing.T) {
	edge := newStandIn(t, "")
	edge.policy = bucket.Policy{BucketSize: 2, RefillRate: 0.05}
	collector := start(t, Options{EventEndpoint: edge.endpoint()})
	if !collector.TryConsume("bob") {
		t.Fatal("the first is refused")
	}
	until(t, "parameters of its own", func() bool { _, _, own := collector.Policy("bob"); return own })
	found := []bool{collector.TryConsume("bob"), collector.TryConsume("bob"), collector.TryConsume("bob")}
	if !reflect.DeepEqual(found, []bool{true, true, false}) {
		t.Errorf("admitted: %v", found)
	}
	expected := Totals{Attempts: 4, Accepted: 3, Throttled: 1, Completed: 3}
	until(t, "the refusal reported", func() bool { return edge.last().Totals == expected })
	send(t, collector, "a")
	if totals := collector.Status().Totals; totals != expected {
		t.Errorf("a rating of who was admitted is counted again: %+v", totals)
	}
}

func TestWhatIsInFlightIsGuardedByTheTimeThatTheEdgeGave(t *testing.T) {
	edge := newStandIn(t, "")
	var mutex sync.Mutex
	said := `"guardMs":30,"classes":[{"context":{"deviceType":"tv"},"guardMs":-1}],`
	say := func(text string) { mutex.Lock(); said = text; mutex.Unlock() }
	edge.onBatch = func(_ eventBatch, response http.ResponseWriter) bool {
		mutex.Lock()
		defer mutex.Unlock()
		fmt.Fprintf(response, `{"policies":{},"defaults":{"bucketSize":5,"refillRate":1},%s"ttlMs":5000,"policyVersion":"v"}`, said)
		return true
	}
	collector := start(t, Options{EventEndpoint: edge.endpoint()})
	until(t, "the edge's time", func() bool { return collector.Status().Guard.Time == 30*time.Millisecond })
	places := make([]*guard.Place, 0)
	for n := 0; n < 16; n++ {
		place, err := collector.Enter("ann", &Context{DeviceType: "tv"})
		if err != nil {
			t.Fatal(err)
		}
		places = append(places, place)
	}
	var full *guard.Full
	if _, err := collector.Enter("ann", nil); !errors.As(err, &full) || *full != (guard.Full{InFlight: 16, Cap: 16, RetryAfter: 30 * time.Millisecond}) {
		t.Errorf("%v", err)
	}
	for _, place := range append(places, places...) {
		place.Leave(true)
	}
	if status := collector.Status(); status.Guard.InFlight != 0 || status.Totals.Throttled != 1 {
		t.Errorf("%+v", status)
	}
	until(t, "the refusal reported", func() bool { return edge.last().Totals.Throttled == 1 })
	say(`"guardMs":0,`)
	until(t, "what is no time refused", func() bool { return collector.Status().PoliciesRefused > 0 })
	say("")
	until(t, "an open guard", func() bool { return collector.Status().Guard.Open })
}

func TestWithoutAnEdgeHalfTheSLOGuardsOrNothing(t *testing.T) {
	away := "http://127.0.0.1:1/event"
	slow := start(t, Options{EventEndpoint: away, SLO: 500 * time.Millisecond})
	if status := slow.Status().Guard; status != (guard.Status{Time: 250 * time.Millisecond, Cap: 16}) {
		t.Errorf("%+v", status)
	}
	counting := start(t, Options{EventEndpoint: away, Unguarded: true})
	for n := 0; n < 100; n++ {
		if _, err := counting.Enter("ann", nil); err != nil {
			t.Fatal(err)
		}
	}
	if status := counting.Status().Guard; status != (guard.Status{InFlight: 100, Open: true}) {
		t.Errorf("%+v", status)
	}
}

func TestWhatAnAbsentEdgeDoesNotGetIsDeliveredWhenItIsBack(t *testing.T) {
	edge := newStandIn(t, "")
	address := edge.server.Listener.Addr().String()
	edge.stop()
	var mutex sync.Mutex
	var reasons []string
	collector := start(t, Options{EventEndpoint: edge.endpoint(), OnError: func(err error) {
		mutex.Lock()
		defer mutex.Unlock()
		reasons = append(reasons, err.Error())
	}})
	for _, item := range items(0, 50) {
		send(t, collector, item)
	}
	until(t, "the failure noticed", func() bool { return collector.Status().EdgeError != "" })
	edge = newStandIn(t, address)
	until(t, "everything delivered", func() bool { return collector.Status().EventsDelivered == 50 })
	if found := edge.items(); !reflect.DeepEqual(found, items(0, 50)) {
		t.Errorf("the edge got %v", found)
	}
	if attempts := edge.last().Totals.Attempts; attempts != 50 {
		t.Errorf("the edge counts %d attempts", attempts)
	}
	mutex.Lock()
	defer mutex.Unlock()
	if len(reasons) != 1 || !strings.Contains(reasons[0], "cannot be reached: connection refused") {
		t.Errorf("an outage is told once, and why: %v", reasons)
	}
	if status := collector.Status(); status.EventsDropped != 0 || status.EventsWaiting != 0 || status.EdgeError != "" {
		t.Errorf("%+v", status)
	}
}

func TestTheOldestOfAFullQueueGiveWayAndAreCounted(t *testing.T) {
	edge := newStandIn(t, "")
	address := edge.server.Listener.Addr().String()
	edge.stop()
	collector := start(t, Options{EventEndpoint: edge.endpoint(), QueueMax: 10, BatchMax: 4})
	for _, item := range items(0, 25) {
		send(t, collector, item)
	}
	until(t, "drops counted", func() bool { return collector.Status().EventsDropped == 15 })
	edge = newStandIn(t, address)
	until(t, "the rest delivered", func() bool { return collector.Status().EventsDelivered == 10 })
	if found := edge.items(); !reflect.DeepEqual(found, items(15, 25)) {
		t.Errorf("the edge got %v", found)
	}
	if attempts := edge.last().Totals.Attempts; attempts != 25 {
		t.Errorf("the edge counts %d attempts", attempts)
	}
}

func TestAnEdgeWithoutBatchesGetsSingleEvents(t *testing.T) {
	edge := newStandIn(t, "")
	edge.onBatch = func(_ eventBatch, response http.ResponseWriter) bool {
		response.WriteHeader(http.StatusNotFound)
		return true
	}
	collector := start(t, Options{EventEndpoint: edge.endpoint()})
	send(t, collector, "a")
	send(t, collector, "b")
	until(t, "both delivered", func() bool { return collector.Status().EventsDelivered == 2 })
	edge.mutex.Lock()
	defer edge.mutex.Unlock()
	if len(edge.batches) != 1 || len(edge.singles) != 2 || edge.singles[0].ItemID != "a" {
		t.Errorf("%d batches, singles %+v", len(edge.batches), edge.singles)
	}
	if policy, _, own := collector.Policy("ann"); !own || policy.BucketSize != 5 {
		t.Errorf("ann has %+v", policy)
	}
}

func TestWhatTheEdgeWillNeverTakeIsGivenUpAndWhatIsTooLargeMadeSmaller(t *testing.T) {
	edge := newStandIn(t, "")
	edge.onBatch = func(batch eventBatch, response http.ResponseWriter) bool {
		for _, event := range batch.Events {
			if event.ItemID == "bad" {
				response.WriteHeader(http.StatusBadRequest)
				return true
			}
		}
		if len(batch.Events) > 3 {
			response.WriteHeader(http.StatusRequestEntityTooLarge)
			return true
		}
		return false
	}
	collector := start(t, Options{EventEndpoint: edge.endpoint(), BatchMax: 6})
	send(t, collector, "bad")
	until(t, "given up", func() bool { return collector.Status().EventsDropped == 1 })
	for _, item := range items(0, 20) {
		send(t, collector, item)
	}
	until(t, "all others delivered", func() bool { return collector.Status().EventsDelivered == 20 })
	if dropped := collector.Status().EventsDropped; dropped != 1 {
		t.Errorf("%d dropped", dropped)
	}
}

func TestARefusalWithoutAReasonIsToldAsOne(t *testing.T) {
	edge := newStandIn(t, "")
	edge.onBatch = func(_ eventBatch, response http.ResponseWriter) bool {
		response.WriteHeader(http.StatusInternalServerError)
		return true
	}
	collector := start(t, Options{EventEndpoint: edge.endpoint()})
	until(t, "the refusal", func() bool { return strings.HasSuffix(collector.Status().EdgeError, "answered 500: no reason given") })
}

func TestAnEdgeThatAnswersWithoutEndOrNotAtAllHoldsNothingUp(t *testing.T) {
	edge := newStandIn(t, "")
	done := make(chan struct{})
	defer close(done)
	silent := false
	edge.onBatch = func(_ eventBatch, response http.ResponseWriter) bool {
		if silent {
			<-done
			return true
		}
		silent = true
		_, _ = response.Write([]byte(strings.Repeat("x", 1<<20)))
		return true
	}
	collector := start(t, Options{EventEndpoint: edge.endpoint(), Timeout: 100 * time.Millisecond})
	send(t, collector, "a")
	failed := func(reason string) func() bool {
		return func() bool { return strings.Contains(collector.Status().EdgeError, reason) }
	}
	until(t, "the answer cut off", failed("it is longer than"))
	until(t, "the silence noticed", failed("exceeded"))
	if waiting := collector.Status().EventsWaiting; waiting != 1 {
		t.Errorf("%d wait", waiting)
	}
}

func TestWhatIsNoRatingIsRefusedByName(t *testing.T) {
	collector := start(t, Options{EventEndpoint: "http://127.0.0.1:1/api/v1/event"})
	whole := Rating{UserID: "u", ItemID: "i", Score: 1}
	minus := -1.0
	refused := map[string]func(*Rating){
		"userId":       func(r *Rating) { r.UserID = "" },
		"itemId":       func(r *Rating) { r.ItemID = strings.Repeat("x", 257) },
		"score":        func(r *Rating) { r.Score = math.NaN() },
		"timestamp":    func(r *Rating) { r.Timestamp = -1 },
		"eventId":      func(r *Rating) { r.EventID = strings.Repeat("x", 129) },
		"outcome":      func(r *Rating) { r.Outcome = "maybe" },
		"latencyMs":    func(r *Rating) { r.LatencyMs = &minus },
		"dependencyMs": func(r *Rating) { r.DependencyMs = map[string]float64{"search": -1} },
	}
	for field, spoil := range refused {
		bad := whole
		spoil(&bad)
		if err := collector.SendRating(context.Background(), bad); err == nil || !strings.HasPrefix(err.Error(), field) {
			t.Errorf("%s: %v", field, err)
		}
	}
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	if err := collector.SendRating(cancelled, whole); err != context.Canceled {
		t.Errorf("a cancelled context: %v", err)
	}
	if status := collector.Status(); status.Totals.Attempts != 0 || status.EventsWaiting != 0 {
		t.Errorf("%+v", status)
	}
}

func TestKeysThatAreNoIDsCannotSpoilABatch(t *testing.T) {
	for key, expected := range map[string]string{"\xff": "\uFFFD", "": "sha256:e3b0c442", strings.Repeat("x", 300): "sha256:"} {
		if id := userIDOf(key); !strings.HasPrefix(id, expected) || checkID("userId", id) != nil {
			t.Errorf("%.8q is %q", key, id)
		}
	}
}

func TestCloseDeliversWhatWaitsAndCountsWhatIsLeft(t *testing.T) {
	edge := newStandIn(t, "")
	collector := start(t, Options{EventEndpoint: edge.endpoint(), FlushInterval: time.Hour, TTL: 3 * time.Hour})
	send(t, collector, "a")
	if err := collector.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if found := edge.items(); !reflect.DeepEqual(found, []string{"a"}) {
		t.Errorf("the edge got %v", found)
	}
	if err := collector.SendRating(context.Background(), Rating{UserID: "u", ItemID: "i"}); err != ErrClosed {
		t.Errorf("after the end: %v", err)
	}
	edge.stop()
	late := start(t, Options{EventEndpoint: edge.endpoint(), FlushInterval: time.Hour})
	send(t, late, "a")
	_ = late.Close(context.Background())
	if status := late.Status(); status.EventsDropped != 1 || status.EventsWaiting != 0 {
		t.Errorf("%+v", status)
	}
}

func TestCloseEndsWithItsContext(t *testing.T) {
	edge := newStandIn(t, "")
	done := make(chan struct{})
	edge.onBatch = func(eventBatch, http.ResponseWriter) bool { <-done; return true }
	collector := start(t, Options{EventEndpoint: edge.endpoint(), FlushInterval: time.Hour, Timeout: time.Hour})
	send(t, collector, "a")
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := collector.Close(ctx); err != context.DeadlineExceeded {
		t.Errorf("ended with %v", err)
	}
	close(done)
	if dropped := collector.Status().EventsDropped; dropped != 1 {
		t.Errorf("%d dropped", dropped)
	}
}

func TestManyGoroutinesLoseNoCount(t *testing.T) {
	edge := newStandIn(t, "")
	collector := start(t, Options{EventEndpoint: edge.endpoint(), FlushInterval: time.Millisecond})
	var group sync.WaitGroup
	for worker := 0; worker < 4; worker++ {
		group.Add(1)
		go func(user string) {
			defer group.Done()
			for n := 0; n < 500; n++ {
				collector.TryConsume(user)
				_ = collector.SendRating(context.Background(), Rating{UserID: user, ItemID: "i", Score: 1})
			}
		}(fmt.Sprint("user-", worker))
	}
	group.Wait()
	until(t, "everything delivered", func() bool { return collector.Status().EventsDelivered == 2000 })
	until(t, "every attempt reported", func() bool { return edge.last().Totals.Attempts == 2000 })
	totals := edge.last().Totals
	if totals.Accepted+totals.Throttled != 2000 || totals.Completed != totals.Accepted {
		t.Errorf("%+v", totals)
	}
}

func TestOptionsThatMakeNoSenseAreRefusedByName(t *testing.T) {
	for name, options := range map[string]Options{
		"event endpoint": {EventEndpoint: "edge:8081"},
		"QueueMax":       {QueueMax: -1},
		"Timeout":        {Timeout: -1},
		"Safe":           {Safe: bucket.Policy{BucketSize: -1}},
		"Bounds":         {Bounds: bucket.Bounds{BucketSizeMin: 5, BucketSizeMax: 1}},
		"Service":        {Service: strings.Repeat("x", 129)},
	} {
		if _, err := New(options); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCountersOfUsersWhoComeBackNeverFall(t *testing.T) {
	counters := newCounters(2)
	none := func(string) (userCounts, bool) { return userCounts{}, false }
	for _, user := range []string{"ann", "bob", "eve"} {
		counters.attempt(user, true, nil, 0)
	}
	if len(counters.users) != 2 || counters.sums.Attempts != 3 {
		t.Errorf("%d users, %+v", len(counters.users), counters.sums)
	}
	if counters.sweep(10, time.Second, time.Minute); len(counters.users) != 2 {
		t.Error("forgotten before they were reported")
	}
	reported := counters.drain(none)
	if counters.sweep(10, time.Second, time.Minute); len(counters.users) != 0 {
		t.Error("idle users are not forgotten")
	}
	counters.attempt("ann", false, nil, time.Minute)
	back := counters.drain(func(string) (userCounts, bool) { return reported[0], true })
	if expected := []userCounts{{UserID: "ann", Attempts: 2, Throttled: 1}}; !reflect.DeepEqual(back, expected) {
		t.Errorf("%+v", back)
	}
}
