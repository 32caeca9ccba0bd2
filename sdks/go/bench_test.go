package verifier_test

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	verifier "sallyport.example/verifier"
	"sallyport.example/verifier/sallyporttest"
)

// published is the key of an issuer with one key.
func published(b testing.TB, issuer *sallyporttest.Issuer) *rsa.PublicKey {
	request, _ := http.NewRequest(http.MethodGet, "https://auth.test/.well-known/jwks.json", nil)
	response, err := issuer.RoundTrip(request)
	if err != nil {
		b.Fatal(err)
	}
	text, _ := io.ReadAll(response.Body)
	var set struct{ Keys []struct{ N string } }
	if err := json.Unmarshal(text, &set); err != nil {
		b.Fatal(err)
	}
	n, _ := base64.RawURLEncoding.DecodeString(set.Keys[0].N)
	return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: 65_537}
}

// BenchmarkVerify compares a verification without the cache with the raw work: RSA, base64url and JSON.
func BenchmarkVerify(b *testing.B) {
	issuer := sallyporttest.New(sallyporttest.Config{Algorithm: verifier.RS256})
	token := issuer.Mint(nil)
	b.Run("raw", func(b *testing.B) {
		key := published(b, issuer)
		for i := 0; i < b.N; i++ {
			parts := strings.Split(token, ".")
			signature, _ := base64.RawURLEncoding.DecodeString(parts[2])
			digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
			if err := rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], signature); err != nil {
				b.Fatal(err)
			}
			payload, _ := base64.RawURLEncoding.DecodeString(parts[1])
			var claims map[string]any
			if err := json.Unmarshal(payload, &claims); err != nil {
				b.Fatal(err)
			}
		}
	})
	for name, size := range map[string]int{"never seen": verifier.None, "repeated": 100} {
		size := size
		b.Run(name, func(b *testing.B) {
			options := issuer.Options()
			options.CacheSize, options.Feed, options.Now = size, verifier.FeedOff, nil
			v, err := verifier.New(options)
			if err != nil {
				b.Fatal(err)
			}
			defer v.Close()
			for i := 0; i < b.N; i++ {
				if _, err := v.Verify(context.Background(), token, verifier.Requirements{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func heapBytes() uint64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

func TestTheMemoryOf100000RevocationsIsAtMost50MB(t *testing.T) {
	const count, part = 100_000, 5_000
	issuer := sallyporttest.New(sallyporttest.Config{Algorithm: verifier.EdDSA})
	f := newForger(issuer)
	jwks, _ := json.Marshal(map[string]any{"keys": []any{f.jwk}})
	v, _ := open(t, changed(issuer, func(o *verifier.Options) {
		o.FeedInterval, o.Timeout = time.Minute, time.Minute
		o.Transport = roundTrip(func(request *http.Request) (*http.Response, error) {
			if request.URL.Path == jwksPath {
				return answer(200, string(jwks)), nil
			}
			var since int
			fmt.Sscan(request.URL.Query().Get("since"), &since)
			entries := make([]any, 0, part)
			for epoch := since + 1; epoch <= since+part; epoch++ {
				value := fmt.Sprintf("0190b1d4-0000-7000-8000-%012d", epoch)
				entries = append(entries, map[string]any{"epoch": epoch, "kind": "jti", "value": value, "expires_at": 4_000_000_000})
			}
			return answer(200, f.sign(map[string]any{
				"epoch": since + part, "since": since, "complete": since+part == count, "entries": entries,
			})), nil
		})
	}))
	before := heapBytes()
	expect(t, "read", v.Refresh(background), true)
	used := heapBytes() - before
	expect(t, "revocations", v.State().Revocations, count)
	t.Logf("%d revocations take %.1f MB", count, float64(used)/1e6)
	if used > 50_000_000 {
		t.Errorf("%d bytes", used)
	}
}
