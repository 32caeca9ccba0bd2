package verifier

import (
	"context"
	"sync"
)

// flight runs one piece of work at a time: calls meanwhile share it.
type flight struct {
	mutex   sync.Mutex
	current *attempt
}

type attempt struct {
	done chan struct{}
	ok   bool
}

// start begins the work unless it is under way. The work goes on if its callers leave.
func (f *flight) start(work func() bool) *attempt {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if f.current != nil {
		return f.current
	}
	begun := &attempt{done: make(chan struct{})}
	f.current = begun
	go func() {
		defer func() {
			f.mutex.Lock()
			f.current = nil
			f.mutex.Unlock()
			close(begun.done)
		}()
		begun.ok = work()
	}()
	return begun
}

// underWay gives the attempt that runs now, or nil.
func (f *flight) underWay() *attempt {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	return f.current
}

func (f *flight) isUnderWay() bool { return f.underWay() != nil }

// wait gives what the work returned; false when the context ends first.
func (a *attempt) wait(ctx context.Context) bool {
	select {
	case <-a.done:
		return a.ok
	case <-ctx.Done():
		return false
	}
}
