package repo_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"granary/repo"
	"granary/repo/format"
)

// packFile is the file of a generation's pack.
func packFile(dir string, g *repo.Generation, number uint32) string {
	return filepath.Join(dir, filepath.FromSlash(packName(g, number)))
}

func packName(g *repo.Generation, number uint32) string {
	return format.PackName{Session: g.Session, Number: number}.String()
}

// packOf is the first pack of a kind that a generation's session wrote.
func packOf(t *testing.T, g *repo.Generation, kind format.PackKind) format.ManifestPack {
	t.Helper()
	i := slices.IndexFunc(g.Packs, func(p format.ManifestPack) bool { return p.Kind == kind })
	if i < 0 {
		t.Fatalf("%s has no pack of kind %d", g, kind)
	}
	return g.Packs[i]
}

func readFile(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func writeFile(t *testing.T, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func mustCheck(t *testing.T, r *repo.Repo) *repo.CheckReport {
	t.Helper()
	report, err := r.Check(t.Context(), repo.CheckOptions{ReadData: true})
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// Wherever a bit of a pack flips, Check says which pack, and readers get the
// right bytes or a DamageError.
func TestEachRegionOfAPackIsGuarded(t *testing.T) {
	dir := smallRepo(t)
	content := sample(3, 40*kib)
	g := mustStore(t, openRepo(t, dir, nil), content, nil)
	checker := openRepo(t, dir, nil)
	for _, kind := range []format.PackKind{format.Data, format.Nodes} {
		p := packOf(t, g, kind)
		file := packFile(dir, g, p.Number)
		whole := readFile(t, file)
		tail := len(whole) - format.TableSize(p.Kind, int(p.Entries))
		// Not each byte: Check reads the whole repository each time.
		for i := 0; i < len(whole); {
			step := 7
			if inGrains := i >= format.PackHeaderSize && i < tail; inGrains {
				step = min(1+(tail-format.PackHeaderSize)/8, tail-i)
			}
			b := bytes.Clone(whole)
			b[i] ^= 0x20
			writeFile(t, file, b)
			if report := mustCheck(t, checker); !names(report.Damage, repo.DamageError{Object: packName(g, p.Number)}) {
				t.Errorf("pack %d, byte %d of %d (table from %d): Check finds %v", p.Number, i, len(whole), tail, report.Damage)
			}
			rightOrDamage(t, openRepo(t, dir, nil), g, content)
			i += step
		}
		writeFile(t, file, whole)
	}
	if report := mustCheck(t, checker); report.DamageCount > 0 {
		t.Errorf("mended, and yet: %v", report.Damage)
	}
}

// A pack that is gone, or is another, costs what was in it and nothing else,
// with the index and without.
func TestPacksThatAreGoneOrOthers(t *testing.T) {
	origin := smallRepo(t)
	r := openRepo(t, origin, small())
	older, lost, beside := sample(1, 150*kib), sample(2, 150*kib), sample(3, 150*kib)
	first := mustStore(t, r, older, nil)
	second := mustStore(t, r, lost, nil)
	third := mustStore(t, r, beside, nil)
	data, nodes := packOf(t, second, format.Data).Number, packOf(t, second, format.Nodes).Number
	if len(second.Packs) < 3 {
		t.Fatalf("want several packs, have %v", second.Packs)
	}
	for _, c := range []struct {
		what string
		bad  []uint32 // packs of the second generation
		do   func(dir string)
	}{
		{"a pack of data deleted", []uint32{data}, func(dir string) {
			if err := os.Remove(packFile(dir, second, data)); err != nil {
				t.Fatal(err)
			}
		}},
		{"the pack of nodes deleted", []uint32{nodes}, func(dir string) {
			if err := os.Remove(packFile(dir, second, nodes)); err != nil {
				t.Fatal(err)
			}
		}},
		{"all packs deleted", []uint32{data, nodes}, func(dir string) {
			if err := os.RemoveAll(filepath.Dir(packFile(dir, second, data))); err != nil {
				t.Fatal(err)
			}
		}},
		{"two packs swapped", []uint32{data, nodes}, func(dir string) {
			a, b := readFile(t, packFile(dir, second, data)), readFile(t, packFile(dir, second, nodes))
			writeFile(t, packFile(dir, second, data), b)
			writeFile(t, packFile(dir, second, nodes), a)
		}},
		{"a pack replaced by an older session's", []uint32{data}, func(dir string) {
			writeFile(t, packFile(dir, second, data), readFile(t, packFile(dir, first, data)))
		}},
		{"an empty pack", []uint32{data}, func(dir string) { writeFile(t, packFile(dir, second, data), nil) }},
		{"a pack with its end cut off", []uint32{data}, func(dir string) {
			b := readFile(t, packFile(dir, second, data))
			writeFile(t, packFile(dir, second, data), b[:len(b)-1])
		}},
		{"a pack with bytes after its end", []uint32{data}, func(dir string) {
			b := readFile(t, packFile(dir, second, data))
			writeFile(t, packFile(dir, second, data), append(b, b...))
		}},
	} {
		for _, index := range []string{"with the index", "without an index"} {
			t.Run(c.what+" "+index, func(t *testing.T) {
				dir := copyOf(t, origin)
				c.do(dir)
				if index == "without an index" {
					if err := os.RemoveAll(filepath.Join(dir, "index")); err != nil {
						t.Fatal(err)
					}
				}
				reader := openRepo(t, dir, nil)
				rightOrDamage(t, reader, second, lost)
				for g, want := range map[*repo.Generation][]byte{first: older, third: beside} {
					if !bytes.Equal(readAll(t, reader, g), want) {
						t.Errorf("%s has other bytes", g)
					}
				}
				report := mustCheck(t, openRepo(t, dir, nil))
				for _, number := range c.bad {
					if !names(report.Damage, repo.DamageError{Object: packName(second, number)}) {
						t.Errorf("Check does not name %s: %v", packName(second, number), report.Damage)
					}
				}
				if !names(report.Damage, repo.DamageError{Generation: second.String(), File: "disk.vmdk"}) {
					t.Errorf("Check does not name the file: %v", report.Damage)
				}
				for _, g := range []*repo.Generation{first, third} {
					if names(report.Damage, repo.DamageError{Generation: g.String()}) {
						t.Errorf("Check says that %s is hit: %v", g, report.Damage)
					}
				}
			})
		}
	}
}

// What a lost pack held is stored again by a capture that reads the disk
// without a parent, and the older generation is whole again.
func TestCaptureStoresAgainWhatIsLost(t *testing.T) {
	dir := smallRepo(t)
	content := variant(1)
	old := mustStore(t, openRepo(t, dir, small()), content, nil)
	if err := os.Remove(packFile(dir, old, 1)); err != nil {
		t.Fatal(err)
	}
	r := openRepo(t, dir, small())
	again := mustStore(t, r, content, nil)
	for _, g := range []*repo.Generation{old, again} {
		if !bytes.Equal(readAll(t, r, g), content) {
			t.Errorf("%s has other bytes", g)
		}
	}
	if report := mustCheck(t, r); report.DamageCount != 1 || !names(report.Damage, repo.DamageError{Object: packName(old, 1)}) {
		t.Errorf("Check finds more than the lost pack: %v", report.Damage)
	}
}

// A damaged manifest costs its generation, and no other.
func TestDamagedManifestsDoNotHideOthers(t *testing.T) {
	origin := smallRepo(t)
	r := openRepo(t, origin, small())
	content := variant(1)
	first := mustStore(t, r, content, nil)
	second := mustStore(t, r, variant(2), first)
	name := format.ManifestName(second.Session)
	whole := readFile(t, filepath.Join(origin, name))
	for what, b := range map[string][]byte{
		"empty":                   nil,
		"cut off":                 whole[:len(whole)/2],
		"flipped":                 append(append(bytes.Clone(whole[:60]), whole[60]^1), whole[61:]...),
		"longer":                  append(bytes.Clone(whole), 0),
		"something else":          []byte("garbage"),
		"another generation's":    readFile(t, filepath.Join(origin, format.ManifestName(first.Session))),
		"the repository's config": readFile(t, filepath.Join(origin, format.ConfigName)),
	} {
		t.Run(what, func(t *testing.T) {
			dir := copyOf(t, origin)
			writeFile(t, filepath.Join(dir, name), b)
			r := openRepo(t, dir, small())
			list, err := r.Generations(t.Context())
			if err != nil || len(list.Generations) != 1 || list.Generations[0].Session != first.Session {
				t.Fatalf("Generations = %+v, %v", list, err)
			}
			if len(list.Damaged) != 1 || !names(list.Damaged, repo.DamageError{Object: name}) {
				t.Errorf("damaged are %v", list.Damaged)
			}
			report := mustCheck(t, r)
			if report.DamageCount != 1 || !names(report.Damage, repo.DamageError{Object: name}) {
				t.Errorf("Check finds %v", report.Damage)
			}
			if report.Unreferenced != len(second.Packs) {
				t.Errorf("%d packs belong to nobody, want those of the lost generation, %d", report.Unreferenced, len(second.Packs))
			}
			if !bytes.Equal(readAll(t, r, list.Generations[0]), content) {
				t.Error("the other generation has other bytes")
			}
			again := mustStore(t, r, variant(2), first)
			if !bytes.Equal(readAll(t, openRepo(t, dir, nil), again), variant(2)) {
				t.Error("a capture after it has other bytes")
			}
		})
	}
}

// A newer granary's manifest is an error of its own and not taken for damage.
func TestNewerManifestIsNoDamage(t *testing.T) {
	dir := smallRepo(t)
	r := openRepo(t, dir, small())
	g := mustStore(t, r, variant(1), nil)
	name := filepath.Join(dir, format.ManifestName(g.Session))
	b := readFile(t, name)
	b[10] = format.Version + 1
	writeFile(t, name, b)
	list, err := openRepo(t, dir, nil).Generations(t.Context())
	if err == nil {
		err = errors.Join(list.Damaged...)
	}
	if !errors.Is(err, format.ErrNewer) || errors.Is(err, format.ErrCorrupt) {
		t.Errorf("Generations = %+v, %v", list, err)
	}
}

// Names that are not ours are passed over.
func TestForeignObjectsAreIgnored(t *testing.T) {
	dir := smallRepo(t)
	r := openRepo(t, dir, small())
	content := variant(1)
	g := mustStore(t, r, content, nil)
	for _, name := range []string{
		"generations/README", "generations/.lock", "generations/" + g.Session.String() + ".bak", "packs/README", "packs/x/00000001",
		packName(g, 1) + ".bak", "packs/" + g.Session.String() + "/1", "sessions/x", "tmp/new-123", "lost+found/x", "gc/1",
	} {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		writeFile(t, file, []byte("garbage"))
	}
	other := openRepo(t, dir, small())
	if all := generations(t, other); len(all) != 1 {
		t.Errorf("generations are %v", all)
	}
	if report := mustCheck(t, other); report.DamageCount > 0 || report.Unreferenced > 0 {
		t.Errorf("Check = %+v", report)
	}
	if again := mustStore(t, other, content, g); again.StoredBytes > 0 {
		t.Errorf("stored %d bytes again", again.StoredBytes)
	}
}
