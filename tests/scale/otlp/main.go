// A real OpenTelemetry receiver: the collector's own, that tells what it was sent.
//
//	go run . ADDRESS      e.g. 127.0.0.1:4318
//
// Prints "ready", then for each request the spans in it, a line of JSON each.
package main

import (
	"context"
	"encoding/json"
	"os"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/receiver/otlpreceiver"
	"go.opentelemetry.io/collector/receiver/receivertest"
)


func tell(_ context.Context, traces ptrace.Traces) error {
	out := json.NewEncoder(os.Stdout)
	for i := 0; i < traces.ResourceSpans().Len(); i++ {
		resource := traces.ResourceSpans().At(i)
		for j := 0; j < resource.ScopeSpans().Len(); j++ {
			spans := resource.ScopeSpans().At(j).Spans()
			for k := 0; k < spans.Len(); k++ {
				span := spans.At(k)
				out.Encode(map[string]any{
					"name":       span.Name(),
					"trace":      span.TraceID().String(),
					"span":       span.SpanID().String(),
					"parent":     span.ParentSpanID().String(),
					"kind":       span.Kind().String(),
					"status":     span.Status().Code().String(),
					"start_ns":   span.StartTimestamp().AsTime().UnixNano(),
					"end_ns":     span.EndTimestamp().AsTime().UnixNano(),
					"attributes": span.Attributes().AsRaw(),
					"events":     span.Events().Len(),
					"resource":   resource.Resource().Attributes().AsRaw(),
				})
			}
		}
	}
	return nil
}

func main() {
	ctx := context.Background()
	factory := otlpreceiver.NewFactory()
	config := factory.CreateDefaultConfig()
	given := confmap.NewFromStringMap(map[string]any{
		"protocols": map[string]any{"http": map[string]any{"endpoint": os.Args[1]}},
	})
	if err := given.Unmarshal(config); err != nil {
		panic(err)
	}
	next, _ := consumer.NewTraces(tell)
	settings := receivertest.NewNopSettings(factory.Type())
	traces, err := factory.CreateTraces(ctx, settings, config, next)
	if err != nil {
		panic(err)
	}
	if err := traces.Start(ctx, componenttest.NewNopHost()); err != nil {
		panic(err)
	}
	var _ component.Component = traces
	os.Stdout.WriteString("\"ready\"\n")
	buffer := make([]byte, 1)
	os.Stdin.Read(buffer) // until whoever started us lets go
	traces.Shutdown(ctx)
}
