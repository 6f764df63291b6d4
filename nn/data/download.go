package data

import (
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Progress says how far a download is.
type Progress struct {
	// File is the name of the file being fetched.
	File string
	// Done is how many of its bytes are there; Total is how many it has, or -1
	// where the server does not say.
	Done, Total int64
}

// mnistMirrors hold the four files, each with .gz behind its name.
var mnistMirrors = []string{
	"https://ossci-datasets.s3.amazonaws.com/mnist/",
	"https://storage.googleapis.com/cvdf-datasets/mnist/",
}

// Download fetches MNIST's four files into dir, which is made if need be. A file
// that is there already and whole is kept. Each other one is fetched from the
// first mirror that has it, goes on where a broken download (of this or an
// earlier run) stopped if the server can, is written under another name, and gets
// its own name once its SHA-256 is right. progress may be nil; it is called from
// the calling goroutine.
//
// The error says what every mirror answered, or that there is no network, and
// what to do about it. Where ctx ends the download, the error is that of ctx, and
// what has arrived is kept for the next run.
func Download(ctx context.Context, dir string, progress func(Progress)) error {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.ResponseHeaderTimeout = 30 * time.Second
	defer transport.CloseIdleConnections()
	d := downloader{
		client:   &http.Client{Transport: transport},
		mirrors:  mnistMirrors,
		files:    mnistFiles[:],
		progress: progress,
		stall:    30 * time.Second,
		wait:     time.Second,
	}
	return d.run(ctx, dir)
}

// downloader is Download with what its tests replace.
type downloader struct {
	client   *http.Client
	mirrors  []string
	files    []mnistFile
	progress func(Progress)
	stall    time.Duration // without a byte, before a connection is given up
	wait     time.Duration // before a broken download goes on
}

// attempts is how often in a row a mirror may fail without getting further.
const attempts = 3

func (d *downloader) run(ctx context.Context, dir string) error {
	if d.progress == nil {
		d.progress = func(Progress) {}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("data: %w", err)
	}
	for _, f := range d.files {
		if p, err := findFile(dir, f.name); err == nil && f.verify(p) == nil {
			continue
		}
		if err := d.fetch(ctx, dir, f); err != nil {
			return err
		}
	}
	return nil
}

// fetch gets one file from the first mirror that has it.
func (d *downloader) fetch(ctx context.Context, dir string, f mnistFile) error {
	final := filepath.Join(dir, f.name+".gz")
	part := final + ".part"
	var failures []string
	offline := true
	for _, m := range d.mirrors {
		err := d.mirror(ctx, m+f.name+".gz", part, f)
		if err == nil {
			return install(part, final, filepath.Join(dir, f.name))
		}
		if ctx.Err() != nil {
			return fmt.Errorf("data: downloading %s: %w", final, ctx.Err())
		}
		var disk *fs.PathError
		if errors.As(err, &disk) {
			return fmt.Errorf("data: downloading %s: %w", final, err)
		}
		var dns *net.DNSError
		var op *net.OpError
		if !errors.As(err, &dns) && !(errors.As(err, &op) && op.Op == "dial") {
			offline = false
		}
		failures = append(failures, err.Error())
	}
	if info, err := os.Stat(part); err == nil && info.Size() == 0 {
		_ = os.Remove(part) // nothing to go on from; a later run copes with it
	}
	what := "no mirror has it"
	if offline {
		what = "no network"
	}
	var names []string
	for _, f := range mnistFiles {
		names = append(names, f.name+".gz")
	}
	return fmt.Errorf("data: cannot download %s: %s (%s); without a download, put the files %s into a folder DIR by hand and use -data DIR",
		f.name+".gz", what, strings.Join(failures, "; "), strings.Join(names, ", "))
}

// install gives a verified download its name. Whatever has that name, plain or
// packed, is not the right file, or it would have been kept; it may be dear to
// somebody, so it is moved aside.
func install(part, final, plain string) error {
	for _, p := range []string{final, plain} {
		if err := os.Rename(p, p+".wrong"); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("data: %w", err)
		}
	}
	if err := os.Rename(part, final); err != nil {
		return fmt.Errorf("data: %w", err)
	}
	if dir, err := os.Open(filepath.Dir(final)); err == nil {
		// Not every file system can sync a folder; the file's bytes are safe.
		_ = dir.Sync()
		_ = dir.Close()
	}
	return nil
}

// mirror downloads url into part until it is whole and right.
func (d *downloader) mirror(ctx context.Context, url, part string, f mnistFile) error {
	restarted := false
	fails, best := 0, int64(0)
	for {
		resumed, size, err := d.request(ctx, url, part, f)
		var refused *statusError
		var disk *fs.PathError
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil:
			err = f.verify(part)
			if err == nil {
				return nil
			}
			if rm := os.Remove(part); rm != nil {
				return rm
			}
			if !resumed || restarted {
				return fmt.Errorf("%s: %w", url, err)
			}
			// The beginning may be of another mirror's file: without it, then.
			restarted = true
			continue
		case errors.As(err, &refused), errors.As(err, &disk):
			return err
		}
		if fails++; size > best {
			fails, best = 1, size
		}
		if fails >= attempts {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(d.wait):
		}
	}
}

// statusError is an answer that asking again will not change.
type statusError struct{ url, status string }

func (e *statusError) Error() string { return e.url + ": " + e.status }

// request asks for what part lacks and appends it. resumed tells that part had a
// beginning that was kept; size is how long part is now.
func (d *downloader) request(ctx context.Context, url, part string, f mnistFile) (resumed bool, size int64, err error) {
	file, err := os.OpenFile(part, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return false, 0, err
	}
	defer func() {
		if cerr := file.Close(); err == nil {
			err = cerr
		}
	}()
	have, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return false, 0, err
	}

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watchdog := time.AfterFunc(d.stall, func() { cancel(fmt.Errorf("%s: no data for %v", url, d.stall)) })
	defer watchdog.Stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false, have, err
	}
	// Left to itself, the client would ask for compression and undo it.
	req.Header.Set("Accept-Encoding", "identity")
	if have > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", have))
	}
	res, err := d.client.Do(req)
	if err != nil {
		return false, have, cause(ctx, err)
	}
	defer res.Body.Close()

	switch {
	case res.StatusCode == http.StatusPartialContent && have > 0 &&
		strings.HasPrefix(res.Header.Get("Content-Range"), fmt.Sprintf("bytes %d-", have)):
		resumed = true
	case res.StatusCode == http.StatusRequestedRangeNotSatisfiable && have > 0:
		// Nothing is lacking, or part is no part of this file: its checksum tells.
		return true, have, nil
	case res.StatusCode == http.StatusOK:
		have = 0
		if err := file.Truncate(0); err != nil {
			return false, have, err
		}
		if _, err := file.Seek(0, io.SeekStart); err != nil {
			return false, have, err
		}
	default:
		return false, have, &statusError{url, res.Status}
	}
	total := int64(-1)
	if res.ContentLength >= 0 {
		total = have + res.ContentLength
	}
	size, err = d.copy(ctx, file, res.Body, watchdog, f, url, have, total)
	return resumed, size, err
}

// copy appends the body to file, which has bytes already, and syncs it. It
// returns how long the file is then.
func (d *downloader) copy(ctx context.Context, file *os.File, body io.Reader, watchdog *time.Timer, f mnistFile, url string, have, total int64) (int64, error) {
	// gzip never makes a file much longer: beyond that it is another file.
	limit := f.size + 1<<20
	buf := make([]byte, 64<<10)
	for {
		n, err := body.Read(buf)
		if n > 0 {
			watchdog.Reset(d.stall)
			if _, werr := file.Write(buf[:n]); werr != nil {
				return have, werr
			}
			have += int64(n)
			d.progress(Progress{f.name + ".gz", have, total})
			if have > limit {
				// Emptied, so that a later run does not go on from it.
				if terr := file.Truncate(0); terr != nil {
					return have, terr
				}
				return 0, &statusError{url, fmt.Sprintf("longer than %d bytes, it is another file", limit)}
			}
		}
		if err == io.EOF {
			return have, file.Sync()
		}
		if err != nil {
			return have, fmt.Errorf("%s: after %d bytes: %w", url, have, cause(ctx, err))
		}
	}
}

// cause returns why ctx was cancelled, if it was by us, and else err.
func cause(ctx context.Context, err error) error {
	if c := context.Cause(ctx); c != nil && !errors.Is(c, context.Canceled) {
		return c
	}
	return err
}

// verify returns an error unless the file at path, plain or gzip-compressed, has
// the content that the checksum is of.
func (f mnistFile) verify(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	var magic [2]byte
	n, _ := io.ReadFull(file, magic[:])
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	var r io.Reader = file
	if n == 2 && magic == [2]byte{0x1f, 0x8b} {
		z, err := gzip.NewReader(file)
		if err != nil {
			return fmt.Errorf("gzip header: %w", truncated(err))
		}
		defer z.Close()
		r = z
	}
	h := sha256.New()
	size, err := io.Copy(h, io.LimitReader(r, f.size+1))
	switch {
	case err != nil:
		return fmt.Errorf("corrupt: after %d unpacked bytes: %w", size, truncated(err))
	case size > f.size:
		return fmt.Errorf("wrong length: more than %d unpacked bytes", f.size)
	case size < f.size:
		return fmt.Errorf("wrong length: %d unpacked bytes instead of %d", size, f.size)
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != f.sha256 {
		return fmt.Errorf("wrong checksum: SHA-256 %s instead of %s", got, f.sha256)
	}
	return nil
}
