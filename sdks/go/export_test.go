package verifier

// LimitFeedRead lowers the limit of the bytes of one read, for tests.
func (v *Verifier) LimitFeedRead(bytes int) { v.reader.readBytes = bytes }

// LimitProofs lowers the number of used proofs that are remembered, for tests.
func (v *Verifier) LimitProofs(most int) { v.usedProofs.most = most }
