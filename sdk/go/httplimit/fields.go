package httplimit

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"openclaw.dev/go/bucket"
	"openclaw.dev/go/guard"
)

const (
	// The limit's name in the fields.
	limitName = `"user"`
	// The greatest integer a structured field may carry (RFC 9651, section 3.3.1).
	sfIntegerMax = 999_999_999_999_999
	// What a client told "never" should wait all the same: the parameters may change within seconds.
	waitMax = time.Minute
)

// Problem is one failure, as a client reads it (RFC 9457).
type Problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
}

// SetFields sets RateLimit and RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers), and for a refusal Retry-After.
func SetFields(header http.Header, decision bucket.Decision) {
	wait := decision.ResetAfter
	if !decision.Allowed {
		wait = retryAfter(decision)
		// A client told to retry after 0 s retries into the same refusal.
		header.Set("Retry-After", strconv.FormatInt(int64(math.Max(wholeSeconds(wait), 1)), 10))
	}
	limit := limitName + parameter("r", wholeTokens(decision.Level))
	if wait != bucket.Never {
		limit += parameter("t", wholeSeconds(wait))
	}
	header.Set("RateLimit", limit)
	policy := limitName + parameter("q", wholeTokens(decision.Policy.BucketSize))
	if window := decision.Policy.BucketSize / decision.Policy.RefillRate; window <= math.MaxFloat64 {
		policy += parameter("w", math.Max(math.Ceil(window), 1))
	}
	header.Set("RateLimit-Policy", policy)
}

// RefusalProblem is the problem of work that a bucket refused. Usual is what a user gets in quiet times: less than that is
// the service's doing, not the user's. Verb is what users do here, such as "rate".
func RefusalProblem(decision bucket.Decision, usual bucket.Policy, verb string) Problem {
	policy := decision.Policy
	who, together := "this user", decision.RefusedBy != bucket.Own
	if together {
		who = "users that are new here together"
	}
	problem := Problem{
		Type:   "https://iana.org/assignments/http-problem-types#quota-exceeded",
		Title:  "rate limit reached",
		Status: http.StatusTooManyRequests,
	}
	why := ""
	if together || policy.RefillRate < usual.RefillRate || policy.BucketSize < usual.BucketSize {
		problem.Type = "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity"
		problem.Title = "temporarily reduced capacity"
		why = ", less than usual while the service is busy"
	}
	problem.Detail = fmt.Sprintf("%s may %s %.3f times a second, %.0f at once%s; try again in %.3f s",
		who, verb, policy.RefillRate, math.Floor(policy.BucketSize), why, retryAfter(decision).Seconds())
	return problem
}

// SetGuardFields sets Retry-After of a request that the guard refused: its work would take as long as what is in flight may.
func SetGuardFields(header http.Header, full *guard.Full) {
	header.Set("Retry-After", strconv.FormatInt(int64(math.Max(wholeSeconds(full.RetryAfter), 1)), 10))
}

// GuardProblem is the problem of a request that the guard refused.
func GuardProblem(full *guard.Full) Problem {
	return Problem{
		Type:   "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity",
		Title:  "temporarily reduced capacity",
		Status: http.StatusServiceUnavailable,
		Detail: full.Error() + "; try again shortly",
	}
}

func retryAfter(decision bucket.Decision) time.Duration {
	if decision.RetryAfter > waitMax {
		return waitMax
	}
	return decision.RetryAfter
}

func parameter(key string, value float64) string {
	return fmt.Sprintf(";%s=%.0f", key, math.Min(value, sfIntegerMax))
}

// wholeTokens: levels are kept to a millionth and rounded down, so that 9.9999999 tokens are shown as 10.
func wholeTokens(tokens float64) float64 { return math.Max(math.Floor(tokens+1e-5), 0) }

func wholeSeconds(wait time.Duration) float64 {
	seconds := wait / time.Second
	if wait%time.Second > 0 {
		seconds++
	}
	return float64(seconds)
}
