package stream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"
)

// answer is what one connection is answered.
type answer func(http.ResponseWriter, *http.Request)

// service answers each connection in turn, the last answer for all that follow, and keeps what was asked.
type service struct {
	mutex    sync.Mutex
	answers  []answer
	requests []*http.Request
	server   *httptest.Server
}

func serve(t *testing.T, answers ...answer) *service {
	t.Helper()
	s := &service{answers: answers}
	s.server = httptest.NewServer(http.HandlerFunc(func(response http.ResponseWriter, request *http.Request) {
		s.mutex.Lock()
		s.requests = append(s.requests, request)
		turn := len(s.requests)
		if turn > len(s.answers) {
			turn = len(s.answers)
		}
		s.mutex.Unlock()
		s.answers[turn-1](response, request)
	}))
	t.Cleanup(s.server.Close)
	return s
}

func (s *service) asked(n int) *http.Request {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if n >= len(s.requests) {
		return nil
	}
	return s.requests[n]
}

// streaming sends text, and then ends or leaves the connection open until its client goes.
func streaming(text string, ends bool) answer {
	return func(response http.ResponseWriter, request *http.Request) {
		response.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(response, text)
		response.(http.Flusher).Flush()
		if !ends {
			<-request.Context().Done()
		}
	}
}

func rated(n int) string {
	return fmt.Sprintf("event: rating\nid: e-%d\ndata: {\"userId\":\"u\",\"itemId\":\"i-%d\",\"score\":%d,\"timestamp\":%d}\n\n", n, n, n, n)
}

var errEnough = errors.New("enough")

// follow reads until so many events have come.
func follow(t *testing.T, s *service, count int, options Options) (*Stream, []Event) {
	t.Helper()
	options.Retry, options.RetryMax = 5*time.Millisecond, 20*time.Millisecond
	stream, err := New(s.server.URL, options)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var seen []Event
	err = stream.Follow(ctx, func(event Event) error {
		if len(seen) == count {
			return errEnough
		}
		seen = append(seen, event)
		if len(seen) == count {
			cancel()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("%v after %d events", err, len(seen))
	}
	return stream, seen
}

func items(events []Event) string {
	var items []string
	for _, event := range events {
		if event.Rating != nil {
			items = append(items, event.Rating.ItemID)
		} else {
			items = append(items, fmt.Sprintf("gap %s %d", event.Gap.Reason, event.Gap.Missed))
		}
	}
	return strings.Join(items, ", ")
}

func TestRatingsComeAndAreAskedForWithTokenAndFilters(t *testing.T) {
	s := serve(t, streaming(": hello\n\n"+rated(1)+rated(2), false))
	stream, seen := follow(t, s, 2, Options{Token: "t0ken", UserID: "a b"})
	want := Event{ID: "e-1", Rating: &Rating{UserID: "u", ItemID: "i-1", Score: 1, Timestamp: 1}}
	if !reflect.DeepEqual(seen[0], want) || items(seen) != "i-1, i-2" || stream.LastEventID() != "e-2" {
		t.Errorf("%+v, at %s", seen, stream.LastEventID())
	}
	asked := s.asked(0)
	if asked.URL.String() != "/ratings/stream?userId=a+b" || asked.Header.Get("Authorization") != "Bearer t0ken" {
		t.Errorf("%s %v", asked.URL, asked.Header)
	}
	if asked.Header.Get("Last-Event-ID") != "" {
		t.Error("a place was asked for")
	}
}

func TestItReturnsToItsPlaceAndMissesNothing(t *testing.T) {
	for name, c := range map[string]struct{ first, place string }{
		"after an event":                   {rated(1) + rated(2), "e-2"},
		"not after one that was cut off":   {rated(1) + "event: rating\nid: e-2\ndata: {\"userId\":\"u\"", "e-1"},
		"nor after one without blank line": {rated(1) + "event: rating\nid: e-2\ndata: {}\n", "e-1"},
		"after a heartbeat":                {rated(1) + ": heartbeat\nid: e-9\n\n", "e-9"},
	} {
		s := serve(t, streaming(c.first, true), streaming(rated(7), false))
		count := strings.Count(c.first, "\n\n") + 1
		if strings.Contains(c.first, "heartbeat") {
			count--
		}
		_, seen := follow(t, s, count, Options{})
		if found := s.asked(1).Header.Get("Last-Event-ID"); found != c.place {
			t.Errorf("%s: at %q after %s", name, found, items(seen))
		}
	}
}

func TestGapsAreToldAndAnUnknownPlaceBeginsAnew(t *testing.T) {
	refusing := func(response http.ResponseWriter, _ *http.Request) {
		response.WriteHeader(http.StatusBadRequest)
	}
	s := serve(t, refusing, streaming("event: gap\nid: f-1\ndata: {\"reason\":\"fell-behind\",\"missed\":3}\n\n", false))
	_, seen := follow(t, s, 2, Options{LastEventID: "old"})
	if items(seen) != "gap unknown-place 0, gap fell-behind 3" {
		t.Error(items(seen))
	}
	if first, second := s.asked(0).Header.Get("Last-Event-ID"), s.asked(1).Header.Get("Last-Event-ID"); first != "old" || second != "" {
		t.Errorf("%q, then %q", first, second)
	}
}

func TestItGoesOnAfterRefusalsErrorsAndWhatIsNoStream(t *testing.T) {
	s := serve(t,
		func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		func(response http.ResponseWriter, _ *http.Request) { http.Error(response, "64 streams are open", 503) },
		func(response http.ResponseWriter, _ *http.Request) {
			response.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(response, "<p>")
		},
		streaming("event: rating\nid: e-0\ndata: no JSON\n\nevent: news\ndata: {}\n\n"+rated(1), false),
	)
	var errs []string
	opened := 0
	_, seen := follow(t, s, 1, Options{
		OnError: func(err error) { errs = append(errs, err.Error()) },
		OnOpen:  func() { opened++ },
	})
	if items(seen) != "i-1" || opened != 1 || len(errs) != 4 {
		t.Fatalf("%s after %d openings and %q", items(seen), opened, errs)
	}
	for n, part := range []string{"cannot be reached", "answered 503: 64 streams are open", `"text/html" where text/event-stream`, "cannot be read"} {
		if !strings.Contains(errs[n], part) {
			t.Errorf("%q is missing: %s", part, errs[n])
		}
	}
}

func TestItWaitsAsLongAsTheServiceAsks(t *testing.T) {
	busy := func(response http.ResponseWriter, _ *http.Request) {
		response.Header().Set("Retry-After", "1")
		response.WriteHeader(http.StatusServiceUnavailable)
	}
	began := time.Now()
	follow(t, serve(t, busy, streaming(rated(1), false)), 1, Options{})
	if waited := time.Since(began); waited < time.Second {
		t.Errorf("it came back after %v", waited)
	}
}

func TestASilentConnectionIsGivenUp(t *testing.T) {
	s := serve(t, streaming(": hello\n\n", false), streaming(rated(1), false))
	if _, seen := follow(t, s, 1, Options{SilenceMax: 50 * time.Millisecond}); items(seen) != "i-1" {
		t.Error(items(seen))
	}
}

func TestAnEventThatTheHandlerRefusesIsTheNextFollowsFirst(t *testing.T) {
	s := serve(t, streaming(rated(1)+rated(2), false))
	stream, err := New(s.server.URL, Options{})
	if err != nil {
		t.Fatal(err)
	}
	err = stream.Follow(context.Background(), func(event Event) error {
		if event.ID == "e-2" {
			return errEnough
		}
		return nil
	})
	if err != errEnough || stream.LastEventID() != "e-1" {
		t.Errorf("%v at %s", err, stream.LastEventID())
	}
}

func TestWhatIsNoURLIsRefused(t *testing.T) {
	for text, reason := range map[string]string{
		"localhost":       "must begin with http://",
		"http://a:b@host": "set a token",
		"ftp://host":      "must begin with http://",
		"http://a b":      "it is no URL",
	} {
		if _, err := New(text, Options{}); err == nil || !strings.Contains(err.Error(), reason) || strings.Contains(err.Error(), "a:b") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestEventsAreTheSameHoweverTheirBytesAreCut(t *testing.T) {
	text := "\ufeffevent: rating\r\nid: 1\r\nretry: 250\r\ndata: {\"a\":\r\ndata: \"é\"}\r\n\r\n:c\rdata\rid: 2\r\rdata: x\n\ndata: cut off"
	want := []message{{"rating", "{\"a\":\n\"é\"}", "1"}, {"", "", "2"}, {"", "x", "2"}}
	for name, reader := range map[string]io.Reader{
		"whole":        strings.NewReader(text),
		"byte by byte": iotest.OneByteReader(strings.NewReader(text)),
		"by halves":    iotest.HalfReader(strings.NewReader(text)),
	} {
		found := newMessages(reader, "")
		var seen []message
		for next, err := found.next(); err != io.EOF; next, err = found.next() {
			if err != nil {
				t.Fatal(err)
			}
			seen = append(seen, next)
		}
		if !reflect.DeepEqual(seen, want) || found.retry != 250*time.Millisecond {
			t.Errorf("%s: %q, retry %v", name, seen, found.retry)
		}
	}
}

func TestAnEventWithoutEndIsRefused(t *testing.T) {
	for _, endless := range []string{strings.Repeat("x", 2*eventMax), strings.Repeat("data: x\n", eventMax/4)} {
		if _, err := newMessages(strings.NewReader(endless), "").next(); err == nil || !strings.Contains(err.Error(), "more than 1048576 bytes") {
			t.Error(err)
		}
	}
}
