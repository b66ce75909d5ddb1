// Command tlogverify checks a C2SP tlog-tiles directory (https://c2sp.org/tlog-tiles) against a log's public key, with
// nothing from the program that wrote it. It recomputes every hash from the entries and names what is bad.
//
//	tlogverify [-old CHECKPOINT]... [-witness VKEY]... [-need N] DIR VKEY
//
// Exit status: 0 whole, 1 not whole, 2 usage. It keeps 32 bytes an entry in memory.
package main

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const width = 256

type list []string

func (l *list) String() string     { return strings.Join(*l, ",") }
func (l *list) Set(s string) error { *l = append(*l, s); return nil }

var problems int
var firstBad = int64(-1) // lowest entry known to be bad

func bad(format string, args ...any) {
	if problems++; problems <= 20 {
		fmt.Printf("BAD  "+format+"\n", args...)
	}
}

func badEntry(i int64) {
	if firstBad < 0 || i < firstBad {
		firstBad = i
	}
}

func main() {
	var olds, witnesses list
	flag.Var(&olds, "old", "an older `checkpoint` file the log must be consistent with (repeatable)")
	flag.Var(&witnesses, "witness", "a witness's `vkey` (repeatable)")
	need := flag.Int("need", 0, "how many of the witnesses must have cosigned")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: tlogverify [-old CHECKPOINT]... [-witness VKEY]... [-need N] DIR VKEY")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() != 2 {
		flag.Usage()
		os.Exit(2)
	}
	dir := flag.Arg(0)
	logKey, err := note.NewVerifier(flag.Arg(1))
	if err != nil {
		fmt.Fprintln(os.Stderr, "VKEY:", err)
		os.Exit(2)
	}
	var cosigners []note.Verifier
	for _, w := range witnesses {
		v, err := newCosigner(w)
		if err != nil {
			fmt.Fprintln(os.Stderr, "-witness:", err)
			os.Exit(2)
		}
		cosigners = append(cosigners, v)
	}
	tree, cosigned, err := readCheckpoint(filepath.Join(dir, "checkpoint"), logKey, cosigners)
	if err != nil {
		bad("checkpoint: %v", err)
		fmt.Println("NOT WHOLE: no valid checkpoint")
		os.Exit(1)
	}
	if cosigned < *need {
		bad("checkpoint: %d of the given witnesses cosigned, %d needed", cosigned, *need)
	}
	l := &log{dir: dir, size: tree.N}
	bytes := l.readEntries()
	l.readTiles()
	if root, ok := l.root(l.size); ok && root == tree.Hash {
		l.compareTiles() // every entry is proved by the signed root; now the tiles that clients use
	} else {
		l.localize(tree.Hash)
		if problems == 0 {
			bad("the entries and tiles agree with each other, but not with the signed root: computed %v, signed %v", root, tree.Hash)
		}
	}
	for _, path := range olds {
		old, _, err := readCheckpoint(path, logKey, nil)
		if err != nil {
			bad("%s: %v", path, err)
		} else if old.N > tree.N {
			bad("%s: was signed for %d entries, the log has only %d: entries were cut off the end", path, old.N, tree.N)
		} else if root, ok := l.root(old.N); !ok || root != old.Hash {
			bad("%s: the first %d entries are not those this checkpoint was signed for: history was rewritten", path, old.N)
		} else {
			fmt.Printf("ok   consistent with %s (%d entries)\n", path, old.N)
		}
	}
	l.strays()
	if problems > 0 {
		fmt.Printf("NOT WHOLE: %d problem(s)", problems)
		if firstBad >= 0 {
			fmt.Printf("; first bad entry: %d", firstBad)
		}
		fmt.Println()
		os.Exit(1)
	}
	fmt.Printf("ok   %d entries, %d bytes, root %v, %d witness cosignature(s)\n", tree.N, bytes, tree.Hash, cosigned)
}

// readCheckpoint opens a signed note of origin, size and root: https://c2sp.org/tlog-checkpoint
func readCheckpoint(path string, key note.Verifier, cosigners []note.Verifier) (tlog.Tree, int, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return tlog.Tree{}, 0, err
	}
	n, err := note.Open(text, note.VerifierList(append([]note.Verifier{key}, cosigners...)...))
	if err != nil {
		return tlog.Tree{}, 0, fmt.Errorf("signature: %w", err)
	}
	byLog, cosigned := false, 0
	for _, s := range n.Sigs {
		if s.Name == key.Name() && s.Hash == key.KeyHash() {
			byLog = true
		} else {
			cosigned++
		}
	}
	lines := strings.SplitN(n.Text, "\n", 4)
	if !byLog {
		return tlog.Tree{}, 0, fmt.Errorf("not signed by %s", key.Name())
	}
	if len(lines) != 4 || lines[0] != key.Name() {
		return tlog.Tree{}, 0, fmt.Errorf("origin line is %q, the key is for %q", lines[0], key.Name())
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 || strconv.FormatInt(size, 10) != lines[1] {
		return tlog.Tree{}, 0, fmt.Errorf("bad size %q", lines[1])
	}
	hash, err := tlog.ParseHash(lines[2])
	if err != nil {
		return tlog.Tree{}, 0, fmt.Errorf("bad root: %w", err)
	}
	return tlog.Tree{N: size, Hash: hash}, cosigned, nil
}

// log holds, for every tile, what is on disk and what the entries say it should be. nil: not known.
type log struct {
	dir              string
	size             int64
	stored, computed [][][]byte // [level][tile] → hashes
}

func (l *log) shape(level int) (tiles int64, last int) { // width of the last tile
	n := l.size >> (8 * level)
	tiles, last = (n+width-1)/width, int(n%width)
	if last == 0 {
		last = width
	}
	return
}

func (l *log) wide(level int, tile int64) int {
	if tiles, last := l.shape(level); tile == tiles-1 {
		return last
	}
	return width
}

func tilePath(kind string, n int64, w int) string {
	p := fmt.Sprintf("%03d", n%1000)
	for n >= 1000 {
		n /= 1000
		p = fmt.Sprintf("x%03d/%s", n%1000, p)
	}
	if w < width {
		p += fmt.Sprintf(".p/%d", w)
	}
	return "tile/" + kind + "/" + p
}

// read returns a resource; a full one may stand for a partial one, since partial ones may be deleted.
func (l *log) read(kind string, n int64, w int) (data []byte, path string, err error) {
	path = tilePath(kind, n, w)
	data, err = os.ReadFile(filepath.Join(l.dir, filepath.FromSlash(path)))
	if err != nil && w < width {
		if full, err2 := os.ReadFile(filepath.Join(l.dir, filepath.FromSlash(tilePath(kind, n, width)))); err2 == nil {
			return full, tilePath(kind, n, width), nil
		}
	}
	return
}

func (l *log) readEntries() (total int64) {
	tiles, _ := l.shape(0)
	level0 := make([][]byte, tiles)
	for t := int64(0); t < tiles; t++ {
		w := l.wide(0, t)
		data, path, err := l.read("entries", t, w)
		if err != nil {
			badEntry(t * width)
			bad("%s: missing: entries %d to %d (%v)", path, t*width, t*width+int64(w)-1, reason(err))
			continue
		}
		hashes, rest, i := make([]byte, 0, w*32), data, 0
		for ; i < w && len(rest) >= 2 && len(rest)-2 >= int(binary.BigEndian.Uint16(rest)); i++ {
			n := int(binary.BigEndian.Uint16(rest))
			h := tlog.RecordHash(rest[2 : 2+n])
			hashes, rest, total = append(hashes, h[:]...), rest[2+n:], total+int64(n)
		}
		whole := strings.HasSuffix(path, tilePath("entries", t, w)[4:])
		if i < w {
			badEntry(t*width + int64(i))
			bad("%s: broken off or garbled at entry %d (index %d in the bundle)", path, t*width+int64(i), i)
		} else if len(rest) > 0 && whole {
			bad("%s: %d bytes after its last entry", path, len(rest))
		}
		level0[t] = hashes
	}
	l.computed = [][][]byte{level0}
	for level := 1; l.size>>(8*level) > 0; level++ {
		tiles, _ := l.shape(level)
		up := make([][]byte, tiles)
		for t := range up {
			for i := 0; i < l.wide(level, int64(t)); i++ {
				child := l.computed[level-1][t*width+i]
				if len(child) != width*32 {
					up[t] = nil
					break
				}
				up[t] = append(up[t], subtree(child)...)
			}
		}
		l.computed = append(l.computed, up)
	}
	return
}

func (l *log) readTiles() {
	for level := range l.computed {
		tiles, _ := l.shape(level)
		have := make([][]byte, tiles)
		for t := range have {
			w := l.wide(level, int64(t))
			data, path, err := l.read(strconv.Itoa(level), int64(t), w)
			if err != nil {
				bad("%s: missing (%v)", path, reason(err))
			} else if want := 32 * w; len(data) < want || len(data) > want && path == tilePath(strconv.Itoa(level), int64(t), w) {
				bad("%s: %d bytes instead of %d", path, len(data), want)
			} else {
				have[t] = data[:want]
			}
		}
		l.stored = append(l.stored, have)
	}
}

func (l *log) compareTiles() {
	for level := range l.stored {
		for t, data := range l.stored[level] {
			if data != nil && string(data) != string(l.computed[level][t]) {
				bad("%s: its hashes are not those of the entries (the entries are proved by the signed root; only this tile is bad)", tilePath(strconv.Itoa(level), int64(t), l.wide(level, int64(t))))
			}
		}
	}
}

// root of the first n entries, from the entries alone.
func (l *log) root(n int64) (tlog.Hash, bool) {
	if n == 0 {
		return sha256.Sum256(nil), true
	}
	h, err := tlog.TreeHash(n, tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			tile := tlog.TileForIndex(8, index)
			data := l.computed[tile.L][tile.N]
			if len(data) < tile.W*32 {
				return nil, fs.ErrNotExist
			}
			var err error
			if out[i], err = tlog.HashFromTile(tile, data, index); err != nil {
				return nil, err
			}
		}
		return out, nil
	}))
	return h, err == nil
}

// localize walks down from the signed root, taking for each tile whichever of stored and computed the level above proves.
func (l *log) localize(root tlog.Hash) {
	var edge []int // levels whose last tile is partial (or the top): together they make the root
	for level := range l.computed {
		if l.size>>(8*level)%width != 0 {
			edge = append(edge, level)
		}
	}
	proved := make([][][]byte, len(l.computed))
	for level := range proved {
		proved[level] = make([][]byte, len(l.computed[level]))
	}
	found := false
	for mask := 0; mask < 1<<len(edge) && !found; mask++ {
		var acc []byte
		ok := true
		for i, level := range edge { // from the right edge upwards
			tile := len(l.computed[level]) - 1
			data := l.stored[level][tile]
			if mask>>i&1 == 1 {
				data = l.computed[level][tile]
			}
			w := l.wide(level, int64(tile))
			if len(data) != 32*w {
				ok = false
				break
			}
			proved[level][tile] = data
			for end, bit := w, 0; end > 0; bit++ {
				if end>>bit&1 == 0 {
					continue
				}
				start := end - 1<<bit
				sub := subtree(data[32*start : 32*end])
				if acc == nil {
					acc = sub
				} else {
					acc = node(sub, acc)
				}
				end = start
			}
		}
		found = ok && acc != nil && string(acc) == string(root[:])
	}
	if !found {
		bad("neither the tiles nor the entries at the right edge make the signed root: cannot say which entry is bad; try an older checkpoint with -old")
		return
	}
	for level := len(proved) - 1; level >= 0; level-- {
		for t := range proved[level] {
			path := tilePath(strconv.Itoa(level), int64(t), l.wide(level, int64(t)))
			if level+1 < len(proved) && t/width < len(proved[level+1]) && l.wide(level, int64(t)) == width {
				parent := proved[level+1][t/width]
				if parent == nil {
					continue // already named above
				}
				want := string(parent[32*(t%width) : 32*(t%width)+32])
				for _, data := range [][]byte{l.stored[level][t], l.computed[level][t]} {
					if len(data) == width*32 && string(subtree(data)) == want {
						proved[level][t] = data
						break
					}
				}
			}
			p, s, c := proved[level][t], l.stored[level][t], l.computed[level][t]
			if p == nil && level == 0 {
				badEntry(int64(t) * width)
				bad("entries %d to %d: neither %s nor the entries match what the level above proves", t*width, t*width+width-1, path)
			} else if p == nil {
				bad("%s: not what the level above proves, and the entries below do not give it either", path)
			} else if s != nil && string(p) != string(s) {
				bad("%s: not what the level above proves", path)
			}
			for i := 0; level == 0 && p != nil && i < len(p)/32 && i < len(c)/32; i++ {
				if string(p[32*i:32*i+32]) != string(c[32*i:32*i+32]) {
					badEntry(int64(t*width + i))
					bad("entry %d (%s, index %d): its hash is not the one in the log", t*width+i, tilePath("entries", int64(t), l.wide(0, int64(t))), i)
				}
			}
		}
	}
}

// strays reports resources the checkpoint does not cover: left by a crash, or put there.
func (l *log) strays() {
	count, first := 0, ""
	filepath.WalkDir(filepath.Join(l.dir, "tile"), func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil
		}
		rel, _ := filepath.Rel(l.dir, p)
		f := strings.Split(filepath.ToSlash(rel), "/")
		kind, n, w, level := f[1], int64(0), width, 0
		f = f[2:]
		if len(f) > 1 && strings.HasSuffix(f[len(f)-2], ".p") {
			w, _ = strconv.Atoi(f[len(f)-1])
			f[len(f)-2] = strings.TrimSuffix(f[len(f)-2], ".p")
			f = f[:len(f)-1]
		}
		for _, s := range f {
			v, _ := strconv.ParseInt(strings.TrimPrefix(s, "x"), 10, 64)
			n = n*1000 + v
		}
		if kind != "entries" {
			level, _ = strconv.Atoi(kind)
		}
		known := filepath.ToSlash(rel) == tilePath(kind, n, w)
		if tiles, _ := l.shape(level); !known || n >= tiles || n == tiles-1 && w > l.wide(level, n) {
			if count++; count == 1 {
				first = filepath.ToSlash(rel)
			}
		}
		return nil
	})
	if count > 0 {
		fmt.Printf("note %d file(s) beyond the checkpoint, not covered by it; first: %s\n", count, first)
	}
}

func node(a, b []byte) []byte {
	h := tlog.NodeHash(*(*tlog.Hash)(a), *(*tlog.Hash)(b))
	return h[:]
}

func subtree(data []byte) []byte { // of a power of two of hashes
	if len(data) == 32 {
		return data
	}
	return node(subtree(data[:len(data)/2]), subtree(data[len(data)/2:]))
}

func reason(err error) error {
	if e, ok := err.(*fs.PathError); ok {
		return e.Err // without the machine's path
	}
	return err
}

// A witness's cosignature/v1 (https://c2sp.org/tlog-cosignature): key type 4, 8 bytes of time and an Ed25519 signature.
type cosigner struct {
	name string
	hash uint32
	key  ed25519.PublicKey
}

func newCosigner(vkey string) (note.Verifier, error) {
	f := strings.SplitN(vkey, "+", 3)
	if len(f) != 3 {
		return nil, fmt.Errorf("malformed vkey")
	}
	raw, err := base64.StdEncoding.DecodeString(f[2])
	if err != nil || len(raw) != 33 || raw[0] != 4 {
		return nil, fmt.Errorf("%s: not a cosignature/v1 key (type 4)", f[0])
	}
	sum := sha256.Sum256(append([]byte(f[0]+"\n"), raw...))
	if hash := binary.BigEndian.Uint32(sum[:]); fmt.Sprintf("%08x", hash) == f[1] {
		return &cosigner{f[0], hash, raw[1:]}, nil
	}
	return nil, fmt.Errorf("%s: key hash does not fit", f[0])
}

func (c *cosigner) Name() string    { return c.name }
func (c *cosigner) KeyHash() uint32 { return c.hash }
func (c *cosigner) Verify(msg, sig []byte) bool {
	if len(sig) != 8+ed25519.SignatureSize {
		return false
	}
	signed := fmt.Sprintf("cosignature/v1\ntime %d\n%s", binary.BigEndian.Uint64(sig), msg)
	return ed25519.Verify(c.key, []byte(signed), sig[8:])
}
