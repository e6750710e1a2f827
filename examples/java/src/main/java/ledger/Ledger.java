package ledger;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.math.BigDecimal;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import ledger.PostingTable.Posting;
import org.apache.kafka.common.TopicPartition;

/** A ledger in SQLite. Postings and the positions up to which topics were read are written in one transaction. */
final class Ledger implements AutoCloseable {
    private static final List<String> SCHEMA = List.of(
            """
            CREATE TABLE IF NOT EXISTS decisions (
              decision_key TEXT PRIMARY KEY NOT NULL, kind TEXT NOT NULL, subject_of TEXT NOT NULL,
              case_id TEXT NOT NULL, partner_id TEXT, revision INTEGER NOT NULL, decision_id TEXT NOT NULL,
              status TEXT NOT NULL, outcome TEXT NOT NULL, review INTEGER NOT NULL
            ) STRICT
            """,
            """
            CREATE TABLE IF NOT EXISTS entries (
              entry_id INTEGER PRIMARY KEY, decision_key TEXT NOT NULL, decision_id TEXT NOT NULL,
              account TEXT NOT NULL, holder TEXT NOT NULL, unit TEXT NOT NULL, amount INTEGER NOT NULL
            ) STRICT
            """,
            "CREATE INDEX IF NOT EXISTS entries_of_decision ON entries (decision_key)",
            """
            CREATE TABLE IF NOT EXISTS positions (
              topic TEXT, partition INTEGER, next INTEGER NOT NULL, PRIMARY KEY (topic, partition)
            ) STRICT
            """);

    /** The contents of the ledger: the last revision of every decision, the balances, what a person must look at. */
    record Contents(List<Decision> decisions, List<Entry> balances, List<String> review) {}

    record Decision(
            String decisionKey,
            String kind,
            String subjectOf,
            String caseId,
            String partnerId,
            long revision,
            String decisionId,
            String status,
            String outcome,
            List<Entry> lines) {}

    record Entry(String account, String holder, String unit, String amount) {}

    private record Book(String account, String holder, String unit) {}

    private final Connection connection;

    Ledger(String file) throws SQLException {
        connection = DriverManager.getConnection("jdbc:sqlite:" + file + "?busy_timeout=10000");
        for (String statement : SCHEMA) {
            run(statement);
        }
        connection.setAutoCommit(false);
    }

    /** Applies the values of a partition's records in their order and stores the next offset: all of it, or nothing. */
    void apply(List<byte[]> values, PostingTable table, TopicPartition of, long next) throws SQLException, IOException {
        try {
            for (byte[] value : values) {
                applyDecision(Json.MAPPER.readTree(value).get("data"), table);
            }
            run("INSERT OR REPLACE INTO positions VALUES (?, ?, ?)", of.topic(), of.partition(), next);
            connection.commit();
        } finally {
            connection.rollback(); // does nothing after the commit
        }
    }

    /** The offsets to read next, of the partitions of which anything was read. */
    Map<TopicPartition, Long> positions() throws SQLException {
        Map<TopicPartition, Long> found = new HashMap<>();
        for (List<Object> row : query("SELECT topic, partition, next FROM positions")) {
            found.put(new TopicPartition((String) row.get(0), Math.toIntExact(number(row.get(1)))), number(row.get(2)));
        }
        return found;
    }

    Contents contents() throws SQLException {
        List<Decision> decisions = new ArrayList<>();
        List<String> review = new ArrayList<>();
        for (List<Object> row : query("SELECT * FROM decisions ORDER BY decision_key")) {
            String key = (String) row.get(0);
            decisions.add(new Decision(
                    key,
                    (String) row.get(1),
                    (String) row.get(2),
                    (String) row.get(3),
                    (String) row.get(4),
                    number(row.get(5)),
                    (String) row.get(6),
                    (String) row.get(7),
                    (String) row.get(8),
                    entries(sums("WHERE decision_key = ?", key))));
            if (number(row.get(9)) != 0) {
                review.add(key);
            }
        }
        return new Contents(decisions, entries(sums("")), review);
    }

    @Override
    public void close() throws SQLException {
        connection.close();
    }

    /** Posts the difference between what must be on the books for a decision and what is; not for old revisions. */
    private void applyDecision(JsonNode decision, PostingTable table) throws SQLException {
        String key = decision.get("decision_key").asText();
        long revision = decision.get("revision").asLong();
        List<List<Object>> stored = query("SELECT revision FROM decisions WHERE decision_key = ?", key);
        if (!stored.isEmpty() && revision <= number(stored.get(0).get(0))) {
            return;
        }
        String decisionId = decision.get("decision_id").asText();
        Optional<List<Posting>> target = table.postings(decision);
        Map<Book, Long> missing = new HashMap<>();
        for (Posting each : target.orElse(List.of())) {
            missing.merge(new Book(each.account(), each.holder(), each.unit()), each.amount(), Long::sum);
        }
        for (Posting each : sums("WHERE decision_key = ?", key)) {
            missing.merge(new Book(each.account(), each.holder(), each.unit()), -each.amount(), Long::sum);
        }
        for (var each : missing.entrySet()) {
            if (each.getValue() != 0) {
                run(
                        "INSERT INTO entries (decision_key, decision_id, account, holder, unit, amount)"
                                + " VALUES (?, ?, ?, ?, ?, ?)",
                        key,
                        decisionId,
                        each.getKey().account(),
                        each.getKey().holder(),
                        each.getKey().unit(),
                        each.getValue());
            }
        }
        run(
                "INSERT OR REPLACE INTO decisions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                key,
                decision.get("kind").asText(),
                decision.get("subject_of").asText(),
                decision.get("case_id").asText(),
                decision.path("partner_id").textValue(),
                revision,
                decisionId,
                decision.get("status").asText(),
                decision.get("outcome").asText(),
                target.isPresent() ? 0 : 1);
    }

    private List<Posting> sums(String where, Object... parameters) throws SQLException {
        List<Posting> found = new ArrayList<>();
        String sql = "SELECT account, holder, unit, sum(amount) FROM entries " + where
                + " GROUP BY account, holder, unit HAVING sum(amount) <> 0 ORDER BY account, holder, unit";
        for (List<Object> row : query(sql, parameters)) {
            found.add(new Posting((String) row.get(0), (String) row.get(1), (String) row.get(2), number(row.get(3))));
        }
        return found;
    }

    private static List<Entry> entries(List<Posting> postings) {
        return postings.stream()
                .map(each -> new Entry(
                        each.account(),
                        each.holder(),
                        each.unit(),
                        BigDecimal.valueOf(each.amount(), 4).toPlainString()))
                .toList();
    }

    private static long number(Object column) {
        return ((Number) column).longValue();
    }

    private void run(String sql, Object... parameters) throws SQLException {
        try (PreparedStatement statement = prepared(sql, parameters)) {
            statement.executeUpdate();
        }
    }

    private List<List<Object>> query(String sql, Object... parameters) throws SQLException {
        List<List<Object>> rows = new ArrayList<>();
        try (PreparedStatement statement = prepared(sql, parameters);
                ResultSet result = statement.executeQuery()) {
            while (result.next()) {
                List<Object> row = new ArrayList<>();
                for (int column = 1; column <= result.getMetaData().getColumnCount(); column++) {
                    row.add(result.getObject(column));
                }
                rows.add(row);
            }
        }
        return rows;
    }

    private PreparedStatement prepared(String sql, Object... parameters) throws SQLException {
        PreparedStatement statement = connection.prepareStatement(sql);
        for (int index = 0; index < parameters.length; index++) {
            statement.setObject(index + 1, parameters[index]);
        }
        return statement;
    }
}
