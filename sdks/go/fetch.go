package verifier

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// unavailable: the API did not answer 200 in time, or with too much.
type unavailable struct {
	message string
	// status of an answer that was not 200; else 0.
	status     int
	retryAfter time.Duration
	cause      error
}

func (e *unavailable) Error() string { return e.message }
func (e *unavailable) Unwrap() error { return e.cause }

// withoutAddress drops the method and URL that net/http adds, which may name more than is needed.
func withoutAddress(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}

// open sends a request to a path of the API, or to a URL. It fails unless the answer is 200 and not packed; redirects are not followed. The caller closes the body.
func (s *settings) open(ctx context.Context, method, path, query string, header http.Header, body string) (*http.Response, error) {
	address := path
	if strings.HasPrefix(path, "/") {
		address = s.api + path
	}
	if query != "" {
		address += "?" + query
	}
	request, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(body))
	if err != nil {
		return nil, &unavailable{message: path + " cannot be reached", cause: withoutAddress(err)}
	}
	request.Header = header.Clone()
	// It also keeps the transport from unpacking by itself.
	request.Header.Set("Accept-Encoding", "identity")
	response, err := s.client.Do(request)
	if err != nil {
		return nil, &unavailable{message: path + " cannot be reached", cause: withoutAddress(err)}
	}
	// A packed answer could be far larger than it looks.
	isPacked := !slices.Contains([]string{"", "identity"}, response.Header.Get("Content-Encoding"))
	if response.StatusCode == http.StatusOK && !isPacked {
		return response, nil
	}
	response.Body.Close()
	if isPacked {
		return nil, &unavailable{message: path + " answered with an encoding that was not asked for"}
	}
	var wait time.Duration
	if seconds, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil && seconds > 0 {
		wait = time.Duration(min(seconds, limitLongestRetryAfterSeconds)) * time.Second
	}
	return nil, &unavailable{message: fmt.Sprintf("%s answered %d", path, response.StatusCode), status: response.StatusCode, retryAfter: wait}
}

// fetch gives the body of a 200 answer, limited in time and size.
func (s *settings) fetch(ctx context.Context, method, path, query string, header http.Header, body string, most int64) (string, http.Header, error) {
	ctx, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	response, err := s.open(ctx, method, path, query, header, body)
	if err != nil {
		return "", nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, most+1))
	if err != nil {
		return "", nil, &unavailable{message: path + " did not answer in time", cause: err}
	}
	if int64(len(text)) > most {
		return "", nil, &unavailable{message: fmt.Sprintf("the answer of %s is longer than %d bytes", path, most)}
	}
	return string(text), response.Header, nil
}

// authorized are the headers of a request as the client.
func (s *settings) authorized(more ...string) http.Header {
	header := http.Header{}
	if s.authorization != "" {
		header.Set("Authorization", s.authorization)
	}
	for i := 0; i+1 < len(more); i += 2 {
		header.Set(more[i], more[i+1])
	}
	return header
}
