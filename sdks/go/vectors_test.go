package verifier_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	verifier "sallyport.example/verifier"
)

type vectorFile struct {
	Issuer   string                     `json:"issuer"`
	Audience string                     `json:"audience"`
	KeySets  map[string]json.RawMessage `json:"keySets"`
	Feeds    map[string][]struct {
		At       float64 `json:"at"`
		JWS      string  `json:"jws"`
		Accepted bool    `json:"accepted"`
	} `json:"feeds"`
	Vectors   []vector `json:"vectors"`
	Sequences []struct {
		Name  string `json:"name"`
		Steps []struct {
			At    float64 `json:"at"`
			Keys  string  `json:"keys"`
			Token string  `json:"token"`
			Code  string  `json:"code"`
		} `json:"steps"`
	} `json:"sequences"`
}

type vector struct {
	Name    string  `json:"name"`
	Token   string  `json:"token"`
	Now     float64 `json:"now"`
	Code    string  `json:"code"`
	Options struct {
		Keys           string                 `json:"keys"`
		Feed           *string                `json:"feed"`
		Algorithms     []string               `json:"algorithms"`
		Secret         string                 `json:"secret"`
		Audience       string                 `json:"audience"`
		ClockSkew      *float64               `json:"clockSkew"`
		MaxStale       float64                `json:"maxStale"`
		OnStale        string                 `json:"onStale"`
		RequiredScopes []string               `json:"requiredScopes"`
		DPoP           *verifier.ProofRequest `json:"dpop"`
		Certificate    string                 `json:"certificate"`
	} `json:"options"`
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(request *http.Request) (*http.Response, error) { return f(request) }

func answer(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
}

func atSeconds(seconds float64) time.Time { return time.UnixMilli(int64(seconds * 1_000)) }

func seconds(value float64) time.Duration {
	if value == 0 {
		return verifier.None
	}
	return time.Duration(value * float64(time.Second))
}

// readOfRepository reads a file of the repository. Only a copy of the module alone, which has none, may skip the test.
func readOfRepository(t testing.TB, path string) []byte {
	t.Helper()
	text, err := os.ReadFile("../../" + path)
	if err == nil {
		return text
	}
	if _, inside := os.Stat("../../package.json"); inside == nil {
		t.Fatal(err)
	}
	t.Skip(path + " is in the repository, and not in the module")
	return nil
}

func readVectors(t testing.TB) (file vectorFile) {
	text := readOfRepository(t, "conformance/vectors.json")
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	return file
}

// transport guards what the transports of all verifiers share: keys and feed are read beside each other, and readers of
// earlier verifiers may still run.
var transport sync.Mutex

// verifierOf has read the feed of the vector, and its clock then shows its time. asked notes where it was led.
func verifierOf(t *testing.T, file vectorFile, one vector, asked map[string]bool) *verifier.Verifier {
	now, served := one.Now, ""
	options := verifier.Options{
		Issuer: file.Issuer, Audience: file.Audience, Algorithms: one.Options.Algorithms, OnStale: one.Options.OnStale,
		MaxStale: seconds(one.Options.MaxStale), RequiredScopes: one.Options.RequiredScopes, Feed: verifier.FeedOff,
		Now: func() time.Time { return atSeconds(now) },
		Transport: roundTrip(func(request *http.Request) (*http.Response, error) {
			transport.Lock()
			defer transport.Unlock()
			asked[request.URL.Scheme+"://"+request.URL.Host+request.URL.Path] = true
			if request.URL.Path == "/.well-known/jwks.json" {
				name := one.Options.Keys
				if name == "" {
					name = "stable"
				}
				return answer(200, string(file.KeySets[name])), nil
			}
			body := served
			if served = ""; body == "" {
				return answer(503, ""), nil
			}
			return answer(200, body), nil
		}),
	}
	if one.Options.Audience != "" {
		options.Audience = one.Options.Audience
	}
	if one.Options.Secret != "" {
		options.Secret = []string{one.Options.Secret}
	}
	if one.Options.ClockSkew != nil {
		options.ClockSkew = seconds(*one.Options.ClockSkew)
	}
	if one.Options.Feed != nil {
		options.Feed, options.FeedInterval = verifier.FeedPoll, time.Minute
		options.ClientID, options.ClientSecret = "reader", "x"
	}
	v, err := verifier.New(options)
	if err != nil {
		t.Fatal(one.Name, err)
	}
	if one.Options.Feed != nil {
		for _, step := range file.Feeds[*one.Options.Feed] {
			transport.Lock()
			now, served = step.At, step.JWS
			transport.Unlock()
			before := v.State()
			v.Refresh(context.Background())
			after := v.State()
			isSame := before.Epoch == after.Epoch && before.Incarnation == after.Incarnation && before.Revocations == after.Revocations
			if !step.Accepted && !isSame {
				t.Errorf("%s: took an answer that must be refused", one.Name)
			}
		}
	}
	now = one.Now
	return v
}

func TestEveryConformanceVectorAtFirstAndFromTheCache(t *testing.T) {
	file, asked := readVectors(t), map[string]bool{}
	for _, one := range file.Vectors {
		v := verifierOf(t, file, one, asked)
		requirements := verifier.Requirements{DPoP: one.Options.DPoP, Certificate: one.Options.Certificate}
		for _, use := range []string{"first", "second"} {
			_, err := v.Verify(context.Background(), one.Token, requirements)
			if code := verifier.CodeOf(err); string(code) != one.Code {
				t.Errorf("%s (%s): %s, not %s", one.Name, use, code, one.Code)
			}
		}
		v.Close()
	}
	// No header of a token may lead a verifier elsewhere (jku, x5u).
	if len(asked) != 2 || !asked[file.Issuer+"/.well-known/jwks.json"] || !asked[file.Issuer+"/v1/revocations"] {
		t.Errorf("asked %v", asked)
	}
	if len(file.Vectors) < 250 {
		t.Errorf("only %d vectors", len(file.Vectors))
	}
}

func TestEachStepOfEverySequence(t *testing.T) {
	file := readVectors(t)
	for _, sequence := range file.Sequences {
		step := sequence.Steps[0]
		v, err := verifier.New(verifier.Options{
			Issuer: file.Issuer, Audience: file.Audience, Feed: verifier.FeedOff,
			Now: func() time.Time { return atSeconds(step.At) },
			Transport: roundTrip(func(*http.Request) (*http.Response, error) {
				return answer(200, string(file.KeySets[step.Keys])), nil
			}),
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, step = range sequence.Steps {
			_, err := v.Verify(context.Background(), step.Token, verifier.Requirements{})
			if code := verifier.CodeOf(err); string(code) != step.Code {
				t.Errorf("%s, at %v: %s, not %s", sequence.Name, step.At, code, step.Code)
			}
		}
		v.Close()
	}
	if len(file.Sequences) < 2 {
		t.Errorf("only %d sequences", len(file.Sequences))
	}
}
