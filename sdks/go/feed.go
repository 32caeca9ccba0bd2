package verifier

import (
	"context"
	"errors"
	"math"
	"math/rand"
	"net/http"
	"sync"
	"time"
)

const (
	firstFeedWait   = 250 * time.Millisecond
	longestFeedWait = 5 * time.Second
)

// feedReader reads the feed as Options.Feed says.
type feedReader struct {
	settings    *settings
	keys        *keyStore
	revocations *revocations
	status      *feedStatus
	// onAnswer gets each answer that was taken, for a file; nil for none.
	onAnswer func(jws string)
	file     fileReader
	reading  flight
	// readBytes limits all parts of one read together.
	readBytes int
	// firstWait and longestWait are the times between two attempts after failures.
	firstWait, longestWait time.Duration
	closing                context.Context
	close                  context.CancelFunc

	// goOn ends the wait of the next turn: another read has shown that the API is there.
	goOn chan struct{}

	mutex      sync.Mutex
	failures   int
	retryAfter time.Duration
}

func newFeedReader(s *settings, keys *keyStore, r *revocations, status *feedStatus, onAnswer func(string)) *feedReader {
	closing, cancel := context.WithCancel(context.Background())
	return &feedReader{settings: s, keys: keys, revocations: r, status: status, onAnswer: onAnswer, readBytes: limitFeedReadBytes, closing: closing, close: cancel, goOn: make(chan struct{}, 1), firstWait: firstFeedWait, longestWait: longestFeedWait}
}

func (f *feedReader) take(jws string) (bool, error) {
	isComplete, err := f.revocations.read(jws, false)
	if err == nil && f.onAnswer != nil {
		f.onAnswer(jws)
	}
	return isComplete, err
}

// poll reads the parts of an answer up to the newest epoch. All together are limited in time and size, so that a feed
// without end keeps no caller waiting; the next read continues behind the last part.
func (f *feedReader) poll() error {
	ctx, cancel := context.WithTimeout(context.Background(), limitFeedReadTimeouts*f.settings.Timeout)
	defer cancel()
	for part, size := 0, 0; part < limitFeedParts && size < f.readBytes && ctx.Err() == nil; part++ {
		query := f.revocations.query()
		text, _, err := f.settings.fetch(ctx, http.MethodGet, "/v1/revocations", query, f.settings.authorized(), "", limitFeedAnswerBytes)
		if ctx.Err() != nil {
			break
		}
		if err != nil {
			return err
		}
		size += len(text)
		if isComplete, err := f.take(text); err != nil || isComplete {
			return err
		}
	}
	return &unavailable{message: "the revocation feed has no end"}
}

func (f *feedReader) reportRead() {
	epoch, _, entries := f.revocations.state()
	f.settings.OnEvent(Event{Type: "feed_read", Epoch: epoch, Entries: entries})
	f.status.update(f.revocations.isFresh(), nil)
}

func (f *feedReader) attempt(work func() error) bool {
	err := work()
	f.mutex.Lock()
	wasFailing := f.failures > 0 && f.retryAfter == 0
	f.retryAfter = 0
	if err == nil {
		f.failures = 0
		if wasFailing {
			select {
			case f.goOn <- struct{}{}:
			default:
			}
		}
	} else {
		f.failures++
		var gone *unavailable
		if errors.As(err, &gone) {
			f.retryAfter = gone.retryAfter
		}
	}
	f.mutex.Unlock()
	if err != nil && f.closing.Err() == nil {
		f.settings.OnEvent(Event{Type: "feed_failed", Err: err})
		f.status.update(f.revocations.isFresh(), err)
	}
	return err == nil
}

// readOnce reads what is new; calls meanwhile share it. It returns whether the feed was read to its end.
func (f *feedReader) readOnce(ctx context.Context) bool {
	if f.closing.Err() != nil {
		return false
	}
	return f.reading.start(func() bool {
		return f.attempt(func() error {
			read := f.poll
			if f.settings.Feed == FeedFile {
				read = f.readFile
			}
			if err := read(); err != nil {
				return err
			}
			f.reportRead()
			return nil
		})
	}).wait(ctx)
}

// wait doubles with each failure, and differs between verifiers. A stream that has ended is not opened again at once.
func (f *feedReader) wait() time.Duration {
	half := 0.5 + rand.Float64()/2
	regular := f.settings.FeedInterval
	if f.settings.Feed == FeedSSE {
		regular = time.Duration(float64(firstFeedWait) * half)
	}
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if f.failures == 0 {
		return regular
	}
	grown := math.Min(float64(f.longestWait), float64(f.firstWait)*math.Exp2(math.Min(float64(f.failures), 10)))
	return max(f.retryAfter, regular, time.Duration(grown*half))
}

// start goes on reading until close.
func (f *feedReader) start() {
	if f.settings.Feed == FeedOff {
		return
	}
	go func() {
		wait := f.settings.FeedInterval
		if f.settings.Feed == FeedSSE {
			wait = 0
		}
		for {
			timer := time.NewTimer(wait)
			select {
			case <-f.closing.Done():
				timer.Stop()
				return
			case <-f.goOn:
				timer.Stop()
			case <-timer.C:
			}
			if f.settings.Feed != FeedFile {
				f.keys.renewWhenDue()
			}
			if f.settings.Feed == FeedSSE {
				f.attempt(f.followStream)
			} else {
				f.readOnce(f.closing)
			}
			wait = f.wait()
			// What this turn itself has read ends no wait.
			select {
			case <-f.goOn:
			default:
			}
		}
	}()
}
