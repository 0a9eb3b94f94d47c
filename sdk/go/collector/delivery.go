package collector

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"time"

	"openclaw.dev/go/bucket"
	"openclaw.dev/go/guard"
)

const (
	// Longest answer that is read, in bytes: so much in any case, and for each user or event it was asked about so much
	// more.
	answerBytesBase = 64 << 10
	answerBytesEach = 2 << 10
	// shownMax is how much of what the edge wrote is shown to people.
	shownMax = 200
	// batchesAgain is how often an edge that knows no batches is asked again.
	batchesAgain = time.Minute
)

// DeliveryError says why a post did not arrive.
type DeliveryError struct {
	// URL of the edge.
	URL string
	// Status is the HTTP status, where the edge answered with one; else zero.
	Status int
	// Reason is what was wrong.
	Reason string
	// RetryAfter is how long the edge asked to be left alone, where it answered 429 or 503; else zero.
	RetryAfter time.Duration
}

// Error is one sentence with where and why.
func (e *DeliveryError) Error() string { return fmt.Sprintf("the edge at %s %s", e.URL, e.Reason) }

// final says whether the edge will never take what was posted: to send it again would hold up all that follows.
func (e *DeliveryError) final() bool {
	return e.Status == http.StatusBadRequest || e.tooLarge() || e.Status == http.StatusUnprocessableEntity
}

func (e *DeliveryError) tooLarge() bool { return e.Status == http.StatusRequestEntityTooLarge }

func unreadable(to *url.URL, reason string) error {
	return &DeliveryError{URL: to.String(), Reason: "answered with something else than policies: " + shown(reason)}
}

// wirePolicy is a policy whose numbers may be missing.
type wirePolicy struct {
	BucketSize *float64 `json:"bucketSize"`
	RefillRate *float64 `json:"refillRate"`
}

// policy turns what is missing into what is no number, which is not applied.
func (w wirePolicy) policy() bucket.Policy {
	number := func(value *float64) float64 {
		if value == nil {
			return math.NaN()
		}
		return *value
	}
	return bucket.Policy{BucketSize: number(w.BucketSize), RefillRate: number(w.RefillRate)}
}

type policyAnswer struct {
	wirePolicy
	GuardMs       *float64 `json:"guardMs"`
	TTLMs         *uint64  `json:"ttlMs"`
	PolicyVersion string   `json:"policyVersion"`
}

type batchAnswer struct {
	Policies      map[string]wirePolicy `json:"policies"`
	Defaults      *wirePolicy           `json:"defaults"`
	Newcomers     *wirePolicy           `json:"newcomers"`
	TTLMs         *uint64               `json:"ttlMs"`
	PolicyVersion *string               `json:"policyVersion"`
	GuardMs       *float64              `json:"guardMs"`
	Classes       []struct {
		Context Context `json:"context"`
		GuardMs float64 `json:"guardMs"`
	} `json:"classes"`
	Rejected []struct {
		Index int `json:"index"`
	} `json:"rejected"`
}

// guards is what the answer says of guards.
func (a *batchAnswer) guards() guard.Answer {
	said := guard.Answer{GuardMs: a.GuardMs}
	for _, class := range a.Classes {
		said.Classes = append(said.Classes, guard.ClassTime{Class: guard.Class(class.Context), GuardMs: class.GuardMs})
	}
	return said
}

// readBatchAnswer reads an answer as the contract has it. What it may say beyond that is for newer versions.
func readBatchAnswer(text []byte) (batchAnswer, error) {
	var answer batchAnswer
	if err := json.Unmarshal(text, &answer); err != nil {
		return answer, err
	}
	if answer.Policies == nil || answer.Defaults == nil || answer.TTLMs == nil || answer.PolicyVersion == nil {
		return answer, errors.New("policies, defaults, ttlMs or policyVersion is missing")
	}
	return answer, nil
}

func readPolicyAnswer(text []byte) (policyAnswer, error) {
	var answer policyAnswer
	if err := json.Unmarshal(text, &answer); err != nil {
		return answer, err
	}
	if answer.BucketSize == nil || answer.RefillRate == nil {
		return answer, errors.New("bucketSize or refillRate is missing")
	}
	return answer, nil
}

// ttl of an answer; zero where it does not say. A time of zero ms is the shortest that there is.
func ttl(ms *uint64) time.Duration {
	switch {
	case ms == nil:
		return 0
	case *ms == 0:
		return 1
	case *ms > uint64(math.MaxInt64/time.Millisecond):
		return math.MaxInt64
	default:
		return time.Duration(*ms) * time.Millisecond
	}
}

// delivery posts to one edge: one request at a time, each bounded in time and in the length of its answer.
type delivery struct {
	to           endpoint
	token        string
	client       *http.Client
	singlesUntil time.Duration
}

func newDelivery(to endpoint, token string, timeout time.Duration) *delivery {
	transport := &http.Transport{MaxIdleConnsPerHost: 4, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true}
	redirects := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &delivery{to: to, token: token, client: &http.Client{Transport: transport, Timeout: timeout, CheckRedirect: redirects}}
}

// postBatch posts a batch; nil without an error means that this edge takes single events only.
func (d *delivery) postBatch(ctx context.Context, batch eventBatch, now time.Duration) (*batchAnswer, error) {
	if d.to.batch == nil || now < d.singlesUntil {
		return nil, nil
	}
	text, status, err := d.post(ctx, d.to.batch, batch, answerBytesBase+answerBytesEach*(len(batch.Users)+len(batch.Events)))
	if status == http.StatusNotFound {
		d.singlesUntil = now + batchesAgain
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	answer, err := readBatchAnswer(text)
	if err != nil {
		return nil, unreadable(d.to.batch, err.Error())
	}
	return &answer, nil
}

// postSingle posts one event.
func (d *delivery) postSingle(ctx context.Context, event Rating) (policyAnswer, error) {
	text, _, err := d.post(ctx, d.to.event, event, answerBytesBase)
	if err != nil {
		return policyAnswer{}, err
	}
	answer, err := readPolicyAnswer(text)
	if err != nil {
		return answer, unreadable(d.to.event, err.Error())
	}
	return answer, nil
}

// post gives the answer and its status; an error where it is no success.
func (d *delivery) post(ctx context.Context, to *url.URL, message interface{}, answerBytesMax int) ([]byte, int, error) {
	unreachable := func(err error) error {
		return &DeliveryError{URL: to.String(), Reason: "cannot be reached: " + innermost(err).Error()}
	}
	body, err := json.Marshal(message)
	if err != nil {
		return nil, 0, unreachable(err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, to.String(), bytes.NewReader(body))
	if err != nil {
		return nil, 0, unreachable(err)
	}
	request.Header.Set("Content-Type", "application/json")
	if d.token != "" {
		request.Header.Set("Authorization", "Bearer "+d.token)
	}
	response, err := d.client.Do(request)
	if err != nil {
		return nil, 0, unreachable(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, int64(answerBytesMax)+1))
	if err != nil {
		return nil, response.StatusCode, unreachable(err)
	}
	if len(text) > answerBytesMax {
		return nil, response.StatusCode, unreadable(to, fmt.Sprintf("it is longer than %d bytes", answerBytesMax))
	}
	if response.StatusCode < 200 || response.StatusCode > 299 {
		why := shown(string(text))
		if why == "" {
			why = "no reason given"
		}
		reason := fmt.Sprintf("answered %d: %s", response.StatusCode, why)
		refused := &DeliveryError{URL: to.String(), Status: response.StatusCode, Reason: reason}
		if refused.Status == http.StatusTooManyRequests || refused.Status == http.StatusServiceUnavailable {
			refused.RetryAfter = retryAfter(response.Header.Get("Retry-After"), response.Header.Get("Date"))
		}
		return nil, response.StatusCode, refused
	}
	return text, response.StatusCode, nil
}

// innermost is the error that says what happened ("connection refused").
func innermost(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}

// shown is the beginning of a text that the edge wrote, or that quotes it.
func shown(text string) string {
	if runes := []rune(text); len(runes) > shownMax {
		return string(runes[:shownMax])
	}
	return text
}
