package verifier_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	verifier "sallyport.example/verifier"
)

func TestWrongOptionsAreRefusedWithTheReason(t *testing.T) {
	long := strings.Repeat("x", 32)
	for part, change := range map[string]func(*verifier.Options){
		"Issuer is required":          func(o *verifier.Options) { o.Issuer = "" },
		"not a URL":                   func(o *verifier.Options) { o.Issuer = "auth" },
		"must be https; set":          func(o *verifier.Options) { o.Issuer = "http://auth.example" },
		"must be https, not ftp":      func(o *verifier.Options) { o.URL = "ftp://auth.example" },
		"no host":                     func(o *verifier.Options) { o.URL = "https:///x" },
		"contain credentials":         func(o *verifier.Options) { o.URL = "https://a:b@auth.example" },
		"a query":                     func(o *verifier.Options) { o.URL = "https://auth.example?x" },
		"must be some of":             func(o *verifier.Options) { o.Algorithms = []string{"none"} },
		"must not be empty":           func(o *verifier.Options) { o.Algorithms = []string{} },
		"HS256 needs Secret":          func(o *verifier.Options) { o.Algorithms = []string{verifier.HS256} },
		"used only with HS256":        func(o *verifier.Options) { o.Secret = []string{long} },
		"at least 32 bytes":           func(o *verifier.Options) { o.Algorithms, o.Secret = []string{"HS256"}, []string{long[1:]} },
		"clockSkew must":              func(o *verifier.Options) { o.ClockSkew = 61 * time.Second },
		"jwksTtl must":                func(o *verifier.Options) { o.JWKSTTL = verifier.None },
		"jwksCooldown must":           func(o *verifier.Options) { o.JWKSCooldown = -2 },
		"maxStale must":               func(o *verifier.Options) { o.MaxStale = 25 * time.Hour },
		"feedInterval must":           func(o *verifier.Options) { o.FeedInterval = time.Millisecond },
		"timeout must":                func(o *verifier.Options) { o.Timeout = time.Hour },
		"cacheSize must":              func(o *verifier.Options) { o.CacheSize = 1_000_001 },
		"Feed must be":                func(o *verifier.Options) { o.Feed = "push" },
		"OnStale must be":             func(o *verifier.Options) { o.OnStale = "accept" },
		"needs ClientID":              func(o *verifier.Options) { o.ClientSecret = "" },
		"needs FeedFile":              func(o *verifier.Options) { o.Feed = verifier.FeedFile },
		"\"introspect\" needs Client": func(o *verifier.Options) { o.Feed, o.OnStale, o.ClientID = "off", "introspect", "" },
		"an empty text":               func(o *verifier.Options) { o.RequiredScopes = []string{""} },
	} {
		options := verifier.Options{Issuer: "https://auth.example", ClientID: "a", ClientSecret: "b"}
		change(&options)
		v, err := verifier.New(options)
		if v != nil || err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%s: %v", part, err)
		}
	}
	for _, issuer := range []string{"http://localhost:3000", "http://127.0.0.1:3000", "http://[::1]:3000", "https://auth.example/"} {
		if _, err := verifier.New(verifier.Options{Issuer: issuer, Feed: verifier.FeedOff}); err != nil {
			t.Error(issuer, err)
		}
	}
}

func TestTheCodesAreThoseOfTheContract(t *testing.T) {
	text := readOfRepository(t, "conformance/contract.json")
	var contract struct {
		Codes map[verifier.Code]struct {
			Status    int    `json:"status"`
			Title     string `json:"title"`
			Cause     string `json:"cause"`
			Fix       string `json:"fix"`
			Retryable bool   `json:"retryable"`
		} `json:"codes"`
	}
	if err := json.Unmarshal(text, &contract); err != nil {
		t.Fatal(err)
	}
	if len(contract.Codes) < 15 {
		t.Errorf("only %d codes", len(contract.Codes))
	}
	for code, one := range contract.Codes {
		known, ok := verifier.DefinitionOf(code)
		if !ok || known != (verifier.Definition{Status: one.Status, Title: one.Title, Cause: one.Cause, Fix: one.Fix, Retryable: one.Retryable}) {
			t.Errorf("%s: %v", code, known)
		}
	}
}

func TestADetailIsFoundByTypeAndExactMembersAndItsLackIsRefused(t *testing.T) {
	claims := &verifier.Claims{AuthorizationDetails: []map[string]any{
		{"type": "order", "to": "Ann"},
		{"type": "payment", "to": "Ann", "amount": map[string]any{"value": 5.0, "currency": "EUR"}},
	}}
	amount := map[string]any{"currency": "EUR", "value": 5.0}
	found, err := verifier.RequireAuthorization(claims, "payment", verifier.HasMembers(map[string]any{"amount": amount}))
	if err != nil || found["to"] != "Ann" {
		t.Fatalf("got %v, %v", found, err)
	}
	for _, members := range []map[string]any{
		{"to": "Eve"},
		{"amount": map[string]any{"value": 5.0}},
		{"iban": nil},
	} {
		_, err := verifier.RequireAuthorization(claims, "payment", verifier.HasMembers(members))
		if verifier.CodeOf(err) != verifier.CodeAuthorizationMissing {
			t.Errorf("%v: got %v", members, err)
		}
	}
	if _, err := verifier.RequireAuthorization(&verifier.Claims{}, "payment", verifier.HasMembers(nil)); err == nil {
		t.Error("a token without details was accepted")
	}
}
