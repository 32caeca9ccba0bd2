package verifier

import "time"

// LimitFeedRead lowers the limit of the bytes of one read, for tests.
func (v *Verifier) LimitFeedRead(bytes int) { v.reader.readBytes = bytes }

// LimitProofs lowers the number of used proofs that are remembered, for tests.
func (v *Verifier) LimitProofs(most int) { v.usedProofs.most = most }

// WaitAfterFailures sets the time between two attempts after a failure, for tests; before Start.
func (v *Verifier) WaitAfterFailures(wait time.Duration) {
	v.reader.firstWait, v.reader.longestWait = wait, wait
}
