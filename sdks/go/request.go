package verifier

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
)

// Facts are what is read of a request.
type Facts struct {
	Method string
	// URL that the client used: public origin and whole path.
	URL string
	// Authorization and DPoP are the headers of these names.
	Authorization, DPoP string
	// Certificate is the SHA-256 thumbprint of the client certificate of the connection, base64url (RFC 8705 §3).
	Certificate string
}

// Refusal is the response to a request that is not accepted: problem details (RFC 9457).
type Refusal struct {
	*Error
	Header http.Header
	Body   []byte
}

// Write writes the response.
func (r *Refusal) Write(w http.ResponseWriter) {
	for name, values := range r.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(r.Status)
	// A client that has left gets no answer.
	_, _ = w.Write(r.Body)
}

type problem struct {
	Title     string `json:"title"`
	Status    int    `json:"status"`
	Detail    string `json:"detail,omitempty"`
	Fix       string `json:"fix"`
	Code      Code   `json:"code"`
	Retryable bool   `json:"retryable"`
}

const (
	schemeBearer    = "Bearer"
	schemeDPoP      = "DPoP"
	proofAlgorithms = `algs="ES256 RS256 EdDSA"`
)

// isToken is b64token of RFC 6750 §2.1.
func isToken(text string) bool {
	body := strings.TrimRight(text, "=")
	for i := 0; i < len(body); i++ {
		c := body[i]
		isLetter := (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')
		if !isLetter && strings.IndexByte("_.~+/-", c) < 0 {
			return false
		}
	}
	return body != ""
}

// credentialOf gives scheme and token of an Authorization header. The scheme is "" for none or another; the code says
// why there is no token.
func credentialOf(authorization string) (scheme, token string, code Code) {
	name, rest, _ := strings.Cut(authorization, " ")
	switch strings.ToLower(name) {
	case "bearer":
		scheme = schemeBearer
	case "dpop":
		scheme = schemeDPoP
	default:
		return "", "", CodeUnauthenticated
	}
	if token = strings.TrimSpace(rest); !isToken(token) {
		return "", "", CodeRequestInvalid
	}
	return scheme, token, CodeActive
}

func quoted(name, value string) string {
	return name + `="` + strings.NewReplacer(`"`, "", `\`, "").Replace(value) + `"`
}

// challengeOf: a challenge names an error only if a token was sent (RFC 6750 §3, RFC 9449 §7.1).
func challengeOf(refused *Error, scheme, scopes string) string {
	failure := func(name string) string {
		return quoted("error", name) + ", " + quoted("error_description", refused.Title)
	}
	isProof := refused.Code == CodeBindingMismatch
	switch {
	case refused.Status != http.StatusUnauthorized && refused.Code != CodeInsufficientScope:
		return ""
	case scheme == "":
		return schemeBearer
	case refused.Code == CodeInsufficientScope:
		return scheme + " " + failure(string(refused.Code)) + ", " + quoted("scope", scopes)
	case scheme == schemeDPoP && isProof:
		return "DPoP " + proofAlgorithms + ", " + failure("invalid_dpop_proof")
	case scheme == schemeDPoP:
		return "DPoP " + proofAlgorithms + ", " + failure("invalid_token")
	case isProof:
		// A bound token under Bearer: its client must use the scheme DPoP, or its certificate.
		return "Bearer " + failure("invalid_token") + ", DPoP " + proofAlgorithms
	}
	return "Bearer " + failure("invalid_token")
}

func (v *Verifier) refusalOf(code Code, scheme string, requirements Requirements) *Refusal {
	refused := refuse(code)
	var required []string
	for _, scope := range append(append([]string(nil), v.settings.RequiredScopes...), requirements.Scopes...) {
		if !isIn(scope, required...) {
			required = append(required, scope)
		}
	}
	scopes := strings.Join(required, " ")
	body := problem{
		Title: refused.Title, Status: refused.Status, Fix: refused.Fix, Code: code, Retryable: refused.Retryable,
	}
	switch code {
	case CodeInsufficientScope:
		body.Detail = "Required scopes: " + scopes
	case CodePermissionMissing:
		body.Detail = "Required permissions: " + strings.Join(requirements.Permissions, " ")
	}
	header := http.Header{
		"Content-Type":  {"application/problem+json; charset=utf-8"},
		"Cache-Control": {"no-store"},
	}
	if challenge := challengeOf(refused, scheme, scopes); challenge != "" {
		header.Set("WWW-Authenticate", challenge)
	}
	if refused.Status == http.StatusServiceUnavailable {
		header.Set("Retry-After", "1")
	}
	text, _ := json.Marshal(body)
	return &Refusal{Error: refused, Header: header, Body: text}
}

// Authenticate verifies the token of a request, with its proof of possession, and makes the response if it is not
// accepted; else the Refusal is nil. It is for frameworks without a middleware of their own. DPoP and Certificate of the
// requirements are taken from the facts. A DPoP proof is accepted once.
func (v *Verifier) Authenticate(ctx context.Context, facts Facts, requirements Requirements) (*Accepted, *Refusal) {
	scheme, token, code := credentialOf(facts.Authorization)
	if code != CodeActive {
		return nil, v.refusalOf(code, scheme, requirements)
	}
	requirements.Certificate, requirements.DPoP = facts.Certificate, nil
	// Under Bearer no proof is read, so a token that is bound to a key is refused there (RFC 9449 §7.1).
	if scheme == schemeDPoP {
		requirements.DPoP = &ProofRequest{Proof: facts.DPoP, Method: facts.Method, URL: facts.URL}
	}
	accepted, code := v.verify(ctx, token, requirements)
	if code == CodeActive && accepted.Proof != nil {
		code = v.usedProofs.use(*accepted.Proof)
	}
	if code != CodeActive {
		return nil, v.refusalOf(code, scheme, requirements)
	}
	return accepted, nil
}
