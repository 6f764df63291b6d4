package backendtest

import "testing"

func testRandom(t *testing.T, s *suite) {}
