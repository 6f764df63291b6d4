package main

import (
	"context"
	"fmt"
	"io"
	"slices"

	"dumbtorch/examples/models"
	"dumbtorch/graph"
	"dumbtorch/nn/data"
	"dumbtorch/runtime/session"
	"dumbtorch/runtime/tensor"
)

// A generator writes text with a model.
type generator struct {
	step       *session.Step
	characters *data.Vocabulary
	context    int

	token, position *tensor.Tensor
	temperature, k  *tensor.Tensor
	feeds           session.Feeds
	out             session.Results
	seen            []int32 // tokens that the cache holds
}

// newGenerator compiles the step that generates a token.
func newGenerator(s *session.Session, m *models.GPT, characters *data.Vocabulary, temperature float64, top int) (*generator, error) {
	g, err := graph.Build("gpt:decode", models.NewDecoder(m).Step)
	if err != nil {
		return nil, err
	}
	step, err := s.Compile(g)
	if err != nil {
		return nil, err
	}
	gen := &generator{
		step: step, characters: characters, context: m.Config.Context, token: tensor.Scalar(int32(0)), position: tensor.Scalar(int32(0)),
		temperature: tensor.Scalar(float32(temperature)), k: tensor.Scalar(int32(top)),
	}
	gen.feeds = session.Feeds{"token": gen.token, "position": gen.position, "temperature": gen.temperature, "top_k": gen.k}
	return gen, nil
}

// write writes the prompt and n characters that follow it.
func (g *generator) write(ctx context.Context, w io.Writer, prompt []int32, n int) error {
	g.seen = g.seen[:0]
	var next int32
	for _, token := range prompt {
		var err error
		if next, err = g.feed(ctx, token); err != nil {
			return err
		}
	}
	unwritten := slices.Clone(prompt)
	for range n {
		text, err := g.characters.Decode(append(unwritten, next))
		if err != nil {
			return err
		}
		if _, err := io.WriteString(w, text); err != nil {
			return err
		}
		unwritten = unwritten[:0]
		if next, err = g.feed(ctx, next); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(w)
	return err
}

// feed gives the model one more token and returns what it draws to follow it.
// When the context is full, its second half is fed anew as the first one: places
// are learned, so that what the cache holds cannot be moved.
func (g *generator) feed(ctx context.Context, token int32) (next int32, err error) {
	if len(g.seen) == g.context {
		again := append([]int32{}, g.seen[g.context-g.context/2:]...)
		g.seen = g.seen[:0]
		for _, t := range again {
			if _, err := g.one(ctx, t); err != nil {
				return 0, err
			}
		}
	}
	return g.one(ctx, token)
}

func (g *generator) one(ctx context.Context, token int32) (next int32, err error) {
	if err := g.token.Set(float64(token)); err != nil {
		return 0, err
	}
	if err := g.position.Set(float64(len(g.seen))); err != nil {
		return 0, err
	}
	if err := g.step.RunInto(ctx, g.feeds, &g.out); err != nil {
		return 0, err
	}
	g.seen = append(g.seen, token)
	v, err := g.out.Scalar("next")
	return int32(v), err
}

// close gives back what the results hold.
func (g *generator) close() { g.out.Release() }
