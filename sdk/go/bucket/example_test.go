package bucket_test

import (
	"fmt"
	"time"

	"openclaw.dev/go/bucket"
)

func ExampleBucket() {
	limit, err := bucket.New(bucket.Policy{BucketSize: 20, RefillRate: 10})
	if err != nil {
		panic(err)
	}
	fmt.Println(limit.Decide(20, 0).Allowed)

	// What was saved is kept up to the new capacity; nothing is minted.
	if err := limit.UpdatePolicyAt(bucket.Policy{BucketSize: 5, RefillRate: 1}, 200*time.Millisecond); err != nil {
		panic(err)
	}
	fmt.Println(limit.Level(200 * time.Millisecond))
	refused := limit.Decide(4, 200*time.Millisecond)
	fmt.Println(refused.Allowed, refused.RetryAfter)
	// Output:
	// true
	// 2
	// false 2s
}
