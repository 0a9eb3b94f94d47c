package collector

import (
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	backoffFirst = 100 * time.Millisecond
	// The edge's return is noticed within it.
	backoffMost = time.Second
	// Longest that an edge may ask to be left alone: one that says a day is mistaken.
	retryAfterMost = 30 * time.Second
)

// backoff pauses after failures: doubling up to a second, with jitter so that collectors do not return in step.
type backoff struct{ failures uint }

func (b *backoff) succeeded() { b.failures = 0 }

// failed gives the pause after one more failure; jitter is uniform in 0 to 1. What the edge asked for comes first, and the
// pause on top of it: never earlier than asked, nor all collectors at once.
func (b *backoff) failed(jitter float64, asked time.Duration) time.Duration {
	pause := backoffMost
	if b.failures < 4 && backoffFirst<<b.failures < pause {
		pause = backoffFirst << b.failures
	}
	b.failures++
	if asked > retryAfterMost {
		asked = retryAfterMost
	}
	return asked + time.Duration(float64(pause)*(0.5+0.5*jitter))
}

// asked is how long the edge asked to be left alone by its answer, where that is why a post failed.
func asked(err error) time.Duration {
	var refused *DeliveryError
	if errors.As(err, &refused) {
		return refused.RetryAfter
	}
	return 0
}

// retryAfter reads Retry-After in seconds or as a date, which is compared with the answer's own: this machine's clock may be
// another. Zero where it says nothing that can be read.
func retryAfter(field, date string) time.Duration {
	field = strings.TrimSpace(field)
	if field != "" && strings.Trim(field, "0123456789") == "" {
		seconds, err := strconv.ParseInt(field, 10, 64)
		if err != nil || seconds > int64(math.MaxInt64/time.Second) {
			return math.MaxInt64
		}
		return time.Duration(seconds) * time.Second
	}
	until, err := http.ParseTime(field)
	if err != nil {
		return 0
	}
	made, err := http.ParseTime(date)
	if err != nil || until.Before(made) {
		return 0
	}
	return until.Sub(made)
}
