package verifier

import (
	"context"
	"math"
	"net/http"
	"regexp"
	"strconv"
	"sync"
	"sync/atomic"
)

// Waiting times after failed fetches, seconds.
const firstKeyWait, longestKeyWait = 1, 30

// Unknown kids that are remembered, because a set that was asked for after they appeared lacks them.
const lackingMaximum = 256

// loadedKeys are the keys of one reading. They are replaced as a whole, so requests read them without a lock.
type loadedKeys struct {
	set keySet
	// text is the set as it was read.
	text string
	// Unix seconds.
	loadedAt float64
	// By the clock that is never set back.
	freshUntilMonotonic float64
}

// keyStore has the published keys in memory.
type keyStore struct {
	settings *settings
	// address of the key set: a path of the API, or a URL.
	address  string
	loaded   atomic.Pointer[loadedKeys]
	fetching flight

	mutex        sync.Mutex
	triedAt      float64
	dueAt        float64
	unknownKidAt float64
	lacking      map[string]struct{}
	// In the order in which they were added; the oldest goes.
	lackingOrder []string
	failures     int
	// failure is why the last fetch failed; nil after one that did not.
	failure error
}

func newKeyStore(s *settings) *keyStore {
	never := math.Inf(-1)
	return &keyStore{
		settings: s, address: "/.well-known/jwks.json", triedAt: never, dueAt: never, unknownKidAt: never,
		lacking: map[string]struct{}{},
	}
}

// find gives the key of a kid; nil for a published key that is not for us, false for an unknown kid. No I/O.
func (k *keyStore) find(kid string) (*knownKey, bool) {
	loaded := k.loaded.Load()
	if loaded == nil {
		return nil, false
	}
	known, ok := loaded.set[kid]
	return known, ok
}

func (k *keyStore) isLoaded() bool { return k.loaded.Load() != nil }

// isFresh tells whether keys were loaded, and are not older than JWKSTTL and MaxStale together.
func (k *keyStore) isFresh() bool {
	loaded := k.loaded.Load()
	if loaded == nil {
		return false
	}
	life := (k.settings.JWKSTTL + k.settings.MaxStale).Seconds()
	return k.settings.nowSeconds() <= loaded.loadedAt+life && monotonicSeconds() <= loaded.freshUntilMonotonic
}

// lacks tells whether a set that was asked for after this kid appeared lacks it; else nothing is known of it yet.
func (k *keyStore) lacks(kid string) bool {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	_, isLacking := k.lacking[kid]
	return isLacking && k.failures == 0
}

// noteIfLacking notes a kid that is not in the set that was just read.
func (k *keyStore) noteIfLacking(kid string) {
	if _, isPublished := k.find(kid); isPublished {
		return
	}
	k.mutex.Lock()
	defer k.mutex.Unlock()
	if _, isNoted := k.lacking[kid]; isNoted {
		return
	}
	if len(k.lackingOrder) == lackingMaximum {
		delete(k.lacking, k.lackingOrder[0])
		k.lackingOrder = k.lackingOrder[1:]
	}
	k.lacking[kid] = struct{}{}
	k.lackingOrder = append(k.lackingOrder, kid)
}

// lastFailure is why the last fetch failed; nil after one that did not.
func (k *keyStore) lastFailure() error {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	return k.failure
}

// load takes a set of this age, seconds.
func (k *keyStore) load(text string, age, ttl float64) error {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	var before keySet
	if loaded := k.loaded.Load(); loaded != nil {
		before = loaded.set
	}
	set, err := importKeys(text, before)
	if err != nil {
		return err
	}
	life := (k.settings.JWKSTTL + k.settings.MaxStale).Seconds()
	loadedAt := k.settings.nowSeconds() - age
	k.loaded.Store(&loadedKeys{
		set: set, text: text, loadedAt: loadedAt, freshUntilMonotonic: monotonicSeconds() - age + life,
	})
	k.dueAt = loadedAt + ttl
	k.failures, k.failure = 0, nil
	return nil
}

var maxAge = regexp.MustCompile(`(?i)(?:^|[ ,])max-age=(\d{1,9})`)

func maxAgeOf(header http.Header) float64 {
	found := maxAge.FindStringSubmatch(header.Get("Cache-Control"))
	if found == nil {
		return math.Inf(1)
	}
	seconds, _ := strconv.Atoi(found[1])
	return math.Max(1, float64(seconds))
}

func (k *keyStore) fetchSet() bool {
	s := k.settings
	k.mutex.Lock()
	k.triedAt = s.nowSeconds()
	k.mutex.Unlock()
	header := http.Header{"Accept": {"application/json"}}
	text, answered, err := s.fetch(context.Background(), http.MethodGet, k.address, "", header, "", limitKeySetBytes)
	if err == nil {
		err = k.load(text, 0, math.Min(s.JWKSTTL.Seconds(), maxAgeOf(answered)))
	}
	if err != nil {
		k.mutex.Lock()
		k.failures++
		k.failure = err
		wait := math.Min(longestKeyWait, firstKeyWait*math.Exp2(float64(k.failures-1)))
		k.dueAt = s.nowSeconds() + wait
		k.mutex.Unlock()
		s.OnEvent(Event{Type: "keys_failed", Err: err})
		return false
	}
	s.OnEvent(Event{Type: "keys_loaded", Keys: len(k.loaded.Load().set)})
	return true
}

// renew fetches the set; calls during a fetch share it.
func (k *keyStore) renew(ctx context.Context) bool { return k.fetching.start(k.fetchSet).wait(ctx) }

// renewWhenDue fetches the set in the background once its time is over. It returns at once.
func (k *keyStore) renewWhenDue() {
	k.mutex.Lock()
	// Read under the lock: a time from before the fetch of another request would look like a clock that was set back.
	now := k.settings.nowSeconds()
	// A clock that was set back must not put off what is due.
	isDue := now >= k.dueAt || now < k.triedAt
	k.mutex.Unlock()
	if isDue {
		k.fetching.start(k.fetchSet)
	}
}

// renewForUnknownKid fetches for a kid that is in no set yet, unless a fetch for another such kid was just made.
func (k *keyStore) renewForUnknownKid(ctx context.Context, kid string) {
	// A fetch under way may have begun before the key was published.
	if shared := k.fetching.underWay(); shared != nil {
		wasRead := shared.wait(ctx)
		if _, isPublished := k.find(kid); isPublished || !wasRead {
			return
		}
	}
	k.mutex.Lock()
	// Another request may have fetched it before this one had the lock: the cooldown is for the next key.
	if _, isPublished := k.find(kid); isPublished {
		k.mutex.Unlock()
		return
	}
	// Under the lock, as in renewWhenDue.
	now := k.settings.nowSeconds()
	passed := now - k.unknownKidAt
	fetching := k.fetching.underWay()
	// A fetch that ends meanwhile must not become another one within the cooldown.
	if passed < 0 || passed >= k.settings.JWKSCooldown.Seconds() {
		k.unknownKidAt = now
		fetching = k.fetching.start(func() bool {
			wasRead := k.fetchSet()
			// Before anybody who waits for this fetch goes on: each of them asks what it said of the kid.
			if wasRead {
				k.noteIfLacking(kid)
			}
			return wasRead
		})
	}
	k.mutex.Unlock()
	if fetching != nil && fetching.wait(ctx) {
		k.noteIfLacking(kid)
	}
}
