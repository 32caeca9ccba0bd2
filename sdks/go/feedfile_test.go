package verifier_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	verifier "sallyport.example/verifier"
	"sallyport.example/verifier/sallyporttest"
)

// written starts a writer, and returns its file.
func written(t *testing.T, issuer *sallyporttest.Issuer) string {
	path := filepath.Join(t.TempDir(), "feed.json")
	w, err := verifier.WriteFeedFile(changed(issuer, func(o *verifier.Options) {
		o.FeedFile, o.FeedInterval = path, 50*time.Millisecond
	}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	expect(t, "writer", w.Ready(background), nil)
	return path
}

// ofFile has no client and no way to the API.
func ofFile(t *testing.T, issuer *sallyporttest.Issuer, path string, interval time.Duration) (*verifier.Verifier, *events) {
	return open(t, changed(issuer, func(o *verifier.Options) {
		o.Feed, o.FeedFile, o.FeedInterval, o.ClientID, o.ClientSecret = verifier.FeedFile, path, interval, "", ""
		o.Transport = roundTrip(func(*http.Request) (*http.Response, error) {
			t.Error("a verifier of a file asked the API")
			return nil, errors.New("no API")
		})
	}))
}

func TestAVerifierThatStartsWhileTheAPIIsDownDecidesByTheFile(t *testing.T) {
	issuer := sallyporttest.New(sallyporttest.Config{})
	token, revoked := issuer.Mint(nil), issuer.Mint(nil)
	issuer.RevokeToken(revoked)
	path := written(t, issuer)
	issuer.GoStale()
	v, _ := ofFile(t, issuer, path, 50*time.Millisecond)
	expect(t, "ready", v.Ready(background), nil)
	expect(t, "token", codeOf(v, token), verifier.CodeActive)
	expect(t, "revoked", codeOf(v, revoked), verifier.CodeRevoked)
	expect(t, "unknown kid", codeOf(v, issuer.MintWithHeader(nil, map[string]any{"kid": "x"})), verifier.CodeUnknownKey)
	issuer.Advance(63 * time.Second)
	expect(t, "beyond maxStale", codeOf(v, token), verifier.CodeRevocationStateStale)
}

func TestARevocationReachesAVerifierOfAFileWithinASecond(t *testing.T) {
	issuer := sallyporttest.New(sallyporttest.Config{})
	path := written(t, issuer)
	v, _ := ofFile(t, issuer, path, 50*time.Millisecond)
	token := issuer.Mint(nil)
	expect(t, "before", codeOf(v, token), verifier.CodeActive)
	issuer.RevokeToken(token)
	took := eventually(t, "revoked", func() bool { return codeOf(v, token) == verifier.CodeRevoked })
	if took > time.Second {
		t.Errorf("it took %v", took)
	}
	info, err := os.Stat(path)
	expect(t, "stat", err, nil)
	expect(t, "mode", info.Mode().Perm()&0o137, os.FileMode(0))
}

func TestTheWriterReadsTheFeedAgainAfterKeysRetireAndInAnotherIncarnation(t *testing.T) {
	issuer := sallyporttest.New(sallyporttest.Config{})
	first := issuer.Rotate()
	revoked := issuer.Mint(nil)
	issuer.RevokeToken(revoked)
	path := written(t, issuer)
	issuer.Rotate()
	again := issuer.Mint(nil)
	issuer.RevokeToken(again)
	issuer.Retire(first)
	issuer.Advance(301 * time.Second)
	eventually(t, "a new verifier reads the whole file", func() bool {
		v, _ := ofFile(t, issuer, path, time.Minute)
		return codeOf(v, again) == verifier.CodeRevoked && v.State().Revocations == 2
	})
	issuer.Advance(time.Second)
	issuer.Restore()
	eventually(t, "restored", func() bool {
		v, _ := ofFile(t, issuer, path, time.Minute)
		return codeOf(v, again) == verifier.CodeActive
	})
}

func TestAWriterThatCannotReachTheAPISaysSo(t *testing.T) {
	issuer := sallyporttest.New(sallyporttest.Config{})
	issuer.GoStale()
	path := filepath.Join(t.TempDir(), "feed.json")
	w, err := verifier.WriteFeedFile(changed(issuer, func(o *verifier.Options) { o.FeedFile = path }))
	expect(t, "options", err, nil)
	defer w.Close()
	if w.Ready(background) == nil {
		t.Error("it was ready")
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Error("it wrote a file")
	}
}

// forger signs answers as the issuer does, with a key of its own.
type forger struct {
	issuer  string
	private ed25519.PrivateKey
	jwk     map[string]any
}

func newForger(issuer *sallyporttest.Issuer) *forger {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	x := base64.RawURLEncoding.EncodeToString(public)
	return &forger{issuer.Options().Issuer, private, map[string]any{
		"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": "feed", "x": x,
	}}
}

func (f *forger) sign(changes map[string]any) string {
	payload := map[string]any{
		"iss": f.issuer, "incarnation": "one", "epoch": 10, "since": 0, "issued_at": float64(time.Now().UnixMilli()) / 1_000,
		"max_staleness_s": 2, "complete": true, "entries": []any{},
	}
	for name, value := range changes {
		payload[name] = value
	}
	part := func(value any) string {
		text, _ := json.Marshal(value)
		return base64.RawURLEncoding.EncodeToString(text)
	}
	signed := part(map[string]string{"alg": "EdDSA", "kid": "feed", "typ": "revocations+jwt"}) + "." + part(payload)
	return signed + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(f.private, []byte(signed)))
}

func fileOf(keys []any, answers ...any) string {
	text, _ := json.Marshal(map[string]any{"jwks": map[string]any{"keys": keys}, "answers": append([]any{}, answers...)})
	return string(text)
}

func entryOf(epoch int, value string) []any {
	return []any{map[string]any{"epoch": epoch, "kind": "jti", "value": value, "expires_at": 4_000_000_000}}
}

func replace(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func TestADamagedOrForgedFileIsRefused(t *testing.T) {
	issuer := sallyporttest.New(sallyporttest.Config{Algorithm: verifier.EdDSA})
	f, other := newForger(issuer), newForger(issuer)
	keys := []any{f.jwk}
	private := map[string]any{"d": "AA"}
	for name, value := range f.jwk {
		private[name] = value
	}
	part := f.sign(map[string]any{"epoch": 5, "complete": false, "entries": entryOf(5, "a")})
	last := f.sign(map[string]any{"since": 5, "entries": entryOf(10, "b")})
	good := fileOf(keys, part, last)
	ago := func(seconds float64) float64 { return float64(time.Now().UnixMilli())/1_000 - seconds }
	forged := map[string]string{
		"empty":                 "",
		"cut off":               good[:len(good)/2],
		"without answers":       `{"jwks":{"keys":[]}}`,
		"answers of numbers":    fileOf(keys, 1),
		"without keys":          fmt.Sprintf(`{"answers":[%q,%q]}`, part, last),
		"a private key":         fileOf([]any{private}, part, last),
		"by another key":        fileOf(keys, other.sign(map[string]any{"epoch": 11, "entries": entryOf(11, "c")})),
		"of an older epoch":     fileOf(keys, f.sign(map[string]any{"epoch": 9})),
		"an older incarnation":  fileOf(keys, f.sign(map[string]any{"incarnation": "two", "issued_at": ago(4)})),
		"without its beginning": fileOf(keys, f.sign(map[string]any{"since": 11, "epoch": 12})),
		"long ago":              fileOf(keys, f.sign(map[string]any{"epoch": 11, "issued_at": ago(3_600)})),
	}
	path := filepath.Join(t.TempDir(), "feed.json")
	replace(t, path, good)
	v, seen := ofFile(t, issuer, path, time.Minute)
	expect(t, "ready", v.Ready(background), nil)
	expect(t, "revocations", v.State().Revocations, 2)
	for name, text := range forged {
		replace(t, path, text)
		count := len(seen.failures("feed_failed"))
		v.Refresh(background)
		expect(t, name+": failures", len(seen.failures("feed_failed")), count+1)
		expect(t, name+": epoch", v.State().Epoch, int64(10))
		expect(t, name+": revocations", v.State().Revocations, 2)
	}
	for _, name := range []string{"empty", "cut off", "a private key", "by another key", "long ago", "without keys"} {
		replace(t, path, forged[name])
		cold, _ := ofFile(t, issuer, path, time.Minute)
		expect(t, name+": cold", codeOf(cold, issuer.Mint(nil)) == verifier.CodeActive, false)
		expect(t, name+": cold and fresh", cold.State().Fresh, false)
	}
	os.Remove(path)
	v.Refresh(background)
	if !hasText(seen.failures("feed_failed"), "cannot be read") {
		t.Error("a missing file was not reported")
	}
}

func TestOnlyTheLastAnswerTellsHowRecentAFileIs(t *testing.T) {
	issuer := sallyporttest.New(sallyporttest.Config{Algorithm: verifier.EdDSA})
	f := newForger(issuer)
	old := f.sign(map[string]any{"issued_at": time.Now().Unix() - 86_400, "entries": entryOf(10, "a")})
	path := filepath.Join(t.TempDir(), "feed.json")
	replace(t, path, fileOf([]any{f.jwk}, old))
	stale, _ := ofFile(t, issuer, path, time.Minute)
	expect(t, "old", codeOf(stale, issuer.Mint(nil)), verifier.CodeRevocationStateStale)
	replace(t, path, fileOf([]any{f.jwk}, old, f.sign(map[string]any{"since": 10})))
	v, _ := ofFile(t, issuer, path, time.Minute)
	expect(t, "ready", v.Ready(background), nil)
	expect(t, "revocations", v.State().Revocations, 1)
}
