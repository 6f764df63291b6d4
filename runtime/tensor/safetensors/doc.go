// Package safetensors reads and writes the safetensors format of Hugging Face (github.com/huggingface/safetensors, README,
// "Format"): the length of a header, the header in JSON, and the bytes of the arrays one after another, little-endian and
// row-major. A state_dict that Python's safetensors.torch.save_file wrote is read as it is, and what is written here opens in
// Python.
//
// It owns the header and the element types of the format, of which there are more than those of ir/types. Files are mapped
// into memory where the system can: opening one reads its header only. Nothing that a header claims is allocated before it is
// held against the size of the file.
//
// It imports ir/types, runtime/tensor and the standard library only.
package safetensors
