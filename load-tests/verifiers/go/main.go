// Command bench measures the raw work of a verification and the verifier package on the same tokens. It answers the
// commands of ../verifier.ts: a line of JSON each.
package main

import (
	"bufio"
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"math/big"
	"net/http"
	"os"
	"runtime"
	"strings"
	"syscall"
	"time"

	verifier "sallyport.example/verifier"
)

const (
	repeatedTokens = 1_000
	repeats        = 100
	pause          = 5 * time.Millisecond
	longestReach   = 10 * time.Second
)

type command struct {
	ID           int     `json:"id"`
	Operation    string  `json:"operation"`
	Issuer       string  `json:"issuer"`
	Seconds      float64 `json:"seconds"`
	ClientID     string  `json:"clientId"`
	ClientSecret string  `json:"clientSecret"`
	Feed         string  `json:"feed"`
	Token        string  `json:"token"`
}

type reply struct {
	ID     int    `json:"id"`
	Result any    `json:"result,omitempty"`
	Error  string `json:"error,omitempty"`
}

type speed struct {
	Operations int     `json:"operations"`
	Seconds    float64 `json:"seconds"`
	CPUSeconds float64 `json:"cpuSeconds"`
}

var background = context.Background()

func read(url string, into any) error {
	response, err := http.Get(url)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	return json.NewDecoder(response.Body).Decode(into)
}

// verifierOf reads revocations once, and does not let them grow stale.
func verifierOf(issuer string) (*verifier.Verifier, error) {
	v, err := verifier.New(verifier.Options{
		Issuer: issuer, ClientID: "a", ClientSecret: "b",
		FeedInterval: time.Minute, MaxStale: 24 * time.Hour, Timeout: time.Minute,
	})
	if err != nil {
		return nil, err
	}
	return v, v.Ready(background)
}

func cpuSeconds() float64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		log.Fatal(err)
	}
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9
}

func pass(tokens []string, times int, use func(token string) error) (speed, error) {
	started, cpuBefore := time.Now(), cpuSeconds()
	for i := 0; i < times; i++ {
		for _, token := range tokens {
			if err := use(token); err != nil {
				return speed{}, err
			}
		}
	}
	return speed{times * len(tokens), time.Since(started).Seconds(), cpuSeconds() - cpuBefore}, nil
}

func keyOf(issuer string) (*rsa.PublicKey, error) {
	var set struct{ Keys []struct{ N string } }
	if err := read(issuer+"/.well-known/jwks.json", &set); err != nil {
		return nil, err
	}
	n, err := base64.RawURLEncoding.DecodeString(set.Keys[0].N)
	return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: 65_537}, err
}

// rawVerify is the least that any verifier does: the signature, and the claims as JSON.
func rawVerify(key *rsa.PublicKey, token string) error {
	parts := strings.Split(token, ".")
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		return err
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if err := rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], signature); err != nil {
		return err
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return err
	}
	var claims map[string]any
	return json.Unmarshal(payload, &claims)
}

func passOf(operation, issuer string, tokens []string) (speed, error) {
	if operation == "raw" {
		key, err := keyOf(issuer)
		if err != nil {
			return speed{}, err
		}
		return pass(tokens, 1, func(token string) error { return rawVerify(key, token) })
	}
	v, err := verifierOf(issuer)
	if err != nil {
		return speed{}, err
	}
	defer v.Close()
	use := func(token string) error {
		_, err := v.Verify(background, token, verifier.Requirements{})
		return err
	}
	if operation == "fresh" {
		return pass(tokens, 1, use)
	}
	known := tokens[:repeatedTokens]
	if _, err := pass(known, 1, use); err != nil {
		return speed{}, err
	}
	return pass(known, repeats, use)
}

var tokens []string

func speedOf(c command) (speed, error) {
	if tokens == nil {
		if err := read(c.Issuer+"/tokens", &tokens); err != nil {
			return speed{}, err
		}
	}
	var sum speed
	for sum.Seconds < c.Seconds {
		one, err := passOf(c.Operation, c.Issuer, tokens)
		if err != nil {
			return speed{}, err
		}
		sum = speed{sum.Operations + one.Operations, sum.Seconds + one.Seconds, sum.CPUSeconds + one.CPUSeconds}
	}
	return sum, nil
}

func residentBytes() int64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		log.Fatal(err)
	}
	var kilobytes int64
	for _, line := range strings.Split(string(text), "\n") {
		if value, is := strings.CutPrefix(line, "VmRSS:"); is {
			fmt.Sscan(value, &kilobytes)
		}
	}
	return kilobytes * 1_024
}

// memoryOf is what live revocations take, after a collection: of the heap, or of the memory of the process.
func memoryOf(c command) (map[string]int64, error) {
	used := func() int64 {
		runtime.GC()
		runtime.GC()
		if c.Operation == "resident" {
			return residentBytes()
		}
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		return int64(stats.HeapAlloc)
	}
	before := used()
	v, err := verifierOf(c.Issuer)
	if err != nil {
		return nil, err
	}
	defer v.Close()
	return map[string]int64{"bytes": used() - before, "entries": int64(v.State().Revocations)}, nil
}

var following *verifier.Verifier

func follow(c command) error {
	v, err := verifier.New(verifier.Options{
		Issuer: c.Issuer, ClientID: c.ClientID, ClientSecret: c.ClientSecret, Feed: c.Feed,
	})
	if err != nil {
		return err
	}
	following = v
	return v.Ready(background)
}

func codeOf(token string) verifier.Code {
	_, err := following.Verify(background, token, verifier.Requirements{})
	return verifier.CodeOf(err)
}

// refusalOf verifies the token until it is refused.
func refusalOf(token string) (any, error) {
	started := time.Now()
	for verifications := 1; ; verifications++ {
		if code := codeOf(token); code != verifier.CodeActive {
			return map[string]any{"code": code, "verifications": verifications}, nil
		}
		if time.Since(started) > longestReach {
			return nil, errors.New("a revocation never reached the verifier")
		}
		time.Sleep(pause)
	}
}

func state() map[string]any {
	s := following.State()
	return map[string]any{"epoch": s.Epoch, "incarnation": s.Incarnation, "fresh": s.Fresh}
}

func resultOf(c command) (any, error) {
	switch c.Operation {
	case "versions":
		return map[string]string{"go": strings.TrimPrefix(runtime.Version(), "go")}, nil
	case "memory", "resident":
		return memoryOf(c)
	case "follow":
		return map[string]any{}, follow(c)
	case "verify":
		return map[string]any{"code": codeOf(c.Token)}, nil
	case "refused":
		return refusalOf(c.Token)
	case "state":
		return state(), nil
	default:
		return speedOf(c)
	}
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	output := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var c command
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			log.Fatal(err)
		}
		answer := reply{ID: c.ID}
		result, err := resultOf(c)
		if err != nil {
			answer.Error = err.Error()
		} else {
			answer.Result = result
		}
		if err := output.Encode(answer); err != nil {
			log.Fatal(err)
		}
	}
}
