package verifier

import (
	"math"
	"reflect"
	"strings"
)

// Claims are the claims of an access token (RFC 9068 §2.2, and those of Sallyport). Times are Unix seconds. Claims are
// shared by all requests with the same token: do not change them.
type Claims struct {
	Issuer   string   // iss
	Audience []string // aud
	// Subject is the user id, or the client id for client credentials.
	Subject  string
	ClientID string
	IssuedAt int64
	Expires  int64
	// NotBefore is 0 when it is absent.
	NotBefore int64
	// ID is the jti.
	ID string
	// SessionID is the sid; empty when it is absent.
	SessionID string
	// FamilyID is the token family of a sign-in (fid); empty for client credentials.
	FamilyID string
	// Scope is what the user allowed the client to do, separated by spaces.
	Scope string
	Roles []string
	// Permissions say what the token may do. Decide by these, and not by Roles.
	Permissions   []string
	Email         string
	EmailVerified bool
	AuthTime      int64
	ACR           string
	AMR           []string
	// UserEpoch and ClientEpoch are the epochs when the token was issued (ue, ce).
	UserEpoch, ClientEpoch int64
	// Confirmation names the keys that the sender must prove (cnf, RFC 7800); nil for a token that is not bound.
	Confirmation map[string]any
	// Origins are the tokens that this one was exchanged from (RFC 8693).
	Origins []Origin
	// AuthorizationDetails are what was granted in detail (RFC 9396); see RequireAuthorization.
	AuthorizationDetails []map[string]any
	// Raw has every claim as it was parsed, also unknown ones. Numbers are float64.
	Raw map[string]any
}

// Origin is a token that another was exchanged from.
type Origin struct {
	ID          string // jti
	ClientID    string
	ClientEpoch int64
}

const largestSafeInteger = 1<<53 - 1

// countOf is a whole number that is not negative and that JavaScript keeps exactly.
func countOf(value any) (int64, bool) {
	number, ok := value.(float64)
	if !ok || !(number >= 0 && number <= largestSafeInteger) || number != math.Trunc(number) {
		return 0, false
	}
	return int64(number), true
}

func textOf(value any) (string, bool) {
	text, ok := value.(string)
	return text, ok && text != ""
}

// idOf is a text that stores and logs keep whole: PostgreSQL refuses NUL, and C libraries end a text at it.
func idOf(value any) (string, bool) {
	text, ok := textOf(value)
	return text, ok && !strings.Contains(text, "\x00")
}

// claimReader notes whether any claim is absent or of another type.
type claimReader struct {
	raw object
	bad bool
}

func read[T any](r *claimReader, name string, isRequired bool, as func(any) (T, bool)) T {
	value, isPresent := r.raw[name]
	if !isPresent {
		r.bad = r.bad || isRequired
		var none T
		return none
	}
	typed, ok := as(value)
	r.bad = r.bad || !ok
	return typed
}

func stringOf(value any) (string, bool) { text, ok := value.(string); return text, ok }
func boolOf(value any) (bool, bool)     { is, ok := value.(bool); return is, ok }
func objectOf(value any) (object, bool) { members, ok := value.(object); return members, ok }

func listOf[T any](item func(any) (T, bool), least int) func(any) ([]T, bool) {
	return func(value any) ([]T, bool) {
		items, ok := value.([]any)
		if !ok || len(items) < least {
			return nil, false
		}
		list := make([]T, 0, len(items))
		for _, one := range items {
			typed, ok := item(one)
			if !ok {
				return nil, false
			}
			list = append(list, typed)
		}
		return list, true
	}
}

func audienceOf(value any) ([]string, bool) {
	if text, ok := textOf(value); ok {
		return []string{text}, true
	}
	return listOf(textOf, 1)(value)
}

func originOf(value any) (Origin, bool) {
	members, ok := value.(object)
	if !ok {
		return Origin{}, false
	}
	r := &claimReader{raw: members}
	origin := Origin{
		ID:          read(r, "jti", true, textOf),
		ClientID:    read(r, "client_id", true, textOf),
		ClientEpoch: read(r, "ce", true, countOf),
	}
	return origin, !r.bad
}

func detailOf(value any) (map[string]any, bool) {
	detail, ok := value.(object)
	if !ok {
		return nil, false
	}
	_, ok = textOf(detail["type"])
	return detail, ok
}

// claimsOf reads the claims; false unless every required one is present and every known one has its type.
func claimsOf(payload object) (*Claims, bool) {
	r := &claimReader{raw: payload}
	claims := &Claims{
		Issuer:        read(r, "iss", true, textOf),
		Audience:      read(r, "aud", true, audienceOf),
		Subject:       read(r, "sub", true, idOf),
		ClientID:      read(r, "client_id", true, idOf),
		IssuedAt:      read(r, "iat", true, countOf),
		Expires:       read(r, "exp", true, countOf),
		ID:            read(r, "jti", true, idOf),
		NotBefore:     read(r, "nbf", false, countOf),
		SessionID:     read(r, "sid", false, idOf),
		FamilyID:      read(r, "fid", false, idOf),
		Scope:         read(r, "scope", false, stringOf),
		Roles:         read(r, "roles", false, listOf(stringOf, 0)),
		Permissions:   read(r, "permissions", false, listOf(stringOf, 0)),
		Email:         read(r, "email", false, textOf),
		EmailVerified: read(r, "email_verified", false, boolOf),
		AuthTime:      read(r, "auth_time", false, countOf),
		ACR:           read(r, "acr", false, textOf),
		AMR:           read(r, "amr", false, listOf(stringOf, 0)),
		UserEpoch:     read(r, "ue", false, countOf),
		ClientEpoch:   read(r, "ce", false, countOf),
		Confirmation:  read(r, "cnf", false, objectOf),
		Origins:       read(r, "origins", false, listOf(originOf, 1)),

		AuthorizationDetails: read(r, "authorization_details", false, listOf(detailOf, 1)),

		Raw: payload,
	}
	// Hashes that only the API compares.
	read(r, "bip", false, textOf)
	read(r, "bua", false, textOf)
	return claims, !r.bad
}

// RequireAuthorization gives the granted detail of the type for which fits is true (RFC 9396), or an *Error with
// CodeAuthorizationMissing (403). HasMembers makes a function that compares members.
func RequireAuthorization(claims *Claims, kind string, fits func(detail map[string]any) bool) (map[string]any, error) {
	for _, detail := range claims.AuthorizationDetails {
		if detail["type"] == kind && fits(detail) {
			return detail, nil
		}
	}
	return nil, refuse(CodeAuthorizationMissing)
}

// HasMembers is true for a detail that has these members, each of exactly this value, as encoding/json reads it:
// numbers are float64, lists []any, objects map[string]any.
func HasMembers(members map[string]any) func(detail map[string]any) bool {
	return func(detail map[string]any) bool {
		for name, value := range members {
			if has, ok := detail[name]; !ok || !reflect.DeepEqual(has, value) {
				return false
			}
		}
		return true
	}
}
