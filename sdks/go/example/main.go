package main

import (
	"fmt"
	"log"
	"net/http"
	"os"

	verifier "sallyport.example/verifier"
)

func tasks(w http.ResponseWriter, r *http.Request) {
	auth, _ := verifier.FromContext(r.Context())
	fmt.Fprintln(w, "tasks of", auth.Claims.Subject)
}

func main() {
	v, err := verifier.New(verifier.Options{Issuer: os.Getenv("ISSUER"), Audience: os.Getenv("AUDIENCE"), ClientID: os.Getenv("CLIENT_ID"), ClientSecret: os.Getenv("CLIENT_SECRET")})
	if err != nil {
		log.Fatal(err)
	}
	http.Handle("/tasks", v.Protect(verifier.Route{}, http.HandlerFunc(tasks)))
	log.Fatal(http.ListenAndServe("localhost:"+os.Getenv("PORT"), nil))
}
