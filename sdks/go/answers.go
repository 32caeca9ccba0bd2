package verifier

import (
	"errors"
	"math"
)

const feedType = "revocations+jwt"

// feedAnswer is one signed answer of the revocation feed.
type feedAnswer struct {
	incarnation  string
	epoch, since int64
	// issuedAt is in Unix seconds, and maxStaleness in seconds.
	issuedAt, maxStaleness float64
	isComplete             bool
	entries                []revocation
}

type revocation struct {
	kind, value string
	// tokenEpoch is of a user or client: tokens of a lower epoch are refused.
	tokenEpoch int64
	isReuse    bool
	// expiresAt is in Unix seconds.
	expiresAt float64
}

func feedRefused(why string) error {
	return errors.New("an answer of the revocation feed was refused: " + why)
}

func secondsOf(value any) (float64, bool) {
	number, ok := value.(float64)
	return number, ok && number >= 0 && !math.IsInf(number, 0)
}

func anyOf(value any) (any, bool) { return value, true }

// revocationOf reads an entry. One of a kind that is not known here cannot be enforced, so it is refused.
func revocationOf(value any) (entry revocation, epoch int64, ok bool) {
	members, ok := value.(object)
	if !ok {
		return revocation{}, 0, false
	}
	r := &claimReader{raw: members}
	entry = revocation{
		kind:      read(r, "kind", true, textOf),
		value:     read(r, "value", true, textOf),
		expiresAt: read(r, "expires_at", true, secondsOf),
		isReuse:   read(r, "reason", false, anyOf) == "refresh_token_reused",
	}
	epoch = read(r, "epoch", true, countOf)
	switch entry.kind {
	case "user", "client":
		entry.tokenEpoch = read(r, "token_epoch", true, countOf)
	case "jti", "sid", "family", "key":
	default:
		return revocation{}, 0, false
	}
	return entry, epoch, !r.bad
}

func feedAnswerOf(body object) (*feedAnswer, bool) {
	r := &claimReader{raw: body}
	answer := &feedAnswer{
		incarnation:  read(r, "incarnation", true, textOf),
		epoch:        read(r, "epoch", true, countOf),
		since:        read(r, "since", true, countOf),
		issuedAt:     read(r, "issued_at", true, secondsOf),
		maxStaleness: read(r, "max_staleness_s", true, secondsOf),
		isComplete:   read(r, "complete", true, boolOf),
	}
	items := read(r, "entries", true, listOf(anyOf, 0))
	if r.bad || answer.epoch < answer.since {
		return nil, false
	}
	last := answer.since
	for _, item := range items {
		entry, epoch, ok := revocationOf(item)
		if !ok || epoch <= last || epoch > answer.epoch {
			return nil, false
		}
		last = epoch
		answer.entries = append(answer.entries, entry)
	}
	return answer, true
}
