package main

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"sallyport.example/verifier/sallyporttest"
)

// TestTheProgramOfTheReadme runs it against the fake issuer, over HTTP.
func TestTheProgramOfTheReadme(t *testing.T) {
	var issuer *sallyporttest.Issuer
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, err := issuer.RoundTrip(r)
		if err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(answer.StatusCode)
		_, _ = io.Copy(w, answer.Body)
	}))
	defer api.Close()
	issuer = sallyporttest.New(sallyporttest.Config{Issuer: api.URL, Audience: "https://tasks.example"})

	free, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(free.Addr().String())
	free.Close()
	options := issuer.Options()
	for name, value := range map[string]string{
		"ISSUER": api.URL, "AUDIENCE": options.Audience, "PORT": port,
		"CLIENT_ID": options.ClientID, "CLIENT_SECRET": options.ClientSecret,
	} {
		t.Setenv(name, value)
	}
	go main()

	call := func(token string) (int, string) {
		request, _ := http.NewRequest(http.MethodGet, "http://localhost:"+port+"/tasks", nil)
		request.Header.Set("Authorization", "Bearer "+token)
		for tries := 0; ; tries++ {
			response, err := http.DefaultClient.Do(request)
			if err != nil && tries < 500 {
				time.Sleep(10 * time.Millisecond)
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			body, _ := io.ReadAll(response.Body)
			return response.StatusCode, string(body)
		}
	}
	granted := issuer.Mint(map[string]any{"sub": "ada"})
	if status, body := call(granted); status != 200 || body != "tasks of ada\n" {
		t.Errorf("with a token: %d %s", status, body)
	}
	if status, _ := call(issuer.Mint(map[string]any{"aud": "https://other.example"})); status != 401 {
		t.Errorf("with a token for another audience: %d", status)
	}
	issuer.RevokeToken(granted)
	revoked := false
	for started := time.Now(); !revoked && time.Since(started) < time.Minute; time.Sleep(10 * time.Millisecond) {
		status, body := call(granted)
		revoked = status == 401 && strings.Contains(body, `"code":"revoked"`)
	}
	if !revoked {
		t.Error("the revocation did not arrive")
	}
}
