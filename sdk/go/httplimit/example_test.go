package httplimit_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"openclaw.dev/go/bucket"
	"openclaw.dev/go/collector"
	"openclaw.dev/go/httplimit"
)

func ExampleNew() {
	collect, err := collector.New(collector.Options{Safe: bucket.Policy{BucketSize: 2, RefillRate: 1}})
	if err != nil {
		panic(err)
	}
	limit := httplimit.New(collect, httplimit.Options{
		Key:  func(request *http.Request) string { return request.Header.Get("X-Verified-User") },
		Verb: "review",
	})
	served := limit(http.HandlerFunc(func(response http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(response, "thank you")
	}))

	request := httptest.NewRequest(http.MethodPost, "/reviews", nil)
	request.Header.Set("X-Verified-User", "ann")
	for attempt := 0; attempt < 3; attempt++ {
		response := httptest.NewRecorder()
		served.ServeHTTP(response, request)
		fmt.Println(response.Code, response.Header().Get("RateLimit-Policy"))
	}
	// Output:
	// 200 "user";q=2;w=2
	// 200 "user";q=2;w=2
	// 429 "user";q=2;w=2
}
