package collector

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	idBytesMax      = 256
	eventIDBytesMax = 128
)

// Outcome is how an attempt ended.
type Outcome string

// The outcomes that the edge knows.
const (
	// Accepted was admitted and done as asked.
	Accepted Outcome = "accepted"
	// Throttled was refused.
	Throttled Outcome = "throttled"
	// Failed was admitted, then failed.
	Failed Outcome = "failed"
	// Timeout was admitted, but the client left before the answer.
	Timeout Outcome = "timeout"
)

// Context is the circumstances of a rating, in words that the edge lists.
type Context struct {
	DeviceType     string `json:"deviceType,omitempty"`
	NetworkQuality string `json:"networkQuality,omitempty"`
	Region         string `json:"region,omitempty"`
}

// Rating is what the edge learns of one rating. The first three fields are enough; latency and outcome are what makes the
// loop worth closing.
type Rating struct {
	UserID string  `json:"userId"`
	ItemID string  `json:"itemId"`
	Score  float64 `json:"score"`
	// Timestamp is ms since the epoch; zero becomes the time of sending.
	Timestamp int64 `json:"timestamp"`
	// EventID tells an event from another one where it may be delivered twice; the collector numbers what has none.
	EventID string `json:"eventId,omitempty"`
	// LatencyMs is the service time of the rating as its caller saw it.
	LatencyMs *float64 `json:"latencyMs,omitempty"`
	Outcome   Outcome  `json:"outcome,omitempty"`
	// InFlight is the requests in flight at the sender.
	InFlight *uint32 `json:"inFlight,omitempty"`
	// WorkMs is the processing time without waiting.
	WorkMs *float64 `json:"workMs,omitempty"`
	// DependencyMs is the time spent in each dependency.
	DependencyMs map[string]float64 `json:"dependencyMs,omitempty"`
	Context      *Context           `json:"context,omitempty"`
}

// event is the rating as it is queued. The error names the field that is none: one that the wire cannot carry would cost
// its whole batch its delivery.
func (r Rating) event(now time.Time) (Rating, error) {
	if err := checkID("userId", r.UserID); err != nil {
		return r, err
	}
	if err := checkID("itemId", r.ItemID); err != nil {
		return r, err
	}
	if math.IsNaN(r.Score) || math.IsInf(r.Score, 0) {
		return r, fmt.Errorf("score is %v; it must be a number", r.Score)
	}
	if r.Timestamp < 0 {
		return r, fmt.Errorf("timestamp is %d; it must be milliseconds since 1970", r.Timestamp)
	}
	if r.Timestamp == 0 {
		r.Timestamp = now.UnixMilli()
	}
	if len(r.EventID) > eventIDBytesMax {
		return r, fmt.Errorf("eventId has %d bytes, more than %d", len(r.EventID), eventIDBytesMax)
	}
	switch r.Outcome {
	case "", Accepted, Throttled, Failed, Timeout:
	default:
		return r, fmt.Errorf("outcome is %q, which is none", string(r.Outcome))
	}
	return r, r.checkTimes()
}

func (r Rating) checkTimes() error {
	times := map[string]*float64{"latencyMs": r.LatencyMs, "workMs": r.WorkMs}
	for name, ms := range r.DependencyMs {
		ms := ms
		times["dependencyMs of "+name] = &ms
	}
	for field, ms := range times {
		if ms != nil && !(*ms >= 0 && *ms <= math.MaxFloat64) {
			return fmt.Errorf("%s is %v; it must be a duration in ms, 0 or more", field, *ms)
		}
	}
	return nil
}

func checkID(field, id string) error {
	if id == "" || len(id) > idBytesMax || !utf8.ValidString(id) {
		return fmt.Errorf("%s must be a text of 1 to %d bytes", field, idBytesMax)
	}
	return nil
}

// userIDOf is a user's id as the wire takes it: whatever is longer, or nothing at all, is told by its hash, so that no
// key that a client sends can spoil a batch.
func userIDOf(key string) string {
	text := strings.ToValidUTF8(key, "\uFFFD")
	if text != "" && len(text) <= idBytesMax {
		return text
	}
	sum := sha256.Sum256([]byte(text))
	return "sha256:" + hex.EncodeToString(sum[:])
}
