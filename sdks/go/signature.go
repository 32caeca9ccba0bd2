package verifier

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"math/big"
)

// isSignedBy verifies a signature. The algorithm is that of the key, never that of the header.
func isSignedBy(key crypto.PublicKey, signed string, signature []byte) bool {
	switch key := key.(type) {
	case *rsa.PublicKey:
		digest := sha256.Sum256([]byte(signed))
		return rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], signature) == nil
	case *ecdsa.PublicKey:
		if len(signature) != 64 {
			return false
		}
		digest := sha256.Sum256([]byte(signed))
		r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
		return ecdsa.Verify(key, digest[:], r, s)
	case ed25519.PublicKey:
		return ed25519.Verify(key, []byte(signed), signature)
	}
	return false
}

// isSharedSecret tells whether a shared secret signed the token (HS256).
func isSharedSecret(secret []byte, signed string, signature []byte) bool {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(signed))
	return hmac.Equal(mac.Sum(nil), signature)
}
