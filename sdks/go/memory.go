package verifier

import "strings"

// revokedEpoch is of a user or client.
type revokedEpoch struct {
	epoch     int64
	expiresAt float64
}

// memory is what is revoked, by kind and value.
type memory struct {
	// revoked has jti, sid, family and key: when the entry expires, Unix seconds.
	revoked map[string]map[string]float64
	// reused are families that ended because an old refresh token was used.
	reused map[string]struct{}
	// epochs has user and client.
	epochs map[string]map[string]revokedEpoch
}

func newMemory() *memory {
	return &memory{
		revoked: map[string]map[string]float64{"jti": {}, "sid": {}, "family": {}, "key": {}},
		reused:  map[string]struct{}{},
		epochs:  map[string]map[string]revokedEpoch{"user": {}, "client": {}},
	}
}

func (m *memory) add(entry revocation) {
	// The text of the entry shares the memory of the whole answer.
	value := strings.Clone(entry.value)
	if known, isEpoch := m.epochs[entry.kind]; isEpoch {
		before := known[value]
		known[value] = revokedEpoch{
			epoch: max(before.epoch, entry.tokenEpoch), expiresAt: max(before.expiresAt, entry.expiresAt),
		}
		return
	}
	known := m.revoked[entry.kind]
	known[value] = max(known[value], entry.expiresAt)
	if entry.kind == "family" && entry.isReuse {
		m.reused[value] = struct{}{}
	}
}

func (m *memory) has(kind, value string) bool {
	_, has := m.revoked[kind][value]
	return has
}

func (m *memory) isBelow(kind, value string, epoch int64) bool {
	known, has := m.epochs[kind][value]
	return has && epoch < known.epoch
}

func (m *memory) size() int {
	size := 0
	for _, values := range m.revoked {
		size += len(values)
	}
	for _, values := range m.epochs {
		size += len(values)
	}
	return size
}

// check gives "" for a token that is not revoked.
func (m *memory) check(claims *Claims) Code {
	if m.has("jti", claims.ID) {
		return CodeRevoked
	}
	if claims.FamilyID != "" && m.has("family", claims.FamilyID) {
		if _, isReused := m.reused[claims.FamilyID]; isReused {
			return CodeFamilyReused
		}
		return CodeRevoked
	}
	// A token without an epoch counts as older than every raised epoch.
	if m.isBelow("user", claims.Subject, claims.UserEpoch) || m.isBelow("client", claims.ClientID, claims.ClientEpoch) {
		return CodeRevoked
	}
	for _, origin := range claims.Origins {
		if m.has("jti", origin.ID) || m.isBelow("client", origin.ClientID, origin.ClientEpoch) {
			return CodeRevoked
		}
	}
	if claims.SessionID != "" && m.has("sid", claims.SessionID) {
		return CodeSessionEnded
	}
	return ""
}

type expired struct{ kind, value string }

// expiredBefore lists at most that many entries that have expired.
func (m *memory) expiredBefore(seconds float64, most int) []expired {
	var found []expired
	for kind, values := range m.revoked {
		for value, expiresAt := range values {
			if expiresAt < seconds && len(found) < most {
				found = append(found, expired{kind, value})
			}
		}
	}
	for kind, values := range m.epochs {
		for value, known := range values {
			if known.expiresAt < seconds && len(found) < most {
				found = append(found, expired{kind, value})
			}
		}
	}
	return found
}

func (m *memory) remove(found []expired) {
	for _, one := range found {
		if one.kind == "family" {
			delete(m.reused, one.value)
		}
		delete(m.revoked[one.kind], one.value)
		delete(m.epochs[one.kind], one.value)
	}
}
