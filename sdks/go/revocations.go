package verifier

import (
	"context"
	"math"
	"net/url"
	"strconv"
	"sync"
)

const (
	// Seconds between two looks for entries that have expired.
	sweepEvery = 60
	// Entries removed at one look, while requests wait.
	sweptAtOnce = 5_000
)

// nextIncarnation are the first parts of another incarnation: they replace the state when they are complete.
type nextIncarnation struct {
	memory      *memory
	incarnation string
	epoch       int64
}

// revocations is what the feed has told.
type revocations struct {
	settings *settings
	keys     *keyStore

	mutex       sync.RWMutex
	memory      *memory
	incarnation string
	epoch       int64
	// issuedAt is when the newest complete answer was issued, by its own clock.
	issuedAt            float64
	freshUntil          float64
	freshUntilMonotonic float64
	// bound is what the last complete answer named, seconds.
	bound   float64
	next    *nextIncarnation
	left    []string
	sweptAt float64
}

func newRevocations(s *settings, keys *keyStore) *revocations {
	never := math.Inf(-1)
	return &revocations{
		settings: s, keys: keys, memory: newMemory(), bound: 2,
		issuedAt: never, freshUntil: never, freshUntilMonotonic: never,
	}
}

func (r *revocations) check(claims *Claims) Code {
	r.mutex.RLock()
	defer r.mutex.RUnlock()
	return r.memory.check(claims)
}

func (r *revocations) isSessionEnded(name string) bool {
	r.mutex.RLock()
	defer r.mutex.RUnlock()
	return r.memory.has("sid", name)
}

func (r *revocations) isKeyRevoked(kid string) bool {
	r.mutex.RLock()
	defer r.mutex.RUnlock()
	return r.memory.has("key", kid)
}

// isFresh tells whether what is known is complete, and not older than the feed's own bound and MaxStale together.
func (r *revocations) isFresh() bool {
	now := r.settings.nowSeconds()
	r.mutex.RLock()
	defer r.mutex.RUnlock()
	return now <= r.freshUntil && monotonicSeconds() <= r.freshUntilMonotonic
}

func (r *revocations) boundSeconds() float64 {
	r.mutex.RLock()
	defer r.mutex.RUnlock()
	return r.bound
}

func (r *revocations) state() (epoch int64, incarnation string, entries int) {
	r.mutex.RLock()
	defer r.mutex.RUnlock()
	return r.epoch, r.incarnation, r.memory.size()
}

// query says from where the next answer continues.
func (r *revocations) query() string {
	r.mutex.RLock()
	epoch, incarnation := r.epoch, r.incarnation
	if r.next != nil {
		epoch, incarnation = r.next.epoch, r.next.incarnation
	}
	r.mutex.RUnlock()
	query := url.Values{"since": {strconv.FormatInt(epoch, 10)}}
	if incarnation != "" {
		query.Set("incarnation", incarnation)
	}
	return query.Encode()
}

// verified is the payload of an answer with our signature.
func (r *revocations) verified(jws string) (*feedAnswer, error) {
	parsed, ok := parseToken(jws, limitFeedAnswerBytes)
	if !ok {
		return nil, feedRefused("it is malformed")
	}
	if !isAsymmetric(parsed.alg) {
		return nil, feedRefused("its algorithm is not allowed")
	}
	known, ok := r.keys.find(parsed.kid)
	if !ok {
		r.keys.renewForUnknownKid(context.Background(), parsed.kid)
		known, _ = r.keys.find(parsed.kid)
	}
	switch {
	case known == nil:
		return nil, feedRefused("its key is unknown")
	case known.alg != parsed.alg || r.isKeyRevoked(known.kid):
		return nil, feedRefused("its key is not accepted")
	case !isSignedBy(known.key, parsed.signed, parsed.signature):
		return nil, feedRefused("its signature is wrong")
	case parsed.typ == nil || *parsed.typ != feedType:
		return nil, feedRefused("it has another type")
	}
	body, ok := parseStrictObject(string(parsed.payload))
	if !ok || body["iss"] != r.settings.Issuer {
		return nil, feedRefused("it is of another issuer")
	}
	answer, ok := feedAnswerOf(body)
	if !ok {
		return nil, feedRefused("its payload is malformed")
	}
	return answer, nil
}

// lastsUntil: until when the answer may be relied on. Clocks that differ within the skew cost no time.
func (r *revocations) lastsUntil(answer *feedAnswer, bound float64) float64 {
	issued := math.Min(r.settings.nowSeconds(), answer.issuedAt+r.settings.ClockSkew.Seconds())
	return issued + bound + r.settings.MaxStale.Seconds()
}

func (r *revocations) assertTimely(answer *feedAnswer) error {
	now := r.settings.nowSeconds()
	if answer.issuedAt > now+r.settings.ClockSkew.Seconds() {
		return feedRefused("it was issued in the future")
	}
	bound := answer.maxStaleness
	if !answer.isComplete {
		// A part that is not complete names no bound of its own.
		bound = r.bound
	}
	if r.lastsUntil(answer, bound) < now {
		return feedRefused("it was issued too long ago")
	}
	return nil
}

// placeOf is where the entries of the answer belong, or why the answer does not follow what is known.
func (r *revocations) placeOf(answer *feedAnswer) (*memory, error) {
	if r.incarnation == "" || answer.incarnation == r.incarnation {
		switch {
		case r.incarnation == "" && answer.since != 0:
			return nil, feedRefused("it does not begin at the start")
		case answer.epoch < r.epoch:
			return nil, feedRefused("it is older than what is known")
		case answer.since > r.epoch:
			return nil, feedRefused("it leaves out epochs")
		}
		return r.memory, nil
	}
	switch {
	case isIn(answer.incarnation, r.left...):
		return nil, feedRefused("its incarnation was left before")
	case answer.issuedAt <= r.issuedAt:
		return nil, feedRefused("it is of another incarnation and not newer")
	case answer.since == 0:
		r.next = &nextIncarnation{memory: newMemory(), incarnation: answer.incarnation}
	case r.next == nil || r.next.incarnation != answer.incarnation || answer.since > r.next.epoch || answer.epoch < r.next.epoch:
		return nil, feedRefused("it is of another incarnation and does not begin at the start")
	}
	return r.next.memory, nil
}

func (r *revocations) take(answer *feedAnswer, isHistory bool) error {
	place, err := r.placeOf(answer)
	if err != nil {
		return err
	}
	for _, entry := range answer.entries {
		place.add(entry)
	}
	if place == r.memory {
		r.incarnation, r.epoch, r.next = answer.incarnation, answer.epoch, nil
	} else {
		r.next.epoch = answer.epoch
		if !answer.isComplete {
			return nil
		}
		r.left = append(r.left, r.incarnation)
		if len(r.left) > limitIncarnationsLeft {
			r.left = append([]string(nil), r.left[1:]...)
		}
		r.incarnation, r.epoch, r.memory, r.next = r.next.incarnation, r.next.epoch, place, nil
		r.freshUntil, r.freshUntilMonotonic = math.Inf(-1), math.Inf(-1)
	}
	if !answer.isComplete || isHistory {
		return nil
	}
	r.issuedAt = math.Max(r.issuedAt, answer.issuedAt)
	r.bound = answer.maxStaleness
	until := r.lastsUntil(answer, answer.maxStaleness)
	r.freshUntil = math.Max(r.freshUntil, until)
	r.freshUntilMonotonic = math.Max(r.freshUntilMonotonic, monotonicSeconds()+until-r.settings.nowSeconds())
	return nil
}

// read verifies an answer and applies it. After an error the state is as before. isHistory: the answer is of a file
// in which newer ones follow, so it may be old and does not count as news. It returns whether the answer is complete.
func (r *revocations) read(jws string, isHistory bool) (bool, error) {
	answer, err := r.verified(jws)
	if err != nil {
		return false, err
	}
	r.mutex.Lock()
	if !isHistory {
		err = r.assertTimely(answer)
	}
	// The writer of a file may have read the whole feed again.
	isKnown := isHistory && answer.incarnation == r.incarnation && answer.epoch <= r.epoch
	if err == nil && !isKnown {
		err = r.take(answer, isHistory)
	}
	r.mutex.Unlock()
	if err != nil {
		return false, err
	}
	r.sweep()
	return answer.isComplete, nil
}

// sweep removes entries that have expired. It searches while requests go on, and makes them wait for the removal only.
func (r *revocations) sweep() {
	now := r.settings.nowSeconds()
	r.mutex.RLock()
	isDue := now >= r.sweptAt+sweepEvery || now < r.sweptAt
	place := r.memory
	var found []expired
	if isDue {
		found = place.expiredBefore(now, sweptAtOnce)
	}
	r.mutex.RUnlock()
	if !isDue {
		return
	}
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if len(found) < sweptAtOnce {
		r.sweptAt = now
	}
	// An answer taken meanwhile may have renewed an entry.
	still := found[:0]
	for _, one := range found {
		if place.revoked[one.kind][one.value] < now && place.epochs[one.kind][one.value].expiresAt < now {
			still = append(still, one)
		}
	}
	place.remove(still)
}
