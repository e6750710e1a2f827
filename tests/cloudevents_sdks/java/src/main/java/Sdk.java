import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.cloudevents.CloudEvent;
import io.cloudevents.core.builder.CloudEventBuilder;
import io.cloudevents.core.message.Encoding;
import io.cloudevents.kafka.CloudEventDeserializer;
import io.cloudevents.kafka.CloudEventSerializer;
import io.cloudevents.jackson.JsonFormat;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.OffsetDateTime;
import java.util.Map;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeaders;

/** Reads and makes CloudEvents with the Java SDK and its Kafka binding; see ../sdks.py for what goes in and out. */
public final class Sdk {
    private static final ObjectMapper JSON = new ObjectMapper();

    public static void main(String[] arguments) throws IOException {
        var in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        var out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            JsonNode given = JSON.readTree(line);
            out.println(
                    switch (arguments[0]) {
                        case "read" -> read(given);
                        case "structured" -> write(given, Encoding.STRUCTURED);
                        case "binary" -> write(given, Encoding.BINARY);
                        default -> throw new IllegalArgumentException(arguments[0]);
                    });
        }
        out.flush();
    }

    /** What the SDK read; null if it saw no event. */
    private static JsonNode read(JsonNode record) throws IOException {
        Headers headers = new RecordHeaders();
        for (JsonNode header : record.get("headers")) {
            headers.add(header.get("name").asText(), header.get("value").binaryValue());
        }
        CloudEvent event;
        try (var deserializer = new CloudEventDeserializer()) {
            event = deserializer.deserialize("topic", headers, record.get("value").binaryValue());
        } catch (RuntimeException refused) {
            return JSON.nullNode();
        }
        return JSON.createObjectNode()
                .put("id", event.getId())
                .put("source", event.getSource().toString())
                .put("type", event.getType());
    }

    private static JsonNode write(JsonNode given, Encoding mode) throws IOException {
        CloudEvent event = CloudEventBuilder.v1()
                .withId(given.get("id").asText())
                .withSource(URI.create(given.get("source").asText()))
                .withType(given.get("type").asText())
                .withSubject(given.get("subject").asText())
                .withTime(OffsetDateTime.parse(given.get("time").asText()))
                .withData("application/json", JSON.writeValueAsBytes(given.get("data")))
                .build();
        Headers headers = new RecordHeaders();
        ObjectNode record = JSON.createObjectNode();
        try (var serializer = new CloudEventSerializer()) {
            serializer.configure(settings(mode), false);
            record.put("value", serializer.serialize("topic", headers, event));
        }
        for (Header header : headers) {
            record.withArray("/headers").addObject().put("name", header.key()).put("value", header.value());
        }
        return record;
    }

    private static Map<String, Object> settings(Encoding mode) {
        return mode == Encoding.BINARY
                ? Map.of(CloudEventSerializer.ENCODING_CONFIG, mode)
                : Map.of(
                        CloudEventSerializer.ENCODING_CONFIG, mode,
                        CloudEventSerializer.EVENT_FORMAT_CONFIG, JsonFormat.CONTENT_TYPE);
    }
}
