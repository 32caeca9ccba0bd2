package verifier_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	verifier "sallyport.example/verifier"
	"sallyport.example/verifier/sallyporttest"
)

func ExampleVerifier_Verify() {
	issuer := sallyporttest.New(sallyporttest.Config{})
	v, err := verifier.New(issuer.Options())
	if err != nil {
		panic(err)
	}
	defer v.Close()

	token := issuer.Mint(map[string]any{"sub": "ada", "scope": "tasks"})
	accepted, err := v.Verify(context.Background(), token, verifier.Requirements{Scopes: []string{"tasks"}})
	if err != nil {
		fmt.Println(verifier.CodeOf(err))
		return
	}
	fmt.Println(accepted.Claims.Subject)
	// Output: ada
}

func ExampleAPIKeyVerifier_Verify() {
	issuer := sallyporttest.New(sallyporttest.Config{})
	keys, err := verifier.NewAPIKeyVerifier(verifier.APIKeyOptions{
		Issuer: "https://auth.test", Audience: "https://api.test", Transport: issuer,
	})
	if err != nil {
		panic(err)
	}
	key := issuer.CreateAPIKey(map[string]any{"sub": "ada", "permissions": []string{"notes:read"}})
	claims, err := keys.Verify(context.Background(), key, "notes:read")
	if err != nil {
		fmt.Println(verifier.CodeOf(err))
		return
	}
	fmt.Println(claims.Subject)
	// Output: ada
}

func Example_testing() {
	issuer := sallyporttest.New(sallyporttest.Config{})
	v, err := verifier.New(issuer.Options())
	if err != nil {
		panic(err)
	}
	defer v.Close()
	ctx := context.Background()
	token := issuer.Mint(map[string]any{"permissions": []string{"tasks:read"}})
	show := func() {
		_, err := v.Verify(ctx, token, verifier.Requirements{})
		fmt.Println(verifier.CodeOf(err))
	}

	show()
	issuer.Rotate()
	show() // the last key is still published
	issuer.RevokeToken(token)
	v.Refresh(ctx)
	show()
	issuer.GoStale()
	issuer.Advance(2 * time.Minute)
	show()
	// Output:
	// active
	// active
	// revoked
	// revocation_state_stale
}

func ExampleVerifier_Protect() {
	issuer := sallyporttest.New(sallyporttest.Config{})
	v, err := verifier.New(issuer.Options())
	if err != nil {
		panic(err)
	}
	defer v.Close()

	tasks := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		auth, _ := verifier.FromContext(r.Context())
		fmt.Fprintln(w, "tasks of", auth.Claims.Subject)
	})
	handler := v.Protect(verifier.Route{Permissions: []string{"tasks:read"}}, tasks)

	for _, permission := range []string{"tasks:read", "other"} {
		request := httptest.NewRequest(http.MethodGet, "/tasks", nil)
		token := issuer.Mint(map[string]any{"sub": "ada", "permissions": []string{permission}})
		request.Header.Set("Authorization", "Bearer "+token)
		response := httptest.NewRecorder()
		handler.ServeHTTP(response, request)
		fmt.Println(response.Code)
	}
	// Output:
	// 200
	// 403
}
