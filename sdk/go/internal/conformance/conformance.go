// Package conformance reads the cases of sdk/conformance, which every language runs.
package conformance

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
)

// Cases reads the cases of a file, of which there must be some.
func Cases[T any](t *testing.T, name string) []T {
	t.Helper()
	_, here, _, _ := runtime.Caller(0)
	text, err := os.ReadFile(filepath.Join(filepath.Dir(here), "..", "..", "..", "conformance", name))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Cases []T `json:"cases"`
	}
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if len(file.Cases) == 0 {
		t.Fatalf("%s has no case", name)
	}
	return file.Cases
}

// Number is a number; JSON has no NaN and no infinities, which the cases write as text.
type Number float64

// UnmarshalJSON reads either.
func (n *Number) UnmarshalJSON(text []byte) error {
	var word string
	if json.Unmarshal(text, &word) != nil {
		word = string(text)
	}
	value, err := strconv.ParseFloat(word, 64)
	*n = Number(value)
	return err
}

// Wait is a time in nanoseconds, or never.
type Wait struct {
	Ns    int64
	Never bool
}

// UnmarshalJSON reads either.
func (w *Wait) UnmarshalJSON(text []byte) error {
	if string(text) == `"never"` {
		w.Never = true
		return nil
	}
	return json.Unmarshal(text, &w.Ns)
}
