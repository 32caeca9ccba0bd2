package verifier_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	verifier "sallyport.example/verifier"
	"sallyport.example/verifier/sallyporttest"
)

const apiKeyPath = "/v1/api-keys/verify"

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(request *http.Request) (*http.Response, error) { return f(request) }

func apiKeyVerifier(t *testing.T, options verifier.APIKeyOptions) *verifier.APIKeyVerifier {
	t.Helper()
	if options.Issuer == "" {
		options.Issuer = "https://auth.test/"
	}
	keys, err := verifier.NewAPIKeyVerifier(options)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// refusalOf is the code of a refusal. Whatever Verify refuses is an *Error with the status of its code.
func refusalOf(t *testing.T, keys *verifier.APIKeyVerifier, key string, permissions ...string) verifier.Code {
	t.Helper()
	claims, err := keys.Verify(background, key, permissions...)
	var refused *verifier.Error
	if !errors.As(err, &refused) || claims != nil {
		t.Errorf("%v, %v", claims, err)
	}
	return verifier.CodeOf(err)
}

// answering is a verifier whose API always answers so.
func answering(t *testing.T, status int, body string) *verifier.APIKeyVerifier {
	t.Helper()
	transport := roundTripper(func(*http.Request) (*http.Response, error) {
		recorder := httptest.NewRecorder()
		recorder.WriteHeader(status)
		_, _ = recorder.WriteString(body)
		return recorder.Result(), nil
	})
	return apiKeyVerifier(t, verifier.APIKeyOptions{Transport: transport})
}

func TestAnActiveAPIKeyGivesItsOwnerAndTheAPIIsAskedEachTime(t *testing.T) {
	issuer := sallyporttest.New(sallyporttest.Config{})
	keys := apiKeyVerifier(t, verifier.APIKeyOptions{Transport: issuer})
	key := issuer.CreateAPIKey(map[string]any{
		"sub": "ada", "permissions": []string{"notes:read"}, "scope": "notes:read", "api_key_id": "k",
	})
	claims, err := keys.Verify(background, key, "notes:read")
	if err != nil {
		t.Fatal(err)
	}
	expect(t, "subject", claims.Subject, "ada")
	expect(t, "permissions", strings.Join(claims.Permissions, " "), "notes:read")
	expect(t, "scope", claims.Scope, "notes:read")
	expect(t, "id", claims.APIKeyID, "k")
	expect(t, "audience", strings.Join(claims.Audience, " "), "https://api.test")
	expect(t, "issuer", claims.Issuer, "https://auth.test")
	expect(t, "client", claims.ClientID, "sallyport")
	expect(t, "raw", claims.Raw["sub"], "ada")
	if left := claims.Expires - issuer.Now().Unix(); left < 890 || left > 900 {
		t.Error(left)
	}
	issuer.RevokeAPIKey(key)
	expect(t, "revoked", refusalOf(t, keys, key), verifier.CodeUnauthenticated)
	expect(t, "requests", issuer.Requests(apiKeyPath), 2)
}

func TestTheAudienceGoesWithTheAPIKeyAndTheURLMayDifferFromTheIssuer(t *testing.T) {
	issuer := sallyporttest.New(sallyporttest.Config{})
	var asked []string
	transport := roundTripper(func(request *http.Request) (*http.Response, error) {
		body, err := io.ReadAll(request.Body)
		if err != nil {
			return nil, err
		}
		asked = append(asked, request.URL.String()+" "+string(body))
		request.Body = io.NopCloser(strings.NewReader(string(body)))
		return issuer.RoundTrip(request)
	})
	key := issuer.CreateAPIKey(nil)
	inside := verifier.APIKeyOptions{Transport: transport, URL: "http://sallyport.internal", AllowHTTP: true}
	for _, audience := range []string{"", "https://api.test"} {
		inside.Audience = audience
		if _, err := apiKeyVerifier(t, inside).Verify(background, key); err != nil {
			t.Error(err)
		}
	}
	inside.Audience = "https://other.test"
	expect(t, "other audience", refusalOf(t, apiKeyVerifier(t, inside), key), verifier.CodeUnauthenticated)
	address := "http://sallyport.internal" + apiKeyPath
	expect(t, "without audience", asked[0], address+` {"key":"`+key+`"}`)
	expect(t, "with audience", asked[1], address+` {"key":"`+key+`","audience":"https://api.test"}`)
	if _, err := apiKeyVerifier(t, verifier.APIKeyOptions{Transport: transport}).Verify(background, key); err != nil {
		t.Error(err)
	}
	expect(t, "address", strings.HasPrefix(asked[3], "https://auth.test"+apiKeyPath+" "), true)
}

func TestAPIKeysAreNotSentWithoutTLSAndWrongOptionsAreRefused(t *testing.T) {
	for part, options := range map[string]verifier.APIKeyOptions{
		"Issuer is required": {},
		"not a URL":          {Issuer: "auth"},
		"must be https; set": {Issuer: "https://auth.test", URL: "http://auth.test"},
		"timeout must":       {Issuer: "https://auth.test", Timeout: time.Hour},
	} {
		if _, err := verifier.NewAPIKeyVerifier(options); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%s: %v", part, err)
		}
	}
	apiKeyVerifier(t, verifier.APIKeyOptions{URL: "http://127.0.0.1:3000"})
}

func TestAnAPIKeyWithoutThePermissionIs403(t *testing.T) {
	issuer := sallyporttest.New(sallyporttest.Config{})
	keys := apiKeyVerifier(t, verifier.APIKeyOptions{Transport: issuer})
	key := issuer.CreateAPIKey(map[string]any{"permissions": []string{"notes:read"}})
	expect(t, "code", refusalOf(t, keys, key, "notes:read", "notes:write"), verifier.CodePermissionMissing)
}

func TestAnImpossibleAPIKeyIs401WithoutARequestAndAnExpiredOneToo(t *testing.T) {
	issuer := sallyporttest.New(sallyporttest.Config{})
	keys := apiKeyVerifier(t, verifier.APIKeyOptions{Transport: issuer})
	for _, impossible := range []string{"", strings.Repeat("x", 513), strings.Repeat("🔑", 129)} {
		expect(t, impossible, refusalOf(t, keys, impossible), verifier.CodeUnauthenticated)
	}
	expect(t, "requests", issuer.Requests(apiKeyPath), 0)
	for _, unknown := range []string{"sp_ak_x", "\xff", "a\"\n"} {
		expect(t, unknown, refusalOf(t, keys, unknown), verifier.CodeUnauthenticated)
	}
	key := issuer.CreateAPIKey(nil)
	issuer.Advance(901 * time.Second)
	expect(t, "expired", refusalOf(t, keys, key), verifier.CodeUnauthenticated)
}

func TestClaimsOfAnAPIKeyThatAreNotFormedAre401(t *testing.T) {
	for _, claims := range []any{
		nil, "text", map[string]any{"permissions": []string{}}, map[string]any{"sub": "ada"},
		map[string]any{"sub": "ada", "permissions": "notes:read"}, map[string]any{"sub": "ada", "permissions": []any{1}},
	} {
		body, err := json.Marshal(map[string]any{"active": true, "claims": claims})
		if err != nil {
			t.Fatal(err)
		}
		expect(t, string(body), refusalOf(t, answering(t, 200, string(body)), "sp_ak_x"), verifier.CodeUnauthenticated)
	}
	text := `{"active":"true","claims":{"sub":"ada","permissions":[]}}`
	expect(t, text, refusalOf(t, answering(t, 200, text), "sp_ak_x"), verifier.CodeUnauthenticated)
}

func TestWithoutAnAnswerAnAPIKeyIs503AndNeverAPass(t *testing.T) {
	for _, body := range []string{"<html>", "null", `{"active":true,"active":false}`, strings.Repeat("x", 70_000)} {
		expect(t, body[:4], refusalOf(t, answering(t, 200, body), "sp_ak_x"), verifier.CodeRevocationStateStale)
	}
	expect(t, "429", refusalOf(t, answering(t, 429, ""), "sp_ak_x"), verifier.CodeRevocationStateStale)

	issuer := sallyporttest.New(sallyporttest.Config{})
	key := issuer.CreateAPIKey(nil)
	keys := apiKeyVerifier(t, verifier.APIKeyOptions{Transport: issuer})
	issuer.GoStale()
	expect(t, "silent", refusalOf(t, keys, key), verifier.CodeRevocationStateStale)
	issuer.Recover()
	if _, err := keys.Verify(background, key); err != nil {
		t.Error(err)
	}

	never := roundTripper(func(request *http.Request) (*http.Response, error) {
		<-request.Context().Done()
		return nil, request.Context().Err()
	})
	slow := apiKeyVerifier(t, verifier.APIKeyOptions{Transport: never, Timeout: 50 * time.Millisecond})
	expect(t, "slow", refusalOf(t, slow, key), verifier.CodeRevocationStateStale)
	gone, cancel := context.WithCancel(background)
	cancel()
	_, err := apiKeyVerifier(t, verifier.APIKeyOptions{Transport: never}).Verify(gone, key)
	expect(t, "cancelled", verifier.CodeOf(err), verifier.CodeRevocationStateStale)
}
