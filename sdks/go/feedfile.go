package verifier

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"time"
)

// fileReader remembers what it has read of the feed file.
type fileReader struct {
	stamp os.FileInfo
	known map[string]struct{}
}

// feedText is the content of a feed file: the key set, and the feed's signed answers in the order in which they were
// read.
type feedText struct {
	JWKS    json.RawMessage `json:"jwks"`
	Answers []string        `json:"answers"`
}

func isSameStamp(a, b os.FileInfo) bool {
	return a != nil && os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

// readFeedText reads a feed file; nil when it has not changed since the stamp.
func readFeedText(path string, known os.FileInfo) (*feedText, os.FileInfo, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer file.Close()
	stamp, err := file.Stat()
	if err != nil || isSameStamp(known, stamp) {
		return nil, stamp, err
	}
	if !stamp.Mode().IsRegular() || stamp.Size() > limitFeedFileBytes {
		return nil, nil, errors.New("the feed file is too large, or no regular file")
	}
	bytes, err := io.ReadAll(io.LimitReader(file, limitFeedFileBytes))
	if err != nil {
		return nil, nil, err
	}
	var text feedText
	if err := json.Unmarshal(bytes, &text); err != nil || text.Answers == nil || len(text.JWKS) == 0 {
		return nil, nil, errors.New("the feed file is malformed")
	}
	return &text, stamp, nil
}

// readFile reads the file that another process writes: its keys, and its answers that are new.
func (f *feedReader) readFile() error {
	text, stamp, err := readFeedText(f.settings.FeedFile, f.file.stamp)
	if err != nil {
		return fmt.Errorf("the feed file cannot be read: %w", err)
	}
	if text == nil {
		return nil
	}
	age := math.Max(0, time.Since(stamp.ModTime()).Seconds())
	if err := f.keys.load(string(text.JWKS), age, f.settings.JWKSTTL.Seconds()); err != nil {
		return err
	}
	known := make(map[string]struct{}, len(text.Answers))
	for at, jws := range text.Answers {
		known[jws] = struct{}{}
		if _, isKnown := f.file.known[jws]; isKnown {
			continue
		}
		if _, err := f.revocations.read(jws, at < len(text.Answers)-1); err != nil {
			return err
		}
	}
	f.file = fileReader{stamp: stamp, known: known}
	return nil
}

// writeFeedText replaces a feed file as a whole, readable by its owner and group only.
func writeFeedText(path, jwks string, answers []string) error {
	text, err := json.Marshal(feedText{JWKS: json.RawMessage(jwks), Answers: answers})
	if err != nil {
		return err
	}
	// A name that cannot be guessed, and that must not exist: an attacker can put no link or file in its place.
	fresh := path + "." + randomName()
	file, err := os.OpenFile(fresh, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640)
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	if closing := file.Close(); err == nil {
		err = closing
	}
	if err == nil {
		err = os.Rename(fresh, path)
	}
	if err != nil {
		os.Remove(fresh)
	}
	return err
}
