package verifier_test

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	verifier "sallyport.example/verifier"
	"sallyport.example/verifier/sallyporttest"
)

const jwksPath = "/.well-known/jwks.json"

func TestEveryAlgorithmOfTheFakeIssuer(t *testing.T) {
	for _, algorithm := range []string{verifier.RS256, verifier.ES256, verifier.EdDSA, verifier.HS256} {
		issuer := sallyporttest.New(sallyporttest.Config{Algorithm: algorithm})
		v, _ := open(t, issuer.Options())
		token := issuer.Mint(nil)
		expect(t, algorithm, codeOf(v, token), verifier.CodeActive)
		issuer.RevokeToken(token)
		v.Refresh(background)
		expect(t, algorithm+" revoked", codeOf(v, token), verifier.CodeRevoked)
	}
}

func TestAnUnknownKidCausesOneFetchAndThenACooldown(t *testing.T) {
	issuer := sallyporttest.New(sallyporttest.Config{})
	v, _ := open(t, issuer.Options())
	expect(t, "ready", v.Ready(background), nil)
	unknown := issuer.MintWithHeader(nil, map[string]any{"kid": "made-up"})
	var group sync.WaitGroup
	for i := 0; i < 50; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			expect(t, "unknown", codeOf(v, unknown), verifier.CodeUnknownKey)
		}()
	}
	group.Wait()
	expect(t, "fetches", issuer.Requests(jwksPath), 2)
	expect(t, "within the cooldown", codeOf(v, unknown), verifier.CodeUnknownKey)
	expect(t, "fetches within the cooldown", issuer.Requests(jwksPath), 2)
	issuer.Advance(11 * time.Second)
	v.Refresh(background)
	issuer.Rotate()
	expect(t, "a new key", codeOf(v, issuer.Mint(nil)), verifier.CodeActive)
}

func TestAConcurrentStartFetchesTheKeysOnce(t *testing.T) {
	issuer := sallyporttest.New(sallyporttest.Config{})
	v, _ := open(t, changed(issuer, func(o *verifier.Options) { o.FeedInterval = time.Minute }))
	token := issuer.Mint(nil)
	var group sync.WaitGroup
	for i := 0; i < 100; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			expect(t, "token", codeOf(v, token), verifier.CodeActive)
		}()
	}
	group.Wait()
	expect(t, "fetches", issuer.Requests(jwksPath), 1)
}

func TestARetiredKeyVerifiesNoLongerAlsoFromTheCache(t *testing.T) {
	issuer := sallyporttest.New(sallyporttest.Config{})
	first := issuer.Rotate()
	v, _ := open(t, issuer.Options())
	token := issuer.Mint(nil)
	expect(t, "before", codeOf(v, token), verifier.CodeActive)
	issuer.Rotate()
	issuer.Retire(first)
	v.Refresh(background)
	expect(t, "after", codeOf(v, token), verifier.CodeUnknownKey)
}

func TestKeysRotateUnderLoadWithoutARefusal(t *testing.T) {
	issuer := sallyporttest.New(sallyporttest.Config{})
	v, _ := open(t, issuer.Options())
	var refused atomic.Int64
	var group sync.WaitGroup
	stop := make(chan struct{})
	for i := 0; i < 4; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for {
				select {
				case <-stop:
					return
				default:
					if codeOf(v, issuer.Mint(nil)) != verifier.CodeActive {
						refused.Add(1)
					}
				}
			}
		}()
	}
	for i := 0; i < 10; i++ {
		// The first may share a reading that began before the last rotation; the second begins after it.
		v.Refresh(background)
		v.Refresh(background)
		// After it: no token of the key before may spend the cooldown that the next key needs.
		issuer.Advance(10 * time.Second)
		issuer.Rotate()
		time.Sleep(10 * time.Millisecond)
	}
	close(stop)
	group.Wait()
	expect(t, "refused", refused.Load(), int64(0))
}

func TestAKeySetThatIsRefusedLeavesTheLastGoodKeys(t *testing.T) {
	good := sallyporttest.New(sallyporttest.Config{})
	var bad atomic.Pointer[func(*http.Request) (*http.Response, error)]
	v, seen := open(t, changed(good, func(o *verifier.Options) {
		o.Timeout, o.MaxStale, o.Feed = 100*time.Millisecond, time.Hour, verifier.FeedOff
		o.Transport = roundTrip(func(request *http.Request) (*http.Response, error) {
			if answer := bad.Load(); answer != nil {
				return (*answer)(request)
			}
			return good.RoundTrip(request)
		})
	}))
	token := good.Mint(nil)
	expect(t, "good", codeOf(v, token), verifier.CodeActive)
	body := func(text string) func(*http.Request) (*http.Response, error) {
		return func(*http.Request) (*http.Response, error) { return answer(200, text), nil }
	}
	for name, respond := range map[string]func(*http.Request) (*http.Response, error){
		"500":           func(*http.Request) (*http.Response, error) { return answer(500, "{}"), nil },
		"a redirect":    func(*http.Request) (*http.Response, error) { return answer(302, "{}"), nil },
		"10 MB":         body(`{"keys":[` + strings.Repeat(" ", 10_000_000) + `]}`),
		"no JSON":       body("<html>"),
		"no list":       body(`{"keys":{}}`),
		"no key":        body(`{"keys":[]}`),
		"private":       body(`{"keys":[{"kid":"a","kty":"EC","crv":"P-256","alg":"ES256","x":"x","y":"y","d":"d"}]}`),
		"symmetric":     body(`{"keys":[{"kid":"a","kty":"oct","alg":"HS256"}]}`),
		"101 keys":      body(`{"keys":[` + strings.Repeat(`{"kid":"a"},`, 100) + `{"kid":"b"}]}`),
		"off the curve": body(`{"keys":[{"kid":"a","kty":"EC","crv":"P-256","alg":"ES256","x":"` + strings.Repeat("A", 43) + `","y":"` + strings.Repeat("A", 43) + `"}]}`),
		"packed": func(request *http.Request) (*http.Response, error) {
			response, err := good.RoundTrip(request)
			if err == nil {
				response.Header.Set("Content-Encoding", "br")
			}
			return response, err
		},
		"slow": func(request *http.Request) (*http.Response, error) {
			reader, writer := io.Pipe()
			go func() {
				<-request.Context().Done()
				writer.CloseWithError(request.Context().Err())
			}()
			response := answer(200, "")
			response.Body = reader
			return response, nil
		},
	} {
		bad.Store(&respond)
		count := len(seen.failures("keys_failed"))
		v.Refresh(background)
		expect(t, name+" failed", len(seen.failures("keys_failed")), count+1)
		expect(t, name, codeOf(v, token), verifier.CodeActive)
	}
	good.Advance(301*time.Second + time.Hour)
	expect(t, "beyond maxStale", codeOf(v, good.Mint(nil)), verifier.CodeKeyRingBehind)
}

func TestAClockThatIsSetBackAfterAFailedFetchDoesNotPutOffTheNextOne(t *testing.T) {
	issuer := sallyporttest.New(sallyporttest.Config{})
	v, _ := open(t, changed(issuer, func(o *verifier.Options) { o.Feed = verifier.FeedOff }))
	issuer.GoStale()
	expect(t, "the API is down", codeOf(v, issuer.Mint(nil)), verifier.CodeKeyRingBehind)
	issuer.Recover()
	issuer.Advance(-time.Hour)
	expect(t, "it is up again", codeOf(v, issuer.Mint(nil)), verifier.CodeActive)
}
