package collector

import (
	"fmt"
	"net/url"
	"strings"
)

// endpoint is where events go: the single-event URL that EVENT_ENDPOINT names, and the batch URL derived from it.
type endpoint struct {
	event *url.URL
	batch *url.URL // nil where only single events are taken
}

// newEndpoint derives the batch URL: …/event becomes …/events; an endpoint that ends otherwise takes single events only.
func newEndpoint(text string) (endpoint, error) {
	refused := func(shown, reason string) (endpoint, error) {
		return endpoint{}, fmt.Errorf(
			"the event endpoint %q is not usable: %s; it looks like http://127.0.0.1:8081/api/v1/event", shown, reason)
	}
	event, err := url.Parse(text)
	if err != nil {
		// The error repeats the URL, which may hold a password.
		return refused("…", "it is no URL")
	}
	if event.User != nil {
		return refused("http://...@...", "a password in it would be logged; set a token")
	}
	if event.Scheme != "http" && event.Scheme != "https" || event.Hostname() == "" {
		return refused(text, "it must begin with http:// or https:// and name a host")
	}
	if !strings.HasSuffix(event.Path, "/event") {
		return endpoint{event: event}, nil
	}
	batch := *event
	batch.Path += "s"
	if batch.RawPath != "" {
		batch.RawPath += "s"
	}
	return endpoint{event: event, batch: &batch}, nil
}
