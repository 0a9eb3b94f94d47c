package collector

import "time"

const (
	backoffFirst = 100 * time.Millisecond
	// The edge's return is noticed within it.
	backoffMost = time.Second
)

// backoff pauses after failures: doubling up to a second, with jitter so that collectors do not return in step.
type backoff struct{ failures uint }

func (b *backoff) succeeded() { b.failures = 0 }

// failed gives the pause after one more failure; jitter is uniform in 0 to 1.
func (b *backoff) failed(jitter float64) time.Duration {
	pause := backoffMost
	if b.failures < 4 && backoffFirst<<b.failures < pause {
		pause = backoffFirst << b.failures
	}
	b.failures++
	return time.Duration(float64(pause) * (0.5 + 0.5*jitter))
}
