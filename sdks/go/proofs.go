package verifier

import (
	"math"
	"sync"
)

// mostProofs is the number of used proofs kept per window. One process verifies fewer in that time.
const mostProofs = 500_000

// usedProofs remembers proofs for as long as each could be accepted, in two generations.
type usedProofs struct {
	settings   *settings
	window     float64
	mutex      sync.Mutex
	turnedAt   float64
	young, old map[Proof]struct{}
}

func newUsedProofs(s *settings) usedProofs {
	return usedProofs{
		settings: s, window: limitProofSeconds + 2*s.aheadSeconds() + 1, turnedAt: math.Inf(-1),
	}
}

// use is false for a proof that was used before, by this process.
func (u *usedProofs) use(proof Proof) bool {
	now := u.settings.nowSeconds()
	u.mutex.Lock()
	defer u.mutex.Unlock()
	if passed := now - u.turnedAt; passed >= u.window {
		if u.old = u.young; passed >= 2*u.window {
			u.old = nil
		}
		u.young, u.turnedAt = map[Proof]struct{}{}, now
	}
	_, isYoung := u.young[proof]
	_, isOld := u.old[proof]
	if isYoung || isOld || len(u.young) >= mostProofs {
		return false
	}
	u.young[proof] = struct{}{}
	return true
}
