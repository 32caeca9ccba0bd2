package verifier_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	verifier "sallyport.example/verifier"
	"sallyport.example/verifier/sallyporttest"
)

func TestARevocationReachesACachedTokenWithinASecond(t *testing.T) {
	for _, feed := range []string{verifier.FeedPoll, verifier.FeedSSE} {
		feed := feed
		t.Run(feed, func(t *testing.T) {
			t.Parallel()
			issuer := sallyporttest.New(sallyporttest.Config{})
			v, _ := open(t, changed(issuer, func(o *verifier.Options) { o.Feed = feed }))
			token, other := issuer.Mint(nil), issuer.Mint(nil)
			expect(t, "before", codeOf(v, token), verifier.CodeActive)
			expect(t, "other before", codeOf(v, other), verifier.CodeActive)
			if feed == verifier.FeedSSE {
				eventually(t, "the stream is open", func() bool { return issuer.Requests("/v1/revocations/stream") > 0 })
			}
			issuer.RevokeToken(token)
			took := eventually(t, "revoked", func() bool { return codeOf(v, token) == verifier.CodeRevoked })
			if took > time.Second {
				t.Errorf("it took %v", took)
			}
			expect(t, "other after", codeOf(v, other), verifier.CodeActive)
			expect(t, "introspections", issuer.Requests("/oauth2/introspect"), 0)
		})
	}
}

func TestARevocationThatCameWhileAnOlderAnswerWasOnItsWayIsKnownAfterRefresh(t *testing.T) {
	issuer := sallyporttest.New(sallyporttest.Config{})
	gate := make(chan struct{})
	var isSlow atomic.Bool
	v, _ := open(t, changed(issuer, func(o *verifier.Options) {
		o.FeedInterval = time.Minute
		o.Transport = roundTripper(func(request *http.Request) (*http.Response, error) {
			answer, err := issuer.RoundTrip(request)
			if isSlow.Load() && issuer.Requests("/v1/revocations") == 2 {
				<-gate
			}
			return answer, err
		})
	}))
	expect(t, "ready", v.Ready(background), nil)
	isSlow.Store(true)
	token := issuer.Mint(nil)
	go v.Refresh(background)
	eventually(t, "a read is under way", func() bool { return issuer.Requests("/v1/revocations") == 2 })
	issuer.RevokeToken(token)
	time.AfterFunc(100*time.Millisecond, func() { close(gate) })
	v.Refresh(background)
	expect(t, "after", codeOf(v, token), verifier.CodeRevoked)
}

func TestAStreamThatWaitsAfterFailuresIsOpenedOnceAReadSucceeds(t *testing.T) {
	issuer := sallyporttest.New(sallyporttest.Config{})
	var isUp atomic.Bool
	v, seen := open(t, changed(issuer, func(o *verifier.Options) {
		o.Feed = verifier.FeedSSE
		o.Transport = roundTripper(func(request *http.Request) (*http.Response, error) {
			if !isUp.Load() {
				return nil, errors.New("refused")
			}
			return issuer.RoundTrip(request)
		})
	}))
	// Without the read it waits for at least half an hour.
	v.WaitAfterFailures(time.Hour)
	v.Start()
	eventually(t, "a failure", func() bool { return len(seen.failures("feed_failed")) > 0 })
	isUp.Store(true)
	expect(t, "refreshed", v.Refresh(background), true)
	eventually(t, "the stream is open", func() bool { return issuer.Requests("/v1/revocations/stream") > 0 })
}

func TestEveryKindOfRevocation(t *testing.T) {
	for _, one := range []struct {
		revocation sallyporttest.Revocation
		code       verifier.Code
	}{
		{sallyporttest.Revocation{Kind: "sid", Value: "session-1"}, verifier.CodeSessionEnded},
		{sallyporttest.Revocation{Kind: "family", Value: "family-1"}, verifier.CodeRevoked},
		{sallyporttest.Revocation{Kind: "family", Value: "family-1", Reason: "refresh_token_reused"}, verifier.CodeFamilyReused},
		{sallyporttest.Revocation{Kind: "user", Value: "user-1"}, verifier.CodeRevoked},
		{sallyporttest.Revocation{Kind: "client", Value: "client-1"}, verifier.CodeRevoked},
		{sallyporttest.Revocation{Kind: "user", Value: "user-2"}, verifier.CodeActive},
	} {
		issuer := sallyporttest.New(sallyporttest.Config{})
		v, _ := open(t, issuer.Options())
		token := issuer.Mint(nil)
		expect(t, "before", codeOf(v, token), verifier.CodeActive)
		issuer.Revoke(one.revocation)
		v.Refresh(background)
		expect(t, one.revocation.Kind+" "+one.revocation.Value, codeOf(v, token), one.code)
	}
}

func TestARequestDoesNoIOWhileKeysAndRevocationsAreFresh(t *testing.T) {
	issuer := sallyporttest.New(sallyporttest.Config{})
	v, _ := open(t, changed(issuer, func(o *verifier.Options) { o.FeedInterval = time.Minute }))
	expect(t, "ready", v.Ready(background), nil)
	for i := 0; i < 100; i++ {
		expect(t, "token", codeOf(v, issuer.Mint(nil)), verifier.CodeActive)
	}
	expect(t, "key sets", issuer.Requests("/.well-known/jwks.json"), 1)
	expect(t, "feed", issuer.Requests("/v1/revocations"), 1)
}

func TestOnStale(t *testing.T) {
	for _, one := range []struct {
		onStale          string
		token, whenAsked verifier.Code
	}{
		{verifier.OnStaleFail, verifier.CodeRevocationStateStale, verifier.CodeRevocationStateStale},
		{verifier.OnStaleServe, verifier.CodeActive, verifier.CodeActive},
		{verifier.OnStaleIntrospect, verifier.CodeRevocationStateStale, verifier.CodeActive},
	} {
		t.Run(one.onStale, func(t *testing.T) {
			issuer := sallyporttest.New(sallyporttest.Config{})
			isFeedDown := make(chan struct{})
			v, _ := open(t, changed(issuer, func(o *verifier.Options) {
				o.OnStale, o.FeedInterval = one.onStale, time.Minute
				o.Transport = roundTrip(func(request *http.Request) (*http.Response, error) {
					select {
					case <-isFeedDown:
						if request.URL.Path == "/v1/revocations" {
							return answer(500, ""), nil
						}
					default:
					}
					return issuer.RoundTrip(request)
				})
			}))
			token, revoked := issuer.Mint(nil), issuer.Mint(nil)
			expect(t, "fresh", codeOf(v, token), verifier.CodeActive)
			expect(t, "fresh", codeOf(v, revoked), verifier.CodeActive)
			close(isFeedDown)
			issuer.RevokeToken(revoked)
			issuer.Advance(61 * time.Second)
			expect(t, "within maxStale", codeOf(v, token), verifier.CodeActive)
			issuer.Advance(2 * time.Second)
			expect(t, "API reachable", codeOf(v, token), one.whenAsked)
			if one.onStale == verifier.OnStaleIntrospect {
				expect(t, "a revoked token", codeOf(v, revoked), verifier.CodeRevoked)
			}
			issuer.GoStale()
			issuer.Advance(2 * time.Second)
			expect(t, "API down", codeOf(v, token), one.token)
			expect(t, "a forged token", codeOf(v, token[:len(token)-4]+"AAAA") == verifier.CodeActive, false)
		})
	}
}

func TestServeAcceptsNothingBeforeAnythingWasRead(t *testing.T) {
	issuer := sallyporttest.New(sallyporttest.Config{})
	v, _ := open(t, changed(issuer, func(o *verifier.Options) { o.OnStale = verifier.OnStaleServe }))
	token := issuer.Mint(nil)
	issuer.GoStale()
	expect(t, "cold", codeOf(v, token), verifier.CodeKeyRingBehind)
	expect(t, "ready", verifier.CodeOf(v.Ready(background)), verifier.CodeKeyRingBehind)
	issuer.Recover()
	issuer.Advance(2 * time.Second)
	expect(t, "recovered", codeOf(v, token), verifier.CodeActive)
}

func TestACallerThatLeavesIsNotKeptWaiting(t *testing.T) {
	issuer := sallyporttest.New(sallyporttest.Config{})
	v, _ := open(t, changed(issuer, func(o *verifier.Options) {
		o.Transport = roundTrip(func(request *http.Request) (*http.Response, error) {
			<-request.Context().Done()
			return nil, request.Context().Err()
		})
	}))
	ctx, cancel := context.WithTimeout(background, 20*time.Millisecond)
	defer cancel()
	started := time.Now()
	_, err := v.Verify(ctx, issuer.Mint(nil), verifier.Requirements{})
	expect(t, "code", verifier.CodeOf(err), verifier.CodeKeyRingBehind)
	if took := time.Since(started); took > time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestAnotherIncarnationReplacesTheState(t *testing.T) {
	issuer := sallyporttest.New(sallyporttest.Config{})
	v, _ := open(t, issuer.Options())
	token := issuer.Mint(nil)
	issuer.RevokeToken(token)
	expect(t, "revoked", codeOf(v, token), verifier.CodeRevoked)
	issuer.Advance(time.Second)
	issuer.Restore()
	expect(t, "read", v.Refresh(background), true)
	expect(t, "restored", codeOf(v, token), verifier.CodeActive)
	expect(t, "revocations", v.State().Revocations, 0)
}

func TestExpiredRevocationsLeaveTheMemory(t *testing.T) {
	issuer := sallyporttest.New(sallyporttest.Config{})
	v, _ := open(t, issuer.Options())
	issuer.Revoke(sallyporttest.Revocation{Kind: "family", Value: "f", Reason: "refresh_token_reused"})
	issuer.Revoke(sallyporttest.Revocation{Kind: "user", Value: "u"})
	v.Refresh(background)
	expect(t, "before", v.State().Revocations, 2)
	issuer.Advance(2 * time.Hour)
	v.Refresh(background)
	expect(t, "after", v.State().Revocations, 0)
}

func TestASilentStreamIsOpenedAgain(t *testing.T) {
	issuer := sallyporttest.New(sallyporttest.Config{})
	v, seen := open(t, changed(issuer, func(o *verifier.Options) {
		o.Feed, o.Timeout = verifier.FeedSSE, 50*time.Millisecond
		o.Transport = roundTrip(func(request *http.Request) (*http.Response, error) {
			if request.URL.Path == "/v1/revocations/stream" {
				<-request.Context().Done()
				return nil, request.Context().Err()
			}
			return issuer.RoundTrip(request)
		})
	}))
	expect(t, "token", codeOf(v, issuer.Mint(nil)), verifier.CodeActive)
	eventually(t, "two attempts", func() bool { return len(seen.failures("feed_failed")) >= 2 })
}

func TestAHostileAnswerOfTheFeedIsBoundedAndChangesNothing(t *testing.T) {
	issuer := sallyporttest.New(sallyporttest.Config{Algorithm: verifier.EdDSA})
	f, other := newForger(issuer), newForger(issuer)
	keys, _ := json.Marshal(map[string]any{"keys": []any{f.jwk}})
	var hostile atomic.Pointer[func(*http.Request) (*http.Response, error)]
	transport := roundTrip(func(request *http.Request) (*http.Response, error) {
		if request.URL.Path == jwksPath {
			return answer(200, string(keys)), nil
		}
		if respond := hostile.Load(); respond != nil {
			return (*respond)(request)
		}
		return answer(200, f.sign(map[string]any{"entries": entryOf(10, "a")})), nil
	})
	follow := func(feed string) (*verifier.Verifier, *events) {
		return open(t, changed(issuer, func(o *verifier.Options) {
			o.Feed, o.FeedInterval, o.Timeout, o.Transport = feed, time.Minute, 200*time.Millisecond, transport
		}))
	}
	body := func(text string) func(*http.Request) (*http.Response, error) {
		return func(*http.Request) (*http.Response, error) { return answer(200, text), nil }
	}
	v, seen := follow(verifier.FeedPoll)
	expect(t, "ready", v.Ready(background), nil)
	for name, respond := range map[string]func(*http.Request) (*http.Response, error){
		"500":         func(*http.Request) (*http.Response, error) { return answer(500, ""), nil },
		"a redirect":  func(*http.Request) (*http.Response, error) { return answer(302, ""), nil },
		"10 MB":       body(f.sign(map[string]any{"epoch": 11, "entries": entryOf(11, strings.Repeat("b", 10_000_000))})),
		"cut off":     body(f.sign(map[string]any{"epoch": 11})[:200]),
		"another key": body(other.sign(map[string]any{"epoch": 11})),
		"silence": func(request *http.Request) (*http.Response, error) {
			<-request.Context().Done()
			return nil, request.Context().Err()
		},
	} {
		respond := respond
		hostile.Store(&respond)
		count := len(seen.failures("feed_failed"))
		v.Refresh(background)
		expect(t, name+": failures", len(seen.failures("feed_failed")), count+1)
		expect(t, name+": epoch", v.State().Epoch, int64(10))
		expect(t, name+": revocations", v.State().Revocations, 1)
	}

	parts := func(request *http.Request) (*http.Response, error) {
		since, _ := strconv.Atoi(request.URL.Query().Get("since"))
		return answer(200, f.sign(map[string]any{"since": since, "epoch": since + 1, "complete": false})), nil
	}
	hostile.Store(&parts)
	endless, failed := follow(verifier.FeedPoll)
	expect(t, "endless parts", endless.Refresh(background), false)
	expect(t, "endless parts: reported", hasText(failed.failures("feed_failed"), "no end"), true)

	hostile.Store(nil)
	stream, failed := follow(verifier.FeedSSE)
	expect(t, "stream", stream.Ready(background), nil)
	long := body("data: " + strings.Repeat("A", 10_000_000) + "\n\n")
	hostile.Store(&long)
	eventually(t, "an event of 10 MB is cut off", func() bool {
		return hasText(failed.failures("feed_failed"), "cut off")
	})
	lines := body(strings.Repeat("data:\n", 2_000_000))
	hostile.Store(&lines)
	eventually(t, "an event of two million empty lines is refused", func() bool {
		return hasText(failed.failures("feed_failed"), "too long")
	})
	expect(t, "stream: epoch", stream.State().Epoch, int64(10))
}
