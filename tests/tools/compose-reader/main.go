// compose-reader FILE: what a compose file says, as JSON, or why it is none.
//
// The reader is that of `docker compose config` (compose-go), without the rest of docker compose, which takes
// minutes to build.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/compose-spec/compose-go/v2/cli"
)

func main() {
	json, err := read(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(string(json))
}

func read(files []string) ([]byte, error) {
	if len(files) != 1 {
		return nil, errors.New("usage: compose-reader FILE")
	}
	options, err := cli.NewProjectOptions(files, cli.WithOsEnv, cli.WithDotEnv)
	if err != nil {
		return nil, err
	}
	project, err := options.LoadProject(context.Background())
	if err != nil {
		return nil, err
	}
	return project.MarshalJSON()
}
