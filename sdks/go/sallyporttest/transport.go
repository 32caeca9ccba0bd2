package sallyporttest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const heartbeat = time.Second

// RoundTrip answers as the API does: JWKS, feed, stream, introspection and API keys.
func (i *Issuer) RoundTrip(request *http.Request) (*http.Response, error) {
	var body []byte
	if request.Body != nil {
		body, _ = io.ReadAll(request.Body)
		request.Body.Close()
	}
	i.mutex.Lock()
	defer i.mutex.Unlock()
	path := request.URL.Path
	i.requests[path]++
	if i.isSilent {
		return nil, errors.New("the fake issuer is silent")
	}
	id, secret, _ := request.BasicAuth()
	switch {
	case path == "/.well-known/jwks.json":
		return answered(http.StatusOK, must(json.Marshal(map[string]any{"keys": i.published()}))), nil
	case path == "/v1/api-keys/verify":
		return answered(http.StatusOK, must(json.Marshal(i.apiKeyAnswer(body)))), nil
	case id != clientID || secret != clientSecret:
		return answered(http.StatusUnauthorized, nil), nil
	case path == "/oauth2/introspect":
		form, _ := url.ParseQuery(string(body))
		return answered(http.StatusOK, must(json.Marshal(map[string]any{"active": !i.isRevoked(form.Get("token"))}))), nil
	}
	query := request.URL.Query()
	asked, _ := strconv.Atoi(query.Get("since"))
	switch path {
	case "/v1/revocations":
		return answered(http.StatusOK, []byte(i.answer(asked, query.Get("incarnation")))), nil
	case "/v1/revocations/stream":
		return i.stream(request, i.answer(asked, query.Get("incarnation"))), nil
	}
	return answered(http.StatusNotFound, nil), nil
}

func (i *Issuer) apiKeyAnswer(body []byte) map[string]any {
	var question struct{ Key, Audience string }
	if err := json.Unmarshal(body, &question); err != nil {
		panic(err)
	}
	claims, isKnown := i.apiKeys[question.Key]
	expires, _ := claims["exp"].(float64)
	switch audiences, _ := claims["aud"].([]any); {
	case !isKnown || int64(expires) <= i.now().Unix():
		return map[string]any{"active": false, "reason": "invalid"}
	case question.Audience != "" && !slices.Contains(audiences, any(question.Audience)):
		return map[string]any{"active": false, "reason": "wrong_audience"}
	}
	return map[string]any{"active": true, "claims": claims}
}

func answered(status int, body []byte) *http.Response {
	return &http.Response{
		StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{},
		Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)),
	}
}

func (i *Issuer) published() []map[string]string {
	var keys []map[string]string
	for _, one := range i.keys {
		keys = append(keys, one.published())
	}
	return keys
}

// answer is signed by the newest key, with the entries after the epoch that was asked for.
func (i *Issuer) answer(asked int, askedOf string) string {
	since := asked
	if asked > i.epoch || (askedOf != "" && askedOf != i.incarnation) {
		since = 0
	}
	entries := []entry{}
	for _, one := range i.entries {
		if one.Epoch > since {
			entries = append(entries, one)
		}
	}
	payload := map[string]any{
		"iss": i.config.Issuer, "incarnation": i.incarnation, "epoch": i.epoch, "since": since,
		"issued_at": float64(i.now().UnixMilli()) / 1_000, "max_staleness_s": i.config.MaxStaleness.Seconds(),
		"complete": true, "entries": entries,
	}
	header := map[string]any{"alg": i.newest().alg, "kid": i.newest().kid, "typ": "revocations+jwt"}
	return jws(header, payload, i.newest().sign)
}

// announce sends the whole state to every stream. A stream that does not read misses it, and gets the next.
func (i *Issuer) announce() {
	if i.isSilent {
		return
	}
	jws := i.answer(0, "")
	for stream := range i.streams {
		select {
		case stream <- jws:
		default:
		}
	}
}

func (i *Issuer) stream(request *http.Request, first string) *http.Response {
	events := make(chan string, 64)
	events <- first
	i.streams[events] = struct{}{}
	reader, writer := io.Pipe()
	go func() {
		ticker := time.NewTicker(heartbeat)
		defer ticker.Stop()
		defer func() {
			i.mutex.Lock()
			delete(i.streams, events)
			i.mutex.Unlock()
			writer.Close()
		}()
		for {
			var jws string
			select {
			case <-request.Context().Done():
				return
			case jws = <-events:
			case <-ticker.C:
				i.mutex.Lock()
				isSilent := i.isSilent
				jws = i.answer(i.epoch, i.incarnation)
				i.mutex.Unlock()
				if isSilent {
					continue
				}
			}
			if _, err := io.WriteString(writer, "event: revocations\ndata: "+jws+"\n\n"); err != nil {
				return
			}
		}
	}()
	response := answered(http.StatusOK, nil)
	response.Header.Set("Content-Type", "text/event-stream")
	response.Body, response.ContentLength = reader, -1
	return response
}

func (i *Issuer) isRevoked(token string) bool {
	if strings.Count(token, ".") != 2 {
		return true
	}
	claims := claimsOf(token)
	names := map[string]string{"jti": "jti", "sid": "sid", "family": "fid", "user": "sub", "client": "client_id"}
	epochs := map[string]string{"user": "ue", "client": "ce"}
	for _, one := range i.entries {
		if claims[names[one.Kind]] != one.Value {
			continue
		}
		if one.TokenEpoch == nil {
			return true
		}
		if epoch, _ := claims[epochs[one.Kind]].(float64); int(epoch) < *one.TokenEpoch {
			return true
		}
	}
	return false
}
