// Package stream follows the ratings that a rating service accepts: GET /ratings/stream, read for as long as it is wanted.
//
// A connection that ends is made again after a jittered pause, with the id of the last event, so that nothing is missed that
// the service still holds; what was missed all the same is told as a Gap.
package stream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	path = "/ratings/stream"
	// retryAfterMost is the longest pause that a service's Retry-After is heeded for.
	retryAfterMost = time.Minute
	// shownMax is how much of what the service wrote is shown to people, in bytes.
	shownMax = 200
)

// Rating is an accepted rating.
type Rating struct {
	UserID string  `json:"userId"`
	ItemID string  `json:"itemId"`
	Score  float64 `json:"score"`
	// Timestamp is when it was given, in ms since the epoch.
	Timestamp int64 `json:"timestamp"`
}

// Gap says that ratings were missed.
type Gap struct {
	// Reason is "fell-behind" (the service holds them no more), "new-epoch" (it was started anew, or is another instance)
	// or "unknown-place" (it knows nothing of LastEventID).
	Reason string `json:"reason"`
	// Missed is how many ratings were missed of this service's epoch, whoever gave them and whatever for.
	Missed uint64 `json:"missed"`
}

// Event is either a rating or a gap; the other one is nil.
type Event struct {
	// ID of the event: a later stream with it as LastEventID goes on behind it.
	ID     string
	Rating *Rating
	Gap    *Gap
}

// Options of a stream. Zero values take the defaults.
type Options struct {
	// Token is the bearer token of the role reader. By default none.
	Token string
	// UserID restricts the stream to this user's ratings. By default everybody's.
	UserID string
	// ItemID restricts the stream to ratings of this item. By default all.
	ItemID string
	// LastEventID is where to go on. Without it the stream begins with the next rating.
	LastEventID string
	// Retry is the first pause before a new attempt, unless the service names one. By default 1 s.
	Retry time.Duration
	// RetryMax is the longest pause. By default 10 s.
	RetryMax time.Duration
	// SilenceMax is how long nothing may come before a connection counts as dead. By default 1 min; the service sends
	// heartbeats every 15 s unless configured otherwise.
	SilenceMax time.Duration
	// Client makes the requests, where TLS or a proxy need more than the defaults. It must have no Timeout, which would end
	// every stream. By default http.DefaultTransport's client.
	Client *http.Client
	// OnOpen is told of every connection. By default nobody is.
	OnOpen func()
	// OnError is told what ended a connection; the stream goes on by itself. By default nobody is.
	OnError func(error)
}

// Stream of ratings; Follow reads it.
type Stream struct {
	url      string
	options  Options
	failures uint
	first    time.Duration

	mutex  sync.Mutex
	lastID string
}

// New makes a stream of the rating service at serviceURL, such as http://127.0.0.1:8080. Nothing is asked before Follow.
func New(serviceURL string, options Options) (*Stream, error) {
	to, err := streamURL(serviceURL, options)
	if err != nil {
		return nil, err
	}
	usual := func(value *time.Duration, usual time.Duration) {
		if *value <= 0 {
			*value = usual
		}
	}
	usual(&options.Retry, time.Second)
	usual(&options.RetryMax, 10*time.Second)
	usual(&options.SilenceMax, time.Minute)
	if options.Client == nil {
		options.Client = &http.Client{}
	}
	return &Stream{url: to, options: options, first: options.Retry, lastID: options.LastEventID}, nil
}

// LastEventID is the place reached: where a later stream can go on. It may be ahead of the last event's, as heartbeats carry
// places too.
func (s *Stream) LastEventID() string {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.lastID
}

// Follow hands every event to handle, one after the other, until the context ends or handle gives an error, which it returns.
// The place moves on once handle has returned nil: an event that it refused is the first of the next Follow. One Follow at a
// time.
func (s *Stream) Follow(ctx context.Context, handle func(Event) error) error {
	for {
		asked, err := s.read(ctx, handle)
		var refused *handleError
		if errors.As(err, &refused) {
			return refused.err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if s.options.OnError != nil {
			s.options.OnError(err)
		}
		pause := s.pause()
		if asked > pause {
			pause = asked
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
	}
}

// handleError is an error of the caller's own.
type handleError struct{ err error }

func (e *handleError) Error() string { return e.err.Error() }

// read reads one connection to its end. It gives the pause that the service asked for, and always an error.
func (s *Stream) read(ctx context.Context, handle func(Event) error) (time.Duration, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	silence := time.AfterFunc(s.options.SilenceMax, cancel)
	defer silence.Stop()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
	if err != nil {
		return 0, err
	}
	lastID := s.LastEventID()
	request.Header.Set("Accept", "text/event-stream")
	request.Header.Set("Cache-Control", "no-store")
	if s.options.Token != "" {
		request.Header.Set("Authorization", "Bearer "+s.options.Token)
	}
	if lastID != "" {
		request.Header.Set("Last-Event-ID", lastID)
	}
	response, err := s.options.Client.Do(request)
	if err != nil {
		return 0, fmt.Errorf("the stream at %s cannot be reached: %w", s.url, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return s.refused(response, lastID, handle)
	}
	kind, _, _ := strings.Cut(response.Header.Get("Content-Type"), ";")
	if !strings.EqualFold(strings.TrimSpace(kind), "text/event-stream") {
		return 0, fmt.Errorf("%s answered with %q where text/event-stream belongs", s.url, kind)
	}
	if s.options.OnOpen != nil {
		s.options.OnOpen()
	}
	awake := &watched{from: response.Body, read: func() {
		// Something came: the next attempt is a first one again.
		s.failures = 0
		silence.Reset(s.options.SilenceMax)
	}}
	found := newMessages(awake, lastID)
	for {
		next, err := found.next()
		s.heedRetry(found.retry)
		if err != nil {
			s.reached(found.lastID)
			return 0, fmt.Errorf("the stream at %s broke off: %w", s.url, err)
		}
		// The handler may take its time; only the service's silence counts.
		silence.Stop()
		if err := s.dispatch(next, handle); err != nil {
			return 0, err
		}
		silence.Reset(s.options.SilenceMax)
		s.reached(next.id)
	}
}

func (s *Stream) dispatch(next message, handle func(Event) error) error {
	event := Event{ID: next.id}
	var body any
	switch next.kind {
	case "rating":
		event.Rating = &Rating{}
		body = event.Rating
	case "gap":
		event.Gap = &Gap{}
		body = event.Gap
	default:
		// Of a newer service.
		return nil
	}
	if err := json.Unmarshal([]byte(next.data), body); err != nil {
		if s.options.OnError != nil {
			s.options.OnError(fmt.Errorf("the stream at %s sent a %s that cannot be read: %w", s.url, next.kind, err))
		}
		return nil
	}
	if err := handle(event); err != nil {
		return &handleError{err}
	}
	return nil
}

// refused says why there is no stream. A service that knows nothing of the place that was asked for is asked for the next
// rating: what came in between is missed.
func (s *Stream) refused(response *http.Response, lastID string, handle func(Event) error) (time.Duration, error) {
	text, _ := io.ReadAll(io.LimitReader(response.Body, shownMax))
	if response.StatusCode == http.StatusBadRequest && lastID != "" {
		if err := handle(Event{Gap: &Gap{Reason: "unknown-place"}}); err != nil {
			return 0, &handleError{err}
		}
		s.reached("")
	}
	var asked time.Duration
	if seconds, err := strconv.ParseUint(response.Header.Get("Retry-After"), 10, 31); err == nil {
		asked = time.Duration(seconds) * time.Second
	}
	if asked > retryAfterMost {
		asked = retryAfterMost
	}
	return asked, fmt.Errorf("%s answered %d: %s", s.url, response.StatusCode, text)
}

func (s *Stream) reached(id string) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.lastID = id
}

func (s *Stream) heedRetry(asked time.Duration) {
	if asked > 0 {
		s.first = asked
	}
}

// pause after one more failure: doubling up to the longest, half to all of it, so that clients do not return in step.
func (s *Stream) pause() time.Duration {
	pause := s.options.RetryMax
	if s.failures < 20 && s.first<<s.failures < pause {
		pause = s.first << s.failures
	}
	s.failures++
	return time.Duration(float64(pause) * (0.5 + 0.5*rand.Float64()))
}

// watched tells of every read that brought something.
type watched struct {
	from io.Reader
	read func()
}

func (w *watched) Read(into []byte) (int, error) {
	count, err := w.from.Read(into)
	if count > 0 {
		w.read()
	}
	return count, err
}

func streamURL(text string, options Options) (string, error) {
	refused := func(shown, reason string) (string, error) {
		return "", fmt.Errorf("the rating service's URL %q is not usable: %s; it looks like http://127.0.0.1:8080", shown, reason)
	}
	to, err := url.Parse(text)
	if err != nil {
		// The error repeats the URL, which may hold a password.
		return refused("…", "it is no URL")
	}
	if to.User != nil {
		return refused("http://...@...", "a password in it would be logged; set a token")
	}
	if to.Scheme != "http" && to.Scheme != "https" || to.Hostname() == "" {
		return refused(text, "it must begin with http:// or https:// and name a host")
	}
	if !strings.HasSuffix(to.Path, path) {
		to = to.JoinPath(path)
	}
	query := to.Query()
	for name, value := range map[string]string{"userId": options.UserID, "itemId": options.ItemID} {
		if value != "" {
			query.Set(name, value)
		}
	}
	to.RawQuery = query.Encode()
	return to.String(), nil
}
