package digits_test

import (
	"fmt"

	"dumbtorch/nn/data/digits"
)

func ExampleDataset() {
	train, err := digits.Dataset(1000, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(train.Len(), "digits")
	// The first one, every other row of it.
	fmt.Println("a", train.Label(0))
	img := train.Pixels().Bytes()[:digits.Side*digits.Side]
	for y := 4; y < 24; y += 2 {
		line := ""
		for x := 4; x < 24; x++ {
			line += string(" .:#"[img[y*digits.Side+x]/64])
		}
		fmt.Printf("|%s|\n", line)
	}
	// Output:
	// 1000 digits
	// a 8
	// |                    |
	// |          ..        |
	// |      ..::##:::.    |
	// |     .:#:..::##.    |
	// |     :#:.  .:#:.    |
	// |     .:#.::##:.     |
	// |   ..:::::##::.     |
	// |  .:#:.   .::#:.    |
	// | .:::     ..:#:.    |
	// |.:#::::::::##:.     |
}
