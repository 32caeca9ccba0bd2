package verifier_test

import (
	"encoding/json"
	"net/http"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	verifier "sallyport.example/verifier"
	"sallyport.example/verifier/sallyporttest"
)

// endless is a feed whose parts never end, until it is told to.
type endless struct {
	requests, since atomic.Int64
	pause           time.Duration
	isEnding        atomic.Bool
}

func (e *endless) options(issuer *sallyporttest.Issuer) verifier.Options {
	f := newForger(issuer)
	keys, _ := json.Marshal(map[string]any{"keys": []any{f.jwk}})
	return changed(issuer, func(o *verifier.Options) {
		o.Timeout, o.FeedInterval = 200*time.Millisecond, time.Minute
		o.Transport = roundTrip(func(request *http.Request) (*http.Response, error) {
			if request.URL.Path == jwksPath {
				return answer(200, string(keys)), nil
			}
			e.requests.Add(1)
			since, _ := strconv.ParseInt(request.URL.Query().Get("since"), 10, 64)
			e.since.Store(since)
			time.Sleep(e.pause)
			part := map[string]any{"since": since, "epoch": since + 1, "complete": e.isEnding.Load()}
			return answer(200, f.sign(part)), nil
		})
	})
}

func TestAFeedWithoutEndKeepsNoCallerOfTheFirstLoadWaiting(t *testing.T) {
	feed := &endless{pause: 25 * time.Millisecond}
	v, seen := open(t, feed.options(sallyporttest.New(sallyporttest.Config{Algorithm: verifier.EdDSA})))
	started := time.Now()
	expect(t, "ready", verifier.CodeOf(v.Ready(background)), verifier.CodeRevocationStateStale)
	// All 2,000 parts would take 50 seconds.
	if took := time.Since(started); took > 20*time.Second {
		t.Errorf("the caller waited for %v", took)
	}
	expect(t, "reported", hasText(seen.failures("feed_failed"), "no end"), true)
	feed.isEnding.Store(true)
	expect(t, "refresh", v.Refresh(background), true)
	expect(t, "continued behind the last part", feed.since.Load() > 0, true)
}

func TestTheAnswersOfOneReadAreBoundedInSize(t *testing.T) {
	feed := &endless{}
	v, seen := open(t, feed.options(sallyporttest.New(sallyporttest.Config{Algorithm: verifier.EdDSA})))
	v.LimitFeedRead(2_000)
	expect(t, "refresh", v.Refresh(background), false)
	expect(t, "reported", hasText(seen.failures("feed_failed"), "no end"), true)
	if count := feed.requests.Load(); count < 2 || count > 10 {
		t.Errorf("%d parts were read", count)
	}
}
