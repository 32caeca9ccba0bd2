package verifier

import (
	"encoding/base64"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Algorithms of access tokens.
const (
	RS256 = "RS256"
	ES256 = "ES256"
	EdDSA = "EdDSA"
	HS256 = "HS256"
)

// How revocations are read.
const (
	FeedOff  = "off"
	FeedPoll = "poll"
	FeedSSE  = "sse"
	FeedFile = "file"
)

// What is done when keys or revocations are stale.
const (
	OnStaleFail       = "fail"
	OnStaleServe      = "serve"
	OnStaleIntrospect = "introspect"
)

// None sets ClockSkew, JWKSCooldown, MaxStale or CacheSize to 0. The zero value means the default.
const None = -1

// Options configure a verifier. Zero values mean the defaults.
type Options struct {
	// Issuer is the iss of tokens, exactly: JWT_ISSUER, or the public URL of the API. Required.
	Issuer string
	// Audience that tokens must be for. Default: the issuer.
	Audience string
	// URL is the base URL of the API, if it differs from the issuer. It must be https, except on loopback.
	URL string
	// AllowHTTP allows URL to be http on a trusted network.
	AllowHTTP bool
	// Algorithms that are accepted. Default: RS256, ES256, EdDSA. HS256 only if named here, with Secret.
	Algorithms []string
	// Secret is JWT_SECRET of HS256 mode, at least 32 bytes; several while it changes.
	Secret []string
	// ClockSkew is the allowed difference between clocks, 0 to 1 minute. Default: 5 seconds.
	ClockSkew time.Duration
	// JWKSTTL is how long keys are used before they are fetched again, 1 second to 1 day. Cache-Control may shorten it.
	// Default: 5 minutes.
	JWKSTTL time.Duration
	// JWKSCooldown is the shortest time between two fetches caused by an unknown kid, 0 to 1 hour. Default: 10 seconds.
	JWKSCooldown time.Duration
	// MaxStale is how long keys are used beyond JWKSTTL, and revocations beyond the bound that the feed names, while they
	// cannot be renewed, 0 to 1 day. Default: 1 minute.
	MaxStale time.Duration
	// Feed says how revocations are read. FeedOff: a revoked token is accepted until it expires. Default: FeedPoll.
	Feed string
	// FeedInterval is the time between two polls of the feed or the file, 50 ms to 1 minute. Default: 500 ms.
	FeedInterval time.Duration
	// FeedFile is the file of FeedFile; WriteFeedFile of another process writes it.
	FeedFile string
	// ClientID names a client with revocations:read; for OnStaleIntrospect also with tokens:introspect.
	ClientID, ClientSecret string
	// OnStale says what is done after MaxStale: answer 503, accept by the last known keys and revocations, or ask the API
	// about each token. Default: OnStaleFail.
	OnStale string
	// RequiredScopes are scopes that every token must have.
	RequiredScopes []string
	// Timeout limits one request to the API, 50 ms to 1 minute. Default: 2 seconds.
	Timeout time.Duration
	// CacheSize is the number of verified tokens kept in memory, at most 1,000,000. Default: 10,000.
	CacheSize int
	// Legacy accepts access tokens of the old provider too, until a day, with IssuerKind in the result.
	Legacy *LegacyIssuer
	// OnEvent is called when keys or revocations were read, or could not be. It must return quickly.
	OnEvent func(Event)
	// Logger takes the lines of the log: one when the API refuses the client, one when revocations are stale, and one when
	// they are read again. Default: slog.Default().
	Logger *slog.Logger
	// Transport sends the requests to the API. Default: http.DefaultTransport.
	Transport http.RoundTripper
	// Now replaces the clock, for tests.
	Now func() time.Time
}

// Event is for logs and metrics.
type Event struct {
	// Type is keys_loaded, keys_failed, feed_read, feed_failed or introspection_failed.
	Type string
	// Keys is the number of keys of keys_loaded.
	Keys int
	// Epoch and Entries are those of feed_read.
	Epoch   int64
	Entries int
	// Err is why it failed. It never contains a token or a secret.
	Err error
}

type settings struct {
	Options
	api           string
	secrets       [][]byte
	authorization string
	client        *http.Client
}

func wrong(format string, values ...any) error { return fmt.Errorf("sallyport: "+format, values...) }

// duration gives the default for 0 and 0 for None, and refuses what is out of bounds.
func duration(given *time.Duration, name string, byDefault float64) error {
	value := given.Seconds()
	switch {
	case *given == 0:
		value = byDefault
	case *given == None:
		value = 0
	}
	if value < bounds[name][0] || value > bounds[name][1] {
		return wrong("%s must be from %v to %v seconds", name, bounds[name][0], bounds[name][1])
	}
	*given = time.Duration(value * float64(time.Second))
	return nil
}

func isIn(text string, list ...string) bool {
	for _, one := range list {
		if one == text {
			return true
		}
	}
	return false
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

func apiOf(options Options) (string, error) {
	text := options.URL
	if text == "" {
		text = options.Issuer
	}
	parsed, err := url.Parse(text)
	switch {
	case err != nil || parsed.Scheme == "":
		return "", wrong("issuer is not a URL; set URL to the base URL of the API")
	case parsed.Scheme != "https" && parsed.Scheme != "http":
		return "", wrong("URL must be https, not %s", parsed.Scheme)
	case parsed.Host == "":
		return "", wrong("URL has no host")
	case parsed.Scheme == "http" && !options.AllowHTTP && !isLoopback(parsed.Hostname()):
		return "", wrong("URL must be https; set AllowHTTP on a trusted network")
	case parsed.User != nil:
		return "", wrong("URL must not contain credentials")
	case parsed.RawQuery != "" || parsed.ForceQuery || parsed.Fragment != "" || strings.HasSuffix(text, "#"):
		return "", wrong("URL must not contain a query or a fragment")
	}
	return strings.TrimRight(text, "/"), nil
}

func secretsOf(options Options) ([][]byte, error) {
	isAsked := isIn(HS256, options.Algorithms...)
	if isAsked && len(options.Secret) == 0 {
		return nil, wrong("HS256 needs Secret")
	}
	if !isAsked && len(options.Secret) > 0 {
		return nil, wrong("Secret is used only with HS256: name HS256 in Algorithms")
	}
	secrets := make([][]byte, 0, len(options.Secret))
	for _, text := range options.Secret {
		if len(text) < limitShortestSecretBytes {
			return nil, wrong("Secret must have at least %d bytes", limitShortestSecretBytes)
		}
		secrets = append(secrets, []byte(text))
	}
	return secrets, nil
}

func byDefault(given *string, value string) {
	if *given == "" {
		*given = value
	}
}

// settingsOf gives the options with defaults. It refuses options that are missing, wrong or contradict each other.
func settingsOf(options Options) (*settings, error) {
	if options.Issuer == "" {
		return nil, wrong("Issuer is required")
	}
	byDefault(&options.Audience, options.Issuer)
	byDefault(&options.Feed, defaultFeed)
	byDefault(&options.OnStale, defaultOnStale)
	if options.Algorithms == nil {
		options.Algorithms = defaultAlgorithms
	}
	if options.CacheSize == 0 {
		options.CacheSize = defaultCacheSize
	} else if options.CacheSize == None {
		options.CacheSize = 0
	}
	if size := float64(options.CacheSize); size < bounds["cacheSize"][0] || size > bounds["cacheSize"][1] {
		return nil, wrong("cacheSize must be from %v to %v", bounds["cacheSize"][0], bounds["cacheSize"][1])
	}
	for _, one := range []struct {
		given     *time.Duration
		name      string
		byDefault float64
	}{
		{&options.ClockSkew, "clockSkew", defaultClockSkew},
		{&options.JWKSTTL, "jwksTtl", defaultJWKSTtl},
		{&options.JWKSCooldown, "jwksCooldown", defaultJWKSCooldown},
		{&options.MaxStale, "maxStale", defaultMaxStale},
		{&options.FeedInterval, "feedInterval", defaultFeedInterval},
		{&options.Timeout, "timeout", defaultTimeout},
	} {
		if err := duration(one.given, one.name, one.byDefault); err != nil {
			return nil, err
		}
	}
	if err := choicesOf(options); err != nil {
		return nil, err
	}
	if options.Legacy != nil {
		if err := options.Legacy.check(options); err != nil {
			return nil, err
		}
	}
	api, err := apiOf(options)
	if err != nil {
		return nil, err
	}
	secrets, err := secretsOf(options)
	if err != nil {
		return nil, err
	}
	if options.OnEvent == nil {
		options.OnEvent = func(Event) {}
	}
	if options.Logger == nil {
		options.Logger = slog.Default()
	}
	if options.Now == nil {
		options.Now = time.Now
	}
	options.Algorithms = append([]string(nil), options.Algorithms...)
	options.RequiredScopes = append([]string(nil), options.RequiredScopes...)
	return &settings{
		Options: options, api: api, secrets: secrets, authorization: authorizationOf(options),
		client: &http.Client{
			Transport:     options.Transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

func choicesOf(options Options) error {
	hasClient := options.ClientID != "" && options.ClientSecret != ""
	if len(options.Algorithms) == 0 {
		return wrong("Algorithms must not be empty")
	}
	for _, name := range options.Algorithms {
		if !isIn(name, RS256, ES256, EdDSA, HS256) {
			return wrong("Algorithms must be some of RS256, ES256, EdDSA, HS256")
		}
	}
	switch {
	case isIn("", options.RequiredScopes...):
		return wrong("RequiredScopes must not contain an empty text")
	case !isIn(options.Feed, FeedOff, FeedPoll, FeedSSE, FeedFile):
		return wrong("Feed must be one of off, poll, sse, file")
	case !isIn(options.OnStale, OnStaleFail, OnStaleServe, OnStaleIntrospect):
		return wrong("OnStale must be one of fail, serve, introspect")
	case (options.Feed == FeedPoll || options.Feed == FeedSSE) && !hasClient:
		return wrong("Feed %q needs ClientID and ClientSecret; Feed \"off\" accepts revoked tokens until they expire", options.Feed)
	case options.Feed == FeedFile && options.FeedFile == "":
		return wrong("Feed \"file\" needs FeedFile")
	case options.OnStale == OnStaleIntrospect && !hasClient:
		return wrong("OnStale \"introspect\" needs ClientID and ClientSecret")
	}
	return nil
}

// authorizationOf is form encoding, then Basic (RFC 6749 §2.3.1).
func authorizationOf(options Options) string {
	if options.ClientID == "" || options.ClientSecret == "" {
		return ""
	}
	pair := url.QueryEscape(options.ClientID) + ":" + url.QueryEscape(options.ClientSecret)
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(pair))
}

// nowSeconds is the time in Unix seconds.
func (s *settings) nowSeconds() float64 { return float64(s.Now().UnixNano()) / 1e9 }

var processStart = time.Now()

// monotonicSeconds is a clock that is never set back.
func monotonicSeconds() float64 { return time.Since(processStart).Seconds() }
