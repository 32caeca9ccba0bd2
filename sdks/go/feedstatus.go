package verifier

import (
	"errors"
	"net/http"
	"strings"
	"sync"
)

// feedStatus says how the last reads of the feed went. Each change is one line of the log, however often the feed is
// read.
type feedStatus struct {
	settings *settings
	keys     *keyStore

	mutex sync.Mutex
	known string
}

func newFeedStatus(s *settings, keys *keyStore) *feedStatus {
	return &feedStatus{settings: s, keys: keys, known: logBack}
}

// isRefusal: the API answered, and does not accept the client: its secret is wrong, or it lacks the permission.
func isRefusal(err error) bool {
	var gone *unavailable
	return errors.As(err, &gone) && (gone.status == http.StatusUnauthorized || gone.status == http.StatusForbidden)
}

// staleCode is what tokens are answered with while keys or revocations are stale.
func (f *feedStatus) staleCode(areKeysFresh bool) Code {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	return staleCodeOf(f.known, areKeysFresh)
}

func staleCodeOf(status string, areKeysFresh bool) Code {
	switch {
	case !areKeysFresh:
		return CodeKeyRingBehind
	case status == logRefused:
		return CodeClientRefused
	}
	return CodeRevocationStateStale
}

// after is the status after a read that ended so.
func (f *feedStatus) after(isFresh bool, err error) string {
	switch {
	case isRefusal(err):
		return logRefused
	case isFresh && err == nil:
		return logBack
	case isFresh || f.known == logRefused:
		// An API that cannot be reached says nothing new about the client.
		return f.known
	}
	return logStale
}

// update is called after each read: with whether the revocations may still be relied on, and why the read failed.
func (f *feedStatus) update(areRevocationsFresh bool, err error) {
	areKeysFresh := f.keys.isFresh()
	f.mutex.Lock()
	next := f.after(areKeysFresh && areRevocationsFresh, err)
	isChanged := next != f.known
	f.known = next
	f.mutex.Unlock()
	if !isChanged {
		return
	}
	if failure := f.keys.lastFailure(); !areKeysFresh && failure != nil {
		err = failure
	}
	reason := "nothing new was read"
	if err != nil {
		reason = err.Error()
	}
	f.settings.Logger.Warn(strings.NewReplacer("{code}", string(staleCodeOf(next, areKeysFresh)), "{reason}", reason).Replace(next))
}
