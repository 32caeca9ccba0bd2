package verifier

import (
	"crypto"
	"math"
	"net/url"
	"path"
	"strings"
	"sync"
	"unicode/utf16"
)

// ProofRequest is a DPoP proof, and the method and URL of the request that it came with (RFC 9449 §7.1).
type ProofRequest struct {
	Proof, Method, URL string
}

// Proof is a valid proof. Verify does not check whether it was used before; Authenticate and Protect do.
type Proof struct {
	// JKT is the SHA-256 thumbprint of the key (RFC 7638).
	JKT string
	// ID is the jti of the proof.
	ID string
}

const (
	// Bytes of a modulus of 4,096 bits: verifying with a longer key would cost too much for one request.
	longestProofModulus = 512
	cachedProofKeys     = 1_000
)

type proofKey struct {
	jkt string
	key crypto.PublicKey
}

// proofKeys has imported keys by algorithm and members.
type proofKeys struct {
	mutex sync.Mutex
	known map[string]proofKey
}

func objectIn(segment string) (object, bool) {
	bytes, ok := decodeBase64url(segment)
	if !ok {
		return nil, false
	}
	return parseStrictObject(string(bytes))
}

func (k *proofKeys) of(header object) (proofKey, bool) {
	typ, _ := header["typ"].(string)
	jwk, isObject := header["jwk"].(object)
	if _, isCritical := header["crit"]; isCritical || !strings.EqualFold(typ, "dpop+jwt") || !isObject || hasPrivateMember(jwk) {
		return proofKey{}, false
	}
	key, members, ok := publicKeyOf(header["alg"], jwk, longestProofModulus)
	if !ok {
		return proofKey{}, false
	}
	k.mutex.Lock()
	defer k.mutex.Unlock()
	name := header["alg"].(string) + " " + members
	if known, has := k.known[name]; has {
		return known, true
	}
	if len(k.known) >= cachedProofKeys || k.known == nil {
		k.known = map[string]proofKey{}
	}
	made := proofKey{jkt: sha256Of([]byte(members)), key: key}
	k.known[name] = made
	return made, true
}

var defaultPorts = map[string]string{"http": ":80", "https": ":443"}

// addressOf normalises a URL, without query and fragment (RFC 9449 §4.3, RFC 3986 §6.2.2); false for no absolute URL.
func addressOf(text string) (string, bool) {
	parsed, err := url.Parse(text)
	if err != nil || parsed.Scheme == "" || parsed.Host == "" {
		return "", false
	}
	scheme := strings.ToLower(parsed.Scheme)
	host := strings.TrimSuffix(strings.ToLower(parsed.Host), defaultPorts[scheme])
	escaped := parsed.EscapedPath()
	cleaned := path.Clean("/" + strings.TrimPrefix(escaped, "/"))
	// path.Clean joins slashes, which RFC 3986 keeps apart.
	if strings.Contains(escaped, "//") {
		cleaned = escaped
	} else if strings.HasSuffix(escaped, "/") && cleaned != "/" {
		cleaned += "/"
	}
	return scheme + "://" + host + cleaned, true
}

func isSameAddress(claimed any, expected string) bool {
	text, _ := claimed.(string)
	a, isURL := addressOf(text)
	b, isExpectedURL := addressOf(expected)
	return isURL && isExpectedURL && a == b
}

// isShortText counts as JavaScript does.
func isShortText(value any) bool {
	text, ok := textOf(value)
	return ok && len(utf16.Encode([]rune(text))) <= limitProofClaimCharacters
}

// aheadSeconds: FAPI 2.0 §5.3.2.1 allows clients 10 seconds.
func (s *settings) aheadSeconds() float64 {
	return math.Max(s.ClockSkew.Seconds(), limitProofAheadSeconds)
}

func (s *settings) proofClaimsFit(claims object, expected ProofRequest) bool {
	if claims["htm"] != expected.Method || !isSameAddress(claims["htu"], expected.URL) || !isShortText(claims["jti"]) {
		return false
	}
	if nonce, has := claims["nonce"]; has && !isShortText(nonce) {
		return false
	}
	issued, ok := claims["iat"].(float64)
	now := math.Floor(s.nowSeconds())
	return ok && issued <= now+s.aheadSeconds() && issued >= now-limitProofSeconds
}

// checkProof verifies a DPoP proof (RFC 9449 §4.3): form, public key, signature, method, URL, age and token hash.
func (s *settings) checkProof(cached *proofKeys, expected ProofRequest, token string) *Proof {
	parts := strings.Split(expected.Proof, ".")
	if len(expected.Proof) > limitProofCharacters || len(parts) != 3 {
		return nil
	}
	header, ok := objectIn(parts[0])
	if !ok {
		return nil
	}
	signature, ok := decodeBase64url(parts[2])
	if !ok {
		return nil
	}
	known, ok := cached.of(header)
	if !ok || !isSignedBy(known.key, parts[0]+"."+parts[1], signature) {
		return nil
	}
	claims, ok := objectIn(parts[1])
	if !ok || !s.proofClaimsFit(claims, expected) || claims["ath"] != sha256Of([]byte(token)) {
		return nil
	}
	// The text of the claim shares the memory of the whole payload, and used proofs are remembered.
	return &Proof{JKT: known.jkt, ID: strings.Clone(claims["jti"].(string))}
}

// CertificateThumbprint is the SHA-256 thumbprint of a certificate in DER, base64url (RFC 8705 §3.1).
func CertificateThumbprint(der []byte) string { return sha256Of(der) }
