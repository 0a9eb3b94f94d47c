package stream_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"openclaw.dev/go/stream"
)

func Example() {
	ratings := httptest.NewServer(http.HandlerFunc(func(response http.ResponseWriter, _ *http.Request) {
		response.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(response, "event: rating\nid: 7-1\ndata: {\"userId\":\"ann\",\"itemId\":\"film\",\"score\":8.5,\"timestamp\":1}\n\n")
	}))
	defer ratings.Close()

	follow, err := stream.New(ratings.URL, stream.Options{ItemID: "film"})
	if err != nil {
		panic(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	err = follow.Follow(ctx, func(event stream.Event) error {
		if event.Rating != nil {
			fmt.Println(event.Rating.UserID, "gave", event.Rating.Score)
		}
		cancel()
		return nil
	})
	fmt.Println(err, "at", follow.LastEventID())
	// Output:
	// ann gave 8.5
	// context canceled at 7-1
}
