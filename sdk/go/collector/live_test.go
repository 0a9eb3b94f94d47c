//go:build live

// Against a real edge, which OPENCLAW_BIN names: `cargo xtask test --only sdk-go` sets it.

package collector

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"openclaw.dev/go/bucket"
)

const (
	liveAdmin     = "admin-of-the-live-test"
	liveCollector = "collector-of-the-live-test"
)

// startEdge starts an edge and waits until it listens; it ends with the test.
func startEdge(t *testing.T, port int) *exec.Cmd {
	t.Helper()
	program := os.Getenv("OPENCLAW_BIN")
	if program == "" {
		t.Fatal("OPENCLAW_BIN must name the openclaw program")
	}
	command := exec.Command(program, "edge", "--listen", fmt.Sprint("127.0.0.1:", port), "--admin-listen", "127.0.0.1:0",
		"--set", "edge.ttl=1s", "--set", "access.adminTokens="+liveAdmin, "--set", "access.collectorTokens="+liveCollector)
	command.Dir = t.TempDir()
	for _, setting := range os.Environ() {
		// Settings of whoever runs the tests must not reach it.
		if !strings.HasPrefix(setting, "OPENCLAW_") && !strings.HasPrefix(setting, "EVENT_ENDPOINT=") {
			command.Env = append(command.Env, setting)
		}
	}
	var complaint bytes.Buffer
	command.Stderr = &complaint
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { kill(command) })
	for lines := bufio.NewScanner(output); lines.Scan(); {
		// Services print their admin listener last.
		if words := strings.Fields(lines.Text()); len(words) > 1 && words[0] == "admin" {
			return command
		}
	}
	t.Fatalf("the edge ended instead of listening: %s", complaint.String())
	return nil
}

// kill ends it as a power cut would.
func kill(command *exec.Cmd) {
	_ = command.Process.Kill()
	_ = command.Wait()
}

func freePort(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

func pin(t *testing.T, url string, policy bucket.Policy) {
	t.Helper()
	body := fmt.Sprintf(`{"pin":{"bucketSize":%v,"refillRate":%v}}`, policy.BucketSize, policy.RefillRate)
	request, err := http.NewRequest(http.MethodPut, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+liveAdmin)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode > 299 {
		t.Fatalf("the pin was answered %s", response.Status)
	}
}

func TestARealEdgeMovesTheBucketsMayDieAndLosesNothing(t *testing.T) {
	port := freePort(t)
	edge := startEdge(t, port)
	url := fmt.Sprint("http://127.0.0.1:", port, "/api/v1/")
	collector := start(t, Options{EventEndpoint: url + "event", Token: liveCollector, FlushInterval: 100 * time.Millisecond})
	sent := uint64(0)
	latencyMs := 20.0
	rate := func() {
		sent++
		rating := Rating{UserID: "ann", ItemID: fmt.Sprint("item-", sent), Score: 7, LatencyMs: &latencyMs}
		if err := collector.SendRating(context.Background(), rating); err != nil {
			t.Fatal(err)
		}
	}
	untilRated := func(what string, holds func() bool) {
		until(t, what, func() bool { rate(); time.Sleep(5 * time.Millisecond); return holds() })
	}
	delivered := func() bool { return collector.Status().EventsDelivered == sent }

	untilRated("parameters of her own", func() bool { _, _, own := collector.Policy("ann"); return own })
	// The operator's word is the one answer that can be foretold.
	pinned := bucket.Policy{BucketSize: 3, RefillRate: 0.5}
	pin(t, url+"users/ann/limits", pinned)
	untilRated("the pin in her bucket", func() bool { policy, _, _ := collector.Policy("ann"); return policy == pinned })
	// The edge has seen latencies of 20 ms, far below its SLO: it guards, by a time of its own.
	if guarded := collector.Status().Guard.Time; guarded < 30*time.Millisecond || guarded > 180*time.Millisecond || guarded == 100*time.Millisecond {
		t.Errorf("a guard time of %v", guarded)
	}
	until(t, "all delivered", delivered)

	kill(edge)
	for n := 0; n < 200; n++ {
		rate()
	}
	until(t, "a step towards the safe values", func() bool {
		policy, _, _ := collector.Policy("ann")
		return policy.RefillRate > pinned.RefillRate && policy.RefillRate < 10
	})
	// Half the SLO, without an edge.
	if status := collector.Status(); status.ControlledBy != "safe-values" || status.EdgeError == "" || status.Guard.Time != 100*time.Millisecond {
		t.Errorf("%+v", status)
	}

	startEdge(t, port)
	until(t, "the rest delivered", delivered)
	if status := collector.Status(); status.EventsDropped+status.EventsRejected+status.PoliciesRefused > 0 || status.EdgeError != "" {
		t.Errorf("%+v", status)
	}
	untilRated("the edge again", func() bool { return collector.Status().ControlledBy == "edge" })
}
