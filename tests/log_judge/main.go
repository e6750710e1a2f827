// Command log-judge verifies the log of an archive with Go's own checksum-database packages, which know nothing of how
// it was made. It reads the folder of the log, its public key, and perhaps an older checkpoint; it prints the size of the
// log, or ends with 1 and says what is wrong.
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const tileHeight = 8

func main() {
	if err := judge(os.Args[1], os.Args[2], os.Args[3:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func judge(folder, key string, more []string) error {
	if folder == "proof" {
		return checkProof(more[0], key)
	}
	content, err := os.ReadFile(filepath.Join(folder, "checkpoint"))
	if err != nil {
		return err
	}
	tree, err := open(content, key)
	if err != nil {
		return err
	}
	hashes := tlog.TileHashReader(tree, &tiles{folder})
	for index := int64(0); index < tree.N; index++ {
		signed, err := hashes.ReadHashes([]int64{tlog.StoredHashIndex(0, index)})
		if err != nil {
			return fmt.Errorf("entry %d: %w", index, err)
		}
		entry, err := entryAt(folder, index, tree.N)
		if err != nil {
			return err
		}
		if tlog.RecordHash(entry) != signed[0] {
			return fmt.Errorf("entry %d is not the one that was signed", index)
		}
		proof, err := tlog.ProveRecord(tree.N, index, hashes)
		if err != nil {
			return err
		}
		if err := tlog.CheckRecord(proof, tree.N, tree.Hash, index, signed[0]); err != nil {
			return err
		}
	}
	if len(more) > 0 {
		older, err := os.ReadFile(more[0])
		if err != nil {
			return err
		}
		before, err := open(older, key)
		if err != nil {
			return err
		}
		proof, err := tlog.ProveTree(tree.N, before.N, hashes)
		if err != nil {
			return err
		}
		if err := tlog.CheckTree(proof, tree.N, tree.Hash, before.N, before.Hash); err != nil {
			return err
		}
	}
	fmt.Println(tree.N)
	return nil
}

// open returns the tree in a checkpoint that the key has signed.
func open(content []byte, key string) (tlog.Tree, error) {
	verifier, err := note.NewVerifier(key)
	if err != nil {
		return tlog.Tree{}, err
	}
	opened, err := note.Open(content, note.VerifierList(verifier))
	if err != nil {
		return tlog.Tree{}, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) < 4 || lines[0] != verifier.Name() {
		return tlog.Tree{}, fmt.Errorf("not a checkpoint of %s: %q", verifier.Name(), opened.Text)
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return tlog.Tree{}, err
	}
	root, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || len(root) != sha256.Size {
		return tlog.Tree{}, fmt.Errorf("root: %q", lines[2])
	}
	return tlog.Tree{N: size, Hash: tlog.Hash(root)}, nil
}

// tiles reads the tiles of tlog-tiles, whose paths lack the height that those of Go's checksum database have.
type tiles struct{ folder string }

func (t *tiles) Height() int { return tileHeight }

func (t *tiles) SaveTiles([]tlog.Tile, [][]byte) {}

func (t *tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var found [][]byte
	for _, tile := range wanted {
		path := strings.Replace(tile.Path(), fmt.Sprintf("tile/%d/", tileHeight), "tile/", 1)
		content, err := os.ReadFile(filepath.Join(t.folder, path))
		if err != nil {
			return nil, err
		}
		found = append(found, content)
	}
	return found, nil
}

// entryAt returns an entry of a log of some size.
func entryAt(folder string, index, size int64) ([]byte, error) {
	const width = 1 << tileHeight
	tile := tlog.Tile{H: tileHeight, L: 0, N: index / width, W: int(min(width, size-index/width*width))}
	path := strings.Replace(tile.Path(), fmt.Sprintf("tile/%d/0/", tileHeight), "tile/entries/", 1)
	content, err := os.ReadFile(filepath.Join(folder, path))
	if err != nil {
		return nil, err
	}
	for skipped := int64(0); ; skipped++ {
		if len(content) < 2 {
			return nil, fmt.Errorf("%s: it ends before entry %d", path, index)
		}
		length := int(binary.BigEndian.Uint16(content))
		if len(content) < 2+length {
			return nil, fmt.Errorf("%s: entry %d is cut off", path, index)
		}
		if skipped == index%width {
			return content[2 : 2+length], nil
		}
		content = content[2+length:]
	}
}

// checkProof checks the file of a proof, and prints the record's bytes in base64.
func checkProof(path, key string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var proof struct {
		Checkpoint    string   `json:"checkpoint"`
		Manifest      []byte   `json:"manifest"`
		ManifestIndex int64    `json:"manifest_index"`
		ManifestProof [][]byte `json:"manifest_proof"`
		Record        []byte   `json:"record"`
		RecordIndex   int64    `json:"record_index"`
		RecordProof   [][]byte `json:"record_proof"`
	}
	if err := json.NewDecoder(bytes.NewReader(content)).Decode(&proof); err != nil {
		return err
	}
	tree, err := open([]byte(proof.Checkpoint), key)
	if err != nil {
		return err
	}
	leaf := tlog.RecordHash(proof.Manifest)
	if err := tlog.CheckRecord(hashesOf(proof.ManifestProof), tree.N, tree.Hash, proof.ManifestIndex, leaf); err != nil {
		return err
	}
	var manifest struct {
		Rows int64  `json:"rows"`
		Root string `json:"root"`
	}
	if err := json.Unmarshal(proof.Manifest, &manifest); err != nil {
		return err
	}
	root, err := hex.DecodeString(manifest.Root)
	if err != nil || len(root) != sha256.Size {
		return fmt.Errorf("root: %q", manifest.Root)
	}
	leaf = tlog.RecordHash(proof.Record)
	if err := tlog.CheckRecord(hashesOf(proof.RecordProof), manifest.Rows, tlog.Hash(root), proof.RecordIndex, leaf); err != nil {
		return err
	}
	fmt.Println(base64.StdEncoding.EncodeToString(proof.Record))
	return nil
}

func hashesOf(given [][]byte) []tlog.Hash {
	var hashes []tlog.Hash
	for _, each := range given {
		var hash tlog.Hash
		copy(hash[:], each)
		hashes = append(hashes, hash)
	}
	return hashes
}
