package verifier

import (
	"context"
	"strings"
)

func isAsymmetric(alg string) bool { return alg == RS256 || alg == ES256 || alg == EdDSA }

// keyFor gives the key of a token, after a fetch if its kid is unknown; or why there is none.
func (v *Verifier) keyFor(ctx context.Context, parsed *parsedToken) (*knownKey, Code) {
	known, isPublished := v.keys.find(parsed.kid)
	if !isPublished {
		if !v.usesKeys || v.settings.Feed == FeedFile {
			return nil, CodeUnknownKey
		}
		v.keys.renewForUnknownKid(ctx, parsed.kid)
		known, isPublished = v.keys.find(parsed.kid)
	}
	switch {
	// A key that may just have been published is not known yet, which is no verdict on the token.
	case !isPublished && !v.keys.lacks(parsed.kid):
		return nil, CodeKeyRingBehind
	case known == nil || !isIn(known.alg, v.settings.Algorithms...):
		return nil, CodeUnknownKey
	case parsed.alg != known.alg:
		return nil, CodeBadSignature
	}
	return known, CodeActive
}

// signerOf gives the key that signed the token; nil for a shared secret.
func (v *Verifier) signerOf(ctx context.Context, parsed *parsedToken) (*knownKey, Code) {
	_, isPublished := v.keys.find(parsed.kid)
	// A secret is never tried for a published kid: no public key can be taken for a secret, and no secret for a key.
	if len(v.settings.secrets) > 0 && !isAsymmetric(parsed.alg) && !isPublished {
		for _, secret := range v.settings.secrets {
			if parsed.alg == HS256 && isSharedSecret(secret, parsed.signed, parsed.signature) {
				return nil, CodeActive
			}
		}
		return nil, CodeBadSignature
	}
	key, code := v.keyFor(ctx, parsed)
	if code == CodeActive && !isSignedBy(key.key, parsed.signed, parsed.signature) {
		return nil, CodeBadSignature
	}
	return key, code
}

func isAccessTokenType(typ *string) bool {
	return typ != nil && (strings.EqualFold(*typ, "at+jwt") || strings.EqualFold(*typ, "application/at+jwt"))
}

// verifyToken verifies what time does not change: form, signature, type and claim types.
func (v *Verifier) verifyToken(ctx context.Context, token string) (*verifiedToken, Code) {
	parsed, ok := parseToken(token, limitTokenCharacters)
	if !ok {
		return nil, CodeMalformed
	}
	key, code := v.signerOf(ctx, parsed)
	if code != CodeActive {
		return nil, code
	}
	if !isAccessTokenType(parsed.typ) {
		return nil, CodeWrongType
	}
	payload, ok := parseStrictObject(string(parsed.payload))
	if !ok {
		return nil, CodeMalformed
	}
	claims, ok := claimsOf(payload)
	if !ok {
		return nil, CodeMalformed
	}
	return &verifiedToken{token: token, claims: claims, kid: parsed.kid, key: key}, CodeActive
}

// objection is what may change while the token lives: time and revocations. It is "" when there is none.
func (v *Verifier) objection(verified *verifiedToken) Code {
	claims, s := verified.claims, v.settings
	if v.revocations.isKeyRevoked(verified.kid) {
		return CodeKeyCompromised
	}
	if claims.Issuer != s.Issuer {
		return CodeWrongIssuer
	}
	if !isIn(s.Audience, claims.Audience...) {
		return CodeWrongAudience
	}
	now, skew := s.nowSeconds(), s.ClockSkew.Seconds()
	if now >= float64(claims.Expires)+skew {
		return CodeExpired
	}
	if latest := now + skew; float64(claims.IssuedAt) > latest || float64(claims.NotBefore) > latest {
		return CodeNotYetValid
	}
	return v.revocations.check(claims)
}

// bindingOf gives the proof when every key that the token is bound to was proved; false when one was not.
func (v *Verifier) bindingOf(verified *verifiedToken, requirements Requirements) (*Proof, bool) {
	bound := verified.claims.Confirmation
	if bound == nil {
		return nil, requirements.DPoP == nil
	}
	thumbprint, hasCertificate := bound["x5t#S256"]
	if hasCertificate {
		text, ok := textOf(thumbprint)
		if !ok || text != requirements.Certificate {
			return nil, false
		}
	}
	jkt, hasKey := bound["jkt"]
	if !hasKey {
		// A token that is bound only by unknown methods is never accepted.
		return nil, hasCertificate
	}
	text, _ := jkt.(string)
	if requirements.DPoP == nil || len(text) != 43 {
		return nil, false
	}
	proof := v.settings.checkProof(&v.proofKeys, *requirements.DPoP, verified.token)
	return proof, proof != nil && proof.JKT == text
}

func holdsAll(granted, required []string) bool {
	for _, one := range required {
		if !isIn(one, granted...) {
			return false
		}
	}
	return true
}

func (v *Verifier) decide(ctx context.Context, token string, requirements Requirements, isStale bool) (*Accepted, Code) {
	verified := v.cache.get(token)
	if verified != nil && verified.key != nil {
		// A key that has retired, or was published again with other members, verifies no longer.
		if known, _ := v.keys.find(verified.kid); known != verified.key {
			verified = nil
		}
	}
	if verified == nil && v.legacy != nil && v.legacy.isFor(token) {
		return v.decideLegacy(ctx, token, requirements, isStale)
	}
	isCached := verified != nil
	if !isCached {
		var code Code
		if verified, code = v.verifyToken(ctx, token); code != CodeActive {
			return nil, code
		}
	}
	if code := v.objection(verified); code != "" {
		return nil, code
	}
	accepted, code := v.accept(verified, requirements, isStale)
	if code == CodeActive && !isCached {
		v.cache.set(verified)
	}
	return accepted, code
}

func (v *Verifier) decideLegacy(ctx context.Context, token string, requirements Requirements, isStale bool) (*Accepted, Code) {
	verified, code := v.legacy.verify(ctx, token)
	if code != CodeActive {
		return nil, code
	}
	accepted, code := v.accept(verified, requirements, isStale)
	if code == CodeActive {
		accepted.IssuerKind = IssuerKindLegacy
	}
	return accepted, code
}

// accept checks what the request requires of a verified token.
func (v *Verifier) accept(verified *verifiedToken, requirements Requirements, isStale bool) (*Accepted, Code) {
	claims := verified.claims
	proof, isProved := v.bindingOf(verified, requirements)
	if !isProved {
		return nil, CodeBindingMismatch
	}
	if len(v.settings.RequiredScopes) > 0 || len(requirements.Scopes) > 0 {
		granted := strings.Split(claims.Scope, " ")
		if !holdsAll(granted, v.settings.RequiredScopes) || !holdsAll(granted, requirements.Scopes) {
			return nil, CodeInsufficientScope
		}
	}
	if !holdsAll(claims.Permissions, requirements.Permissions) {
		return nil, CodePermissionMissing
	}
	return &Accepted{Claims: claims, Token: verified.token, Stale: isStale, Proof: proof}, CodeActive
}
