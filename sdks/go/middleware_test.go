package verifier_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	verifier "sallyport.example/verifier"
	"sallyport.example/verifier/sallyporttest"
)

// call sends one request through Protect.
func call(v *verifier.Verifier, route verifier.Route, change func(*http.Request)) *httptest.ResponseRecorder {
	handler := v.Protect(route, http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		auth, _ := verifier.FromContext(request.Context())
		_, _ = w.Write([]byte(auth.Claims.Subject))
	}))
	request := httptest.NewRequest(http.MethodGet, "/api/tasks?page=2", nil)
	change(request)
	response := httptest.NewRecorder()
	handler.ServeHTTP(response, request)
	return response
}

func bearer(token string) func(*http.Request) {
	return func(request *http.Request) { request.Header.Set("Authorization", "Bearer "+token) }
}

func TestProtectAnswersWithProblemDetailsAndAChallenge(t *testing.T) {
	issuer := sallyporttest.New(sallyporttest.Config{})
	v, _ := open(t, issuer.Options())
	expired := issuer.Mint(map[string]any{"exp": issuer.Now().Unix() - 60})
	header := func(value string) func(*http.Request) {
		return func(request *http.Request) { request.Header.Set("Authorization", value) }
	}
	for _, one := range []struct {
		name      string
		route     verifier.Route
		change    func(*http.Request)
		status    int
		code      verifier.Code
		challenge string
		detail    string
	}{
		{"no header", verifier.Route{}, func(*http.Request) {}, 401, verifier.CodeUnauthenticated, "Bearer", ""},
		{"another scheme", verifier.Route{}, header("Basic YTpi"), 401, verifier.CodeUnauthenticated, "Bearer", ""},
		{"no token", verifier.Route{}, header("Bearer"), 400, verifier.CodeRequestInvalid, "", ""},
		{"two tokens", verifier.Route{}, header("Bearer a b"), 400, verifier.CodeRequestInvalid, "", ""},
		{"two headers", verifier.Route{}, func(r *http.Request) { r.Header["Authorization"] = []string{"Bearer a", "Bearer b"} }, 400, verifier.CodeRequestInvalid, "", ""},
		{"expired", verifier.Route{}, bearer(expired), 401, verifier.CodeExpired, `Bearer error="invalid_token", error_description="Token expired"`, ""},
		{"no scope", verifier.Route{Scopes: []string{"tasks"}}, bearer(issuer.Mint(nil)), 403, verifier.CodeInsufficientScope, `Bearer error="insufficient_scope", error_description="Scope missing", scope="tasks"`, "Required scopes: tasks"},
		{"no permission", verifier.Route{Permissions: []string{"tasks:read"}}, bearer(issuer.Mint(nil)), 403, verifier.CodePermissionMissing, "", "Required permissions: tasks:read"},
		{"bound, without a proof", verifier.Route{}, bearer(issuer.Mint(map[string]any{"cnf": map[string]any{"jkt": strings.Repeat("A", 43)}})), 401, verifier.CodeBindingMismatch, `Bearer error="invalid_token", error_description="Proof of possession missing or wrong", DPoP algs="ES256 RS256 EdDSA"`, ""},
		{"DPoP, without a proof", verifier.Route{}, header("DPoP " + issuer.Mint(nil)), 401, verifier.CodeBindingMismatch, `DPoP algs="ES256 RS256 EdDSA", error="invalid_dpop_proof", error_description="Proof of possession missing or wrong"`, ""},
	} {
		response := call(v, one.route, one.change)
		var body struct {
			Title, Detail, Fix string
			Status             int
			Code               verifier.Code
			Retryable          *bool
		}
		expect(t, one.name+": body", json.Unmarshal(response.Body.Bytes(), &body), nil)
		expect(t, one.name+": status", response.Code, one.status)
		expect(t, one.name+": status in the body", body.Status, one.status)
		expect(t, one.name+": code", body.Code, one.code)
		expect(t, one.name+": challenge", response.Header().Get("WWW-Authenticate"), one.challenge)
		expect(t, one.name+": detail", body.Detail, one.detail)
		expect(t, one.name+": texts", body.Title != "" && body.Fix != "" && body.Retryable != nil, true)
		expect(t, one.name+": type", response.Header().Get("Content-Type"), "application/problem+json; charset=utf-8")
		expect(t, one.name+": cache", response.Header().Get("Cache-Control"), "no-store")
	}
	response := call(v, verifier.Route{}, header("bearer  "+issuer.Mint(map[string]any{"sub": "ada"})))
	expect(t, "accepted", response.Body.String(), "ada")
	cold := sallyporttest.New(sallyporttest.Config{})
	cold.GoStale()
	stale, _ := open(t, cold.Options())
	expect(t, "stale", call(stale, verifier.Route{}, bearer(cold.Mint(nil))).Header().Get("Retry-After"), "1")
}

func TestADPoPProofIsAcceptedOnceForItsRequest(t *testing.T) {
	issuer := sallyporttest.New(sallyporttest.Config{})
	v, _ := open(t, issuer.Options())
	client := issuer.NewDPoPClient()
	token := issuer.Mint(map[string]any{"cnf": map[string]any{"jkt": client.JKT}})
	with := func(proof string) func(*http.Request) {
		return func(request *http.Request) {
			request.Header.Set("Authorization", "DPoP "+token)
			request.Header.Set("DPoP", proof)
		}
	}
	route := verifier.Route{Origin: "https://tasks.example/"}
	url := "https://tasks.example/api/tasks"
	proof := client.Proof("GET", url, token, nil)
	expect(t, "first", call(v, route, with(proof)).Code, 200)
	expect(t, "again", call(v, route, with(proof)).Code, 401)
	expect(t, "another proof", call(v, route, with(client.Proof("GET", url, token, nil))).Code, 200)
	expect(t, "another method", call(v, route, with(client.Proof("POST", url, token, nil))).Code, 401)
	expect(t, "another host", call(v, route, with(client.Proof("GET", "https://other.example/api/tasks", token, nil))).Code, 401)
	expect(t, "another key", call(v, route, with(issuer.NewDPoPClient().Proof("GET", url, token, nil))).Code, 401)
	expect(t, "a minute old", call(v, route, with(client.Proof("GET", url, token, map[string]any{"iat": issuer.Now().Unix() - 62}))).Code, 401)
	expect(t, "by Host", call(v, verifier.Route{}, with(client.Proof("GET", "http://example.com/api/tasks", token, nil))).Code, 200)
	two := func(request *http.Request) {
		with(client.Proof("GET", url, token, nil))(request)
		request.Header.Add("DPoP", client.Proof("GET", url, token, nil))
	}
	expect(t, "two proofs", call(v, route, two).Code, 401)
}

func TestAUsedProofKeepsNoMoreMemoryThanItsID(t *testing.T) {
	const count = 2_000
	issuer := sallyporttest.New(sallyporttest.Config{})
	v, _ := open(t, changed(issuer, func(o *verifier.Options) { o.Feed = verifier.FeedOff }))
	client := issuer.NewDPoPClient()
	token := issuer.Mint(map[string]any{"cnf": map[string]any{"jkt": client.JKT}})
	url := "https://tasks.example/api/tasks"
	padding := map[string]any{"padding": strings.Repeat("x", 5_000)}
	before := heapBytes()
	for i := 0; i < count; i++ {
		facts := verifier.Facts{
			Method: "GET", URL: url, Authorization: "DPoP " + token, DPoP: client.Proof("GET", url, token, padding),
		}
		if _, refusal := v.Authenticate(background, facts, verifier.Requirements{}); refusal != nil {
			t.Fatal(refusal)
		}
	}
	if used := int64(heapBytes()) - int64(before); used > 1_000*count {
		t.Errorf("%d proofs take %d bytes", count, used)
	}
	// The used proofs are in memory until here.
	expect(t, "the verifier", v.State().Fresh, true)
}

func TestTooManyProofsAreAnsweredWithARetry(t *testing.T) {
	issuer := sallyporttest.New(sallyporttest.Config{})
	v, _ := open(t, issuer.Options())
	v.LimitProofs(1)
	client := issuer.NewDPoPClient()
	token := issuer.Mint(map[string]any{"cnf": map[string]any{"jkt": client.JKT}})
	url := "https://tasks.example/api/tasks"
	send := func() *verifier.Refusal {
		facts := verifier.Facts{Method: "GET", URL: url, Authorization: "DPoP " + token, DPoP: client.Proof("GET", url, token, nil)}
		_, refusal := v.Authenticate(background, facts, verifier.Requirements{})
		return refusal
	}
	expect(t, "the first", send() == nil, true)
	refusal := send()
	expect(t, "code", refusal.Code, verifier.CodeTooManyProofs)
	expect(t, "status", refusal.Status, 503)
	expect(t, "Retry-After", refusal.Header.Get("Retry-After"), "1")
	expect(t, "challenge", refusal.Header.Get("WWW-Authenticate"), "")
}

func TestACertificateBoundTokenNeedsItsConnection(t *testing.T) {
	issuer := sallyporttest.New(sallyporttest.Config{})
	v, _ := open(t, issuer.Options())
	token := issuer.Mint(map[string]any{"cnf": map[string]any{"x5t#S256": verifier.CertificateThumbprint([]byte("der"))}})
	over := func(der string) func(*http.Request) {
		return func(request *http.Request) {
			bearer(token)(request)
			request.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{{Raw: []byte(der)}}}
		}
	}
	expect(t, "its certificate", call(v, verifier.Route{}, over("der")).Code, 200)
	expect(t, "another", call(v, verifier.Route{}, over("other")).Code, 401)
	expect(t, "none", call(v, verifier.Route{}, bearer(token)).Code, 401)
	named := func(thumbprint string) verifier.Route {
		return verifier.Route{Certificate: func(*http.Request) string { return thumbprint }}
	}
	expect(t, "of a proxy", call(v, named(verifier.CertificateThumbprint([]byte("der"))), bearer(token)).Code, 200)
	expect(t, "of a proxy, none", call(v, named(""), over("der")).Code, 401)
}
