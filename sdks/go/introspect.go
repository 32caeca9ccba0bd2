package verifier

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"sync"
)

// introspections asks the API about tokens while keys or revocations are stale. Requests with the same token share one
// call.
type introspections struct {
	settings *settings
	mutex    sync.Mutex
	asked    map[string]*introspection
}

type introspection struct {
	done     chan struct{}
	isActive bool
	err      error
}

// ask asks whether the token is active (RFC 7662).
func (i *introspections) ask(token string) (bool, error) {
	header := i.settings.authorized("Content-Type", "application/x-www-form-urlencoded")
	body := url.Values{"token": {token}}.Encode()
	text, _, err := i.settings.fetch(context.Background(), http.MethodPost, "/oauth2/introspect", "", header, body, limitIntrospectionBytes)
	if err != nil {
		return false, err
	}
	answer, _ := parseStrictObject(text)
	isActive, ok := answer["active"].(bool)
	if !ok {
		return false, errors.New("the introspection is malformed")
	}
	return isActive, nil
}

// isActive fails when the API does not answer, or when too many calls are under way.
func (i *introspections) isActive(ctx context.Context, token string) (bool, error) {
	i.mutex.Lock()
	one := i.asked[token]
	if one == nil {
		if len(i.asked) >= limitIntrospectionsAtOnce {
			i.mutex.Unlock()
			return false, errors.New("too many introspections at once")
		}
		one = &introspection{done: make(chan struct{})}
		i.asked[token] = one
		go func() {
			one.isActive, one.err = i.ask(token)
			i.mutex.Lock()
			delete(i.asked, token)
			i.mutex.Unlock()
			close(one.done)
			if one.err != nil {
				i.settings.OnEvent(Event{Type: "introspection_failed", Err: one.err})
			}
		}()
	}
	i.mutex.Unlock()
	select {
	case <-one.done:
		return one.isActive, one.err
	case <-ctx.Done():
		return false, ctx.Err()
	}
}
