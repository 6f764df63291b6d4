package data

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// content is a file that does not compress, so that packed it is long enough to
// break off in the middle.
func content(n int) []byte {
	var out []byte
	for h := sha256.Sum256([]byte("seed")); len(out) < n; h = sha256.Sum256(h[:]) {
		out = append(out, h[:]...)
	}
	return out[:n]
}

func wanted(name string, b []byte) mnistFile {
	h := sha256.Sum256(b)
	return mnistFile{name, int64(len(b)), hex.EncodeToString(h[:])}
}

// mirror is a server of one packed file, and what was asked of it.
type mirror struct {
	*httptest.Server
	mu     sync.Mutex
	ranges []string
}

func newMirror(t *testing.T, serve func(w http.ResponseWriter, r *http.Request, n int)) *mirror {
	m := &mirror{}
	m.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.mu.Lock()
		m.ranges = append(m.ranges, r.Header.Get("Range"))
		n := len(m.ranges)
		m.mu.Unlock()
		serve(w, r, n)
	}))
	t.Cleanup(m.Close)
	return m
}

// asked returns the Range of each request.
func (m *mirror) asked() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.ranges)
}

func whole(b []byte) func(http.ResponseWriter, *http.Request, int) {
	return func(w http.ResponseWriter, r *http.Request, _ int) {
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(b))
	}
}

// breaks sends only half of what is asked for in the first n requests.
func breaks(b []byte, n int, ranges bool) func(http.ResponseWriter, *http.Request, int) {
	return func(w http.ResponseWriter, r *http.Request, k int) {
		if !ranges {
			r.Header.Del("Range")
		}
		if k > n {
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(b))
			return
		}
		from := 0
		if _, err := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &from); err == nil {
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(b)-1, len(b)))
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(b)-from))
		if from > 0 {
			w.WriteHeader(http.StatusPartialContent)
		}
		_, _ = w.Write(b[from : from+(len(b)-from)/2])
		// The server notices that the handler wrote too little, and hangs up.
	}
}

func status(code int) func(http.ResponseWriter, *http.Request, int) {
	return func(w http.ResponseWriter, _ *http.Request, _ int) { w.WriteHeader(code) }
}

func download(ctx context.Context, dir string, f mnistFile, progress func(Progress), mirrors ...string) error {
	d := downloader{
		client:   &http.Client{Transport: &http.Transport{DisableKeepAlives: true}},
		files:    []mnistFile{f},
		progress: progress,
		stall:    10 * time.Second,
		wait:     time.Millisecond,
	}
	for _, m := range mirrors {
		d.mirrors = append(d.mirrors, m+"/")
	}
	return d.run(ctx, dir)
}

// only requires that the folder holds the packed file and nothing else.
func only(t *testing.T, dir string, packed []byte) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 1)
	got, err := os.ReadFile(filepath.Join(dir, "f.gz"))
	require.NoError(t, err)
	require.True(t, bytes.Equal(packed, got))
}

func TestDownload(t *testing.T) {
	plain := content(300_000)
	packed := zip(plain)
	other := zip(content(300_001)[1:])
	f := wanted("f", plain)
	type serve = func(http.ResponseWriter, *http.Request, int)
	n := len(packed)
	half := fmt.Sprintf("bytes=%d-", n/2)
	for name, c := range map[string]struct {
		part   []byte // of an earlier run
		first  serve
		second serve
		asked  []string // of the first
		asked2 []string // of the second
	}{
		"whole":                    {nil, whole(packed), status(500), []string{""}, nil},
		"resumed after a break":    {nil, breaks(packed, 1, true), status(500), []string{"", half}, nil},
		"range ignored":            {nil, breaks(packed, 1, false), status(500), []string{"", half}, nil},
		"earlier run":              {packed[:1000], whole(packed), status(500), []string{"bytes=1000-"}, nil},
		"earlier run was complete": {packed, whole(packed), status(500), []string{fmt.Sprintf("bytes=%d-", n)}, nil},
		"earlier run of other":     {other[:1000], whole(packed), status(500), []string{"bytes=1000-", ""}, nil},
		"404":                      {nil, status(404), whole(packed), []string{""}, []string{""}},
		"wrong checksum":           {nil, whole(other), whole(packed), []string{""}, []string{""}},
		"not gzip":                 {nil, whole([]byte("<html>log in</html>")), whole(packed), []string{""}, []string{""}},
		"never more than half":     {nil, breaks(packed, 1000, false), whole(packed), []string{"", half, half}, []string{half}},
	} {
		t.Run(name, func(t *testing.T) {
			first, second := newMirror(t, c.first), newMirror(t, c.second)
			dir := t.TempDir()
			if c.part != nil {
				write(t, dir, "f.gz.part", c.part)
			}
			var last Progress
			require.NoError(t, download(context.Background(), dir, f, func(p Progress) { last = p }, first.URL, second.URL))
			only(t, dir, packed)
			require.Equal(t, c.asked, first.asked())
			require.Equal(t, c.asked2, second.asked())
			if name != "earlier run was complete" {
				require.Equal(t, Progress{"f.gz", int64(n), int64(n)}, last)
			}

			require.NoError(t, download(context.Background(), dir, f, nil, "http://127.0.0.1:1"), "a right file is kept")
		})
	}
}

func TestDownloadKeepsAPlainFile(t *testing.T) {
	plain := content(1000)
	dir := t.TempDir()
	write(t, dir, "f", plain)
	require.NoError(t, download(context.Background(), dir, wanted("f", plain), nil, "http://127.0.0.1:1"))
}

func TestDownloadMovesWrongFilesAside(t *testing.T) {
	plain := content(1000)
	dir := t.TempDir()
	write(t, dir, "f", []byte("mine"))
	write(t, dir, "f.gz", []byte("also mine"))
	require.NoError(t, download(context.Background(), dir, wanted("f", plain), nil, newMirror(t, whole(zip(plain))).URL))
	for name, want := range map[string][]byte{"f.wrong": []byte("mine"), "f.gz.wrong": []byte("also mine"), "f.gz": zip(plain)} {
		got, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	require.NoFileExists(t, filepath.Join(dir, "f"))
}

func TestDownloadErrors(t *testing.T) {
	plain := content(5000)
	f := wanted("f", plain)
	dir := t.TempDir()
	wrong := newMirror(t, whole(zip(content(5001)[1:])))
	short := newMirror(t, whole(zip(plain[:10])))
	missing := newMirror(t, status(404))
	huge := newMirror(t, whole(make([]byte, 3<<20)))
	err := download(context.Background(), dir, f, nil, wrong.URL, short.URL, missing.URL, huge.URL)
	require.ErrorContains(t, err, "data: cannot download f.gz: no mirror has it (")
	require.ErrorContains(t, err, wrong.URL+"/f.gz: wrong checksum: SHA-256 ")
	require.ErrorContains(t, err, short.URL+"/f.gz: wrong length: 10 unpacked bytes instead of 5000")
	require.ErrorContains(t, err, missing.URL+"/f.gz: 404 Not Found")
	require.ErrorContains(t, err, huge.URL+"/f.gz: longer than 1053576 bytes, it is another file")
	require.NoFileExists(t, filepath.Join(dir, "f.gz"))

	file := filepath.Join(dir, "file")
	write(t, dir, "file", nil)
	require.ErrorContains(t, download(context.Background(), file, f, nil), "data: mkdir "+file)
}

func TestDownloadOffline(t *testing.T) {
	closed := httptest.NewServer(nil)
	url := closed.URL
	closed.Close()
	dir := t.TempDir()
	err := download(context.Background(), dir, wanted("f", content(10)), nil, url)
	entries, rerr := os.ReadDir(dir)
	require.NoError(t, rerr)
	require.Empty(t, entries)
	require.ErrorContains(t, err, "data: cannot download f.gz: no network (")
	require.ErrorContains(t, err, "; without a download, put the files train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz, "+
		"t10k-images-idx3-ubyte.gz, t10k-labels-idx1-ubyte.gz into a folder DIR by hand and use -data DIR")
}

func TestDownloadCancelled(t *testing.T) {
	plain := content(300_000)
	packed := zip(plain)
	slow := newMirror(t, func(w http.ResponseWriter, r *http.Request, n int) {
		if n > 1 {
			whole(packed)(w, r, n)
			return
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(packed)))
		_, _ = w.Write(packed[:100_000])
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	ctx, cancel := context.WithCancel(context.Background())
	dir := t.TempDir()
	err := download(ctx, dir, wanted("f", plain), func(p Progress) {
		if p.Done == 100_000 {
			cancel()
		}
	}, slow.URL)
	require.ErrorIs(t, err, context.Canceled)
	require.NoFileExists(t, filepath.Join(dir, "f.gz"))
	require.NoError(t, download(context.Background(), dir, wanted("f", plain), nil, slow.URL))
	only(t, dir, packed)
	require.Equal(t, []string{"", "bytes=100000-"}, slow.asked())
}

// A server that falls silent is given up.
func TestDownloadStalls(t *testing.T) {
	silent := newMirror(t, func(w http.ResponseWriter, r *http.Request, _ int) {
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	d := downloader{
		client:  &http.Client{Transport: &http.Transport{DisableKeepAlives: true}},
		mirrors: []string{silent.URL + "/"},
		files:   []mnistFile{wanted("f", content(10))},
		stall:   20 * time.Millisecond,
		wait:    time.Millisecond,
	}
	err := d.run(context.Background(), t.TempDir())
	require.ErrorContains(t, err, "f.gz: no data for 20ms")
	require.Len(t, silent.asked(), attempts)
}

func TestMirrorsEndWithASlash(t *testing.T) {
	for _, m := range mnistMirrors {
		require.True(t, strings.HasPrefix(m, "https://") && strings.HasSuffix(m, "/"), m)
	}
}
