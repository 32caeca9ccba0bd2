package verifier

import (
	"context"
	"crypto/rand"
	"fmt"
	"sync"
	"time"
)

// maximumAnswers: changes after which the whole feed is read again, so that the file does not grow without end.
const maximumAnswers = 200

func randomName() string {
	var bytes [16]byte
	if _, err := rand.Read(bytes[:]); err != nil {
		panic(err)
	}
	return encodeBase64url(bytes[:])
}

// keptAnswer is an answer of the feed, for the file.
type keptAnswer struct {
	jws, kid string
	isQuiet  bool
}

// FeedWriter keeps a feed file up to date.
type FeedWriter struct {
	settings  *settings
	keys      *keyStore
	status    *feedStatus
	reading   *writerReading
	first     chan struct{}
	isWritten bool
	closing   context.Context
	cancel    context.CancelFunc
	ended     sync.WaitGroup
}

type writerReading struct {
	revocations *revocations
	reader      *feedReader
	answers     []keptAnswer
	lastEpoch   int64
}

// WriteFeedFile keeps a file with the keys and the signed feed, from which any number of verifiers with FeedFile read:
// only this process has the client's secret, and verifiers that start while the API is down have keys and revocations
// at once. Only this process may write the file, because its keys are trusted. The error names the option that is
// missing or wrong.
func WriteFeedFile(options Options) (*FeedWriter, error) {
	if options.FeedFile == "" {
		return nil, wrong("WriteFeedFile needs FeedFile")
	}
	options.Feed = FeedPoll
	s, err := settingsOf(options)
	if err != nil {
		return nil, err
	}
	w := &FeedWriter{settings: s, keys: newKeyStore(s), first: make(chan struct{})}
	w.status = newFeedStatus(s, w.keys)
	w.reading = w.open()
	w.closing, w.cancel = context.WithCancel(context.Background())
	w.ended.Add(1)
	go w.run()
	return w, nil
}

// Ready waits until the file was written. It fails when the API did not answer the first time.
func (w *FeedWriter) Ready(ctx context.Context) error {
	select {
	case <-w.first:
	case <-ctx.Done():
		return ctx.Err()
	}
	if !w.isWritten {
		return fmt.Errorf("sallyport: the feed file could not be written: %s gave no revocations", w.settings.api)
	}
	return nil
}

// Close stops, and waits for a reading that is under way. The file stays.
func (w *FeedWriter) Close() {
	w.cancel()
	w.ended.Wait()
}

func (w *FeedWriter) run() {
	defer w.ended.Done()
	w.isWritten = w.write()
	close(w.first)
	for {
		timer := time.NewTimer(w.settings.FeedInterval)
		select {
		case <-w.closing.Done():
			timer.Stop()
			return
		case <-timer.C:
			w.write()
		}
	}
}

func (w *FeedWriter) open() *writerReading {
	reading := &writerReading{revocations: newRevocations(w.settings, w.keys), lastEpoch: -1}
	reading.reader = newFeedReader(w.settings, w.keys, reading.revocations, w.status, func(jws string) {
		epoch, _, _ := reading.revocations.state()
		if next := reading.revocations.next; next != nil {
			epoch = next.epoch
		}
		// Of answers without news, only the last is kept: it tells how recent the others are.
		if count := len(reading.answers); count > 0 && reading.answers[count-1].isQuiet {
			reading.answers = reading.answers[:count-1]
		}
		kept := keptAnswer{jws: jws, isQuiet: epoch == reading.lastEpoch}
		if parsed, ok := parseToken(jws, limitFeedAnswerBytes); ok {
			kept.kid = parsed.kid
		}
		reading.answers = append(reading.answers, kept)
		reading.lastEpoch = epoch
	})
	return reading
}

// isOutdated: a key that has retired, or that the feed revoked, verifies no old answer for a verifier that starts now.
func (w *FeedWriter) isOutdated() bool {
	for _, kept := range w.reading.answers {
		if known, _ := w.keys.find(kept.kid); known == nil || w.reading.revocations.isKeyRevoked(kept.kid) {
			return true
		}
	}
	return false
}

// write reads what is new and replaces the file. It returns whether it did.
func (w *FeedWriter) write() bool {
	w.keys.renewWhenDue()
	_, before, _ := w.reading.revocations.state()
	isRead := w.reading.reader.readOnce(context.Background())
	_, after, _ := w.reading.revocations.state()
	isOther := before != "" && before != after
	if len(w.reading.answers) > maximumAnswers || isOther || w.isOutdated() {
		next := w.open()
		if isRead = next.reader.readOnce(context.Background()); isRead {
			w.reading = next
		}
	}
	// Verifiers take the keys of a new file for new, so outdated keys are not written.
	if !isRead || w.closing.Err() != nil || !w.keys.isFresh() {
		return false
	}
	answers := make([]string, 0, len(w.reading.answers))
	for _, kept := range w.reading.answers {
		answers = append(answers, kept.jws)
	}
	if err := writeFeedText(w.settings.FeedFile, w.keys.loaded.Load().text, answers); err != nil {
		w.settings.OnEvent(Event{Type: "feed_failed", Err: err})
		return false
	}
	return true
}
