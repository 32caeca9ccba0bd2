package verifier_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	verifier "sallyport.example/verifier"
)

type legacyFile struct {
	Issuer   string `json:"issuer"`
	Audience string `json:"audience"`
	Legacy   struct {
		Issuer   string    `json:"issuer"`
		JWKSURI  string    `json:"jwksUri"`
		Audience string    `json:"audience"`
		Until    time.Time `json:"until"`
	} `json:"legacy"`
	KeySets map[string]json.RawMessage `json:"keySets"`
	Feed    struct {
		JWS string `json:"jws"`
	} `json:"feed"`
	Vectors []legacyVector `json:"vectors"`
}

type legacyVector struct {
	Name        string   `json:"name"`
	Token       string   `json:"token"`
	Keys        string   `json:"keys"`
	Feed        bool     `json:"feed"`
	Scopes      []string `json:"scopes"`
	Permissions []string `json:"permissions"`
	Now         float64  `json:"now"`
	Code        string   `json:"code"`
	IssuerKind  *string  `json:"issuerKind"`
}

func readLegacyVectors(t testing.TB) (file legacyFile) {
	if err := json.Unmarshal(readOfRepository(t, "conformance/legacy-vectors.json"), &file); err != nil {
		t.Fatal(err)
	}
	return file
}

func (f legacyFile) named(t testing.TB, name string) legacyVector {
	for _, one := range f.Vectors {
		if one.Name == name {
			return one
		}
	}
	t.Fatal("there is no vector " + name)
	return legacyVector{}
}

// legacyWorld has both issuers of a vector, and its clock.
type legacyWorld struct {
	now atomic.Pointer[float64]
	// reads counts how often the keys of the old provider were read.
	reads atomic.Int32
}

func (f legacyFile) open(t testing.TB, one legacyVector) (*verifier.Verifier, *legacyWorld) {
	world := &legacyWorld{}
	world.now.Store(&one.Now)
	options := verifier.Options{
		Issuer: f.Issuer, Audience: f.Audience, Feed: verifier.FeedOff,
		Legacy: &verifier.LegacyIssuer{
			Issuer: f.Legacy.Issuer, JWKSURI: f.Legacy.JWKSURI, Audience: f.Legacy.Audience, Until: f.Legacy.Until,
		},
		Now: func() time.Time { return atSeconds(*world.now.Load()) },
		Transport: roundTrip(func(request *http.Request) (*http.Response, error) {
			switch address := request.URL.Scheme + "://" + request.URL.Host + request.URL.Path; address {
			case f.Issuer + "/.well-known/jwks.json":
				return answer(200, string(f.KeySets["ours"])), nil
			case f.Issuer + "/v1/revocations":
				return answer(200, f.Feed.JWS), nil
			case f.Legacy.JWKSURI:
				world.reads.Add(1)
			default:
				t.Error("led to " + address)
			}
			if one.Keys == "unreachable" {
				return answer(503, ""), nil
			}
			return answer(200, string(f.KeySets[one.Keys])), nil
		}),
	}
	if one.Feed {
		options.Feed, options.ClientID, options.ClientSecret = verifier.FeedPoll, "reader", "x"
	}
	v, _ := open(t, options)
	return v, world
}

func TestEveryVectorOfTheOldProviderAtFirstAndFromTheCacheMarked(t *testing.T) {
	file := readLegacyVectors(t)
	for _, one := range file.Vectors {
		v, _ := file.open(t, one)
		for _, use := range []string{"first", "second"} {
			accepted, err := v.Verify(background, one.Token, verifier.Requirements{Scopes: one.Scopes, Permissions: one.Permissions})
			expect(t, one.Name+" "+use, string(verifier.CodeOf(err)), one.Code)
			if err != nil {
				continue
			}
			kind := ""
			if one.IssuerKind != nil {
				kind = *one.IssuerKind
			}
			expect(t, one.Name+" marked "+use, accepted.IssuerKind, kind)
		}
		v.Close()
	}
	if len(file.Vectors) < 45 {
		t.Error("too few vectors")
	}
}

func TestRolesAndPermissionsOfTheOldProviderAreLeftOut(t *testing.T) {
	file := readLegacyVectors(t)
	one := file.named(t, "a permission is never its to give")
	v, _ := file.open(t, one)
	accepted, err := v.Verify(background, one.Token, verifier.Requirements{})
	if err != nil {
		t.Fatal(err)
	}
	expect(t, "permissions", len(accepted.Claims.Permissions), 0)
	expect(t, "roles", len(accepted.Claims.Roles), 0)
}

func TestKeysOfTheOldProviderAreReadOnceAndForUnknownKidsOnlyAfterTheCooldown(t *testing.T) {
	file := readLegacyVectors(t)
	active, unknown := file.Vectors[0], file.named(t, "a key that it does not publish")
	v, world := file.open(t, active)
	for i := 0; i < 20; i++ {
		expect(t, "active", codeOf(v, active.Token), verifier.CodeActive)
	}
	expect(t, "reads", world.reads.Load(), int32(1))
	for i := 0; i < 20; i++ {
		codeOf(v, unknown.Token)
	}
	expect(t, "reads within the cooldown", world.reads.Load(), int32(2))
	later := active.Now + 11
	world.now.Store(&later)
	codeOf(v, unknown.Token)
	expect(t, "reads after the cooldown", world.reads.Load(), int32(3))
}

func TestKeysOfTheOldProviderThatCannotBeReadAreNotAskedForByEveryRequest(t *testing.T) {
	file := readLegacyVectors(t)
	v, world := file.open(t, file.named(t, "while its keys cannot be read"))
	for i := 0; i < 20; i++ {
		expect(t, "unreachable", codeOf(v, file.Vectors[0].Token), verifier.CodeKeyRingBehind)
	}
	expect(t, "reads", world.reads.Load(), int32(1))
}

func TestWrongOptionsOfTheOldProviderAreRefused(t *testing.T) {
	good := verifier.LegacyIssuer{Issuer: "https://old.example", JWKSURI: "https://old.example/jwks", Audience: "x", Until: time.Now()}
	for part, change := range map[string]func(*verifier.LegacyIssuer){
		"needs Issuer":    func(l *verifier.LegacyIssuer) { l.Issuer = "" },
		"another issuer":  func(l *verifier.LegacyIssuer) { l.Issuer = "https://auth.example" },
		"needs Until":     func(l *verifier.LegacyIssuer) { l.Until = time.Time{} },
		"must be an http": func(l *verifier.LegacyIssuer) { l.JWKSURI = "http://old.example/jwks" },
		"JWKSURI must be": func(l *verifier.LegacyIssuer) { l.JWKSURI = "https://a:b@old.example/jwks" },
		"Legacy.JWKSURI":  func(l *verifier.LegacyIssuer) { l.JWKSURI = "jwks" },
	} {
		legacy := good
		change(&legacy)
		_, err := verifier.New(verifier.Options{Issuer: "https://auth.example", Feed: verifier.FeedOff, Legacy: &legacy})
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%s: %v", part, err)
		}
	}
}
