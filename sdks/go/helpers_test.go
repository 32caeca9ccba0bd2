package verifier_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	verifier "sallyport.example/verifier"
	"sallyport.example/verifier/sallyporttest"
)

var background = context.Background()

// events collects what a verifier reports.
type events struct {
	mutex sync.Mutex
	all   []verifier.Event
}

func (e *events) add(event verifier.Event) {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	e.all = append(e.all, event)
}

// failures are the errors of events of this type.
func (e *events) failures(kind string) (texts []string) {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	for _, event := range e.all {
		if event.Type == kind && event.Err != nil {
			texts = append(texts, event.Err.Error())
		}
	}
	return texts
}

func open(t testing.TB, options verifier.Options) (*verifier.Verifier, *events) {
	t.Helper()
	seen := &events{}
	options.OnEvent = seen.add
	v, err := verifier.New(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	return v, seen
}

// changed are the options of the issuer with a change.
func changed(issuer *sallyporttest.Issuer, change func(*verifier.Options)) verifier.Options {
	options := issuer.Options()
	change(&options)
	return options
}

func codeOf(v *verifier.Verifier, token string) verifier.Code {
	_, err := v.Verify(background, token, verifier.Requirements{})
	return verifier.CodeOf(err)
}

func expect(t *testing.T, what string, got, expected any) {
	t.Helper()
	if got != expected {
		t.Errorf("%s: %v, not %v", what, got, expected)
	}
}

// A busy machine is slow; only what never comes is a failure.
const patience = time.Minute

// eventually waits until is returns true, for as long as patience. It returns how long that took.
func eventually(t *testing.T, what string, is func() bool) time.Duration {
	t.Helper()
	started := time.Now()
	for !is() {
		if time.Since(started) > patience {
			t.Fatalf("%s: not within %s", what, patience)
		}
		time.Sleep(5 * time.Millisecond)
	}
	return time.Since(started)
}

func hasText(texts []string, part string) bool {
	return strings.Contains(strings.Join(texts, "\n"), part)
}
