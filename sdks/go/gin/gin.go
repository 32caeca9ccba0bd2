// Package sallyportgin protects routes of Gin (github.com/gin-gonic/gin).
package sallyportgin

import (
	"github.com/gin-gonic/gin"
	verifier "sallyport.example/verifier"
)

// Protect lets only requests with an accepted token through to the next handler, which reads it by AuthOf. Any other
// request is answered with problem details, and no later handler runs.
func Protect(v *verifier.Verifier, route verifier.Route) gin.HandlerFunc {
	v.Start()
	return func(c *gin.Context) {
		accepted, refusal := v.AuthenticateRequest(c.Request, route)
		if refusal != nil {
			refusal.Write(c.Writer)
			c.Abort()
			return
		}
		c.Request = c.Request.WithContext(verifier.NewContext(c.Request.Context(), accepted))
		c.Next()
	}
}

// AuthOf is the accepted token of a request that Protect let through. It panics for any other request.
func AuthOf(c *gin.Context) *verifier.Accepted {
	accepted, ok := verifier.FromContext(c.Request.Context())
	if !ok {
		panic("sallyportgin: no Protect has seen this request")
	}
	return accepted
}
