package verifier

import (
	"context"
	"encoding/json"
	"net/http"
	"time"
)

// APIKeyOptions configure a verifier of API keys. Zero values mean the defaults.
type APIKeyOptions struct {
	// Issuer is the address of the API, as iss has it. Required.
	Issuer string
	// URL is the base URL of the API as this service reaches it. Default: the issuer. It must be https, except on loopback.
	URL string
	// AllowHTTP allows URL to be http on a trusted network: keys are sent to it.
	AllowHTTP bool
	// Audience of the application whose permissions to show; without it, all permissions of the key.
	Audience string
	// Timeout limits one request, 50 ms to 1 minute. Default: 2 seconds.
	Timeout time.Duration
	// Transport sends the requests. Default: http.DefaultTransport.
	Transport http.RoundTripper
}

// APIKeyClaims are what the API knows about an active key, by the names of the claims of an access token.
type APIKeyClaims struct {
	Issuer   string   // iss
	Audience []string // aud
	// Subject is the id of the user or client that owns the key.
	Subject  string
	ClientID string
	APIKeyID string
	// Expires is in Unix seconds.
	Expires int64
	Scope   string
	// Permissions say what the key may do, in the application with the audience of the verifier.
	Permissions []string
	// Raw has every claim as it was parsed, also unknown ones. Numbers are float64.
	Raw map[string]any
}

// APIKeyVerifier verifies API keys that a service receives. One serves a whole process, and any number of goroutines.
type APIKeyVerifier struct {
	settings *settings
	audience string
}

// NewAPIKeyVerifier creates a verifier of API keys. The error names the option that is missing or wrong, such as a URL
// without TLS.
func NewAPIKeyVerifier(options APIKeyOptions) (*APIKeyVerifier, error) {
	s, err := settingsOf(Options{
		Issuer: options.Issuer, URL: options.URL, AllowHTTP: options.AllowHTTP, Timeout: options.Timeout,
		Transport: options.Transport, Feed: FeedOff,
	})
	if err != nil {
		return nil, err
	}
	return &APIKeyVerifier{settings: s, audience: options.Audience}, nil
}

type apiKeyQuestion struct {
	Key      string `json:"key"`
	Audience string `json:"audience,omitempty"`
}

// Verify asks the API about a key by POST /v1/api-keys/verify, each time: a revoked key is refused within a second. The
// key must have all the permissions. The error is always an *Error: CodeUnauthenticated (401) if the key is not active,
// CodePermissionMissing (403), CodeRevocationStateStale (503) if the API cannot answer.
func (v *APIKeyVerifier) Verify(ctx context.Context, key string, permissions ...string) (*APIKeyClaims, error) {
	// In bytes, a key is never shorter than the API counts it; the keys of the API are ASCII.
	if key == "" || len(key) > limitHeaderCharacters {
		return nil, refuse(CodeUnauthenticated)
	}
	body, _ := json.Marshal(apiKeyQuestion{Key: key, Audience: v.audience})
	header := http.Header{"Content-Type": {"application/json"}}
	text, _, err := v.settings.fetch(ctx, http.MethodPost, "/v1/api-keys/verify", "", header, string(body), limitIntrospectionBytes)
	if err != nil {
		return nil, refuse(CodeRevocationStateStale)
	}
	answer, ok := parseStrictObject(text)
	if !ok {
		return nil, refuse(CodeRevocationStateStale)
	}
	claims, ok := apiKeyClaimsIn(answer)
	if !ok {
		return nil, refuse(CodeUnauthenticated)
	}
	for _, permission := range permissions {
		if !isIn(permission, claims.Permissions...) {
			return nil, refuse(CodePermissionMissing)
		}
	}
	return claims, nil
}

// apiKeyClaimsIn is false for a key that is not active, and for claims that are absent or of another type.
func apiKeyClaimsIn(answer object) (*APIKeyClaims, bool) {
	raw, isFormed := answer["claims"].(object)
	if answer["active"] != true || !isFormed {
		return nil, false
	}
	r := &claimReader{raw: raw}
	claims := &APIKeyClaims{
		Issuer:      read(r, "iss", false, textOf),
		Audience:    read(r, "aud", false, listOf(textOf, 0)),
		Subject:     read(r, "sub", true, textOf),
		ClientID:    read(r, "client_id", false, textOf),
		APIKeyID:    read(r, "api_key_id", false, textOf),
		Expires:     read(r, "exp", false, countOf),
		Scope:       read(r, "scope", false, stringOf),
		Permissions: read(r, "permissions", true, listOf(stringOf, 0)),
		Raw:         raw,
	}
	return claims, !r.bad
}
