// Writes vectors.json: what the Go transparency log libraries say of the log formats, for tests of our own.
// Leaf i is the text "sallyport leaf i". Run: go run . > vectors.json
package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log"
	"os"

	fnote "github.com/transparency-dev/formats/note"
	tlogproof "github.com/transparency-dev/formats/proof"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	logName     = "sallyport.example/audit"
	witnessName = "witness.example/w1"
	tileHeight  = 8
)

type path struct {
	At     int64    `json:"at"`
	Hashes []string `json:"hashes"`
}

type tree struct {
	Size int64  `json:"size"`
	Root string `json:"root"`
	// SHA-256 over the contents of every tile, partial ones included, by level and number.
	Tiles       string `json:"tiles_sha256"`
	Inclusion   []path `json:"inclusion"`
	Consistency []path `json:"consistency"`
}

type vectors struct {
	Trees   []tree `json:"trees"`
	Log     string `json:"log_vkey"`
	Note    string `json:"note"`
	Proof   string `json:"proof"`
	Witness string `json:"witness_vkey"`
	// The note above with the witness' cosignature.
	Cosigned string `json:"cosigned"`
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func encode(hashes []tlog.Hash) []string {
	texts := make([]string, len(hashes))
	for i, h := range hashes {
		texts[i] = base64.StdEncoding.EncodeToString(h[:])
	}
	return texts
}

// keys makes the note package's encodings of an Ed25519 key from a seed.
func keys(name string, seed byte) (signer, verifier string) {
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, 32))
	public := append([]byte{1}, key.Public().(ed25519.PublicKey)...)
	id := sha256.Sum256(append([]byte(name+"\n"), public...))
	hash := binary.BigEndian.Uint32(id[:4])
	private := base64.StdEncoding.EncodeToString(append([]byte{1}, key.Seed()...))
	return fmt.Sprintf("PRIVATE+KEY+%s+%08x+%s", name, hash, private),
		fmt.Sprintf("%s+%08x+%s", name, hash, base64.StdEncoding.EncodeToString(public))
}

var stored []tlog.Hash

func read(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		hashes[i] = stored[index]
	}
	return hashes, nil
}

func inclusion(size, index int64, root tlog.Hash) []tlog.Hash {
	if size == 0 {
		return nil
	}
	hashes := must(tlog.ProveRecord(size, index, tlog.HashReaderFunc(read)))
	raw := make([][]byte, len(hashes))
	for i := range hashes {
		raw[i] = hashes[i][:]
	}
	leaf := rfc6962.DefaultHasher.HashLeaf(fmt.Appendf(nil, "sallyport leaf %d", index))
	if err := proof.VerifyInclusion(rfc6962.DefaultHasher, uint64(index), uint64(size), leaf, raw, root[:]); err != nil {
		log.Fatal(err)
	}
	return hashes
}

func treeOf(size int64) tree {
	reader := tlog.HashReaderFunc(read)
	root := must(tlog.TreeHash(size, reader))
	result := tree{Size: size, Root: hex.EncodeToString(root[:]), Inclusion: []path{}, Consistency: []path{}}
	digest := sha256.New()
	for _, tile := range tlog.NewTiles(tileHeight, 0, size) {
		digest.Write(must(tlog.ReadTileData(tile, reader)))
	}
	result.Tiles = hex.EncodeToString(digest.Sum(nil))
	for _, index := range []int64{0, 1, 2, 100, 255, 256, 1000, 65535, 65536, 69999, size - 1} {
		if index >= 0 && index < size {
			result.Inclusion = append(result.Inclusion, path{index, encode(inclusion(size, index, root))})
		}
	}
	for _, old := range []int64{1, 2, 3, 255, 256, 257, 1000, 65536, size - 1} {
		if old > 0 && old < size {
			result.Consistency = append(result.Consistency, path{old, encode(must(tlog.ProveTree(size, old, reader)))})
		}
	}
	return result
}

func main() {
	const largest = 70_000
	for i := int64(0); i < largest; i++ {
		hashes := must(tlog.StoredHashes(i, fmt.Appendf(nil, "sallyport leaf %d", i), tlog.HashReaderFunc(read)))
		stored = append(stored, hashes...)
	}
	var out vectors
	for _, size := range []int64{0, 1, 2, 3, 255, 256, 257, 65_536, largest} {
		out.Trees = append(out.Trees, treeOf(size))
	}

	signer, verifier := keys(logName, 7)
	out.Log = verifier
	root := must(tlog.TreeHash(largest, tlog.HashReaderFunc(read)))
	text := fmt.Sprintf("%s\n%d\n%s\n", logName, largest, base64.StdEncoding.EncodeToString(root[:]))
	out.Note = string(must(note.Sign(&note.Note{Text: text}, must(note.NewSigner(signer)))))

	whole := tlogproof.TLogProof{Index: 1000, Checkpoint: []byte(out.Note)}
	for _, hash := range inclusion(largest, 1000, root) {
		whole.Hashes = append(whole.Hashes, hash)
	}
	out.Proof = string(whole.Marshal())

	signer, verifier = keys(witnessName, 9)
	out.Witness = must(fnote.VKeyToCosignatureV1(verifier))
	opened := must(note.Open([]byte(out.Note), note.VerifierList(must(note.NewVerifier(out.Log)))))
	out.Cosigned = string(must(note.Sign(opened, must(fnote.NewSignerForCosignatureV1(signer)))))

	encoder := json.NewEncoder(os.Stdout)
	encoder.SetIndent("", " ")
	if err := encoder.Encode(out); err != nil {
		log.Fatal(err)
	}
}
