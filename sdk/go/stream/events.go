package stream

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// eventMax is the longest event that is read, in bytes: a server that never ends one must not fill the memory.
const eventMax = 1 << 20

// message is one server-sent event.
type message struct {
	kind string
	data string
	id   string
}

// messages splits bytes into events (WHATWG HTML, section 9.2.6), as they come.
type messages struct {
	lines *bufio.Scanner
	// lastID is the id of the last event, or of the last comment that carried one.
	lastID string
	// retry is what the server asked clients to wait before they return; zero where it did not.
	retry time.Duration
}

func newMessages(from io.Reader, lastID string) *messages {
	lines := bufio.NewScanner(from)
	lines.Buffer(make([]byte, 0, 4096), eventMax)
	lines.Split(splitLines)
	return &messages{lines: lines, lastID: lastID}
}

// splitLines ends lines at \n, \r\n and \r. A carriage return at the end may be the first half of a line end.
func splitLines(data []byte, atEOF bool) (int, []byte, error) {
	end := bytes.IndexAny(data, "\r\n")
	switch {
	case end < 0:
		// A line that is cut off is none.
		return 0, nil, nil
	case data[end] == '\n':
		return end + 1, data[:end], nil
	case end+1 < len(data) && data[end+1] == '\n':
		return end + 2, data[:end], nil
	case end+1 < len(data) || atEOF:
		return end + 1, data[:end], nil
	default:
		return 0, nil, nil
	}
}

// next gives the next event; io.EOF where the stream has ended. An event counts, and its id holds, from its blank line on:
// what was cut off in the middle will come again.
func (m *messages) next() (message, error) {
	var data []string
	var kind string
	id, size := m.lastID, 0
	for m.lines.Scan() {
		line := strings.TrimPrefix(m.lines.Text(), "\ufeff")
		if size += len(line); size > eventMax {
			return message{}, fmt.Errorf("the stream sent an event of more than %d bytes", eventMax)
		}
		if line == "" {
			m.lastID = id
			if data != nil {
				return message{kind: kind, data: strings.Join(data, "\n"), id: id}, nil
			}
			kind, size = "", 0
			continue
		}
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "data":
			data = append(data, value)
		case "event":
			kind = value
		case "id":
			if !strings.Contains(value, "\x00") {
				id = value
			}
		case "retry":
			if ms, err := strconv.ParseUint(value, 10, 31); err == nil {
				m.retry = time.Duration(ms) * time.Millisecond
			}
		}
	}
	if err := m.lines.Err(); err != nil {
		if err == bufio.ErrTooLong {
			err = fmt.Errorf("the stream sent an event of more than %d bytes", eventMax)
		}
		return message{}, err
	}
	return message{}, io.EOF
}
