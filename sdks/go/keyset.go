package verifier

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
)

// knownKey is a key for verifying. One key has one algorithm.
type knownKey struct {
	kid, alg string
	// text is what was published: a key that was published again with other members is another key.
	text string
	key  crypto.PublicKey
}

// keySet has the published keys by kid. Nil: of no use here: for encryption, of another algorithm, or too weak.
type keySet map[string]*knownKey

// Bytes of a modulus of 2,048 and of 8,192 bits.
const shortestModulus, longestModulus = 256, 1_024

var privateMembers = []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"}

func hasPrivateMember(jwk object) bool {
	for _, name := range privateMembers {
		if _, has := jwk[name]; has {
			return true
		}
	}
	return jwk["kty"] == "oct"
}

// coordinateOf decodes 32 bytes.
func coordinateOf(value any) ([]byte, bool) {
	text, _ := value.(string)
	bytes, ok := decodeBase64url(text)
	return bytes, ok && len(bytes) == 32
}

// The DER of a P-256 public key before its point (RFC 5480): x509 then refuses points off the curve.
var p256Prefix, _ = hex.DecodeString("3059301306072a8648ce3d020106082a8648ce3d030107034200" + "04")

func rsaKeyOf(jwk object, longest int) (*rsa.PublicKey, bool) {
	text, _ := jwk["n"].(string)
	if len(text) > 2*longestModulus {
		return nil, false
	}
	n, ok := decodeBase64url(text)
	// Leading zeros can make a small modulus look long.
	if !ok || len(n) < shortestModulus || len(n) > longest || n[0] == 0 || (len(n) == shortestModulus && n[0] < 0x80) {
		return nil, false
	}
	text, _ = jwk["e"].(string)
	e, ok := decodeBase64url(text)
	if !ok || len(text) > 8 {
		return nil, false
	}
	exponent := new(big.Int).SetBytes(e).Int64()
	if exponent < 3 || exponent > math.MaxInt32 || exponent%2 == 0 {
		return nil, false
	}
	return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(exponent)}, true
}

// publicKeyOf imports a key of this algorithm, and gives its members as RFC 7638 hashes them.
func publicKeyOf(alg any, jwk object, longest int) (key crypto.PublicKey, members string, ok bool) {
	switch {
	case alg == "ES256" && jwk["kty"] == "EC" && jwk["crv"] == "P-256":
		x, hasX := coordinateOf(jwk["x"])
		y, hasY := coordinateOf(jwk["y"])
		if !hasX || !hasY {
			return nil, "", false
		}
		parsed, err := x509.ParsePKIXPublicKey(append(append(append([]byte(nil), p256Prefix...), x...), y...))
		point, isPoint := parsed.(*ecdsa.PublicKey)
		members = fmt.Sprintf(`{"crv":"P-256","kty":"EC","x":"%s","y":"%s"}`, jwk["x"], jwk["y"])
		return point, members, err == nil && isPoint
	case alg == "EdDSA" && jwk["kty"] == "OKP" && jwk["crv"] == "Ed25519":
		x, ok := coordinateOf(jwk["x"])
		return ed25519.PublicKey(x), fmt.Sprintf(`{"crv":"Ed25519","kty":"OKP","x":"%s"}`, jwk["x"]), ok
	case alg == "RS256" && jwk["kty"] == "RSA":
		key, ok := rsaKeyOf(jwk, longest)
		return key, fmt.Sprintf(`{"e":"%s","kty":"RSA","n":"%s"}`, jwk["e"], jwk["n"]), ok
	}
	return nil, "", false
}

func isForVerifying(jwk object) bool {
	if use, has := jwk["use"]; has && use != "sig" {
		return false
	}
	operations, has := jwk["key_ops"]
	if !has {
		return true
	}
	list, _ := operations.([]any)
	for _, one := range list {
		if one == "verify" {
			return true
		}
	}
	return false
}

func setRefused(why string) error { return fmt.Errorf("the key set was refused: %s", why) }

// importKeys reads a published set. Keys of the set before that are the same stay the same values.
func importKeys(text string, before keySet) (keySet, error) {
	var body object
	if err := json.Unmarshal([]byte(text), &body); err != nil {
		return nil, setRefused("it is not a JSON object")
	}
	keys, ok := body["keys"].([]any)
	if !ok {
		return nil, setRefused("it has no list of keys")
	}
	if len(keys) > limitKeySetKeys {
		return nil, setRefused(fmt.Sprintf("it has more than %d keys", limitKeySetKeys))
	}
	for _, one := range keys {
		// A publisher of private keys has lost them: nothing in its set can be trusted.
		if jwk, ok := one.(object); ok && hasPrivateMember(jwk) {
			return nil, setRefused("it contains a private or symmetric key")
		}
	}
	set, texts, isUseful := keySet{}, map[string]string{}, false
	for _, one := range keys {
		jwk, _ := one.(object)
		kid, ok := textOf(jwk["kid"])
		if !ok {
			continue
		}
		name := nameOf(jwk)
		if other, isTwice := texts[kid]; isTwice && other != name {
			return nil, setRefused("it has two keys of one kid")
		}
		texts[kid] = name
		set[kid] = before[kid]
		if set[kid] == nil || set[kid].text != name {
			set[kid] = importKey(kid, name, jwk)
		}
		isUseful = isUseful || set[kid] != nil
	}
	if !isUseful {
		return nil, setRefused("it has no key for verifying")
	}
	return set, nil
}

func nameOf(jwk object) string {
	named := make([]any, 0, 9)
	for _, member := range []string{"kty", "alg", "use", "key_ops", "n", "e", "crv", "x", "y"} {
		named = append(named, jwk[member])
	}
	text, _ := json.Marshal(named)
	return string(text)
}

func importKey(kid, name string, jwk object) *knownKey {
	if !isForVerifying(jwk) {
		return nil
	}
	key, _, ok := publicKeyOf(jwk["alg"], jwk, longestModulus)
	if !ok {
		return nil
	}
	return &knownKey{kid: kid, alg: jwk["alg"].(string), text: name, key: key}
}
