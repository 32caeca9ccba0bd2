package verifier

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
)

// limitedProofs remembers this many proofs of each window, by a clock of its own.
func limitedProofs(most int) (*usedProofs, func(time.Duration)) {
	now := time.Unix(2_000_000_000, 0)
	used := newUsedProofs(&settings{Options: Options{Now: func() time.Time { return now }}})
	used.most = most
	return &used, func(passed time.Duration) { now = now.Add(passed) }
}

func TestAFloodOfProofsIsBoundedAndNoReplayIsAccepted(t *testing.T) {
	used, advance := limitedProofs(3)
	use := func(id string, wanted Code) {
		t.Helper()
		if code := used.use(Proof{JKT: "key", ID: id}); code != wanted {
			t.Errorf("%s: %s, not %s", id, code, wanted)
		}
	}
	for _, id := range []string{"a", "b", "c"} {
		use(id, CodeActive)
	}
	use("d", CodeTooManyProofs)
	use("a", CodeBindingMismatch)
	// A window has 81 seconds. What was used in it is refused in the next one as well.
	advance(82 * time.Second)
	use("d", CodeActive)
	for _, id := range []string{"a", "b", "c", "d"} {
		use(id, CodeBindingMismatch)
	}
	advance(82 * time.Second)
	use("d", CodeBindingMismatch)
	use("e", CodeActive)
}

func TestRememberedProofsTakeFiftyMegabytesAtMost(t *testing.T) {
	heap := func() int64 {
		var stats runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&stats)
		return int64(stats.HeapAlloc)
	}
	used, advance := limitedProofs(limitProofsRemembered)
	padding := strings.Repeat("x", limitProofClaimCharacters-6)
	before := heap()
	for generation := 0; generation < 2; generation++ {
		for i := 0; i < limitProofsRemembered; i++ {
			proof := Proof{JKT: fmt.Sprint(generation), ID: fmt.Sprintf("%06d%s", i, padding)}
			if code := used.use(proof); code != CodeActive {
				t.Fatal(i, code)
			}
		}
		if code := used.use(Proof{JKT: "one", ID: "too many"}); code != CodeTooManyProofs {
			t.Error(code)
		}
		advance(82 * time.Second)
	}
	if taken := heap() - before; taken > 50_000_000 {
		t.Errorf("%d bytes", taken)
	}
	runtime.KeepAlive(used)
}
