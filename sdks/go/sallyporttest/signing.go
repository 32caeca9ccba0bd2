package sallyporttest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"

	verifier "sallyport.example/verifier"
)

func encode(bytes []byte) string { return base64.RawURLEncoding.EncodeToString(bytes) }

func must[T any](value T, err error) T {
	if err != nil {
		panic(fmt.Errorf("sallyporttest: %w", err))
	}
	return value
}

func randomID() string {
	var bytes [16]byte
	must(rand.Read(bytes[:]))
	return fmt.Sprintf("%x", bytes)
}

// key signs. One key has one algorithm.
type key struct {
	kid, alg string
	private  crypto.Signer
	jwk      map[string]string
}

func newKey(alg string) *key {
	made := &key{kid: randomID(), alg: alg}
	switch alg {
	case verifier.RS256:
		private := must(rsa.GenerateKey(rand.Reader, 2_048))
		made.private = private
		made.jwk = map[string]string{
			"kty": "RSA", "n": encode(private.N.Bytes()), "e": encode(big.NewInt(int64(private.E)).Bytes()),
		}
	case verifier.EdDSA:
		public, private, err := ed25519.GenerateKey(rand.Reader)
		made.private = must(private, err)
		made.jwk = map[string]string{"kty": "OKP", "crv": "Ed25519", "x": encode(public)}
	default:
		private := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
		made.private = private
		der := must(x509.MarshalPKIXPublicKey(&private.PublicKey))
		// The last 64 bytes are the coordinates.
		made.jwk = map[string]string{
			"kty": "EC", "crv": "P-256", "x": encode(der[len(der)-64 : len(der)-32]), "y": encode(der[len(der)-32:]),
		}
	}
	return made
}

// thumbprint is that of RFC 7638: the members in the order of their names, which json.Marshal keeps.
func (k *key) thumbprint() string {
	sum := sha256.Sum256(must(json.Marshal(k.jwk)))
	return encode(sum[:])
}

func (k *key) published() map[string]string {
	jwk := map[string]string{"kid": k.kid, "alg": k.alg, "use": "sig"}
	for name, value := range k.jwk {
		jwk[name] = value
	}
	return jwk
}

func (k *key) sign(signed string) []byte {
	digest := sha256.Sum256([]byte(signed))
	switch private := k.private.(type) {
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, private, digest[:])
		signature := must(make([]byte, 64), err)
		r.FillBytes(signature[:32])
		s.FillBytes(signature[32:])
		return signature
	case ed25519.PrivateKey:
		return ed25519.Sign(private, []byte(signed))
	default:
		return must(k.private.Sign(rand.Reader, digest[:], crypto.SHA256))
	}
}

// jws is a compact JWS.
func jws(header, payload any, sign func(signed string) []byte) string {
	signed := encode(must(json.Marshal(header))) + "." + encode(must(json.Marshal(payload)))
	return signed + "." + encode(sign(signed))
}

func signShared(secret string) func(string) []byte {
	return func(signed string) []byte {
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write([]byte(signed))
		return mac.Sum(nil)
	}
}

// DPoPClient is a client with a DPoP key.
type DPoPClient struct {
	// JKT is the SHA-256 thumbprint of its key: mint with the claim cnf: {"jkt": JKT}.
	JKT    string
	key    *key
	issuer *Issuer
}

// NewDPoPClient makes a client with an ES256 key.
func (i *Issuer) NewDPoPClient() *DPoPClient {
	made := newKey(verifier.ES256)
	return &DPoPClient{JKT: made.thumbprint(), key: made, issuer: i}
}

// Proof is the DPoP header of one request. changes replaces its claims; a nil value leaves a claim out.
func (c *DPoPClient) Proof(method, url, token string, changes map[string]any) string {
	sum := sha256.Sum256([]byte(token))
	claims := merged(map[string]any{
		"jti": randomID(), "htm": method, "htu": url, "iat": c.issuer.Now().Unix(), "ath": encode(sum[:]),
	}, changes)
	header := map[string]any{"typ": "dpop+jwt", "alg": c.key.alg, "jwk": c.key.jwk}
	return jws(header, claims, c.key.sign)
}

func merged(into, changes map[string]any) map[string]any {
	for name, value := range changes {
		if value == nil {
			delete(into, name)
		} else {
			into[name] = value
		}
	}
	return into
}
