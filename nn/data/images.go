package data

import (
	"fmt"
	"slices"

	"dumbtorch/ir/types"
	"dumbtorch/runtime/tensor"
)

// Images is a [Dataset] of 8-bit images and their class labels, with the fields
// "image", f32, and "label", i32[]. The pixels stay bytes in memory; a pixel p
// is read as (p/255 - mean) / std, mean 0 and std 1 unless [Images.Normalize]
// says otherwise.
type Images struct {
	pixels *tensor.Tensor
	raw    []byte
	labels []int32
	size   int // pixels of an image
	scale  [256]float32
	fields []Field
}

// NewImages returns the data set of pixels, u8[n, ...], and labels, u8[n] or
// i32[n], that must lie from 0 to classes-1. The pixels are not copied.
func NewImages(pixels, labels *tensor.Tensor, classes int) (*Images, error) {
	if pixels == nil || labels == nil {
		return nil, fmt.Errorf("data: images and labels are both needed")
	}
	sh := pixels.Shape()
	if pixels.DType() != types.U8 || len(sh) < 2 {
		return nil, fmt.Errorf("data: images are %s, not u8[n,height,width]", pixels.Type())
	}
	if len(labels.Shape()) != 1 {
		return nil, fmt.Errorf("data: labels are %s, not u8[n] or i32[n]", labels.Type())
	}
	if n := labels.Shape()[0]; n != sh[0] {
		return nil, fmt.Errorf("data: there are %d images and %d labels", sh[0], n)
	}
	d := &Images{pixels: pixels, raw: pixels.Bytes(), labels: make([]int32, sh[0])}
	switch labels.DType() {
	case types.U8:
		for i, l := range labels.Bytes() {
			d.labels[i] = int32(l)
		}
	case types.I32:
		ls, err := tensor.Data[int32](labels)
		if err != nil {
			return nil, fmt.Errorf("data: labels: %w", err)
		}
		copy(d.labels, ls)
	default:
		return nil, fmt.Errorf("data: labels are %s, not u8[n] or i32[n]", labels.Type())
	}
	for i, l := range d.labels {
		if l < 0 || int(l) >= classes {
			return nil, fmt.Errorf("data: label %d is %d, outside 0 to %d", i, l, classes-1)
		}
	}
	d.size = sh[1:].Size()
	d.fields = []Field{
		{"image", types.Of(types.F32, sh[1:]...)},
		{"label", types.Of(types.I32)},
	}
	d.setScale(0, 1)
	return d, nil
}

func (d *Images) setScale(mean, std float32) {
	for p := range d.scale {
		d.scale[p] = (float32(p)/255 - mean) / std
	}
}

// Normalize returns the same images read with a mean and a standard deviation,
// both of pixels from 0 to 1. The error is that of a std that is not positive.
func (d *Images) Normalize(mean, std float32) (*Images, error) {
	if !(std > 0) || mean-mean != 0 || std-std != 0 {
		return nil, fmt.Errorf("data: cannot normalise by mean %v and standard deviation %v: both must be finite, the second positive", mean, std)
	}
	e := *d
	e.setScale(mean, std)
	return &e, nil
}

// Reshape returns the same images as samples of another shape with as many
// pixels: [784] for a linear layer, [1,28,28] for a convolution.
func (d *Images) Reshape(dims ...int) (*Images, error) {
	sh := types.Shape(dims)
	if err := sh.Check(); err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	if sh.Size() != d.size {
		return nil, fmt.Errorf("data: images of %d pixels do not have the shape %s", d.size, sh)
	}
	e := *d
	e.fields = slices.Clone(d.fields)
	e.fields[0].Type = types.Of(types.F32, dims...)
	return &e, nil
}

// Len returns the number of images.
func (d *Images) Len() int { return len(d.labels) }

// Fields returns the fields "image" and "label".
func (d *Images) Fields() []Field { return d.fields }

// Pixels returns the images as they were given, u8[n, ...].
func (d *Images) Pixels() *tensor.Tensor { return d.pixels }

// Label returns the class of image i, which must exist.
func (d *Images) Label(i int) int { return int(d.labels[i]) }

// Read writes image i and its label.
func (d *Images) Read(i int, dst []*tensor.Tensor, row int) error {
	image, err := tensor.Data[float32](dst[0])
	if err != nil {
		return err
	}
	label, err := tensor.Data[int32](dst[1])
	if err != nil {
		return err
	}
	out := image[row*d.size : (row+1)*d.size]
	for k, p := range d.raw[i*d.size : (i+1)*d.size] {
		out[k] = d.scale[p]
	}
	label[row] = d.labels[i]
	return nil
}
