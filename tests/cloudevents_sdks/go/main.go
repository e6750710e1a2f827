// Reads and makes CloudEvents with the Go SDK and its Kafka binding; see ../sdks.py for what goes in and out.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/IBM/sarama"
	kafka "github.com/cloudevents/sdk-go/protocol/kafka_sarama/v2"
	cloudevents "github.com/cloudevents/sdk-go/v2"
	"github.com/cloudevents/sdk-go/v2/binding"
)

// record is a Kafka record; bytes are base64 in JSON.
type record struct {
	Headers []header `json:"headers"`
	Value   []byte   `json:"value"`
}

type header struct {
	Name  string `json:"name"`
	Value []byte `json:"value"`
}

// summary is what the SDK read; null instead of it if the SDK saw no event.
type summary struct {
	ID     string `json:"id"`
	Source string `json:"source"`
	Type   string `json:"type"`
}

func read(line []byte) (any, error) {
	var in record
	if err := json.Unmarshal(line, &in); err != nil {
		return nil, err
	}
	message := &sarama.ConsumerMessage{Value: in.Value}
	for _, each := range in.Headers {
		message.Headers = append(message.Headers, &sarama.RecordHeader{Key: []byte(each.Name), Value: each.Value})
	}
	event, err := binding.ToEvent(context.Background(), kafka.NewMessageFromConsumerMessage(message))
	if err != nil || event.Validate() != nil {
		return nil, nil
	}
	return summary{event.ID(), event.Source(), event.Type()}, nil
}

func write(line []byte, mode func(context.Context) context.Context) (any, error) {
	var in struct {
		ID, Source, Type, Subject string
		Time                      cloudevents.Timestamp
		Data                      json.RawMessage
	}
	if err := json.Unmarshal(line, &in); err != nil {
		return nil, err
	}
	event := cloudevents.NewEvent()
	event.SetID(in.ID)
	event.SetSource(in.Source)
	event.SetType(in.Type)
	event.SetSubject(in.Subject)
	event.SetTime(in.Time.Time)
	if err := event.SetData(cloudevents.ApplicationJSON, in.Data); err != nil {
		return nil, err
	}
	message := &sarama.ProducerMessage{}
	if err := kafka.WriteProducerMessage(mode(context.Background()), binding.ToMessage(&event), message); err != nil {
		return nil, err
	}
	value, err := message.Value.Encode()
	out := record{Value: value}
	for _, each := range message.Headers {
		out.Headers = append(out.Headers, header{string(each.Key), each.Value})
	}
	return out, err
}

func run(verb string) error {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<26)
	out := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var result any
		var err error
		switch verb {
		case "read":
			result, err = read(lines.Bytes())
		case "structured":
			result, err = write(lines.Bytes(), binding.WithForceStructured)
		case "binary":
			result, err = write(lines.Bytes(), binding.WithForceBinary)
		default:
			err = fmt.Errorf("%s: not read, structured or binary", verb)
		}
		if err != nil {
			return err
		}
		if err := out.Encode(result); err != nil {
			return err
		}
	}
	return lines.Err()
}

func main() {
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}
