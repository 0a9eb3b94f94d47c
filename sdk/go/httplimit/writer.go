package httplimit

import (
	"bufio"
	"errors"
	"net"
	"net/http"
)

// statusWriter notes the status that a handler answers with, and passes on what else a response can do.
type statusWriter struct {
	http.ResponseWriter
	status int
}

// WriteHeader notes the first final status; informational ones may come before it.
func (w *statusWriter) WriteHeader(status int) {
	if w.status < http.StatusOK {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Flush sends what was written so far, where the connection can.
func (w *statusWriter) Flush() {
	if flusher, can := w.ResponseWriter.(http.Flusher); can {
		flusher.Flush()
	}
}

// Hijack hands the connection over, such as to a WebSocket.
func (w *statusWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	hijacker, can := w.ResponseWriter.(http.Hijacker)
	if !can {
		return nil, nil, errors.New("this connection cannot be handed over")
	}
	return hijacker.Hijack()
}

// Unwrap is for http.ResponseController.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
