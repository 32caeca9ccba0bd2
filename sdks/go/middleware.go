package verifier

import (
	"context"
	"net/http"
	"strings"
)

// Route is what a route requires, beside the options of the verifier.
type Route struct {
	// Scopes that must all be in the token's scope.
	Scopes []string
	// Permissions that must all be among the token's.
	Permissions []string
	// Origin is the public origin of this service, as https://tasks.example, with the path prefix that a proxy removes.
	// Set it when tokens are bound by DPoP: the Host header is the sender's choice. Default: scheme of the connection,
	// and Host.
	Origin string
	// Certificate gives the SHA-256 thumbprint of the client certificate, base64url; "" for none. Default: that of the TLS
	// connection.
	Certificate func(*http.Request) string
}

type contextKey struct{}

// FromContext is the accepted token of a request that Protect let through; false for any other context.
func FromContext(ctx context.Context) (*Accepted, bool) {
	accepted, ok := ctx.Value(contextKey{}).(*Accepted)
	return accepted, ok
}

// NewContext is a context with an accepted token, for middleware of other frameworks.
func NewContext(ctx context.Context, accepted *Accepted) context.Context {
	return context.WithValue(ctx, contextKey{}, accepted)
}

// single joins a header that was sent more than once: a list is no valid value.
func single(header http.Header, name string) string { return strings.Join(header.Values(name), ", ") }

// FactsOf reads a request.
func FactsOf(request *http.Request, route Route) Facts {
	origin := strings.TrimSuffix(route.Origin, "/")
	if origin == "" {
		scheme := "http"
		if request.TLS != nil {
			scheme = "https"
		}
		origin = scheme + "://" + request.Host
	}
	// http.StripPrefix and routers change the URL; RequestURI is what the client sent.
	target := request.RequestURI
	if !strings.HasPrefix(target, "/") {
		target = request.URL.RequestURI()
	}
	facts := Facts{
		Method: request.Method, URL: origin + target,
		Authorization: single(request.Header, "Authorization"), DPoP: single(request.Header, "DPoP"),
	}
	if route.Certificate != nil {
		facts.Certificate = route.Certificate(request)
	} else if request.TLS != nil && len(request.TLS.PeerCertificates) > 0 {
		facts.Certificate = CertificateThumbprint(request.TLS.PeerCertificates[0].Raw)
	}
	return facts
}

// AuthenticateRequest is Authenticate for net/http. The Refusal is nil for a request that is accepted.
func (v *Verifier) AuthenticateRequest(request *http.Request, route Route) (*Accepted, *Refusal) {
	requirements := Requirements{Scopes: route.Scopes, Permissions: route.Permissions}
	return v.Authenticate(request.Context(), FactsOf(request, route), requirements)
}

// Protect lets only requests with an accepted token through to the handler, which reads it by FromContext.
func (v *Verifier) Protect(route Route, handler http.Handler) http.Handler {
	v.Start()
	return http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		accepted, refusal := v.AuthenticateRequest(request, route)
		if refusal != nil {
			refusal.Write(w)
			return
		}
		handler.ServeHTTP(w, request.WithContext(NewContext(request.Context(), accepted)))
	})
}
