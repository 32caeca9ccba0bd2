package verifier_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"os"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	verifier "sallyport.example/verifier"
	"sallyport.example/verifier/sallyporttest"
)

// logLines collects the lines of a verifier's log.
type logLines struct {
	mutex sync.Mutex
	all   []string
}

func (l *logLines) Enabled(context.Context, slog.Level) bool { return true }
func (l *logLines) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l *logLines) WithGroup(string) slog.Handler            { return l }
func (l *logLines) Handle(_ context.Context, record slog.Record) error {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.all = append(l.all, record.Message)
	return nil
}

func (l *logLines) lines() []string {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return append([]string{}, l.all...)
}

// contractLine is a line of the log as all packages have it.
func contractLine(t *testing.T, name string, replaced ...string) string {
	text, err := os.ReadFile("../../conformance/contract.json")
	if err != nil {
		t.Fatal(err)
	}
	var contract struct{ Logs map[string]string }
	if err := json.Unmarshal(text, &contract); err != nil {
		t.Fatal(err)
	}
	return strings.NewReplacer(replaced...).Replace(contract.Logs[name])
}

// logged are options of the issuer that poll often, and the lines of the log.
func logged(issuer *sallyporttest.Issuer, change func(*verifier.Options)) (verifier.Options, *logLines) {
	seen := &logLines{}
	return changed(issuer, func(o *verifier.Options) {
		o.FeedInterval, o.Logger = 50*time.Millisecond, slog.New(seen)
		change(o)
	}), seen
}

func withWrongSecret(o *verifier.Options) { o.ClientSecret = "wrong" }

func awaitPolls(t *testing.T, issuer *sallyporttest.Issuer, times int) {
	t.Helper()
	before := issuer.Requests("/v1/revocations")
	eventually(t, "polls", func() bool { return issuer.Requests("/v1/revocations") >= before+times })
}

func expectLines(t *testing.T, seen *logLines, expected ...string) {
	t.Helper()
	if got := seen.lines(); !reflect.DeepEqual(got, expected) {
		t.Errorf("logged %q, not %q", got, expected)
	}
}

func TestARefusedClientIsAnsweredWithTheFixAndLoggedOnce(t *testing.T) {
	issuer := sallyporttest.New(sallyporttest.Config{})
	options, seen := logged(issuer, withWrongSecret)
	v, _ := open(t, options)
	facts := verifier.Facts{Method: "GET", URL: "https://tasks.test/", Authorization: "Bearer " + issuer.Mint(nil)}
	_, refusal := v.Authenticate(background, facts, verifier.Requirements{})
	if refusal == nil || refusal.Status != 503 || refusal.Code != verifier.CodeClientRefused || refusal.Header.Get("Retry-After") != "1" {
		t.Fatalf("%+v", refusal)
	}
	if body := string(refusal.Body); !strings.Contains(body, "revocations:read") || strings.Contains(body, "PostgreSQL") {
		t.Error(body)
	}
	awaitPolls(t, issuer, 3)
	expectLines(t, seen, contractLine(t, "refused", "{reason}", "/v1/revocations answered 401"))
}

func TestARefusedClientIsToldAtTheStart(t *testing.T) {
	issuer := sallyporttest.New(sallyporttest.Config{})
	options, _ := logged(issuer, withWrongSecret)
	v, _ := open(t, options)
	err := v.Ready(background)
	definition, _ := verifier.DefinitionOf(verifier.CodeClientRefused)
	if verifier.CodeOf(err) != verifier.CodeClientRefused || !strings.Contains(err.Error(), definition.Fix) {
		t.Error(err)
	}
	options, seen := logged(issuer, withWrongSecret)
	v, _ = open(t, options)
	v.Protect(verifier.Route{}, http.NotFoundHandler())
	eventually(t, "the line", func() bool { return len(seen.lines()) > 0 })
	expectLines(t, seen, contractLine(t, "refused", "{reason}", "/v1/revocations answered 401"))
}

func TestARefusedClientCountsOnceRevocationsAreStaleAndIsBackOnceItIsAccepted(t *testing.T) {
	issuer := sallyporttest.New(sallyporttest.Config{})
	var status atomic.Int64
	options, seen := logged(issuer, func(o *verifier.Options) {
		o.FeedInterval = time.Minute
		o.Transport = roundTrip(func(request *http.Request) (*http.Response, error) {
			if given := status.Load(); given != 0 && request.URL.Path == "/v1/revocations" {
				return answer(int(given), ""), nil
			}
			return issuer.RoundTrip(request)
		})
	})
	v, _ := open(t, options)
	token := issuer.Mint(nil)
	expect(t, "ready", v.Ready(background), nil)
	status.Store(403)
	v.Refresh(background)
	expect(t, "within maxStale", codeOf(v, token), verifier.CodeActive)
	issuer.Advance(70 * time.Second)
	expect(t, "stale", codeOf(v, token), verifier.CodeClientRefused)
	// An API that is down says nothing new about the client.
	status.Store(500)
	v.Refresh(background)
	expect(t, "down", codeOf(v, token), verifier.CodeClientRefused)
	status.Store(0)
	v.Refresh(background)
	expect(t, "accepted again", codeOf(v, token), verifier.CodeActive)
	expectLines(t, seen, contractLine(t, "refused", "{reason}", "/v1/revocations answered 403"), contractLine(t, "back"))
}

func TestStaleRevocationsAreOneLineAndTheirReturnIsAnother(t *testing.T) {
	for _, feed := range []string{verifier.FeedPoll, verifier.FeedSSE} {
		t.Run(feed, func(t *testing.T) {
			issuer := sallyporttest.New(sallyporttest.Config{MaxStaleness: 200 * time.Millisecond})
			options, seen := logged(issuer, func(o *verifier.Options) {
				o.Feed, o.MaxStale, o.Timeout = feed, verifier.None, 200*time.Millisecond
			})
			v, _ := open(t, options)
			expect(t, "ready", v.Ready(background), nil)
			issuer.GoStale()
			issuer.Advance(10 * time.Second)
			codeOf(v, issuer.Mint(nil))
			eventually(t, "the line", func() bool { return len(seen.lines()) > 0 })
			issuer.Recover()
			eventually(t, "it is back", func() bool { codeOf(v, issuer.Mint(nil)); return len(seen.lines()) > 1 })
			lines := seen.lines()
			expect(t, "the first line is of the code", strings.HasPrefix(lines[0], "Sallyport verifier: revocation_state_stale: "), true)
			expectLines(t, seen, lines[0], contractLine(t, "back"))
		})
	}
}

func TestARefusedKeySetIsNamed(t *testing.T) {
	issuer := sallyporttest.New(sallyporttest.Config{})
	options, seen := logged(issuer, func(o *verifier.Options) {
		o.Transport = roundTrip(func(request *http.Request) (*http.Response, error) {
			if request.URL.Path == "/.well-known/jwks.json" {
				return answer(200, `{"keys":[{"kty":"oct","kid":"a","k":"c2VjcmV0"}]}`), nil
			}
			return issuer.RoundTrip(request)
		})
	})
	v, _ := open(t, options)
	expect(t, "code", codeOf(v, issuer.Mint(nil)), verifier.CodeKeyRingBehind)
	awaitPolls(t, issuer, 2)
	reason := "the key set was refused: it contains a private or symmetric key"
	expectLines(t, seen, contractLine(t, "stale", "{code}", "key_ring_behind", "{reason}", reason))
}

func TestTheWriterOfAFileLogsARefusedClientOnce(t *testing.T) {
	issuer := sallyporttest.New(sallyporttest.Config{})
	options, seen := logged(issuer, withWrongSecret)
	options.FeedFile = t.TempDir() + "/feed.json"
	writer, err := verifier.WriteFeedFile(options)
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	if writer.Ready(background) == nil {
		t.Error("it was written")
	}
	awaitPolls(t, issuer, 3)
	expectLines(t, seen, contractLine(t, "refused", "{reason}", "/v1/revocations answered 401"))
}
