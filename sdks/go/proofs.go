package verifier

import (
	"crypto/sha256"
	"math"
	"sync"
)

type proofDigest [sha256.Size]byte

// usedProofs remembers digests of proofs for as long as each could be accepted, in two generations of limited number.
type usedProofs struct {
	settings *settings
	window   float64
	// most is the number of proofs of a generation.
	most       int
	mutex      sync.Mutex
	turnedAt   float64
	young, old map[proofDigest]struct{}
}

func newUsedProofs(s *settings) usedProofs {
	return usedProofs{
		settings: s, window: limitProofSeconds + 2*s.aheadSeconds() + 1, most: limitProofsRemembered,
		turnedAt: math.Inf(-1),
	}
}

// use gives CodeActive for a proof that this process uses for the first time, else why it is refused.
func (u *usedProofs) use(proof Proof) Code {
	digest := proofDigest(sha256.Sum256([]byte(proof.JKT + "\x00" + proof.ID)))
	now := u.settings.nowSeconds()
	u.mutex.Lock()
	defer u.mutex.Unlock()
	if passed := now - u.turnedAt; passed >= u.window {
		if u.old = u.young; passed >= 2*u.window {
			u.old = nil
		}
		u.young, u.turnedAt = map[proofDigest]struct{}{}, now
	}
	_, isYoung := u.young[digest]
	_, isOld := u.old[digest]
	if isYoung || isOld {
		return CodeBindingMismatch
	}
	if len(u.young) >= u.most {
		return CodeTooManyProofs
	}
	u.young[digest] = struct{}{}
	return CodeActive
}
