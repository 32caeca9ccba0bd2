package verifier

import "sync"

// verifiedToken is a token whose signature, type and claim types are verified. What depends on time or on revocations
// is checked on every use.
type verifiedToken struct {
	token  string
	claims *Claims
	kid    string
	// key verified it; nil for a shared secret.
	key *knownKey
}

// tokenCache keeps verified tokens by their whole text, in two generations: a token that was not used since the last
// turn of generations is dropped with the next. Only tokens that were accepted are kept, so no attacker can fill it.
type tokenCache struct {
	mutex      sync.RWMutex
	half       int
	young, old map[string]*verifiedToken
}

func newTokenCache(maximum int) *tokenCache {
	return &tokenCache{half: (maximum + 1) / 2, young: map[string]*verifiedToken{}}
}

func (c *tokenCache) get(token string) *verifiedToken {
	c.mutex.RLock()
	found, kept := c.young[token], c.old[token]
	c.mutex.RUnlock()
	if found == nil && kept != nil {
		c.set(kept)
		return kept
	}
	return found
}

func (c *tokenCache) set(verified *verifiedToken) {
	if c.half == 0 {
		return
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if _, has := c.young[verified.token]; !has && len(c.young) >= c.half {
		c.old, c.young = c.young, map[string]*verifiedToken{}
	}
	c.young[verified.token] = verified
	delete(c.old, verified.token)
}

func (c *tokenCache) size() int {
	c.mutex.RLock()
	defer c.mutex.RUnlock()
	return len(c.young) + len(c.old)
}
