// Package tensor holds host arrays: dense, row-major blocks of memory with a [types.Type], and the files they are kept in
// (NumPy's npy and npz). It is what programs feed to a session and read back from it, and the only generic API of the module.
//
// It owns the layout of host data, the conversion and comparison of whole arrays, the npy and npz readers and writers, and
// [WriteFileAtomic]. It computes nothing else: arithmetic belongs to graphs. It imports ir/types and the standard library only.
//
// A [Tensor] is a view of memory that may be shared: [From], [Data], [Tensor.Bytes] and [Tensor.Reshape] copy nothing,
// [Tensor.Clone] and [Tensor.Convert] do. Any number of goroutines may read a tensor; writing needs the caller's own
// synchronisation.
package tensor
