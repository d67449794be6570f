package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v2"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// plainInterval is how often a line is printed where there is no terminal.
const plainInterval = 30 * time.Second

// progress shows how far a long command is, on stderr: a bar on a terminal,
// else a line now and then. Its methods may be called from any goroutine.
type progress struct {
	p     *program
	label string
	quiet bool
	own   bool // bars are not shared with other captures

	done, total atomic.Int64

	mu   sync.Mutex // guards what follows
	bars *mpb.Progress
	bar  *mpb.Bar
	step string
	last time.Time
}

func (p *program) progress(c *cli.Context, label string) *progress {
	g := &progress{p: p, label: oneLine(label), quiet: c.Bool("quiet"), last: time.Now()}
	if onTerminal(p.stderr) && !g.quiet {
		if g.bars = p.bars; g.bars == nil {
			g.bars, g.own = mpb.New(mpb.WithOutput(os.Stderr), mpb.WithAutoRefresh()), true
		}
	}
	return g
}

// Expect tells how many bytes there are.
func (g *progress) Expect(bytes int64) {
	g.total.Store(bytes)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.bars == nil {
		return
	}
	if g.bar == nil {
		g.bar = g.bars.AddBar(bytes,
			mpb.PrependDecorators(decor.Name(g.label+" ")),
			mpb.AppendDecorators(decor.CountersKibiByte("% .1f / % .1f"), decor.Name(" "), decor.AverageSpeed(decor.SizeB1024(0), "% .0f"), decor.Name(" "), decor.AverageETA(decor.ET_STYLE_GO)),
			mpb.BarRemoveOnComplete())
	}
	g.bar.SetTotal(bytes, false)
}

// Add tells that so many more bytes are done.
func (g *progress) Add(bytes int64) {
	done := g.done.Add(bytes)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.bar != nil {
		g.bar.IncrInt64(bytes)
		return
	}
	if total := g.total.Load(); !g.quiet && g.bars == nil && total > 0 && time.Since(g.last) >= plainInterval {
		g.last = time.Now()
		fmt.Fprintf(g.p.stderr, "%s: %s of %s (%d%%)\n", g.label, humanize.IBytes(uint64(done)), humanize.IBytes(uint64(total)), done*100/total)
	}
}

// Say tells what is being done now.
func (g *progress) Say(step string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.quiet || step == g.step {
		return
	}
	g.step = step
	line := g.label + ": " + step + "\n"
	if g.bars != nil {
		_, _ = g.bars.Write([]byte(line)) // above the bar
		return
	}
	fmt.Fprint(g.p.stderr, line)
}

// End takes the bar away.
func (g *progress) End() {
	g.mu.Lock()
	bar, bars := g.bar, g.bars
	if !g.own {
		bars = nil
	}
	g.mu.Unlock()
	if bar != nil {
		bar.Abort(true)
	}
	if bars != nil {
		bars.Wait()
	}
}

// onTerminal tells whether what is written goes to a person's screen.
func onTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
