package verifier

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strings"
	"time"
)

// longestSilence: after this long without a byte a stream is opened anew, at least. The API sends a heartbeat at half
// its bound.
const longestSilence = 5 * time.Second

// noisy calls heard for each read that gave bytes.
type noisy struct {
	io.Reader
	heard func()
}

func (n noisy) Read(into []byte) (int, error) {
	count, err := n.Reader.Read(into)
	if count > 0 {
		n.heard()
	}
	return count, err
}

// followStream reads one stream until it ends or falls silent.
func (f *feedReader) followStream() error {
	ctx, stop := context.WithCancel(f.closing)
	defer stop()
	watch := time.AfterFunc(f.settings.Timeout, stop)
	defer watch.Stop()
	heard := func() {
		bound := time.Duration(f.revocations.boundSeconds() * float64(time.Second))
		watch.Reset(max(longestSilence, bound))
	}
	header := f.settings.authorized("Accept", "text/event-stream")
	response, err := f.settings.open(ctx, http.MethodGet, "/v1/revocations/stream", f.revocations.query(), header, "")
	if err != nil {
		return err
	}
	defer response.Body.Close()
	heard()
	// A body that ignores its context is closed.
	defer context.AfterFunc(ctx, func() { response.Body.Close() })()
	err = eachEvent(noisy{response.Body, heard}, func(jws string) error {
		if _, err := f.take(jws); err != nil {
			return err
		}
		f.reportRead()
		return nil
	})
	if ctx.Err() != nil {
		return &unavailable{message: "the revocation stream is silent or was closed", cause: err}
	}
	return err
}

// eachEvent calls take with the value of the data lines of each event (WHATWG HTML §9.2.6), until the stream ends.
func eachEvent(stream io.Reader, take func(data string) error) error {
	lines := bufio.NewScanner(stream)
	lines.Buffer(make([]byte, 0, 4_096), limitFeedAnswerBytes)
	var data []string
	size := 0
	for lines.Scan() {
		line := strings.TrimSuffix(lines.Text(), "\r")
		if line != "" {
			if value, isData := strings.CutPrefix(line, "data:"); isData {
				data = append(data, strings.TrimPrefix(value, " "))
			}
			// Lines without a value count too: an endless event would fill the memory with them.
			size += len(line) + 1
			if size > limitFeedAnswerBytes {
				return &unavailable{message: "an event of the revocation stream is too long"}
			}
			continue
		}
		if len(data) > 0 {
			if err := take(strings.Join(data, "\n")); err != nil {
				return err
			}
		}
		data, size = nil, 0
	}
	if err := lines.Err(); err != nil {
		return &unavailable{message: "the revocation stream was cut off", cause: err}
	}
	return nil
}
