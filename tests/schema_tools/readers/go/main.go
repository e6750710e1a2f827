// Reads messages into the generated types, one a line, and writes each again as JSON.
package main

import (
	"bufio"
	"encoding/json"
	"log"
	"os"
)

func reader[T any](unmarshal func([]byte) (T, error), marshal func(*T) ([]byte, error)) func([]byte) ([]byte, error) {
	return func(line []byte) ([]byte, error) {
		message, err := unmarshal(line)
		if err != nil {
			return nil, err
		}
		return marshal(&message)
	}
}

func main() {
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<22)
	for lines.Scan() {
		var envelope struct {
			Type string `json:"type"`
		}
		if err := json.Unmarshal(lines.Bytes(), &envelope); err != nil {
			log.Fatal(err)
		}
		again, err := read[envelope.Type](lines.Bytes())
		if err != nil {
			log.Fatal(err)
		}
		out.Write(append(again, '\n'))
	}
}
