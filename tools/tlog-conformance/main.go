// Verifies a running Sallyport audit log with other people's libraries: signed notes by golang.org/x/mod, checkpoints by
// transparency-dev/formats, proofs and trees by transparency-dev/merkle. Prints one JSON object; exits 1 when anything fails.
package main

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/transparency-dev/formats/log"
	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/note"
)

const tileWidth = 256

type report struct {
	Origin      string `json:"origin"`
	Size        uint64 `json:"size"`
	Entries     uint64 `json:"entries"`
	Tiles       int    `json:"tiles"`
	Proofs      int    `json:"proofs"`
	Consistency int    `json:"consistency"`
}

// server reads a log in the form of c2sp.org/tlog-tiles.
type server struct {
	prefix string
	client http.Client
	size   uint64
	tiles  map[string][]byte
}

func (s *server) get(path string) ([]byte, error) {
	answer, err := s.client.Get(s.prefix + "/" + path)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: status %d", path, answer.StatusCode)
	}
	return io.ReadAll(answer.Body)
}

func tilePath(level string, n uint64, width uint64) string {
	path := fmt.Sprintf("%03d", n%1000)
	for n /= 1000; n > 0; n /= 1000 {
		path = fmt.Sprintf("x%03d/%s", n%1000, path)
	}
	if width < tileWidth {
		path += ".p/" + strconv.FormatUint(width, 10)
	}
	return "tile/" + level + "/" + path
}

func (s *server) tile(level, n uint64) ([]byte, error) {
	width := min(tileWidth, s.size>>(8*level)-n*tileWidth)
	path := tilePath(strconv.FormatUint(level, 10), n, width)
	if known, ok := s.tiles[path]; ok {
		return known, nil
	}
	hashes, err := s.get(path)
	if err == nil && uint64(len(hashes)) != width*32 {
		err = fmt.Errorf("%s: %d bytes", path, len(hashes))
	}
	s.tiles[path] = hashes
	return hashes, err
}

// node gives the hash of a complete subtree, from the tile that holds its parts.
func (s *server) node(id compact.NodeID) ([]byte, error) {
	level, width := uint64(id.Level/8), uint64(1)<<(id.Level%8)
	first := id.Index * width
	tile, err := s.tile(level, first/tileWidth)
	if err != nil {
		return nil, err
	}
	at := first % tileWidth
	return subtree(tile[at*32 : (at+width)*32]), nil
}

func subtree(hashes []byte) []byte {
	if len(hashes) == 32 {
		return hashes
	}
	middle := len(hashes) / 2
	return rfc6962.DefaultHasher.HashChildren(subtree(hashes[:middle]), subtree(hashes[middle:]))
}

func (s *server) consistency(from, to uint64) ([][]byte, error) {
	nodes, err := proof.Consistency(from, to)
	if err != nil {
		return nil, err
	}
	hashes := make([][]byte, 0, len(nodes.IDs))
	for _, id := range nodes.IDs {
		hash, err := s.node(id)
		if err != nil {
			return nil, err
		}
		hashes = append(hashes, hash)
	}
	return nodes.Rehash(hashes, rfc6962.DefaultHasher.HashChildren)
}

// entries calls take for every leaf, in order.
func (s *server) entries(take func(leaf []byte) error) error {
	for n := uint64(0); n*tileWidth < s.size; n++ {
		bundle, err := s.get(tilePath("entries", n, min(tileWidth, s.size-n*tileWidth)))
		if err != nil {
			return err
		}
		for len(bundle) > 0 {
			length := 2 + int(binary.BigEndian.Uint16(bundle))
			if err := take(bundle[2:length]); err != nil {
				return err
			}
			bundle = bundle[length:]
		}
	}
	return nil
}

func must[T any](value T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, "tlog-conformance:", err)
		os.Exit(1)
	}
	return value
}

// filesIn gives the files of a folder whose names have the suffix; none where no folder was named.
func filesIn(folder, suffix string) []string {
	if folder == "" {
		return nil
	}
	var files []string
	for _, entry := range must(os.ReadDir(folder)) {
		if !entry.IsDir() && strings.HasSuffix(entry.Name(), suffix) {
			files = append(files, filepath.Join(folder, entry.Name()))
		}
	}
	return files
}

func check(err error) { must(0, err) }

// readProof reads c2sp.org/tlog-proof: index, path, and the checkpoint it leads to.
func readProof(text []byte) (index uint64, path [][]byte, checkpoint []byte, err error) {
	head, checkpoint, found := bytes.Cut(text, []byte("\n\n"))
	lines := strings.Split(string(head), "\n")
	if !found || len(lines) < 2 || lines[0] != "c2sp.org/tlog-proof@v1" || !strings.HasPrefix(lines[1], "index ") {
		return 0, nil, nil, errors.New("not a tlog-proof")
	}
	if index, err = strconv.ParseUint(lines[1][len("index "):], 10, 64); err != nil {
		return 0, nil, nil, err
	}
	for _, line := range lines[2:] {
		hash, err := base64.StdEncoding.Strict().DecodeString(line)
		if err != nil {
			return 0, nil, nil, err
		}
		path = append(path, hash)
	}
	return index, path, checkpoint, nil
}

// publicKey is the part of a verifier key that does not depend on the name of the log.
func publicKey(vkey string) string {
	parts := strings.SplitN(vkey, "+", 3)
	return parts[len(parts)-1]
}

// named is a key under the name of another log.
func named(name, key string) (string, error) {
	typed, err := base64.StdEncoding.DecodeString(key)
	if err != nil || len(typed) != 1+ed25519.PublicKeySize {
		return "", errors.New("not a verifier key")
	}
	return note.NewEd25519VerifierKey(name, ed25519.PublicKey(typed[1:]))
}

// successors are the keys that signed notes lead to from a trusted key, under the name of the log. A note counts only if
// the key that it replaces signed it.
func successors(vkey, origin string, notes []byte) ([]string, error) {
	parts := strings.Split(string(notes), "\n\n")
	trusted := []string{vkey}
	for i := 0; i < len(trusted); i++ {
		for at := 0; at+1 < len(parts); at += 2 {
			lines := strings.Split(parts[at], "\n")
			if len(lines) != 3 || publicKey(lines[1]) != publicKey(trusted[i]) {
				continue
			}
			name := strings.TrimSuffix(lines[0], "/key-rotation")
			old, err := named(name, publicKey(trusted[i]))
			if err != nil || name == lines[0] || lines[1] != old {
				return nil, errors.New("a note in key-rotations does not name a key and its successor")
			}
			verifier, err := note.NewVerifier(old)
			if err != nil {
				return nil, err
			}
			signed := parts[at] + "\n\n" + strings.TrimSuffix(parts[at+1], "\n") + "\n"
			if _, err := note.Open([]byte(signed), note.VerifierList(verifier)); err != nil {
				return nil, fmt.Errorf("key-rotations: %w", err)
			}
			next, err := named(origin, publicKey(lines[2]))
			if err != nil {
				return nil, err
			}
			if !slices.Contains(trusted, next) {
				trusted = append(trusted, next)
			}
		}
	}
	return trusted, nil
}

func main() {
	prefix := flag.String("log", "", "public prefix of the log")
	vkey := flag.String("vkey", "", "verifier key to trust")
	origin := flag.String("origin", "", "origin to expect")
	proofs := flag.String("proofs", "", "folder of <name>.tlog-proof beside <name>.leaf")
	earlier := flag.String("earlier", "", "folder of earlier checkpoints")
	flag.Parse()
	if *prefix == "" || *vkey == "" || *origin == "" {
		check(errors.New("-log, -vkey and -origin are needed; -help says what they are"))
	}

	must(note.NewVerifier(*vkey))
	s := &server{prefix: *prefix, client: http.Client{Timeout: 20 * time.Second}, tiles: map[string][]byte{}}
	// Newest key first: it signed the newest head.
	trusted := must(successors(*vkey, *origin, must(s.get("key-rotations"))))
	slices.Reverse(trusted)
	open := func(text []byte) *log.Checkpoint {
		var failed error
		for _, key := range trusted {
			checkpoint, _, _, err := log.ParseCheckpoint(text, *origin, must(note.NewVerifier(key)))
			if err == nil {
				return checkpoint
			}
			failed = err
		}
		return must[*log.Checkpoint](nil, failed)
	}
	head := open(must(s.get("checkpoint")))
	s.size = head.Size
	done := report{Origin: head.Origin, Size: head.Size}

	// The whole tree, from its leaves.
	tree := (&compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}).NewEmptyRange(0)
	check(s.entries(func(leaf []byte) error {
		done.Entries++
		return tree.Append(rfc6962.DefaultHasher.HashLeaf(leaf), nil)
	}))
	root := rfc6962.DefaultHasher.EmptyRoot()
	if head.Size > 0 {
		root = must(tree.GetRootHash(nil))
	}
	if done.Entries != head.Size || !bytes.Equal(root, head.Hash) {
		check(errors.New("the entries do not give the signed root"))
	}

	// Every earlier head begins this one, by proofs made of our tiles.
	for _, path := range filesIn(*earlier, "") {
		before := open(must(os.ReadFile(path)))
		path := must(s.consistency(before.Size, head.Size))
		check(proof.VerifyConsistency(rfc6962.DefaultHasher, before.Size, head.Size, path, before.Hash, head.Hash))
		done.Consistency++
	}

	// Proofs as the API gives them.
	for _, file := range filesIn(*proofs, ".tlog-proof") {
		index, path, text, err := readProof(must(os.ReadFile(file)))
		check(err)
		signed := open(text)
		leaf := must(os.ReadFile(strings.TrimSuffix(file, ".tlog-proof") + ".leaf"))
		hash := rfc6962.DefaultHasher.HashLeaf(leaf)
		check(proof.VerifyInclusion(rfc6962.DefaultHasher, index, signed.Size, hash, path, signed.Hash))
		if proof.VerifyInclusion(rfc6962.DefaultHasher, index, signed.Size, rfc6962.DefaultHasher.HashLeaf(append(leaf, ' ')), path, signed.Hash) == nil {
			check(errors.New("another leaf is proved by the same proof"))
		}
		done.Proofs++
	}
	done.Tiles = len(s.tiles)
	check(json.NewEncoder(os.Stdout).Encode(done))
}
