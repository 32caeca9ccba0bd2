package verifier

import (
	"context"
	"math"
	"sync"
	"time"
)

// Requirements are what one request requires, beside the options of the verifier.
type Requirements struct {
	// Scopes that must all be in the token's scope.
	Scopes []string
	// Permissions that must all be among the token's.
	Permissions []string
	// DPoP is the proof of the request; nil if it was sent under the scheme Bearer.
	DPoP *ProofRequest
	// Certificate is the SHA-256 thumbprint of the client certificate of the connection, base64url (RFC 8705 §3).
	Certificate string
}

// Accepted is a token that is accepted.
type Accepted struct {
	Claims *Claims
	Token  string
	// Stale: the token was accepted by keys or revocations older than allowed (OnStale).
	Stale bool
	// Proof came with a token bound by DPoP; else nil.
	Proof *Proof
	// IssuerKind is IssuerKindLegacy for a token of the old provider (Legacy), and empty for one of Sallyport. Of its
	// claims, only Issuer, Audience, Subject and Expires are sure; it has no Roles and Permissions.
	IssuerKind string
}

// State says how fresh a verifier is.
type State struct {
	Keys int
	// KeysLoadedAt is the zero time before the first keys.
	KeysLoadedAt time.Time
	Epoch        int64
	// Incarnation is empty before the first revocations.
	Incarnation string
	// Revocations is the number of live revocations in memory.
	Revocations  int
	CachedTokens int
	// Fresh: tokens can be decided now without OnStale.
	Fresh bool
}

// Verifier verifies access tokens from memory. One serves a whole process, and any number of goroutines.
type Verifier struct {
	settings    *settings
	keys        *keyStore
	revocations *revocations
	status      *feedStatus
	reader      *feedReader
	cache       *tokenCache
	// legacy is nil without the option.
	legacy         *legacyTokens
	proofKeys      proofKeys
	usedProofs     usedProofs
	introspections introspections
	// usesKeys is false for a verifier of shared secrets without a feed.
	usesKeys bool
	started  sync.Once
	renewal  flight

	mutex              sync.Mutex
	lastRenewalEndedAt float64
}

// patienceSeconds: after a failed attempt to renew, requests do not wait for another one for this long.
const patienceSeconds = 1

// New creates a verifier. It begins to read keys and revocations with Start, Ready or the first token. Close it when the
// service stops. The error names the option that is missing or wrong.
func New(options Options) (*Verifier, error) {
	s, err := settingsOf(options)
	if err != nil {
		return nil, err
	}
	v := &Verifier{settings: s, keys: newKeyStore(s), cache: newTokenCache(s.CacheSize), usesKeys: s.Feed != FeedOff}
	for _, name := range s.Algorithms {
		v.usesKeys = v.usesKeys || isAsymmetric(name)
	}
	v.revocations = newRevocations(s, v.keys)
	if s.Legacy != nil {
		v.legacy = newLegacyTokens(s, v.keys, v.revocations)
	}
	v.status = newFeedStatus(s, v.keys)
	v.reader = newFeedReader(s, v.keys, v.revocations, v.status, nil)
	v.introspections = introspections{settings: s, asked: map[string]*introspection{}}
	v.usedProofs = newUsedProofs(s)
	v.lastRenewalEndedAt = math.Inf(-1)
	return v, nil
}

func (v *Verifier) areKeysFresh() bool { return !v.usesKeys || v.keys.isFresh() }

func (v *Verifier) isFresh() bool {
	return v.areKeysFresh() && (v.settings.Feed == FeedOff || v.revocations.isFresh())
}

func (v *Verifier) staleCode() Code { return v.status.staleCode(v.areKeysFresh()) }

// Start begins to read keys and revocations, so that the log says at once if the API refuses the client. Protect does it
// when the route is set up, and Verify with the first token. It returns at once.
func (v *Verifier) Start() { v.started.Do(v.reader.start) }

func (v *Verifier) readAll(ctx context.Context) bool {
	if v.settings.Feed == FeedFile {
		return v.reader.readOnce(ctx)
	}
	if v.usesKeys {
		v.keys.renew(ctx)
	}
	if v.settings.Feed != FeedOff && v.keys.isLoaded() {
		return v.reader.readOnce(ctx)
	}
	return true
}

// renew reads what is stale. Requests share one attempt, and do not wait for another one directly after it.
func (v *Verifier) renew(ctx context.Context) {
	v.mutex.Lock()
	// Under the lock: a time from before the end of another renewal would look like a clock that was set back.
	passed := v.settings.nowSeconds() - v.lastRenewalEndedAt
	v.mutex.Unlock()
	// A clock that was set back must not put off the next attempt.
	if passed >= 0 && passed < patienceSeconds && !v.renewal.isUnderWay() {
		return
	}
	v.renewal.start(func() bool {
		background := context.Background()
		if v.settings.Feed != FeedFile && v.areKeysFresh() {
			v.reader.readOnce(background)
		} else {
			v.readAll(background)
		}
		v.mutex.Lock()
		v.lastRenewalEndedAt = v.settings.nowSeconds()
		v.mutex.Unlock()
		return true
	}).wait(ctx)
}

// Verify verifies an access token. The error is always an *Error, whose Code says why the token is not accepted.
// It does no I/O while keys and revocations are fresh; only a kid that was never seen may cause one fetch, for which the
// context limits the wait.
func (v *Verifier) Verify(ctx context.Context, token string, requirements Requirements) (*Accepted, error) {
	accepted, code := v.verify(ctx, token, requirements)
	if code != CodeActive {
		return nil, refuse(code)
	}
	return accepted, nil
}

func (v *Verifier) verify(ctx context.Context, token string, requirements Requirements) (*Accepted, Code) {
	v.Start()
	if !v.isFresh() {
		v.renew(ctx)
		if !v.isFresh() {
			return v.verifyStale(ctx, token, requirements)
		}
	}
	if v.usesKeys && v.settings.Feed != FeedFile {
		v.keys.renewWhenDue()
	}
	return v.decide(ctx, token, requirements, false)
}

func (v *Verifier) verifyStale(ctx context.Context, token string, requirements Requirements) (*Accepted, Code) {
	code := v.staleCode()
	_, incarnation, _ := v.revocations.state()
	// Serve means by what was known last; before anything was read, nothing is.
	isUnread := v.settings.Feed != FeedOff && incarnation == ""
	onStale := v.settings.OnStale
	if onStale == OnStaleFail || (v.usesKeys && !v.keys.isLoaded()) || (onStale == OnStaleServe && isUnread) {
		return nil, code
	}
	accepted, decision := v.decide(ctx, token, requirements, true)
	if decision != CodeActive || onStale != OnStaleIntrospect {
		return accepted, decision
	}
	isActive, err := v.introspections.isActive(ctx, token)
	switch {
	case err != nil:
		return nil, code
	case !isActive:
		return nil, CodeRevoked
	}
	return accepted, CodeActive
}

// Ready waits until keys and revocations were read. The error is an *Error (503) if the API did not give them.
func (v *Verifier) Ready(ctx context.Context) error {
	v.Start()
	if !v.isFresh() {
		v.readAll(ctx)
	}
	if v.isFresh() {
		return nil
	}
	return refuse(v.staleCode())
}

// Refresh reads keys and revocations as they are now. It returns whether tokens can be decided.
func (v *Verifier) Refresh(ctx context.Context) bool {
	// What is under way may have been answered before.
	for _, flight := range []*flight{&v.keys.fetching, &v.reader.reading} {
		if attempt := flight.underWay(); attempt != nil {
			attempt.wait(ctx)
		}
	}
	v.readAll(ctx)
	return v.isFresh()
}

// State says how fresh the verifier is.
func (v *Verifier) State() State {
	state := State{CachedTokens: v.cache.size(), Fresh: v.isFresh()}
	state.Epoch, state.Incarnation, state.Revocations = v.revocations.state()
	if loaded := v.keys.loaded.Load(); loaded != nil {
		state.Keys = len(loaded.set)
		state.KeysLoadedAt = time.UnixMilli(int64(loaded.loadedAt * 1_000))
	}
	return state
}

// Close stops reading the feed. Tokens are verified until their revocations are stale.
func (v *Verifier) Close() { v.reader.close() }
