package verifier

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"
)

var strictBase64 = base64.RawURLEncoding.Strict()

// decodeBase64url decodes unpadded base64url in its one canonical form (RFC 7515 §2). It refuses the empty text.
func decodeBase64url(text string) ([]byte, bool) {
	// The decoder of the standard library skips line breaks.
	if text == "" || strings.ContainsAny(text, "\r\n") {
		return nil, false
	}
	bytes, err := strictBase64.DecodeString(text)
	return bytes, err == nil
}

func encodeBase64url(bytes []byte) string { return base64.RawURLEncoding.EncodeToString(bytes) }

// sha256Of is SHA-256 in base64url.
func sha256Of(data []byte) string {
	sum := sha256.Sum256(data)
	return encodeBase64url(sum[:])
}
