package main

import "dumbtorch/examples/models"

// exampleNames returns the names of the examples.
func exampleNames() []string { return models.Names() }
