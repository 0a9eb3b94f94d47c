package guard

import (
	"errors"
	"math"
	"reflect"
	"testing"
	"time"

	"openclaw.dev/go/internal/conformance"
)

type guardCase struct {
	Name  string
	Steps []guardStep
}

type wireAnswer struct {
	GuardMs *float64
	TTLMs   *int64
	Classes []struct {
		Context Class
		GuardMs float64
	}
}

type guardStep struct {
	AtMs                int64
	Answer, Single      *wireAnswer
	Enter, Leave, Alone string
	Context             Class
	Times, Entered      *int
	TookMs              int64
	Full                *struct{ InFlight, Cap int }
	Is                  *struct {
		InFlight     int
		Cap, GuardMs *float64
	}
}

// stage is a guard, and the requests in flight by user, the oldest first.
type stage struct {
	guard  *Guard
	places map[string][]*Place
}

func TestGuardCases(t *testing.T) {
	cases := append(conformance.Cases[guardCase](t, "guard.json"), conformance.Cases[guardCase](t, "guard-courses.json")...)
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			guard, err := New(Options{})
			if err != nil {
				t.Fatal(err)
			}
			stage := stage{guard: guard, places: make(map[string][]*Place)}
			for place := range c.Steps {
				stage.take(t, &c.Steps[place])
			}
		})
	}
}

func (s *stage) take(t *testing.T, step *guardStep) {
	t.Helper()
	now := ms(step.AtMs)
	// Limits move with whatever happens; in the cases, with every step.
	s.guard.Status(now)
	if step.Answer != nil {
		s.guard.Follow(step.Answer.answer(), now+step.Answer.ttl(), now)
	}
	if step.Single != nil {
		s.guard.FollowSingle(step.Single.answer(), now+step.Single.ttl(), now)
	}
	times := 1
	if step.Times != nil {
		times = *step.Times
	}
	if step.Enter != "" {
		s.enter(t, step, times, now)
	}
	for n := 0; step.Leave != "" && n < times; n++ {
		s.places[step.Leave][0].LeaveAt(true, now)
		s.places[step.Leave] = s.places[step.Leave][1:]
	}
	for n := int64(0); step.Alone != "" && n < int64(times); n++ {
		place, err := s.guard.EnterAt(step.Alone, step.Context, now+ms(n*step.TookMs))
		if err != nil {
			t.Fatalf("at %d: %v", step.AtMs, err)
		}
		place.LeaveAt(true, now+ms((n+1)*step.TookMs))
	}
	s.check(t, step, now)
}

func (s *stage) enter(t *testing.T, step *guardStep, times int, now time.Duration) {
	t.Helper()
	entered, full := 0, (*Full)(nil)
	for n := 0; n < times; n++ {
		place, err := s.guard.EnterAt(step.Enter, step.Context, now)
		if err == nil {
			entered++
			s.places[step.Enter] = append(s.places[step.Enter], place)
		} else if !errors.As(err, &full) {
			t.Fatal(err)
		}
	}
	expected := times
	if step.Entered != nil {
		expected = *step.Entered
	}
	if entered != expected || (full == nil) != (step.Full == nil) {
		t.Fatalf("at %d: %d entered, not %d; %v", step.AtMs, entered, expected, full)
	}
	if full != nil && (full.InFlight != step.Full.InFlight || full.Cap != step.Full.Cap) {
		t.Fatalf("at %d: %v", step.AtMs, full)
	}
}

func (s *stage) check(t *testing.T, step *guardStep, now time.Duration) {
	t.Helper()
	if step.Is == nil {
		return
	}
	found := s.guard.Status(now)
	expected := Status{InFlight: step.Is.InFlight, Refused: found.Refused, Open: step.Is.Cap == nil}
	if step.Is.Cap != nil {
		expected.Cap = int(*step.Is.Cap)
		expected.Time = time.Duration(math.Round(*step.Is.GuardMs*100)) * 10 * time.Microsecond
	}
	found.Time = found.Time.Round(10 * time.Microsecond)
	if !reflect.DeepEqual(found, expected) {
		t.Fatalf("at %d: %+v, not %+v", step.AtMs, found, expected)
	}
}

func (w *wireAnswer) answer() Answer {
	answer := Answer{GuardMs: w.GuardMs}
	for _, class := range w.Classes {
		answer.Classes = append(answer.Classes, ClassTime{Class: class.Context, GuardMs: class.GuardMs})
	}
	return answer
}

func (w *wireAnswer) ttl() time.Duration {
	if w.TTLMs == nil {
		return ms(5000)
	}
	return ms(*w.TTLMs)
}

func ms(count int64) time.Duration { return time.Duration(count) * time.Millisecond }
