package sallyportgin_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
	verifier "sallyport.example/verifier"
	sallyportgin "sallyport.example/verifier/gin"
	"sallyport.example/verifier/sallyporttest"
)

// call sends a request to a router with one protected route.
func call(t *testing.T, issuer *sallyporttest.Issuer, token string) (response *httptest.ResponseRecorder, reached bool) {
	gin.SetMode(gin.ReleaseMode)
	v, err := verifier.New(issuer.Options())
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	router := gin.New()
	route := verifier.Route{Permissions: []string{"tasks:read"}}
	router.GET("/tasks", sallyportgin.Protect(v, route), func(c *gin.Context) {
		reached = true
		c.String(http.StatusOK, sallyportgin.AuthOf(c).Claims.Subject)
	})
	request := httptest.NewRequest(http.MethodGet, "/tasks", nil)
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response = httptest.NewRecorder()
	router.ServeHTTP(response, request)
	return response, reached
}

func TestOnlyARequestWithAnAcceptedTokenReachesTheHandler(t *testing.T) {
	issuer := sallyporttest.New(sallyporttest.Config{})
	granted := map[string]any{"sub": "ada", "permissions": []string{"tasks:read"}}
	for _, one := range []struct {
		name, token string
		status      int
		body        string
	}{
		{"accepted", issuer.Mint(granted), 200, "ada"},
		{"no token", "", 401, `"code":"unauthenticated"`},
		{"no permission", issuer.Mint(nil), 403, `"detail":"Required permissions: tasks:read"`},
		{"malformed", "x", 401, `"code":"malformed"`},
	} {
		response, reached := call(t, issuer, one.token)
		if response.Code != one.status || !strings.Contains(response.Body.String(), one.body) || reached != (one.status == 200) {
			t.Errorf("%s: %d %s (reached: %v)", one.name, response.Code, response.Body, reached)
		}
		if one.status != 200 && response.Header().Get("Content-Type") != "application/problem+json; charset=utf-8" {
			t.Errorf("%s: %s", one.name, response.Header().Get("Content-Type"))
		}
	}
}

func TestAuthOfPanicsForAnUnprotectedRequest(t *testing.T) {
	defer func() {
		if recovered := recover(); !strings.Contains(fmt.Sprint(recovered), "no Protect") {
			t.Errorf("it panicked with %v", recovered)
		}
	}()
	c, _ := gin.CreateTestContext(httptest.NewRecorder())
	c.Request = httptest.NewRequest(http.MethodGet, "/", nil)
	sallyportgin.AuthOf(c)
}
