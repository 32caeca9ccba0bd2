package verifier

// LimitFeedRead lowers the limit of the bytes of one read, for tests.
func (v *Verifier) LimitFeedRead(bytes int) { v.reader.readBytes = bytes }
