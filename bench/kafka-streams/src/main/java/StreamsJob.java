import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.module.blackbird.BlackbirdModule;
import com.sun.management.OperatingSystemMXBean;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Locale;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/**
 * The light job in Kafka Streams: one processor, one store with its changelog, exactly once, one thread.
 *
 * <p>Arguments: brokers, events topic, decisions topic, application id, number of events, store (rocksdb or memory).
 */
public final class StreamsJob {
    /** What the job reads of an event; Jackson skips the rest. */
    @JsonIgnoreProperties(ignoreUnknown = true)
    public static final class Event {
        public String event_id, type, job_id, status;
        public long at;
        public double lat, lon;
    }

    public static final class State {
        public double[] site;
        public String status = "unknown";
        public long seen;
        public double lat, lon, dist_m = -1.0;
        public Long inside_since;
        public int pings, tickets, cancels;
    }

    public record Decision(
        String decision_id, String job_id, String rule, String verdict, long held_ms, String cause, long at, State state) {}

    static State begin(String job) {
        int number = Integer.parseInt(job.substring(4));
        State state = new State();
        state.site = new double[] {28.40 + (number % 400) * 0.001, 77.00 + (number / 400) * 0.008};
        return state;
    }

    /** Changes the state; returns the decision, or null. */
    static Decision step(State state, Event event) {
        return switch (event.type) {
            case "location.ping" -> {
                double distance = distance(event.lat, event.lon, state.site[0], state.site[1]);
                state.seen = event.at;
                state.lat = event.lat;
                state.lon = event.lon;
                state.dist_m = Math.rint(distance * 10.0) / 10.0;
                state.pings++;
                if (distance > 500.0) {
                    state.inside_since = null;
                } else if (state.inside_since == null) {
                    state.inside_since = event.at;
                }
                yield null;
            }
            case "job.lifecycle" -> {
                state.status = event.status;
                yield null;
            }
            case "ticket.raised" -> {
                state.tickets++;
                yield decide(state, event, "sop.ticket.partner-presence");
            }
            default -> {
                state.cancels++;
                state.status = "cancelled";
                yield decide(state, event, "sop.cancel.attribution");
            }
        };
    }

    static Decision decide(State state, Event event, String rule) {
        boolean stale = event.at - state.seen > 900_000 || state.dist_m < 0.0;
        String verdict = stale ? "no_evidence" : state.inside_since == null ? "off_site" : "on_site";
        long held = state.inside_since == null ? 0 : event.at - state.inside_since;
        return new Decision(
            "d-" + event.event_id, event.job_id, rule, verdict, held, event.event_id, event.at, state);
    }

    static double distance(double lat1, double lon1, double lat2, double lon2) {
        double halfLat = Math.sin(Math.toRadians(lat2 - lat1) / 2);
        double halfLon = Math.sin(Math.toRadians(lon2 - lon1) / 2);
        double cosines = Math.cos(Math.toRadians(lat1)) * Math.cos(Math.toRadians(lat2));
        return 12_742_017.6 * Math.asin(Math.sqrt(halfLat * halfLat + cosines * halfLon * halfLon));
    }

    static final class JobProcessor implements Processor<String, Event, String, Decision> {
        private final Meter meter;
        private ProcessorContext<String, Decision> context;
        private KeyValueStore<String, State> states;

        JobProcessor(Meter meter) {
            this.meter = meter;
        }

        @Override
        public void init(ProcessorContext<String, Decision> context) {
            this.context = context;
            states = context.getStateStore("jobs");
        }

        @Override
        public void process(Record<String, Event> record) {
            State state = states.get(record.key());
            if (state == null) {
                state = begin(record.key());
            }
            Decision decision = step(state, record.value());
            states.put(record.key(), state);
            if (decision != null) {
                context.forward(record.withValue(decision));
            }
            meter.add(decision != null);
        }
    }

    /** Marks a tenth, half and all of the events, each with time and CPU seconds; one stream thread calls it. */
    static final class Meter {
        final CountDownLatch done = new CountDownLatch(1);
        private final long[] at;
        private final double[][] marks = new double[3][];
        private long seen, decisions;

        Meter(long count) {
            at = new long[] {count / 10, count / 2, count};
        }

        void add(boolean decided) {
            seen++;
            decisions += decided ? 1 : 0;
            for (int i = 0; i < 3; i++) {
                if (seen == at[i]) {
                    var system = (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
                    marks[i] = new double[] {System.nanoTime() / 1e9, system.getProcessCpuTime() / 1e9};
                }
            }
            if (seen == at[2]) {
                done.countDown();
            }
        }

        void report() throws IOException {
            String peak = Files.readAllLines(Path.of("/proc/self/status")).stream()
                .filter(line -> line.startsWith("VmHWM")).findFirst().orElse("0").replaceAll("\\D", "");
            double measured = at[2] - at[0];
            System.out.printf(Locale.ROOT,
                "RESULT {\"count\":%d,\"decisions\":%d,\"rate\":%f,\"tail_rate\":%f,\"cpu_s\":%f,\"rss_mb\":%f}%n",
                seen, decisions, measured / (marks[2][0] - marks[0][0]), (at[2] - at[1]) / (marks[2][0] - marks[1][0]),
                (marks[2][1] - marks[0][1]) / measured * 1e6, Double.parseDouble(peak) / 1024);
        }
    }

    static <T> Serde<T> json(ObjectMapper mapper, Class<T> type) {
        var reader = mapper.readerFor(type);
        var writer = mapper.writerFor(type);
        return Serdes.serdeFrom(
            (topic, value) -> {
                try {
                    return value == null ? null : writer.writeValueAsBytes(value);
                } catch (IOException error) {
                    throw new UncheckedIOException(error);
                }
            },
            (topic, bytes) -> {
                try {
                    return bytes == null ? null : reader.readValue(bytes);
                } catch (IOException error) {
                    throw new UncheckedIOException(error);
                }
            });
    }

    public static void main(String[] arguments) throws Exception {
        ObjectMapper mapper = new ObjectMapper().registerModule(new BlackbirdModule());
        Meter meter = new Meter(Long.parseLong(arguments[4]));
        var text = Serdes.String();
        var store = switch (arguments[5]) {
            case "rocksdb" -> Stores.persistentKeyValueStore("jobs");
            case "memory" -> Stores.inMemoryKeyValueStore("jobs");
            default -> throw new IllegalArgumentException("no such store: " + arguments[5]);
        };
        Topology topology = new Topology()
            .addSource("events", text.deserializer(), json(mapper, Event.class).deserializer(), arguments[1])
            .addProcessor("job", () -> new JobProcessor(meter), "events")
            .addStateStore(Stores.keyValueStoreBuilder(store, text, json(mapper, State.class)), "job")
            .addSink("decisions", arguments[2], text.serializer(), json(mapper, Decision.class).serializer(), "job");
        Properties settings = new Properties();
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, arguments[0]);
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, arguments[3]);
        settings.put(StreamsConfig.STATE_DIR_CONFIG, Files.createTempDirectory("bench-kafka-streams-").toString());
        settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        settings.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
        KafkaStreams streams = new KafkaStreams(topology, settings);
        streams.start();
        meter.done.await();
        streams.close(Duration.ofSeconds(30)); // commits
        meter.report();
        System.exit(0);
    }
}
