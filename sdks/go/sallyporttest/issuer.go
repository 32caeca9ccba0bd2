// Package sallyporttest is a fake issuer for tests: it mints, rotates, revokes and goes stale in memory, without a
// server.
package sallyporttest

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"sync"
	"time"

	verifier "sallyport.example/verifier"
)

const (
	lifeSeconds        = 900
	longestLifeSeconds = 3_600
	clientID           = "fake-client"
	clientSecret       = "fake-secret"
)

// Config of a fake issuer. Zero values mean the defaults.
type Config struct {
	// Issuer: default https://auth.test
	Issuer string
	// Audience: default https://api.test
	Audience string
	// Algorithm of the keys; HS256 signs access tokens with Secret. Default: ES256, because its keys are made fast.
	Algorithm string
	// Secret of HS256.
	Secret string
	// MaxStaleness is the bound that the feed names. Default: 2 seconds.
	MaxStaleness time.Duration
}

// Revocation of a token (jti), session (sid), family, user, client or key.
type Revocation struct {
	Kind, Value string
	// TokenEpoch of a user or client: tokens issued with a lower epoch are refused. Default: 1.
	TokenEpoch int
	// Reason may be refresh_token_reused.
	Reason string
}

type entry struct {
	Epoch      int    `json:"epoch"`
	Kind       string `json:"kind"`
	Value      string `json:"value"`
	TokenEpoch *int   `json:"token_epoch,omitempty"`
	Reason     string `json:"reason,omitempty"`
	ExpiresAt  int64  `json:"expires_at"`
}

// Issuer is a fake issuer. It is safe for any number of goroutines. It panics when it is misused.
type Issuer struct {
	config Config

	mutex       sync.Mutex
	keys        []*key
	offset      time.Duration
	isSilent    bool
	incarnation string
	entries     []entry
	epoch       int
	apiKeys     map[string]map[string]any
	streams     map[chan string]struct{}
	requests    map[string]int
}

// New makes a fake issuer with one key.
func New(config Config) *Issuer {
	for given, value := range map[*string]string{
		&config.Issuer: "https://auth.test", &config.Audience: "https://api.test", &config.Algorithm: verifier.ES256,
		&config.Secret: "a secret of the fake issuer, long enough for HS256",
	} {
		if *given == "" {
			*given = value
		}
	}
	if config.MaxStaleness == 0 {
		config.MaxStaleness = 2 * time.Second
	}
	i := &Issuer{
		config: config, incarnation: randomID(), apiKeys: map[string]map[string]any{},
		streams: map[chan string]struct{}{}, requests: map[string]int{},
	}
	i.Rotate()
	return i
}

// Options are for verifier.New: issuer, audience, client, and a transport and clock that lead here.
func (i *Issuer) Options() verifier.Options {
	options := verifier.Options{
		Issuer: i.config.Issuer, Audience: i.config.Audience, Algorithms: []string{i.config.Algorithm},
		ClientID: clientID, ClientSecret: clientSecret, Transport: i, Now: i.Now,
	}
	if i.config.Algorithm == verifier.HS256 {
		options.Secret = []string{i.config.Secret}
	}
	return options
}

// Now is the clock of the issuer.
func (i *Issuer) Now() time.Time {
	i.mutex.Lock()
	defer i.mutex.Unlock()
	return i.now()
}

func (i *Issuer) now() time.Time { return time.Now().Add(i.offset) }

func (i *Issuer) newest() *key { return i.keys[len(i.keys)-1] }

// Mint makes an access token of a sign-in that lasts 15 minutes. changes replaces its claims; a nil value leaves a
// claim out.
func (i *Issuer) Mint(changes map[string]any) string { return i.MintWithHeader(changes, nil) }

// MintWithHeader is Mint with other members in the header.
func (i *Issuer) MintWithHeader(changes, headerChanges map[string]any) string {
	i.mutex.Lock()
	defer i.mutex.Unlock()
	now := i.now().Unix()
	claims := merged(map[string]any{
		"iss": i.config.Issuer, "aud": i.config.Audience, "sub": "user-1", "client_id": "client-1",
		"iat": now, "exp": now + lifeSeconds, "jti": randomID(), "sid": "session-1", "fid": "family-1",
		"scope": "openid", "permissions": []string{}, "ue": 0, "ce": 0,
	}, changes)
	header := map[string]any{"alg": i.config.Algorithm, "kid": i.newest().kid, "typ": "at+jwt"}
	sign := i.newest().sign
	if i.config.Algorithm == verifier.HS256 {
		header["kid"] = "shared-secret"
		sign = signShared(i.config.Secret)
	}
	return jws(merged(header, headerChanges), claims, sign)
}

// CreateAPIKey makes an API key that lives 15 minutes. changes replaces its claims; a nil value leaves a claim out. Give
// the issuer as Transport to a verifier of API keys.
func (i *Issuer) CreateAPIKey(changes map[string]any) string {
	key := "sp_ak_" + randomID()
	i.mutex.Lock()
	defer i.mutex.Unlock()
	text := must(json.Marshal(merged(map[string]any{
		"iss": i.config.Issuer, "aud": []string{i.config.Audience}, "sub": "user-1", "client_id": "sallyport",
		"api_key_id": randomID(), "exp": i.now().Unix() + lifeSeconds, "scope": "", "permissions": []string{},
	}, changes)))
	var claims map[string]any
	if err := json.Unmarshal(text, &claims); err != nil {
		panic(err)
	}
	i.apiKeys[key] = claims
	return key
}

// RevokeAPIKey revokes an API key.
func (i *Issuer) RevokeAPIKey(key string) {
	i.mutex.Lock()
	defer i.mutex.Unlock()
	delete(i.apiKeys, key)
}

// Rotate makes a new key that signs from now on; the last ones stay published. It returns its kid.
func (i *Issuer) Rotate() string {
	algorithm := i.config.Algorithm
	if algorithm == verifier.HS256 {
		algorithm = verifier.ES256
	}
	made := newKey(algorithm)
	i.mutex.Lock()
	defer i.mutex.Unlock()
	i.keys = append(i.keys, made)
	return made.kid
}

// Retire takes a key out of the key set. The last key cannot retire.
func (i *Issuer) Retire(kid string) {
	i.mutex.Lock()
	defer i.mutex.Unlock()
	for at, one := range i.keys {
		if one.kid == kid && len(i.keys) > 1 {
			i.keys = append(append([]*key(nil), i.keys[:at]...), i.keys[at+1:]...)
			return
		}
	}
	panic("sallyporttest: there is no such key, or it is the last")
}

func claimsOf(token string) (claims map[string]any) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		panic("sallyporttest: this is no token of the fake issuer")
	}
	if err := json.Unmarshal(must(base64.RawURLEncoding.DecodeString(parts[1])), &claims); err != nil {
		panic(err)
	}
	return claims
}

// RevokeToken revokes a token by its id. Verifiers learn it with their next answer of the feed.
func (i *Issuer) RevokeToken(token string) {
	i.Revoke(Revocation{Kind: "jti", Value: claimsOf(token)["jti"].(string)})
}

// Revoke revokes what is named. Verifiers learn it with their next answer of the feed.
func (i *Issuer) Revoke(what Revocation) {
	i.mutex.Lock()
	defer i.mutex.Unlock()
	i.epoch++
	made := entry{
		Epoch: i.epoch, Kind: what.Kind, Value: what.Value, Reason: what.Reason,
		ExpiresAt: i.now().Unix() + longestLifeSeconds,
	}
	if what.Kind == "user" || what.Kind == "client" {
		epoch := max(what.TokenEpoch, 1)
		made.TokenEpoch = &epoch
	}
	i.entries = append(i.entries, made)
	i.announce()
}

// GoStale stops answering: verifiers go stale.
func (i *Issuer) GoStale() { i.setSilent(true) }

// Recover answers again.
func (i *Issuer) Recover() { i.setSilent(false) }

func (i *Issuer) setSilent(isSilent bool) {
	i.mutex.Lock()
	defer i.mutex.Unlock()
	i.isSilent = isSilent
}

// Restore becomes a restored database: another incarnation, in which nothing is revoked.
func (i *Issuer) Restore() {
	i.mutex.Lock()
	defer i.mutex.Unlock()
	i.incarnation, i.entries, i.epoch = randomID(), nil, 0
	i.announce()
}

// Advance moves the clock of the issuer, and of verifiers with its options.
func (i *Issuer) Advance(by time.Duration) {
	i.mutex.Lock()
	defer i.mutex.Unlock()
	i.offset += by
}

// Requests is the number of requests to a path.
func (i *Issuer) Requests(path string) int {
	i.mutex.Lock()
	defer i.mutex.Unlock()
	return i.requests[path]
}
