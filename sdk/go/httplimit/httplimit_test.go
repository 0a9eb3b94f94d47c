package httplimit

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"openclaw.dev/go/bucket"
	"openclaw.dev/go/collector"
	"openclaw.dev/go/guard"
	"openclaw.dev/go/internal/conformance"
)

type refusalCase struct {
	Name     string
	Decision struct {
		Allowed   bool
		Level     float64
		WaitNs    conformance.Wait
		RefusedBy bucket.RefusedBy
		bucket.Policy
	}
	Guard *struct {
		InFlight, Cap int
		WaitNs        int64
	}
	Usual   bucket.Policy
	Verb    string
	Fields  map[string]string
	Problem *Problem
}

// answer gives the fields and the problem of the case.
func (c refusalCase) answer() (http.Header, Problem) {
	header := make(http.Header)
	if c.Guard != nil {
		full := &guard.Full{InFlight: c.Guard.InFlight, Cap: c.Guard.Cap, RetryAfter: time.Duration(c.Guard.WaitNs)}
		SetGuardFields(header, full)
		return header, GuardProblem(full)
	}
	wait := time.Duration(c.Decision.WaitNs.Ns)
	if c.Decision.WaitNs.Never {
		wait = bucket.Never
	}
	decision := bucket.Decision{
		Allowed: c.Decision.Allowed, Level: c.Decision.Level, Policy: c.Decision.Policy,
		ResetAfter: wait, RetryAfter: wait, RefusedBy: c.Decision.RefusedBy,
	}
	SetFields(header, decision)
	return header, RefusalProblem(decision, c.Usual, c.Verb)
}

func TestRefusalCases(t *testing.T) {
	for _, c := range conformance.Cases[refusalCase](t, "refusals.json") {
		header, problem := c.answer()
		found := make(map[string]string)
		for name := range header {
			found[strings.Replace(name, "Ratelimit", "RateLimit", 1)] = header.Get(name)
		}
		if !reflect.DeepEqual(found, c.Fields) {
			t.Errorf("%s: %v", c.Name, found)
		}
		if c.Problem != nil && problem != *c.Problem {
			t.Errorf("%s: %+v", c.Name, problem)
		}
	}
}

// client takes a connection for each request: on a kept one it would repeat a request whose handler panicked.
var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// service is a handler behind the middleware, before an edge that keeps what is posted.
type service struct {
	collector *collector.Collector
	server    *httptest.Server

	mutex  sync.Mutex
	events []collector.Rating
}

func start(t *testing.T, options Options, work http.HandlerFunc) *service {
	t.Helper()
	return startWith(t, bucket.Policy{BucketSize: 2, RefillRate: 0.05}, options, work)
}

func startWith(t *testing.T, safe bucket.Policy, options Options, work http.HandlerFunc) *service {
	t.Helper()
	s := &service{}
	edge := httptest.NewServer(http.HandlerFunc(s.keep))
	t.Cleanup(edge.Close)
	var err error
	s.collector, err = collector.New(collector.Options{
		EventEndpoint: edge.URL + "/api/v1/event",
		FlushInterval: time.Hour,
		Safe:          safe,
	})
	if err != nil {
		t.Fatal(err)
	}
	if options.Key == nil {
		options.Key = func(request *http.Request) string { return request.Header.Get("X-User") }
	}
	s.server = httptest.NewServer(New(s.collector, options)(work))
	t.Cleanup(s.server.Close)
	return s
}

func (s *service) keep(response http.ResponseWriter, request *http.Request) {
	var batch struct{ Events []collector.Rating }
	_ = json.NewDecoder(request.Body).Decode(&batch)
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.events = append(s.events, batch.Events...)
	_, _ = io.WriteString(response, `{"policies":{},"defaults":{"bucketSize":2,"refillRate":1},"ttlMs":5000,"policyVersion":"v"}`)
}

func (s *service) get(t *testing.T, user, path string) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequest(http.MethodGet, s.server.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if user != "" {
		request.Header.Set("X-User", user)
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, err.Error()
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(response.Body)
	return response, string(body)
}

func (s *service) settled(t *testing.T) collector.Totals {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); s.collector.Status().InFlight > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("something stays in flight")
		}
	}
	return s.collector.Status().Totals
}

func TestRequestsAreAdmittedAndRefusedAsByTheRatingService(t *testing.T) {
	s := start(t, Options{Verb: "rate"}, func(response http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(response, "done")
	})
	first, body := s.get(t, "ann", "/")
	if first.StatusCode != 200 || body != "done" || first.Header.Get("RateLimit") != `"user";r=1;t=20` ||
		first.Header.Get("RateLimit-Policy") != `"user";q=2;w=40` {
		t.Errorf("%d %s %v", first.StatusCode, body, first.Header)
	}
	s.get(t, "ann", "/")
	refused, body := s.get(t, "ann", "/")
	var problem Problem
	if err := json.Unmarshal([]byte(body), &problem); err != nil {
		t.Fatal(err)
	}
	if refused.StatusCode != 429 || refused.Header.Get("Content-Type") != "application/problem+json" ||
		problem.Type != "https://iana.org/assignments/http-problem-types#quota-exceeded" ||
		!strings.HasPrefix(problem.Detail, "this user may rate 0.050 times a second, 2 at once; try again in ") {
		t.Errorf("%d %s", refused.StatusCode, body)
	}
	if after, err := strconv.Atoi(refused.Header.Get("Retry-After")); err != nil || after < 10 || after > 20 {
		t.Errorf("Retry-After is %d, %v", after, err)
	}
	if other, _ := s.get(t, "bob", "/"); other.StatusCode != 200 {
		t.Errorf("another user has no bucket of its own")
	}
	if totals := s.settled(t); totals != (collector.Totals{Attempts: 4, Accepted: 3, Throttled: 1, Completed: 3}) {
		t.Errorf("%+v", totals)
	}
}

func TestWhatFailsOrPanicsOrIsLeftCountsAsFailedAndIsReported(t *testing.T) {
	began := make(chan struct{})
	rating := func(request *http.Request) (collector.Rating, bool) {
		return collector.Rating{UserID: "ann", ItemID: request.URL.Path, Score: 5}, request.URL.Path != "/no-rating"
	}
	s := start(t, Options{Rating: rating}, func(response http.ResponseWriter, request *http.Request) {
		switch request.URL.Path {
		case "/fails":
			response.WriteHeader(http.StatusBadGateway)
		case "/panics":
			panic(http.ErrAbortHandler)
		case "/hangs":
			close(began)
			<-request.Context().Done()
		}
	})
	s.get(t, "a", "/fails")
	s.get(t, "b", "/panics")
	s.get(t, "c", "/no-rating")
	ctx, leave := context.WithCancel(context.Background())
	request, _ := http.NewRequestWithContext(ctx, http.MethodGet, s.server.URL+"/hangs", nil)
	request.Header.Set("X-User", "d")
	go func() { <-began; leave() }()
	if response, err := client.Do(request); err == nil {
		response.Body.Close()
		t.Error("a request that was left had an answer")
	}
	if totals := s.settled(t); totals != (collector.Totals{Attempts: 4, Accepted: 4, Completed: 1, Failed: 3}) {
		t.Errorf("%+v", totals)
	}
	if err := s.collector.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	outcomes := make(map[string]collector.Outcome)
	for _, event := range s.events {
		outcomes[event.ItemID] = event.Outcome
		if event.LatencyMs == nil || *event.LatencyMs < 0 {
			t.Errorf("%+v has no latency", event)
		}
	}
	expected := map[string]collector.Outcome{"/fails": collector.Failed, "/panics": collector.Failed, "/hangs": collector.Timeout}
	if !reflect.DeepEqual(outcomes, expected) {
		t.Errorf("reported %v", outcomes)
	}
}

func TestWhoHasNoKeyIsRefusedUnlessToldToAdmitIt(t *testing.T) {
	done := func(http.ResponseWriter, *http.Request) {}
	refusing := start(t, Options{}, done)
	if refused, body := refusing.get(t, "", "/"); refused.StatusCode != 401 || !strings.Contains(body, "unauthorized") {
		t.Errorf("%d %s", refused.StatusCode, body)
	}
	admitting := start(t, Options{AdmitUnkeyed: true}, done)
	if admitted, _ := admitting.get(t, "", "/"); admitted.StatusCode != 200 {
		t.Errorf("%d", admitted.StatusCode)
	}
}

func TestARequestTakesWhatItCosts(t *testing.T) {
	cost := func(request *http.Request) float64 { return float64(len(request.URL.Path)) }
	s := start(t, Options{Cost: cost}, func(http.ResponseWriter, *http.Request) {})
	if dear, _ := s.get(t, "ann", "/x"); dear.StatusCode != 200 {
		t.Errorf("%d", dear.StatusCode)
	}
	if next, _ := s.get(t, "ann", "/"); next.StatusCode != 429 {
		t.Errorf("%d", next.StatusCode)
	}
}

func TestAStreamingHandlerCanStillFlush(t *testing.T) {
	flushed := false
	s := start(t, Options{}, func(response http.ResponseWriter, _ *http.Request) {
		flusher, can := response.(http.Flusher)
		flushed = can
		flusher.Flush()
	})
	if response, _ := s.get(t, "ann", "/"); response.StatusCode != 200 || !flushed {
		t.Errorf("%d, flushed: %v", response.StatusCode, flushed)
	}
}

func TestAFullGuardRefusesTheGreedyFirstAndWhatStaysOpenDoesNotFillIt(t *testing.T) {
	held, all := make(chan struct{}), sync.WaitGroup{}
	options := Options{Unguarded: func(request *http.Request) bool { return request.URL.Path == "/stream" }}
	s := startWith(t, bucket.Policy{BucketSize: 100, RefillRate: 1}, options, func(_ http.ResponseWriter, request *http.Request) {
		if request.URL.Path != "/" {
			<-held
		}
	})
	hold := func(path string, count int) {
		for n := 0; n < count; n++ {
			all.Add(1)
			go func() { defer all.Done(); s.get(t, "ann", path) }()
		}
	}
	inFlight := func(requests uint32, guarded int) {
		t.Helper()
		for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
			status := s.collector.Status()
			if status.InFlight == requests && status.Guard.InFlight == guarded {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("%+v", status)
			}
		}
	}
	hold("/stream", 5)
	hold("/hangs", 16)
	inFlight(21, 16)
	refused, body := s.get(t, "ann", "/")
	if refused.StatusCode != 503 || refused.Header.Get("Retry-After") != "1" || refused.Header.Get("RateLimit") != "" ||
		!strings.Contains(body, "the service is full: 16 requests are in flight and 16 may be; try again shortly") {
		t.Errorf("%d %v %s", refused.StatusCode, refused.Header, body)
	}
	if modest, _ := s.get(t, "bob", "/"); modest.StatusCode != 200 {
		t.Errorf("who holds nothing was answered %d", modest.StatusCode)
	}
	close(held)
	all.Wait()
	if totals := s.settled(t); totals.Throttled != 1 || s.collector.Status().Guard.InFlight != 0 {
		t.Errorf("%+v", s.collector.Status())
	}
}

func TestWhatABucketRefusesLeavesTheGuard(t *testing.T) {
	s := start(t, Options{}, func(http.ResponseWriter, *http.Request) {})
	for n := 0; n < 30; n++ {
		s.get(t, "ann", "/")
	}
	if totals := s.settled(t); totals.Accepted != 2 || s.collector.Status().Guard != (guard.Status{Time: 100 * time.Millisecond, Cap: 16}) {
		t.Errorf("%+v", s.collector.Status())
	}
}
