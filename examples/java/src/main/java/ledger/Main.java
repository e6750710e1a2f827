package ledger;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.File;
import java.io.IOException;
import java.io.PrintStream;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.PartitionInfo;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.WakeupException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** The command line of the ledger; README.md shows how to use it. */
public final class Main {
    private static final String USAGE =
            """
            usage: kit FOLDER
                   follow [--brokers HOST:PORT,…] [--prefix P] [--topics T,…] [--table FILE] [--ledger FILE]
                   print [--ledger FILE]""";
    private static final Map<String, String> DEFAULTS = Map.of(
            "--brokers", "127.0.0.1:9092",
            "--prefix", "",
            "--topics", "decisions.tagging,decisions.paf,decisions.rating-reversal,decisions.refund",
            "--table", "posting_table.json",
            "--ledger", "ledger.db");

    public static void main(String[] arguments) {
        try {
            List<String> given = List.of(arguments);
            String command = given.isEmpty() ? "" : given.get(0);
            switch (command) {
                case "kit" -> {
                    require(given.size() == 2);
                    print(kit(new File(given.get(1))));
                }
                case "follow" -> follow(options(given));
                case "print" -> {
                    try (Ledger ledger = new Ledger(options(given).get("--ledger"))) {
                        print(ledger.contents());
                    }
                }
                default -> require(false);
            }
        } catch (IllegalArgumentException | IOException unusable) {
            fail(unusable, 2);
        } catch (KafkaException | IllegalStateException | SQLException failure) {
            fail(failure, 1);
        }
    }

    /** Returns, by name, the ledgers that the recorded streams of the test kit lead to. */
    private static Map<String, Ledger.Contents> kit(File folder) throws IOException, SQLException {
        JsonNode kit = Json.MAPPER.readTree(new File(folder, "kit.json"));
        PostingTable table = table(new File(folder, kit.get("posting_table").asText()));
        Map<String, Ledger.Contents> ledgers = new LinkedHashMap<>();
        for (JsonNode stream : kit.get("streams")) {
            List<String> topics = new ArrayList<>();
            stream.get("topics").forEach(topic -> topics.add(topic.asText()));
            File records = new File(folder, stream.get("records").asText());
            ledgers.put(stream.get("name").asText(), recorded(records, topics, table));
        }
        return ledgers;
    }

    private static Ledger.Contents recorded(File records, List<String> topics, PostingTable table)
            throws IOException, SQLException {
        try (Ledger ledger = new Ledger(":memory:");
                var lines = Json.MAPPER.readerFor(ObjectNode.class).<ObjectNode>readValues(records)) {
            while (lines.hasNext()) {
                JsonNode record = lines.next();
                String topic = record.get("topic").asText();
                JsonNode value = record.get("value");
                if (topics.contains(topic) && !value.isNull()) {
                    var of = new TopicPartition(topic, record.get("partition").asInt());
                    ledger.apply(List.of(value.asText().getBytes(UTF_8)), table, of, record.get("offset").asLong() + 1);
                }
            }
            return ledger.contents();
        }
    }

    /** Follows the topics from the stored positions on, until the process is told to stop. */
    private static void follow(Map<String, String> options) throws IOException, SQLException {
        PostingTable table = table(new File(options.get("--table")));
        var closed = new CountDownLatch(1);
        Map<String, Object> settings = Map.of(
                ConsumerConfig.BOOTSTRAP_SERVERS_CONFIG, options.get("--brokers"),
                ConsumerConfig.ISOLATION_LEVEL_CONFIG, "read_committed",
                ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest",
                ConsumerConfig.ENABLE_AUTO_COMMIT_CONFIG, false,
                ConsumerConfig.KEY_DESERIALIZER_CLASS_CONFIG, ByteArrayDeserializer.class,
                ConsumerConfig.VALUE_DESERIALIZER_CLASS_CONFIG, ByteArrayDeserializer.class);
        try (Ledger ledger = new Ledger(options.get("--ledger"));
                var consumer = new KafkaConsumer<byte[], byte[]>(settings)) {
            stopOnSignal(consumer, closed);
            Map<TopicPartition, Long> positions = ledger.positions();
            List<TopicPartition> partitions = partitions(consumer, options);
            consumer.assign(partitions);
            for (TopicPartition partition : partitions) {
                if (positions.containsKey(partition)) {
                    consumer.seek(partition, positions.get(partition));
                }
            }
            while (true) {
                ConsumerRecords<byte[], byte[]> polled = consumer.poll(Duration.ofSeconds(1));
                for (TopicPartition partition : polled.partitions()) {
                    List<byte[]> values = polled.records(partition).stream()
                            .map(ConsumerRecord::value)
                            .filter(Objects::nonNull)
                            .toList();
                    apply(ledger, values, table, partition, consumer.position(partition));
                }
            }
        } catch (WakeupException stop) {
            return;
        } finally {
            closed.countDown();
        }
    }

    private static void apply(Ledger ledger, List<byte[]> values, PostingTable table, TopicPartition of, long next)
            throws SQLException {
        try {
            ledger.apply(values, table, of, next);
        } catch (IOException | RuntimeException unusable) {
            throw new IllegalStateException(of + " before offset " + next + ": " + unusable.getMessage(), unusable);
        }
    }

    private static List<TopicPartition> partitions(KafkaConsumer<?, ?> consumer, Map<String, String> options) {
        List<TopicPartition> found = new ArrayList<>();
        for (String topic : options.get("--topics").split(",")) {
            String name = options.get("--prefix") + topic;
            List<PartitionInfo> partitions = consumer.partitionsFor(name);
            if (partitions == null || partitions.isEmpty()) {
                throw new KafkaException(name + ": no such topic");
            }
            partitions.forEach(each -> found.add(new TopicPartition(name, each.partition())));
        }
        return found;
    }

    /** Has the signals that end a process wake the consumer up, and waits until the ledger is closed. */
    private static void stopOnSignal(KafkaConsumer<?, ?> consumer, CountDownLatch closed) {
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            consumer.wakeup();
            try {
                closed.await();
            } catch (InterruptedException interrupted) {
                Thread.currentThread().interrupt();
            }
        }));
    }

    private static Map<String, String> options(List<String> arguments) {
        Map<String, String> options = new HashMap<>(DEFAULTS);
        require(arguments.size() % 2 == 1);
        for (int index = 1; index < arguments.size(); index += 2) {
            require(DEFAULTS.containsKey(arguments.get(index)));
            options.put(arguments.get(index), arguments.get(index + 1));
        }
        return options;
    }

    private static PostingTable table(File file) throws IOException {
        return Json.MAPPER.readValue(file, PostingTable.class);
    }

    private static void print(Object contents) throws IOException {
        new PrintStream(System.out, true, UTF_8).println(Json.MAPPER.writeValueAsString(contents));
    }

    private static void require(boolean usable) {
        if (!usable) {
            throw new IllegalArgumentException(USAGE);
        }
    }

    private static void fail(Exception error, int status) {
        System.err.println(error.getMessage());
        System.exit(status);
    }
}
