package collector_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"openclaw.dev/go/collector"
)

func Example() {
	edge := httptest.NewServer(http.HandlerFunc(func(response http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(response, `{"policies":{},"defaults":{"bucketSize":20,"refillRate":10},"ttlMs":5000,"policyVersion":"v1"}`)
	}))
	defer edge.Close()

	collect, err := collector.New(collector.Options{EventEndpoint: edge.URL + "/api/v1/event", Service: "reviews"})
	if err != nil {
		panic(err)
	}
	rating := collector.Rating{UserID: "ann", ItemID: "film", Score: 8.5}
	if err := collect.SendRating(context.Background(), rating); err != nil {
		panic(err)
	}
	// Delivers what waits.
	if err := collect.Close(context.Background()); err != nil {
		panic(err)
	}
	fmt.Println(collect.Status().EventsDelivered, "delivered")
	// Output: 1 delivered
}
