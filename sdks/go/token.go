package verifier

import "strings"

// parsedToken is a compact JWS of our own form. Nothing in it is verified yet.
type parsedToken struct {
	alg, kid string
	// typ is nil when it is absent or no text.
	typ       *string
	hasTyp    bool
	payload   []byte
	signature []byte
	// signed is header and payload as they were sent (RFC 7515 §5.2).
	signed string
}

// parseToken splits a compact JWS; false for any other text, whatever its size or nesting. It verifies nothing.
func parseToken(token string, maximumLength int) (*parsedToken, bool) {
	return split(token, maximumLength, false)
}

// parseForeignToken splits a compact JWS of another issuer.
func parseForeignToken(token string, maximumLength int) (*parsedToken, bool) {
	return split(token, maximumLength, true)
}

func split(token string, maximumLength int, isForeign bool) (*parsedToken, bool) {
	if len(token) > maximumLength {
		return nil, false
	}
	first := strings.IndexByte(token, '.')
	second := strings.LastIndexByte(token, '.')
	if first <= 0 || second == first || strings.IndexByte(token[first+1:second], '.') >= 0 {
		return nil, false
	}
	parsed, ok := parseHeader(token[:first], isForeign)
	if !ok {
		return nil, false
	}
	if parsed.payload, ok = decodeBase64url(token[first+1 : second]); !ok {
		return nil, false
	}
	if parsed.signature, ok = decodeBase64url(token[second+1:]); !ok {
		return nil, false
	}
	parsed.signed = token[:second]
	return parsed, true
}

func parseHeader(segment string, isForeign bool) (*parsedToken, bool) {
	if len(segment) > limitHeaderCharacters {
		return nil, false
	}
	bytes, ok := decodeBase64url(segment)
	if !ok {
		return nil, false
	}
	header, ok := parseStrictObject(strings.ToValidUTF8(string(bytes), "\uFFFD"))
	if !ok {
		return nil, false
	}
	parsed := &parsedToken{}
	for name, value := range header {
		text, isText := value.(string)
		switch name {
		case "alg":
			parsed.alg = text
		case "kid":
			parsed.kid = text
		case "typ":
			parsed.hasTyp = true
			if isText {
				parsed.typ = &text
			}
			continue
		default:
			// Those of another issuer are ignored, unless they must be understood (RFC 7515 §4.1.11).
			if isForeign && name != "crit" {
				continue
			}
			// Any other member (crit, jku, jwk, x5u, zip …) means another issuer or an attack.
			return nil, false
		}
		if !isText {
			return nil, false
		}
	}
	_, hasAlg := header["alg"]
	_, hasKid := header["kid"]
	return parsed, hasAlg && hasKid
}
