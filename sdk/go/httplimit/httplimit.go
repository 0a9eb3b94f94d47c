// Package httplimit is net/http middleware that admits requests by what is in flight and by their users' buckets.
//
// What a bucket refuses gets 429 with Retry-After, RateLimit, RateLimit-Policy and a problem document (RFC 9457), what the
// guard refuses 503 with Retry-After and one: word for word as OpenClaw's rating service answers them.
package httplimit

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"time"

	"openclaw.dev/go/collector"
	"openclaw.dev/go/guard"
)

// Options of the middleware. Zero values take the defaults.
type Options struct {
	// Key says whose limit a request counts against; empty means nobody's. By default the peer's address. Take what the
	// client cannot choose: a verified id rather than a header.
	Key func(*http.Request) string
	// AdmitUnkeyed admits requests without a key; else they are refused with 401.
	AdmitUnkeyed bool
	// Unguarded tells requests that do not count as in flight. By default all do. Leave out what stays open by design, such as
	// streams: it would fill the guard, and ends too seldom to show any speed.
	Unguarded func(*http.Request) bool
	// Cost is the tokens that a request takes. By default one.
	Cost func(*http.Request) float64
	// Context gives circumstances, in words that the edge lists; nil is none.
	Context func(*http.Request) *collector.Context
	// Rating gives the rating that a request was, asked when it has ended; false is none. It is sent with its latency and
	// outcome. Leave it out where ratings reach the collector otherwise.
	Rating func(*http.Request) (collector.Rating, bool)
	// Verb is what users do here, for the refusal's sentence. By default "call".
	Verb string
}

// New makes middleware that asks the collector for every request.
func New(to *collector.Collector, options Options) func(http.Handler) http.Handler {
	if options.Key == nil {
		options.Key = peer
	}
	if options.Verb == "" {
		options.Verb = "call"
	}
	return func(next http.Handler) http.Handler {
		return &handler{collector: to, options: options, next: next}
	}
}

// peer is the address that a request came from, without its port.
func peer(request *http.Request) string {
	host, _, err := net.SplitHostPort(request.RemoteAddr)
	if err != nil {
		return request.RemoteAddr
	}
	return host
}

type handler struct {
	collector *collector.Collector
	options   Options
	next      http.Handler
}

func (h *handler) ServeHTTP(response http.ResponseWriter, request *http.Request) {
	key := h.options.Key(request)
	if key == "" {
		if h.options.AdmitUnkeyed {
			h.next.ServeHTTP(response, request)
			return
		}
		write(response, Problem{
			Type:   "urn:openclaw:problem:unauthorized",
			Title:  "token required",
			Status: http.StatusUnauthorized,
			Detail: "the request does not say whose limit it counts against",
		})
		return
	}
	began := time.Now()
	cost := 1.0
	if h.options.Cost != nil {
		cost = h.options.Cost(request)
	}
	var circumstances *collector.Context
	if h.options.Context != nil {
		circumstances = h.options.Context(request)
	}
	var place *guard.Place
	if h.options.Unguarded == nil || !h.options.Unguarded(request) {
		var err error
		var full *guard.Full
		if place, err = h.collector.Enter(key, circumstances); errors.As(err, &full) {
			SetGuardFields(response.Header(), full)
			write(response, GuardProblem(full))
			return
		}
	}
	decision := h.collector.Decide(key, cost, circumstances)
	SetFields(response.Header(), decision)
	if !decision.Allowed {
		if place != nil {
			place.Withdraw()
		}
		write(response, RefusalProblem(decision, h.collector.Usual(), h.options.Verb))
		return
	}
	h.serve(response, request, place, began)
}

// serve passes an admitted request on and tells how it ended, also where the handler panics: what never ends would stay
// in flight for ever.
func (h *handler) serve(response http.ResponseWriter, request *http.Request, place *guard.Place, began time.Time) {
	watched := &statusWriter{ResponseWriter: response}
	returned := false
	defer func() {
		outcome := collector.Accepted
		switch {
		case !returned || watched.status >= http.StatusInternalServerError:
			outcome = collector.Failed
		case request.Context().Err() != nil:
			outcome = collector.Timeout
		}
		if place != nil {
			place.Leave(outcome == collector.Accepted)
		}
		h.collector.Finished(outcome == collector.Accepted)
		h.report(request, outcome, time.Since(began))
	}()
	h.next.ServeHTTP(watched, request)
	returned = true
}

func (h *handler) report(request *http.Request, outcome collector.Outcome, latency time.Duration) {
	if h.options.Rating == nil {
		return
	}
	rating, given := h.options.Rating(request)
	if !given {
		return
	}
	ms := float64(latency) / float64(time.Millisecond)
	rating.LatencyMs, rating.Outcome = &ms, outcome
	// Not the request's context: of whose client has left the edge must hear too. What is no rating was still served.
	_ = h.collector.SendRating(context.Background(), rating)
}

func write(response http.ResponseWriter, problem Problem) {
	body, err := json.Marshal(problem)
	if err != nil {
		// Texts and a number cannot fail; a client would still see the status.
		body = nil
	}
	response.Header().Set("Content-Type", "application/problem+json")
	response.WriteHeader(problem.Status)
	_, _ = response.Write(body)
}
