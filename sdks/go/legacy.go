package verifier

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"math"
	"net/url"
	"strings"
	"sync"
	"time"
)

// IssuerKindLegacy marks a token of the old provider.
const IssuerKindLegacy = "legacy"

// LegacyIssuer is the provider that Sallyport replaces (LEGACY_ISSUER and what belongs to it).
type LegacyIssuer struct {
	// Issuer is its iss.
	Issuer string
	// JWKSURI is its key set. It must be https, except on loopback.
	JWKSURI string
	// Audience is the aud of its tokens for this service.
	Audience string
	// Until is when the bridge ends, as LEGACY_BRIDGE_UNTIL.
	Until time.Time
}

func (l *LegacyIssuer) check(options Options) error {
	switch {
	case l.Issuer == "" || l.JWKSURI == "" || l.Audience == "":
		return wrong("Legacy needs Issuer, JWKSURI and Audience")
	case l.Issuer == options.Issuer:
		return wrong("Legacy.Issuer must be another issuer")
	case l.Until.IsZero():
		return wrong("Legacy needs Until")
	}
	parsed, err := url.Parse(l.JWKSURI)
	isSafe := err == nil && parsed.Host != "" && parsed.User == nil && (parsed.Scheme == "https" ||
		(parsed.Scheme == "http" && (options.AllowHTTP || isLoopback(parsed.Hostname()))))
	if !isSafe {
		return wrong("Legacy.JWKSURI must be an https URL")
	}
	return nil
}

// legacyTokens verifies access tokens of the old provider until the bridge ends.
type legacyTokens struct {
	settings *settings
	issuer   LegacyIssuer
	// ours are the keys of Sallyport: none of them signs a token of another issuer.
	ours        *keyStore
	keys        *keyStore
	revocations *revocations
	known       *tokenCache

	mutex    sync.Mutex
	failedAt float64
}

func newLegacyTokens(s *settings, ours *keyStore, revocations *revocations) *legacyTokens {
	keys := newKeyStore(s)
	keys.address = s.Legacy.JWKSURI
	return &legacyTokens{
		settings: s, issuer: *s.Legacy, ours: ours, keys: keys, revocations: revocations,
		known: newTokenCache(s.CacheSize), failedAt: math.Inf(-1),
	}
}

// isFor tells whether a token says that the old provider issued it. It verifies nothing.
func (l *legacyTokens) isFor(token string) bool {
	if l.known.get(token) != nil {
		return true
	}
	if len(token) > limitTokenCharacters {
		return false
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return false
	}
	payload, ok := decodeBase64url(parts[1])
	if !ok {
		return false
	}
	claims, ok := parseStrictObject(string(payload))
	return ok && claims["iss"] == l.issuer.Issuer
}

func (l *legacyTokens) areKeysFresh(ctx context.Context) bool {
	if l.keys.isFresh() {
		l.keys.renewWhenDue()
		return true
	}
	l.mutex.Lock()
	passed := l.settings.nowSeconds() - l.failedAt
	l.mutex.Unlock()
	if passed >= 0 && passed < patienceSeconds {
		return false
	}
	l.keys.renew(ctx)
	if l.keys.isFresh() {
		return true
	}
	l.mutex.Lock()
	l.failedAt = l.settings.nowSeconds()
	l.mutex.Unlock()
	return false
}

// verify gives the token, or why it is not accepted. Only keys that are not in memory cause a fetch.
func (l *legacyTokens) verify(ctx context.Context, token string) (*verifiedToken, Code) {
	if !l.settings.Now().Before(l.issuer.Until) {
		return nil, CodeWrongIssuer
	}
	parsed, ok := parseForeignToken(token, limitTokenCharacters)
	if !ok {
		return nil, CodeMalformed
	}
	if _, isOurs := l.ours.find(parsed.kid); isOurs {
		return nil, CodeUnknownKey
	}
	if !l.areKeysFresh(ctx) {
		return nil, CodeKeyRingBehind
	}
	key, isPublished := l.keys.find(parsed.kid)
	if !isPublished {
		l.keys.renewForUnknownKid(ctx, parsed.kid)
		key, isPublished = l.keys.find(parsed.kid)
	}
	switch {
	case !isPublished && !l.keys.lacks(parsed.kid):
		return nil, CodeKeyRingBehind
	case key == nil:
		return nil, CodeUnknownKey
	}
	verified := l.known.get(token)
	if verified == nil || verified.key != key {
		var code Code
		if verified, code = l.verifyNew(token, parsed, key); code != CodeActive {
			return nil, code
		}
	}
	if code := l.objection(verified); code != CodeActive {
		return nil, code
	}
	l.known.set(verified)
	return verified, CodeActive
}

// isLegacyType: without typ too. Every other type is a token for another purpose, as a logout token (RFC 8725 §3.11).
func isLegacyType(parsed *parsedToken) bool {
	if parsed.typ == nil {
		return !parsed.hasTyp
	}
	return isIn(strings.TrimPrefix(strings.ToLower(*parsed.typ), "application/"), "jwt", "at+jwt")
}

// isLegacyAccessToken tells whether claims are of an access token that its user holds, and no one who acts for the user:
// by typ as Keycloak has it, or token_use as Cognito has it.
func isLegacyAccessToken(payload object) bool {
	for _, name := range []string{"typ", "token_use"} {
		value, isThere := payload[name]
		kind, isString := value.(string)
		if isThere && !(isString && isIn(strings.ToLower(kind), "bearer", "access", "jwt", "at+jwt")) {
			return false
		}
	}
	_, hasEvents := payload["events"]
	_, hasActor := payload["act"]
	return !hasEvents && !hasActor
}

func (l *legacyTokens) verifyNew(token string, parsed *parsedToken, key *knownKey) (*verifiedToken, Code) {
	if parsed.alg != key.alg || !isSignedBy(key.key, parsed.signed, parsed.signature) {
		return nil, CodeBadSignature
	}
	if !isLegacyType(parsed) {
		return nil, CodeWrongType
	}
	payload, ok := parseStrictObject(string(parsed.payload))
	if !ok {
		return nil, CodeMalformed
	}
	claims, ok := legacyClaimsOf(payload)
	if !ok {
		return nil, CodeMalformed
	}
	if !isLegacyAccessToken(payload) {
		return nil, CodeWrongType
	}
	return &verifiedToken{token: token, claims: claims, kid: parsed.kid, key: key}, CodeActive
}

const longestLegacyID = 255

func legacyIDOf(value any) (string, bool) {
	text, ok := textOf(value)
	return text, ok && len([]rune(text)) <= longestLegacyID
}

// legacyClaimsOf reads the claims that every provider writes. Roles and permissions of a token are those of Sallyport.
func legacyClaimsOf(payload object) (*Claims, bool) {
	r := &claimReader{raw: payload}
	claims := &Claims{
		Issuer:       read(r, "iss", true, textOf),
		Audience:     read(r, "aud", true, audienceOf),
		Subject:      read(r, "sub", true, legacyIDOf),
		Expires:      read(r, "exp", true, countOf),
		IssuedAt:     read(r, "iat", false, countOf),
		NotBefore:    read(r, "nbf", false, countOf),
		Scope:        read(r, "scope", false, stringOf),
		Confirmation: read(r, "cnf", false, objectOf),
		Raw:          payload,
	}
	claims.ID, _ = textOf(payload["jti"])
	claims.SessionID, _ = textOf(payload["sid"])
	claims.ClientID, _ = textOf(payload["client_id"])
	return claims, !r.bad
}

// sessionOf names its session in the feed: by sid (session_id at Supabase), else the token itself.
func (l *legacyTokens) sessionOf(verified *verifiedToken) string {
	kind, name := "token", verified.token
	for _, one := range [][2]string{{"jti", "jti"}, {"sid", "session_id"}, {"sid", "sid"}} {
		if text, ok := legacyIDOf(verified.claims.Raw[one[1]]); ok {
			kind, name = one[0], text
		}
	}
	digest := sha256.Sum256([]byte(strings.Join([]string{l.issuer.Issuer, kind, name}, "\x00")))
	return "legacy:" + hex.EncodeToString(digest[:])
}

// objection is what may change while the token lives.
func (l *legacyTokens) objection(verified *verifiedToken) Code {
	claims := verified.claims
	now, skew := l.settings.nowSeconds(), l.settings.ClockSkew.Seconds()
	latest := now + skew
	switch {
	case !isIn(l.issuer.Audience, claims.Audience...):
		return CodeWrongAudience
	case now >= float64(claims.Expires)+skew:
		return CodeExpired
	case float64(claims.IssuedAt) > latest || float64(claims.NotBefore) > latest:
		return CodeNotYetValid
	case l.revocations.isSessionEnded(l.sessionOf(verified)):
		return CodeSessionEnded
	}
	return CodeActive
}
